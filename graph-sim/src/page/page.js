// The phone's screen. Everything is inserted as text, never as markup.

const PERIOD_MS = 1000;
const byId = (id) => document.getElementById(id);
const list = byId("messages");
const phones = byId("phone");
const shown = new Map();

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function setState(node, state) {
  if (node.textContent === state) return;
  node.textContent = state;
  node.classList.toggle("bad", /^(failed|REJECTED|PAUSED|DISABLED)/.test(state));
}

function button(label, action) {
  const node = element("button", "", label);
  node.type = "button";
  node.addEventListener("click", action);
  return node;
}

// Posts a control call and shows its result in one line.
async function control(label, path, body) {
  const response = await fetch(`/control/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const failure = response.ok ? undefined : await response.json().catch(() => ({ error: response.statusText }));
  byId("status").textContent = response.ok ? `${label}: done` : `${label}: ${failure.error}`;
  await refresh();
}

const receipt = (id, status, code) => ({ receipts: [{ id, status, ...(code && { code }) }] });

function actions(message) {
  const row = element("div", "actions");
  if (message.channel !== "whatsapp") return row;
  const { id, to: from } = message;
  row.append(
    button("Deliver", () => control("Deliver", "receipts", receipt(id, "delivered"))),
    button("Fail", () => control("Fail", "receipts", receipt(id, "failed", 131026))),
    button("Read", () => control("Read", "receipts", receipt(id, "read"))),
    button("I didn't request a code", () => control("Report", "inbound", { from, kind: "didNotRequestCode", id })),
    button("Write STOP", () => control("STOP", "inbound", { from, kind: "stop" })),
  );
  return row;
}

function draw(message) {
  const item = element("li");
  const time = new Date(message.atMs).toLocaleTimeString();
  const provider = [message.channel, message.language].filter(Boolean).join(", ");
  const state = element("span", "state");
  const meta = element("p", "meta", `${message.to} · ${time} · ${provider} · `);
  meta.append(state);
  item.append(meta, element("p", "code", message.code), element("p", "", message.text), actions(message));
  return { item, state };
}

function show(messages) {
  const known = new Set(messages.map((message) => message.id));
  for (const [id, { item }] of shown) if (!known.has(id)) { item.remove(); shown.delete(id); }
  for (const message of messages) {
    if (!shown.has(message.id)) {
      const drawn = draw(message);
      shown.set(message.id, drawn);
      list.prepend(drawn.item);
    }
    const { item, state } = shown.get(message.id);
    const text = message.failure ? `${message.delivery} (${message.failure})` : message.delivery;
    setState(state, text);
    item.hidden = phones.value !== "" && phones.value !== message.to;
  }
  byId("empty").hidden = messages.length > 0;
}

function offerPhones(messages) {
  const offered = new Set([...phones.options].map((option) => option.value));
  for (const { to } of messages) if (!offered.has(to)) { offered.add(to); phones.append(new Option(to, to)); }
}

function showTemplates(templates) {
  const text = JSON.stringify(templates);
  const place = byId("templates");
  // Redrawn only if something changed: a button must not disappear while somebody presses it.
  if (place.dataset.shown === text) return;
  place.dataset.shown = text;
  place.replaceChildren(...templates.map(drawTemplate));
}

function drawTemplate({ name, language, status }) {
  const item = element("li");
  const title = element("p", "", `${name} · ${language} · `);
  const state = element("span", "state");
  setState(state, status);
  title.append(state);
  const review = (label, kind) => button(label, () => control(`${label} ${name}`, "template", { name, language, review: { kind } }));
  const row = element("div", "actions");
  row.append(review("Approve", "approve"), review("Pause", "pause"), review("Disable", "disable"));
  item.append(title, row);
  return item;
}

async function refresh() {
  const [messages, templates] = await Promise.all(["/messages", "/control/templates"].map(async (path) => (await fetch(path)).json()));
  offerPhones(messages);
  show(messages);
  showTemplates(templates);
}

async function watch() {
  try {
    await refresh();
  } catch {
    byId("status").textContent = "The stand-in does not answer.";
  }
  setTimeout(watch, PERIOD_MS);
}

phones.addEventListener("change", () => refresh().catch(() => {}));
watch();
