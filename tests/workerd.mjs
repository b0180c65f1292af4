// The Worker in real workerd, through Miniflare's API, driven line by line: `node tests/workerd.mjs '<configuration as JSON>'` (or the
// configuration as the first line of stdin). The first line of stdout is {"url":…}; then every line of stdin is a command and gets one line
// of answer, in order; the Worker's log goes to stderr as it is. Ends when stdin closes, on SIGTERM, and on {"op":"stop"}.
//
// Not a mock of the platform: the bindings are Miniflare's own. Only KV is wrapped, so that its calls can be counted, held up and failed;
// the commands' own calls are not.
//
// Configuration (all but `origin` optional): origin, secret, secretPrevious, vars {name: text}, country, kvPersist (as wrangler's
// --persist-to), rateLimits {name: {limit, period} | "throws" | "hangs"}, port, build (the directory of index.js).

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Miniflare, Response } from "miniflare";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const CRON = "* * * * *";

// Runs inside the Worker's isolate, as its OTP_KV: asks this process before every call, which counts it and may keep it waiting.
const WRAPPED_KV = `
class KvNamespace {
  #env;
  constructor(env) { this.#env = env; }
  async #before(operation, keys) {
    const answer = await this.#env.CONTROL.fetch("http://control/" + operation + "?keys=" + keys);
    if (!answer.ok) throw new Error("KV " + operation + " failed: told to");
    return answer.json();
  }
  async get(key, options) { await this.#before("get", Array.isArray(key) ? key.length : 1); return this.#env.KV.get(key, options); }
  async getWithMetadata(key, options) {
    await this.#before("get", Array.isArray(key) ? key.length : 1);
    return this.#env.KV.getWithMetadata(key, options);
  }
  async put(key, value, options) { await this.#before("put", 1); return this.#env.KV.put(key, value, options); }
  async delete(key) { await this.#before("delete", 1); return this.#env.KV.delete(key); }
  async list(options) {
    const { pageSize } = await this.#before("list", 1);
    return this.#env.KV.list(pageSize ? { ...options, limit: pageSize } : options);
  }
}
export default (env) => new KvNamespace(env);
`;

// A rate-limit binding that does not work.
const BROKEN_LIMIT = `
export default (env) => ({ limit: () => env.how === "hangs" ? new Promise((done) => setTimeout(done, 3_600_000)) : Promise.reject(new Error("told to")) });
`;

const OPERATIONS = ["get", "put", "delete", "list"];

/** What the wrapped KV asks before each call. */
class Control {
  counts = {};
  pageSize = 0;
  #mode = "well";
  #only;
  #waiting = [];

  constructor() {
    this.reset();
  }

  reset() {
    this.counts = Object.fromEntries(OPERATIONS.map((operation) => [operation, 0]));
  }

  total() {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }

  break(mode, only) {
    if (only !== undefined && !OPERATIONS.includes(only)) throw new Error(`no such operation: ${only}`);
    this.#mode = mode;
    this.#only = only;
  }

  heal() {
    this.#mode = "well";
    this.#waiting.splice(0).forEach((go) => go());
  }

  async answer(request) {
    const url = new URL(request.url);
    const operation = url.pathname.slice(1);
    this.counts[operation] += Number(url.searchParams.get("keys"));
    const isConcerned = this.#only === undefined || this.#only === operation;
    if (isConcerned && this.#mode === "hangs") await new Promise((go) => this.#waiting.push(go));
    if (isConcerned && this.#mode === "fails") return new Response("told to", { status: 500 });
    return Response.json({ pageSize: this.pageSize });
  }
}

/** The few things of wrangler.toml that have to be the same here: the KV namespace's name, the date, the rate limits. */
async function wranglerToml() {
  const text = await readFile(join(ROOT, "wrangler.toml"), "utf8");
  const local = text.split("[env.production]")[0];
  const one = (pattern) => {
    const found = local.match(pattern);
    if (!found) throw new Error(`wrangler.toml has nothing like ${pattern}`);
    return found[1];
  };
  const limits = [...local.matchAll(/name = "(\w+)"\nnamespace_id = "\w+"\nsimple = \{ limit = (\d+), period = (\d+) \}/g)];
  return {
    namespace: one(/binding = "OTP_KV"\n(?:#.*\n)*id = "(.+)"/),
    compatibilityDate: one(/compatibility_date = "(.+)"/),
    rateLimits: Object.fromEntries(limits.map(([, name, limit, period]) => [name, { limit: Number(limit), period: Number(period) }])),
  };
}

function texts(config) {
  const { origin, secret, secretPrevious, vars } = config;
  const all = { ORIGIN_URL: origin, EDGE_SHARED_SECRET: secret, EDGE_SHARED_SECRET_PREVIOUS: secretPrevious, ...vars };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== null));
}

async function options(config, toml, control) {
  const build = config.build ?? join(ROOT, "edge/build");
  const limits = Object.entries(config.rateLimits ?? toml.rateLimits);
  const broken = limits.filter(([, limit]) => typeof limit === "string");
  const working = limits.filter(([, limit]) => typeof limit !== "string");
  const namespace = { id: toml.namespace };
  const { compatibilityDate } = toml;
  return {
    host: "127.0.0.1",
    port: config.port ?? 0,
    // Where the platform would place the client; never looked up on the web.
    cf: config.country ? { country: config.country } : {},
    kvPersist: config.kvPersist ? join(config.kvPersist, "v3/kv") : undefined,
    handleRuntimeStdio: (stdout, stderr) => [stdout, stderr].forEach((stream) => stream.pipe(process.stderr, { end: false })),
    workers: [
      {
        name: "edge",
        compatibilityDate,
        modulesRoot: build,
        modules: [
          { type: "ESModule", path: join(build, "index.js") },
          { type: "CompiledWasm", path: join(build, "index_bg.wasm") },
        ],
        bindings: texts(config),
        assets: { directory: join(ROOT, "edge/page"), routerConfig: { has_user_worker: true } },
        // For the commands; the Worker does not know the name.
        kvNamespaces: { UNWRAPPED: namespace },
        ratelimits: Object.fromEntries(working.map(([name, simple]) => [name, { simple }])),
        wrappedBindings: {
          OTP_KV: { scriptName: "kv" },
          ...Object.fromEntries(broken.map(([name, how]) => [name, { scriptName: "broken-limit", bindings: { how } }])),
        },
      },
      {
        name: "kv",
        modules: [{ type: "ESModule", path: "kv.mjs", contents: WRAPPED_KV }],
        kvNamespaces: { KV: namespace },
        serviceBindings: { CONTROL: (request) => control.answer(request) },
      },
      { name: "broken-limit", modules: [{ type: "ESModule", path: "broken-limit.mjs", contents: BROKEN_LIMIT }] },
    ],
  };
}

/** One function a command. */
class Commands {
  constructor(worker, settings, control) {
    Object.assign(this, { worker, settings, control });
  }

  async run({ op, ...rest }) {
    if (op === "run" || op === "constructor" || typeof this[op] !== "function") throw new Error(`no such command: ${op}`);
    return this[op](rest);
  }

  #kv() {
    return this.worker.getKVNamespace("UNWRAPPED", "edge");
  }

  async kvPut({ key, value, base64, expiration, expirationTtl }) {
    // An array of its own: Miniflare refuses a small Buffer, which is a view of Node's pool.
    const bytes = base64 === undefined ? value : Uint8Array.from(Buffer.from(base64, "base64"));
    await (await this.#kv()).put(key, bytes, { expiration, expirationTtl });
  }

  async kvGet({ key }) {
    const value = await (await this.#kv()).get(key, "arrayBuffer");
    const bytes = value === null ? null : Buffer.from(value);
    return { value: bytes?.toString("utf8") ?? null, base64: bytes?.toString("base64") ?? null };
  }

  async kvDelete({ key }) {
    await (await this.#kv()).delete(key);
  }

  async kvList({ prefix }) {
    const kv = await this.#kv();
    const keys = [];
    let page;
    do {
      page = await kv.list({ prefix, cursor: page?.cursor });
      keys.push(...page.keys.map(({ name, expiration }) => ({ name, expiration })));
    } while (!page.list_complete);
    return { keys };
  }

  kvCounts({ reset }) {
    const counts = { ...this.control.counts, total: this.control.total() };
    if (reset) this.control.reset();
    return { counts };
  }

  kvHang({ only }) {
    this.control.break("hangs", only);
  }

  kvFail({ only }) {
    this.control.break("fails", only);
  }

  kvUnhang() {
    this.control.heal();
  }

  kvPageSize({ limit }) {
    this.control.pageSize = limit;
  }

  async scheduled() {
    const edge = await this.worker.getWorker("edge");
    const { outcome } = await edge.scheduled({ cron: CRON });
    return { outcome };
  }

  async freshIsolate() {
    const { port } = await this.worker.ready;
    await this.worker.setOptions({ ...this.settings, port: Number(port) });
    await this.worker.ready;
  }

  stop() {}
}

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function* commandLines(lines, stop) {
  const iterator = lines[Symbol.asyncIterator]();
  for (;;) {
    const next = await Promise.race([iterator.next(), stop]);
    if (next.done) return;
    yield next.value;
  }
}

const SIGNALS = ["SIGTERM", "SIGINT"];

/** Miniflare's own handlers end this process at once, with the signal's exit code; ours ends it in order. */
function listenForSignals(done) {
  for (const signal of SIGNALS) {
    process.removeAllListeners(signal);
    process.once(signal, () => done({ done: true }));
  }
}

async function main() {
  let signalled;
  const stop = new Promise((done) => (signalled = done));
  // Whoever started this may be gone before it: that must not keep it from ending workerd.
  [process.stdout, process.stderr].forEach((stream) => stream.on("error", () => {}));
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  const input = commandLines(lines, stop);
  const config = JSON.parse(process.argv[2] ?? (await input.next()).value);
  const control = new Control();
  const settings = await options(config, await wranglerToml(), control);
  const worker = new Miniflare(settings);
  try {
    const url = await worker.ready;
    listenForSignals(signalled);
    say({ url: url.toString() });
    const commands = new Commands(worker, settings, control);
    for await (const line of input) {
      const { id, ...command } = JSON.parse(line);
      const answer = await commands.run(command).then((told) => ({ ok: true, ...told }), (error) => ({ ok: false, error: String(error.message) }));
      say({ id, ...answer });
      if (command.op === "stop") break;
    }
  } finally {
    control.heal();
    lines.close();
    await worker.dispose();
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    say({ error: String(error.stack ?? error) });
    process.exit(1);
  },
);
