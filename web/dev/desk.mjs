/**
 * A pretended desk, for working on the pages Clean and Duplicates without a data set and for looking at their states.
 *
 *   npm run build && node dev/desk.mjs [--port 8124] [--images FOLDER] [--items 1105] [--classes 3] [--state full|…]
 *
 * States, joined with commas and changed while it runs by GET /mock?state=…: `surveying`, `failed`, `unfit`, `empty`, `no-gain`,
 * `no-audit`, `slow` (every answer takes a second), `down` (marks get a 503), `refuse` (marks get a 422), `others` (somebody else
 * edits what was just marked), `restart` (the desk forgets what pages know), `numbers`, `many-labels`.
 * Nothing of it is built into the console.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    port: { type: "string", default: "8124" },
    images: { type: "string" },
    items: { type: "string", default: "1105" },
    classes: { type: "string", default: "3" },
    refit: { type: "string", default: "600" },
    state: { type: "string", default: "full" },
  },
});
const STATIC = fileURLToPath(new URL("../../src/drivetrain/serve/static/", import.meta.url));
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; " +
  "media-src 'self' blob:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const NAMED = ["black", "grizzly", "teddy", "polar", "panda", "sloth", "sun bear", "brown"];
const CLASSES = Array.from({ length: Number(options.classes) }, (_, i) => NAMED[i] ?? `class ${i + 1}`);
let state = new Set(options.state.split(","));
const has = (name) => state.has(name);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const random = (text) => createHash("sha256").update(text).digest();

const TEXTS = {
  label: (item) => `its picture looks like ${item.suggested}: the model, which has not seen it, gives “${item.label}” ${Math.round(30 * (1 - item.score))} %`,
  "contradictory-copy": () => "the same picture is in the set with another label",
  "near-duplicate": () => "nearly the same picture is in the set with this label",
  outlier: (item) => `unlike the other pictures of ${item.label}: farther from them than 99 % of them are from each other`,
  blurred: () => "blurred: sharper than only 1 % of the set",
  tiny: () => "tiny: 48 × 36 pixels",
};

function files(folder) {
  if (!folder) return null;
  return readdirSync(folder, { recursive: true })
    .map((path) => join(folder, path))
    .filter((path) => /\.(jpe?g|png)$/i.test(path) && statSync(path).isFile());
}

const found = files(options.images);
const items = Array.from({ length: Number(options.items) }, (_, i) => {
  const path = found ? found[i % found.length] : null;
  const label = path ? path.split("/").at(-2) : CLASSES[i % CLASSES.length];
  const name = path ? path.split("/").slice(-2).join("/") : `${label}/${String(i).padStart(8, "0")}.jpg`;
  const r = random(`${name}${i}`);
  const item = { id: r.toString("hex").slice(0, 18), name, label, labels: null, suggested: null, score: r[0] / 512, reasons: [], fate: "open", last_edit: null, by: null, width: 400, height: 300, path, seed: r };
  const codes = r[1] < 24 ? ["label"] : r[1] < 30 ? ["contradictory-copy", "label"] : r[1] < 38 ? ["near-duplicate"] : r[1] < 46 ? ["outlier"] : r[1] < 50 ? ["blurred"] : r[1] < 52 ? ["tiny"] : [];
  if (codes.includes("label")) {
    item.suggested = CLASSES[(CLASSES.indexOf(label) + 1 + (r[2] % Math.max(1, CLASSES.length - 1))) % CLASSES.length];
    item.score = 0.7 + r[0] / 900;
  }
  if (has("numbers")) {
    item.label = String(18 + (r[3] % 60));
    if (item.suggested) item.suggested = String(18 + (r[4] % 60));
  }
  if (has("many-labels")) {
    item.labels = CLASSES.filter((_, c) => r[c + 4] % 3 === 0);
    item.label = item.labels.join(", ");
    item.suggested = item.suggested && item.suggested !== item.label ? item.suggested : null;
  }
  item.reasons = codes.map((code) => ({ code, text: TEXTS[code](item) }));
  item.first = item.label;
  return item;
});
const byId = new Map(items.map((item) => [item.id, item]));
const edits = [];
const done = new Map();
const undone = new Map();
let version = 1;
let order = ranked();
let refitting = false;
let dirty = false;
let seconds = null;
let audit = [];
const began = Date.now();
let waiting = [];

function ranked() {
  return items.toSorted((a, b) => Number(b.reasons.length > 0) - Number(a.reasons.length > 0) || b.score + ((random(a.id + version)[0] - 128) / 4000) * 0 - a.score);
}

function ring() {
  const told = waiting;
  waiting = [];
  for (const one of told) one();
}

async function refit() {
  if (refitting) return void (dirty = true);
  refitting = true;
  const since = Date.now();
  ring();
  await sleep(Number(options.refit));
  version += 1;
  for (const item of items) if (item.fate === "open" && item.suggested) item.score = Math.min(0.999, Math.max(0.5, item.score + (random(item.id + version)[0] - 128) / 2000));
  order = ranked();
  seconds = (Date.now() - since) / 1000;
  refitting = false;
  ring();
  if (dirty) {
    dirty = false;
    void refit();
  }
}

const surveyed = () => !has("surveying");
const ranking = () => ({
  version: surveyed() ? version : 0,
  state: has("failed") ? "failed" : !surveyed() ? "surveying" : refitting ? "refitting" : "ready",
  problem: has("failed") ? "the folder holds no picture that can be read" : null,
  stage: surveyed() ? null : "embedding",
  items_done: surveyed() ? items.length : Math.min(items.length, Math.round((Date.now() - began) / 20)),
  items_total: items.length,
  seconds,
});
const place = ({ label, labels, fate }) => ({ label, labels, fate });
const shown = (item, blind = false) => {
  const { path, seed, first, ...rest } = item;
  return blind ? { ...rest, suggested: null, score: 0, reasons: [] } : rest;
};

function record(by, changes, why = null, link = {}) {
  const overtaken = [];
  const made = changes.map(({ id, to, seen, why: reason, how }) => {
    const item = byId.get(id);
    if (!item) throw new Refusal(404, "not-found", `There is no item ${id}.`);
    const last = edits.findLast((edit) => edit.item === id);
    if (last && last.id !== seen && last.by !== by) overtaken.push({ item: id, name: item.name, edit: last });
    const before = place(item);
    if (to === "keep") item.fate = "kept";
    else if (to === "remove") item.fate = "removed";
    else if (to === "open") item.fate = "open";
    else if (to.place) Object.assign(item, to.place);
    else Object.assign(item, { label: to.label ?? to.labels.join(", "), labels: to.labels ?? (item.labels && [to.label]), fate: "kept" });
    const edit = { id: `e${edits.length + 1}`, at: new Date().toISOString(), by, item: id, name: item.name, before, after: place(item), why: why ?? reason ?? "", how: how ?? "assisted", undoes: null, redoes: null, ...link };
    edits.push(edit);
    Object.assign(item, { last_edit: edit.id, by });
    return edit;
  });
  void refit();
  ring();
  return { edits: made, overtaken, last_edit_id: edits.at(-1)?.id ?? null };
}

function step(which, by) {
  const [from, to] = which === "undo" ? [done, undone] : [undone, done];
  const batch = (from.get(by) ?? []).pop();
  if (!batch) throw new Refusal(409, "conflict", which === "undo" ? `${by} has nothing to undo.` : `${by} has nothing to do again.`);
  const later = batch.find((edit) => edits.findLast((one) => one.item === edit.item).by !== by);
  if (later) throw new Refusal(409, "conflict", `${edits.findLast((one) => one.item === later.item).by} has changed ${later.name} since.`);
  const made = record(by, batch.map((edit) => ({ id: edit.item, to: { place: edit.before } })), which, which === "undo" ? { undoes: batch[0].id } : { redoes: batch[0].id });
  to.set(by, [...(to.get(by) ?? []), made.edits.map((edit) => edit)]);
  return { edits: made.edits, last_edit_id: made.last_edit_id };
}

function listed(query) {
  if (query.get("audit") === "true") return audit.map((id) => byId.get(id));
  const base = query.get("order") === "name" ? items.toSorted((a, b) => a.name.localeCompare(b.name)) : order;
  return base.filter(
    (item) =>
      (!query.get("label") || item.label === query.get("label") || item.labels?.includes(query.get("label"))) &&
      (!query.get("fate") || item.fate === query.get("fate")) &&
      (!query.get("reason") || item.reasons.some(({ code }) => code === query.get("reason"))),
  );
}

function near(item) {
  const at = items.indexOf(item);
  const same = items.filter((one) => one.label === (item.suggested ?? item.label));
  return [...new Set(Array.from({ length: Math.min(6, same.length) }, (_, i) => same[(at + i * 7 + 3) % same.length]))].filter((one) => one !== item);
}

function groups() {
  const kinds = ["exact", "exact", "hash", "embedding"];
  return Array.from({ length: Math.min(23, Math.floor(items.length / 12)) }, (_, g) => {
    const members = items.slice(g * 12, g * 12 + 2 + (g % 4 === 2 ? 2 : g % 3 === 1 ? 1 : 0));
    const kind = kinds[g % 4];
    return { kind, items: members.map((item) => shown(item)), proposed: members[g % 2].id, why: kind === "exact" ? "the same bytes; the one whose name comes first" : "the largest of them, and the sharpest" };
  });
}

const share = (value, half) => ({ value, low: value - half, high: value + half });
function gain() {
  const edited = new Set(edits.map(({ item }) => item)).size;
  const lift = Math.min(0.03, edited * 0.0006);
  const points = [100, 200, 400, 800, items.length].filter((n, i, all) => i === 0 || n > all[i - 1]);
  const curve = points.map((n, i) => ({ n, accuracy: 0.83 + 0.037 * i, low: 0.83 + 0.037 * i - 0.03 / (i + 1) ** 0.5, high: Math.min(0.995, 0.83 + 0.037 * i + 0.028 / (i + 1) ** 0.5) }));
  if (has("no-gain") || edited === 0) {
    return { figure: "accuracy", higher_is_better: true, before: null, after: null, difference: null, edited, note: "Nothing has been edited yet: accuracy before and after stand here once you have marked a few pictures.", curve, curve_note: null, outlook: { text: "", if_50_more: null, if_cleaned: null }, version };
  }
  return {
    figure: "accuracy", higher_is_better: true, before: share(0.962, 0.011), after: share(0.962 + lift, 0.01),
    difference: { ...share(lift, 0.006), method: "Tango's score interval, 95 %", n: items.length - edited, groups: items.length - edited - 12 }, edited, note: null, curve, curve_note: null,
    outlook: { text: "50 more labels would bring about +0.2 points; what is left to clean about +0.4.", if_50_more: { labels: 50, gain: 0.002, low: -0.001, high: 0.005, text: "" }, if_cleaned: null }, version,
  };
}

function auditState() {
  const judged = audit.map((id) => byId.get(id)).filter((item) => item.fate !== "open");
  const wrong = judged.filter((item) => item.fate === "removed" || item.label !== item.first).length;
  const rate = judged.length >= 10 ? { value: wrong / judged.length, low: Math.max(0, wrong / judged.length - 0.03), high: wrong / judged.length + 0.06 } : null;
  return { drawn: audit.length, answered: judged.length, error_rate: rate, text: rate ? ["of the items that nobody suspects 0.9% are wrong (0.2% to 3.1%)", "go on: the next 50 looks will find about 7 wrong labels (3 to 12)"] : audit.length ? ["too few answers yet to say whether to go on; answer the rest of the audit"] : [] };
}

class Refusal extends Error {
  constructor(status, slug, detail) {
    super(detail);
    Object.assign(this, { status, slug });
  }
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || "{}");
}

function picture(item) {
  if (item.path) return { data: readFileSync(item.path), type: "image/jpeg" };
  const hue = (CLASSES.indexOf(item.label) * 137) % 360;
  const [a, b, c] = item.seed;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="400" height="300"><rect width="400" height="300" fill="hsl(${hue} 35% 78%)"/><circle cx="${90 + a}" cy="${60 + b / 1.6}" r="${40 + c / 5}" fill="hsl(${hue + 20} 45% 42%)"/></svg>`;
  return { data: Buffer.from(svg), type: "image/svg+xml" };
}

async function api(request, url) {
  const path = url.pathname;
  const query = url.searchParams;
  if (has("slow")) await sleep(1000);
  if (path === "/v1/whoami") return { keys_required: false, role: "admin", name: null, version: "0.3.0", desk: { mode: "clean", source: "bears", pages: ["clean", "duplicates"] } };
  if (path === "/v1/desk") {
    const labels = {};
    for (const item of items) if (item.fate !== "removed") for (const name of item.labels ?? [item.label]) labels[name] = (labels[name] ?? 0) + 1;
    const fates = { open: 0, kept: 0, removed: 0 };
    for (const item of items) fates[item.fate] += 1;
    const by = query.get("by");
    return {
      source: "bears", task: has("numbers") ? "regression" : has("many-labels") ? "multi-label" : "classification", mode: "clean", outputs: has("numbers") ? ["age"] : CLASSES, labels: has("numbers") ? {} : Object.fromEntries(Object.entries(labels).sort()), items: items.length, fates,
      suspects: items.filter((item) => item.reasons.length > 0 && item.fate === "open").length, relabelled: items.filter((item) => item.label !== item.first).length, ranking: ranking(), can_undo: (done.get(by) ?? []).length > 0, can_redo: (undone.get(by) ?? []).length > 0,
      last_edit_id: edits.at(-1)?.id ?? null, unfit: has("unfit") ? "There is one class only." : null, left_out: [], left_out_total: 0, notes: [], log: "bears/edits.jsonl",
    };
  }
  if (path === "/v1/desk/items") {
    const all = has("empty") ? [] : listed(query);
    const offset = Number(query.get("offset") ?? 0);
    return { version, total: all.length, items: all.slice(offset, offset + Math.min(500, Number(query.get("limit") ?? 100))).map((item) => shown(item, query.get("audit") === "true")) };
  }
  const one = /^\/v1\/desk\/items\/(\w+)(\/thumbnail|\/image)?$/.exec(path);
  if (one) {
    const item = byId.get(one[1]);
    if (!item) throw new Refusal(404, "not-found", "There is no such item.");
    if (one[2]) return picture(item);
    const blind = query.get("audit") === "true";
    const weight = (name) => (name === item.suggested ? 0.86 : name === item.label ? (item.suggested ? 0.1 : 0.93) : 0.04);
    return { ...shown(item, blind), neighbours: blind ? [] : near(item).map((other) => shown(other)), history: edits.filter((edit) => edit.item === item.id), probs: blind ? {} : has("numbers") ? { age: Number(item.suggested ?? item.label) + 0.4 } : Object.fromEntries(CLASSES.map((name) => [name, weight(name)])) };
  }
  if (path === "/v1/desk/edits") {
    const sent = await body(request);
    if (has("down")) throw new Refusal(503, "overloaded", "The disk is full; free some space.");
    if (has("refuse")) throw new Refusal(422, "unprocessable", "“xyz” is no label of this set.");
    if (has("others")) record("Ada", sent.changes.slice(0, 1).map(({ id }) => ({ id, to: "remove" })));
    const made = record(sent.by, sent.changes);
    done.set(sent.by, [...(done.get(sent.by) ?? []), made.edits]);
    undone.set(sent.by, []);
    if (has("later")) setTimeout(() => record("Ada", sent.changes.slice(0, 1).map(({ id }) => ({ id, to: "remove" }))), 1500);
    return made;
  }
  if (path === "/v1/desk/undo" || path === "/v1/desk/redo") return step(path.split("/").at(-1), (await body(request)).by);
  if (path === "/v1/desk/changes") {
    const until = Date.now() + 1000 * Number(query.get("wait_s") ?? 0);
    for (;;) {
      const at = edits.findIndex((edit) => edit.id === query.get("after")) + 1;
      const restart = has("restart");
      state.delete("restart");
      const fresh = edits.slice(at);
      if (restart || fresh.length > 0 || version !== Number(query.get("version")) || (query.get("state") && query.get("state") !== ranking().state) || Date.now() >= until) return { edits: fresh, more: false, restart, last_edit_id: edits.at(-1)?.id ?? null, ranking: ranking() };
      await Promise.race([new Promise((resolve) => waiting.push(resolve)), sleep(until - Date.now())]);
    }
  }
  if (path === "/v1/desk/duplicates") return { version, total: has("empty") ? 0 : groups().length, groups: has("empty") ? [] : groups().slice(Number(query.get("offset") ?? 0), Number(query.get("offset") ?? 0) + Number(query.get("limit") ?? 100)) };
  if (path === "/v1/desk/gain") return gain();
  if (path === "/v1/desk/audit" && !has("no-audit")) {
    if (request.method === "POST") {
      const { size } = await body(request);
      audit = items.filter((item) => item.reasons.length === 0 && item.fate === "open").slice(0, size).map(({ id }) => id);
    }
    return auditState();
  }
  return null;
}

createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  const send = (status, type, data, headers = {}) => {
    response.writeHead(status, { "Content-Type": type, "X-Content-Type-Options": "nosniff", "Content-Security-Policy": CSP, ...headers });
    response.end(data);
  };
  try {
    if (url.pathname === "/mock") {
      state = new Set((url.searchParams.get("state") ?? "full").split(","));
      ring();
      return send(200, "text/plain", [...state].join());
    }
    if (url.pathname.startsWith("/v1/")) {
      const answer = await api(request, url);
      if (answer === null) throw new Refusal(404, "not-found", `There is nothing at ${url.pathname}.`);
      if (Buffer.isBuffer(answer.data)) return send(200, answer.type, answer.data, { "Cache-Control": "private, max-age=600" });
      return send(200, "application/json", JSON.stringify(answer));
    }
    const name = url.pathname === "/" ? "index.html" : normalize(url.pathname).slice(1);
    return send(200, TYPES[extname(name)] ?? "application/octet-stream", readFileSync(join(STATIC, name)));
  } catch (error) {
    if (error.code === "ENOENT") return send(404, "text/plain", "not found");
    const problem = { type: `urn:drivetrain:problem:${error.slug ?? "fault"}`, title: error.slug ?? "fault", status: error.status ?? 500, detail: error.message, request_id: "0".repeat(32), errors: [] };
    return send(problem.status, "application/problem+json", JSON.stringify(problem));
  }
}).listen(Number(options.port), "127.0.0.1", () => process.stdout.write(`http://127.0.0.1:${options.port}\n`));
