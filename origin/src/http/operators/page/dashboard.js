// The dashboard follows by itself: every two seconds it asks for the sections as they would be shown now, and puts in those that have changed.
// Forms are sent without leaving the page. Without this script the page shows the same figures, and its forms work the same.
"use strict";
(() => {
  const PATH = "/admin/sms/otp";
  const EVERY_MS = 2000;
  const GIVE_UP_MS = 5000;
  const PLOTS = [
    {
      title: "Sent, delivered and verified a minute",
      lines: [
        { of: "sent", name: "sent", style: "" },
        { of: "delivered", name: "delivered", style: "dashed" },
        { of: "verified", name: "verified", style: "dotted" },
      ],
    },
    {
      title: "Refused a minute",
      lines: [
        { of: "limited", name: "limited at the origin", style: "" },
        { of: "edgeRefused", name: "refused at the edge", style: "dashed" },
      ],
    },
  ];

  const shown = new Map(); // what each section was last given
  const revealed = new Map(); // full numbers that were asked for
  let headline = null;
  let timer = 0;
  let ended = false;

  const byId = (id) => document.getElementById(id);

  function say(text) {
    byId("announcement").textContent = text;
  }

  // Parsed as a document of its own: nothing in it runs.
  function parsed(html) {
    const parts = new DOMParser().parseFromString(html, "text/html").body;
    const fragment = document.createDocumentFragment();
    fragment.append(...parts.childNodes);
    return fragment;
  }

  function reveal(root) {
    for (const place of root.querySelectorAll("[data-reference]")) {
      const full = revealed.get(place.dataset.reference);
      if (full) place.textContent = full;
    }
  }

  function put(id, html) {
    const section = document.querySelector(`[data-live="${id}"]`);
    if (!section || shown.get(id) === html) return;
    const isFirst = !shown.has(id);
    shown.set(id, html);
    if (isFirst && section.innerHTML === html) return;
    const focused = section.contains(document.activeElement) ? document.activeElement.id : "";
    const scrolled = [...section.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    const open = [...section.querySelectorAll("details[open]")].map((each) => each.id);
    const typed = [...section.querySelectorAll("input[id]")].filter((each) => each.value).map((each) => [each.id, each.value]);
    section.replaceChildren(parsed(html));
    reveal(section);
    for (const [id, value] of typed) if (byId(id)) byId(id).value = value;
    for (const each of open) byId(each)?.setAttribute("open", "");
    section.querySelectorAll(".scroll").forEach((box, at) => (box.scrollLeft = scrolled[at] ?? 0));
    if (focused) byId(focused)?.focus({ preventScroll: true });
  }

  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function svg(name, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 16);
  const dashed = (name) => name.replace(/[A-Z]/g, (letter) => "-" + letter.toLowerCase());

  function plot({ title, lines }, minutes) {
    const most = Math.max(1, ...lines.flatMap((line) => minutes.map((minute) => minute[line.of])));
    const sums = lines.map((line) => minutes.reduce((sum, minute) => sum + minute[line.of], 0));
    const told = lines.map((line, at) => `${sums[at]} ${line.name}`).join(", ");
    const drawing = svg("svg", {
      viewBox: "0 0 1000 100",
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${title}, the last three hours: ${told}. At most ${most} a minute.`,
    });
    for (const line of lines) {
      const points = minutes.map((minute, at) => `${(at * 1000) / (minutes.length - 1)},${98 - (96 * minute[line.of]) / most}`);
      drawing.append(svg("polyline", { points: points.join(" "), class: `${dashed(line.of)} ${line.style}` }));
    }
    const keys = lines.map((line) => element("span", { class: `key ${dashed(line.of)} ${line.style}` }, line.name));
    const caption = element("figcaption", {}, element("strong", {}, title), ...keys, element("span", {}, `at most ${most}`));
    const marks = [0, Math.floor(minutes.length / 2), minutes.length - 1].map((at) => element("span", {}, clock(minutes[at].atS)));
    return element("figure", { class: "plot" }, caption, drawing, element("div", { class: "axis", "aria-hidden": "true" }, ...marks));
  }

  function draw(minutes) {
    const drawn = JSON.stringify(minutes);
    if (shown.get("plots") === drawn) return;
    shown.set("plots", drawn);
    byId("plots").replaceChildren(...PLOTS.map((each) => plot(each, minutes)));
  }

  function stale(why) {
    byId("stale").hidden = !why;
    if (byId("stale-why").textContent !== why) byId("stale-why").textContent = why;
  }

  async function follow() {
    clearTimeout(timer);
    try {
      const answer = await fetch(`${PATH}/live${location.search}`, {
        headers: { accept: "application/json" },
        signal: AbortSignal.timeout(GIVE_UP_MS),
      });
      if (answer.status === 401) {
        ended = true;
        stale("your sign-in has ended.");
        say("Your sign-in has ended.");
        return;
      }
      if (!answer.ok) throw new Error(`the origin answered with ${answer.status}`);
      const live = await answer.json();
      for (const [id, html] of Object.entries(live.sections)) put(id, html);
      draw(live.minutes);
      if (headline !== null && headline !== live.headline) say(`Now: ${live.headline}`);
      headline = live.headline;
      stale("");
    } catch (error) {
      stale("the origin does not answer. Trying again.");
    } finally {
      if (!ended && !document.hidden) timer = setTimeout(follow, EVERY_MS);
    }
  }

  function told(problem, status) {
    const wait = problem.retryAfterS ? ` Come back in ${problem.retryAfterS} s.` : "";
    const mistakes = (problem.errors ?? []).slice(0, 5).map(({ line, error }) => ` Line ${line}: ${error}.`);
    return problem.title ? `${problem.title} ${problem.detail}${wait}${mistakes.join("")}` : `That was refused with ${status}.`;
  }

  async function send(form, button) {
    const fields = new URLSearchParams(new FormData(form));
    const token = fields.get("csrf");
    fields.delete("csrf");
    if (button) button.disabled = true;
    try {
      // Not `form.action`: that is the field of this name.
      const answer = await fetch(form.getAttribute("action"), {
        method: "POST",
        headers: { accept: "application/json", "x-csrf-token": token },
        body: fields,
      });
      const done = await answer.json().catch(() => ({}));
      if (!answer.ok) {
        say(told(done, answer.status));
        return;
      }
      say(done.said);
      if (done.full) revealed.set(done.reference, done.full);
      if (done.found) {
        const found = byId("found");
        found.replaceChildren(parsed(done.found));
        found.hidden = false;
        byId("found-title")?.focus();
      }
      // What was only tried is sent again in earnest.
      if (!form.closest("[data-live]") && !fields.has("dryRun")) form.reset();
      reveal(document);
      await follow();
    } catch (error) {
      say("The origin does not answer; whether it was done is not known. Look at the list before you try again.");
    } finally {
      if (button) button.disabled = false;
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const action = form.elements.action?.value;
    if (!action || action.startsWith("sign-")) return;
    event.preventDefault();
    send(form, event.submitter);
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !ended) follow();
  });
  follow();
})();
