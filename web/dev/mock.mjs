/**
 * A pretended server, for working on the console without a model and for looking at its states.
 *
 *   npm run build && node dev/mock.mjs [--port 8123] [--images FOLDER] [--state full|empty|keys|broken|busy|slow|numbers]
 *
 * `no-gate`, `learning`, `calm`, `quiet` and `many` are states of the page Monitor; those of Review and Rollout stand at the head
 * of `reviews.mjs` and `rollouts.mjs`. `keys,live` with the key dt_review shows what a reviewer sees while a rollout is live.
 * Several states may be joined with commas, and changed while it runs: GET /mock?state=busy. Without --images it draws its own.
 * Nothing of it is built into the console.
 */

import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { deflateSync } from "node:zlib";
import { monitor } from "./monitor.mjs";
import { reviews } from "./reviews.mjs";
import { rollouts } from "./rollouts.mjs";

const { values: options } = parseArgs({
  options: { port: { type: "string", default: "8123" }, images: { type: "string" }, state: { type: "string", default: "full" } },
});
const STATIC = fileURLToPath(new URL("../../src/drivetrain/serve/static/", import.meta.url));
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; " +
  "media-src 'self' blob:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg" };
const KEYS = { dt_admin: ["admin", "ops"], dt_review: ["review", "quality desk"], dt_second: ["review", "Ben"], dt_predict: ["predict", "line 3"] };
let state = new Set(options.state.split(","));
let busyLeft = 3;

const LABELS = ["black", "grizzly", "teddy", "polar", "panda", "sloth", "sun bear"];
const pictures = found(options.images);
const kept = new Map();
const hex = (n) => randomBytes(n).toString("hex");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function found(folder) {
  if (!folder) return LABELS.flatMap((label) => Array.from({ length: 5 }, (_, i) => ({ label, name: `${label}-${i}.svg`, data: drawn(label, i), type: "image/svg+xml" })));
  const files = readdirSync(folder, { recursive: true })
    .map((path) => join(folder, path))
    .filter((path) => /\.(jpe?g|png)$/i.test(path) && statSync(path).isFile());
  return spread(files, 60).map((path) => ({ label: path.split("/").at(-2), name: path.split("/").at(-1), data: readFileSync(path), type: "image/jpeg" }));
}

function spread(all, n) {
  return Array.from({ length: Math.min(n, all.length) }, (_, i) => all[Math.floor((i * all.length) / Math.min(n, all.length))]);
}

function drawn(label, i) {
  const hue = LABELS.indexOf(label) * 50;
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240"><rect width="320" height="240" fill="hsl(${hue} 40% 80%)"/>` +
      `<circle cx="${100 + i * 25}" cy="130" r="70" fill="hsl(${hue} 45% 45%)"/></svg>`,
  );
}

/** A PNG with warm colours around one place, clear elsewhere. */
function heatPng(width, height) {
  const raw = Buffer.alloc((width * 4 + 1) * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const heat = Math.exp(-(((x / width - 0.55) / 0.22) ** 2 + ((y / height - 0.42) / 0.26) ** 2));
      raw.set([255, Math.round(200 * heat), Math.round(60 * (1 - heat)), Math.round(230 * heat)], y * (width * 4 + 1) + 1 + x * 4);
    }
  }
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 6, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), chunk("IHDR", head), chunk("IDAT", deflateSync(raw)), chunk("IEND", Buffer.alloc(0))]);
}

function crc(data) {
  let c = ~0;
  for (const byte of data) {
    c ^= byte;
    for (let k = 0; k < 8; k += 1) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return ~c >>> 0;
}

const judged = (confidence) =>
  confidence >= 0.85 ? { verdict: "accept" } : { verdict: "review", reasons: [{ code: "low-confidence", text: `its confidence, ${confidence.toFixed(3)}, is below 0.85` }] };

function predicted(path, seed, sha) {
  const base = { path, id: hex(16), input_sha256: sha, labels: [], values: {}, probs: {}, p_in_domain: null, reasons: [], error: null, label: null, confidence: 0 };
  const r = createHash("sha256").update(String(seed)).digest();
  const error = "truncated: the file ends before the picture does";
  if (/broken|\.txt/.test(path)) return { ...base, verdict: "unreadable", reasons: [{ code: "unreadable", text: error }], error };
  if (state.has("numbers")) return { ...base, verdict: "review", reasons: [{ code: "no-accept-rule", text: "no error has been named that may pass without a person" }], values: { age: { value: 20 + r[0] / 5, low: 14 + r[0] / 5, high: 26 + r[0] / 5 } } };
  const best = LABELS.find((label) => path.includes(label)) ?? LABELS[r[0] % 3];
  const confidence = 0.45 + (0.5499 * r[1]) / 255;
  const rest = LABELS.filter((label) => label !== best);
  const weights = rest.map((_, i) => (r[2 + i] / 255 + 0.01) ** 3);
  const sum = weights.reduce((a, b) => a + b);
  const probs = { [best]: confidence, ...Object.fromEntries(rest.map((label, i) => [label, ((1 - confidence) * weights[i]) / sum])) };
  // Polar bears, and folders called like no class, are unlike what it was trained on.
  const folder = pictures.find((picture) => picture.name === path)?.label;
  const outside = folder === "polar" || (folder !== undefined && !LABELS.includes(folder)) || r[20] < 4;
  const p = outside ? (0.001 + 0.04 * r[21]) / 255 : 0.06 + (0.94 * r[21]) / 255;
  const text = `unlike anything it was trained on: of 1,000 images like those, at most ${Math.ceil(1000 * p)} look as unlike them; nearest training images: grizzly, black, teddy`;
  const reasons = [{ code: "out-of-domain", text }];
  const verdict = outside ? { verdict: "out_of_domain", reasons } : judged(confidence);
  return { ...base, label: best, confidence, probs, p_in_domain: state.has("no-gate") ? null : p, ...(state.has("no-gate") ? judged(confidence) : verdict) };
}

const VERSION = "a593aa456b196a30";
const links = (name, version) => Object.fromEntries(["manifest", "card", "report"].map((k) => [k, `/v1/models/${name}/versions/${version}/${k}`]));
const metric = (name, value, low = null, high = null, format = "percent", unit = "") => ({
  slug: name.replaceAll(" ", "-"), name, of: null, value, low, high, format, better: "higher", unit, n: null, note: "",
  how: "Out of fold, 5 folds that keep groups together",
});
function models() {
  if (state.has("empty-models")) return [];
  const bears = {
    name: "bears", version: VERSION, default: true, current: true, title: "Bears", task: "classification", gives: "One label of several", outputs: LABELS, outputs_are: "Classes",
    created_at: "2026-11-21T18:13:30+00:00", images: 1105,
    metrics: [metric("accuracy", 0.962, 0.948, 0.972), metric("balanced accuracy", 0.957), metric("AUC", 0.9931, null, null, "decimals"), metric("log-loss", 0.1312, null, null, "decimals"), metric("calibration error", 0.013, null, null, "points"), metric("accuracy of a random split", 0.979)],
    accept: { words: "answers from confidence 0.85 on: 78.1 % of the training images, unseen, 1.2 % of these wrong; a stated convention, which promises nothing", confidence: 0.85, width: null, basis: "convention", coverage: 0.781, bound: null },
    gate: state.has("no-gate") ? null : { words: "images unlike those trained on, and at most 5 % (on average) of those like them; from 1,101 independent ones", false_alarm: 0.05, mode: "marginal", calibrated_on: 1101 }, input: { type: "image", shape: [3, 260, 260], media_types: ["image/jpeg", "image/png"] }, backbone: "efficientnet-lite2",
    parity: { images: 8, max_probability: 0.000012 }, gallery: 1105, problem: null, links: links("bears", VERSION),
  };
  const old = { ...bears, version: "77c0ffee12345678", default: false, current: false, images: 904, created_at: "2026-10-02T08:00:00+00:00", metrics: [metric("accuracy", 0.931, 0.913, 0.946)], links: links("bears", "77c0ffee12345678") };
  const age = {
    ...bears, name: "age", version: "0f1e2d3c4b5a6978", default: false, title: "Age of faces", task: "regression", gives: "Numbers", outputs: ["age"], outputs_are: "Numbers", images: 2000, accept: null, gate: null,
    metrics: [metric("mean absolute error", 6.12, 5.81, 6.44, "significant", "years"), metric("baseline", 15.9, null, null, "significant", "years"), metric("root mean squared error", 8.41, null, null, "significant", "years"), metric("R²", 0.83, null, null, "decimals")],
    problem: "bundle 9c1d22aa03be44f1 was refused: its golden replay differs by 0.31 in image 2 (limit 0.001)", links: links("age", "0f1e2d3c4b5a6978"),
  };
  return [bears, age, old];
}

const truths = new Map();
function told(id, sent, by) {
  const before = truths.get(id) ?? (Number(`0x${id.slice(-3)}`) % 5 === 1 ? [{ id: hex(16), prediction_id: id, at: new Date(Date.now() - 7e7).toISOString(), by: "Ada", how: "blind", label: "grizzly", labels: null, values: {}, note: "seen from behind" }] : []);
  truths.set(id, before);
  if (!sent) return { truths: [...before].reverse() };
  const truth = { id: hex(16), prediction_id: id, at: new Date().toISOString(), label: null, labels: null, values: {}, note: null, ...sent, by: sent.by ?? by ?? "" };
  truths.set(id, [truth, ...before]);
  history.find((entry) => entry.id === id)?.truths.push(truth);
  return truth;
}

const history = Array.from({ length: 230 }, (_, i) => {
  const picture = pictures[(i * 7) % pictures.length];
  const sha = createHash("sha256").update(picture.data).digest("hex");
  kept.set(sha, picture);
  const entry = predicted(i % 41 === 7 ? "broken.jpg" : picture.name, `${picture.name}${i}`, sha);
  if (entry.label) entry.probs[entry.label] = entry.confidence;
  return {
    ...entry, id: (0x0190_0000_0000 - i).toString(16).padStart(32, "0"), request_id: hex(16), at: new Date(Date.now() - i ** 1.9 * 11_000).toISOString(),
    model: "bears", bundle_id: VERSION, input: i % 17 === 5 ? null : `/v1/inputs/${sha}`, facts: { width: 400, height: 300 },
    metadata: { camera: ["gate", "ridge", "river"][i % 3], site: i % 4 ? "Katmai" : "Banff", group: i % 5 ? null : "night walk 12", taken_at: null, extra: i % 6 ? {} : { operator: "shift 2" } },
    truths: told((0x0190_0000_0000 - i).toString(16).padStart(32, "0")).truths,
    timings: { queue_ms: 0.8 + (i % 5), decode_ms: 2.1, network_ms: 6.4, total_ms: 10.2 + (i % 5) },
  };
});

function page(query) {
  const limit = Number(query.get("limit") ?? 50);
  const start = Number(query.get("cursor") ?? 0);
  const keep = (e) =>
    ["model", "verdict", "label", "bundle_id", "request_id", "input_sha256"].every((k) => !query.get(k) || e[k] === query.get(k)) &&
    ["camera", "site", "group"].every((k) => !query.get(k) || e.metadata[k] === query.get(k)) &&
    (!query.get("since") || e.at >= new Date(query.get("since")).toISOString()) &&
    (!query.get("until") || e.at < new Date(query.get("until")).toISOString());
  const window = state.has("empty") ? [] : history.slice(start, start + Math.min(limit, 25));
  const end = start + window.length;
  const more = !state.has("empty") && end < history.length;
  return { predictions: window.filter(keep), next: more ? String(end) : null, searched_to: window.at(-1)?.at ?? null };
}

const watch = monitor({ history, version: VERSION, has: (name) => state.has(name) });

const review = reviews({ pictures: options.images ? pictures : null, has: (name) => state.has(name) });
const rollout = rollouts({ has: (name) => state.has(name) });

const CARD = `---\nlicense: "apache-2.0"\n---\n\n# Bears\n\nAn image classifier with 7 classes, trained by transfer learning on 1105 images.\nBundle \`${VERSION}\`.\n\n## How good it is\n\n| figure | value |\n|---|---|\n| accuracy | 96.2% (94.8%–97.2%) |\n| log-loss | 0.1312 |\n\nOut of fold, **5 folds** that keep groups together.\n\n## Limits\n\n- The figures hold for photos like those it was trained on.\n- See [the documentation](https://example.org/limits) <script>alert(1)</script>\n`;
const REPORT = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Bears</title><style>body{font:16px system-ui;margin:2rem;background:#fff;color:#123}h1{color:#1d5fa6}</style></head><body><h1>Bears</h1><p style="border-left:4px solid #1d5fa6;padding-left:1rem">Training report: 96.2 % out of fold.</p></body></html>`;

class Refusal extends Error {
  constructor(status, slug, detail, retryAfter) {
    super(detail);
    Object.assign(this, { status, slug, retryAfter });
  }
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

/** Files of a multipart body: enough for what the console sends. */
function files(type, data) {
  const boundary = Buffer.from(`--${/boundary=(.+)$/.exec(type)?.[1]}`);
  const found = [];
  for (let at = data.indexOf(boundary); at >= 0; ) {
    const next = data.indexOf(boundary, at + boundary.length);
    if (next < 0) break;
    const part = data.subarray(at + boundary.length + 2, next - 2);
    const split = part.indexOf("\r\n\r\n");
    const name = /filename="([^"]*)"/.exec(part.subarray(0, split).toString())?.[1];
    if (name !== undefined) found.push({ name, data: part.subarray(split + 4) });
    at = next;
  }
  return found;
}

function role(request) {
  if (!state.has("keys")) return ["admin", null];
  return KEYS[request.headers.authorization?.replace(/^Bearer /, "")] ?? [null, null];
}

async function api(request, url) {
  const path = url.pathname;
  const [who, name] = role(request);
  if (path === "/v1/whoami") return { keys_required: state.has("keys"), role: who, name, version: "0.3.0", desk: null, blind: who === "review" && state.has("live") };
  if (who === null) throw new Refusal(401, "unauthorized", "A valid key is needed.");
  if (/^\/v1\/(predictions|images)/.test(path) && who === "predict") throw new Refusal(403, "forbidden", "The role of this key is predict.");
  if (state.has("slow")) await sleep(4000);
  if (state.has("broken") && path !== "/v1/models") throw new Refusal(500, "fault", "Something broke that should not have.");
  if (path === "/v1/models") return { models: models() };
  if (path.endsWith("/reload")) return { models: models() };
  if (path === "/v1/samples") return { samples: state.has("empty") ? [] : spread(pictures, 9).map((p) => ({ name: p.name, url: `/v1/samples/${pictures.indexOf(p)}`, label: p.label })) };
  if (path.startsWith("/v1/samples/")) return pictures[Number(path.split("/").at(-1))] ?? null;
  if (path === "/v1/predict") {
    const sent = files(request.headers["content-type"] ?? "", await body(request));
    if (state.has("stuck")) throw new Refusal(429, "too-many-requests", "The queue is full.", 30);
    if (state.has("busy") && busyLeft > 0) {
      busyLeft -= 1;
      throw new Refusal(429, "too-many-requests", "The queue is full.", 3);
    }
    if (state.has("huge") && sent.some((f) => f.data.length > 300_000)) throw new Refusal(413, "too-large", "An image may have 300 kB at most.");
    await sleep(60 * sent.length);
    const timings = { queue_ms: 1.2, decode_ms: 2.4 * sent.length, network_ms: 6.1 * sent.length, store_ms: 1.4, total_ms: 11 * sent.length };
    const predictions = sent.map((f) => predicted(f.name, f.name, createHash("sha256").update(f.data).digest("hex")));
    return { predictions, request_id: hex(16), bundle_id: VERSION, model: "bears", timings };
  }
  if (path === "/v1/explain") {
    await body(request);
    await sleep(350);
    const output = url.searchParams.get("output") ?? "grizzly";
    const png = `data:image/png;base64,${heatPng(64, 48).toString("base64")}`;
    const note = `Where the network's last layer spoke for “${output}”. Coarse: 9 × 9 places. Not proof of what it looks at.`;
    const similar = spread(pictures, 6).map((p, i) => ({ row: pictures.indexOf(p), label: p.label, similarity: 0.97 - i * 0.031, thumbnail: `/v1/models/bears/versions/${VERSION}/gallery/${pictures.indexOf(p)}` }));
    return { prediction: predicted("x.jpg", 1, null), model: "bears", bundle_id: VERSION, heatmap: { method: "activation", output, png, width: 64, height: 48, note }, similar };
  }
  if (path.includes("/gallery/")) return pictures[Number(path.split("/").at(-1))] ?? null;
  if (path === "/v1/predictions") {
    if (Object.keys(Object.fromEntries(url.searchParams)).length > 1) await sleep(150);
    return page(url.searchParams);
  }
  const truths = /^\/v1\/predictions\/(\w+)\/labels?$/.exec(path);
  if (truths) return told(truths[1], request.method === "POST" ? JSON.parse(await body(request)) : null, name);
  if (path.startsWith("/v1/monitor")) {
    const answer = await watch(path, url.searchParams, request.method === "POST" ? JSON.parse(await body(request)) : null);
    if (answer?.status) throw new Refusal(answer.status, "unprocessable", answer.detail);
    return answer;
  }
  for (const [start, part] of [["/v1/reviews", review], ["/v1/rollouts", rollout]]) {
    if (!path.startsWith(start)) continue;
    const answer = part(path, url.searchParams, request.method === "POST" ? JSON.parse((await body(request)).toString() || "{}") : null, name ?? "nobody");
    if (answer?.status) throw new Refusal(answer.status, answer.status === 503 ? "store-unavailable" : "conflict", answer.detail);
    return answer;
  }
  if (path.startsWith("/v1/predictions/")) return history.find((e) => e.id === path.split("/").at(-1)) ?? null;
  if (path.startsWith("/v1/inputs/")) return kept.get(path.split("/").at(-1)) ?? null;
  if (path.endsWith("/card")) return { data: Buffer.from(CARD), type: "text/markdown; charset=utf-8" };
  if (path.endsWith("/report")) return { data: Buffer.from(REPORT), type: "text/html; charset=utf-8", csp: "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox" };
  if (path.endsWith("/manifest")) return { schema_version: 1, name: "Bears" };
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
      busyLeft = 3;
      return send(200, "text/plain", [...state].join());
    }
    if (url.pathname === "/openapi.json") return send(200, "application/json", readFileSync(new URL("../openapi.json", import.meta.url)));
    if (url.pathname.startsWith("/v1/")) {
      const answer = await api(request, url);
      if (answer === null) throw new Refusal(404, "not-found", `There is nothing at ${url.pathname}.`);
      if (Buffer.isBuffer(answer.data)) return send(200, answer.type, answer.data, answer.csp ? { "Content-Security-Policy": answer.csp } : {});
      return send(200, "application/json", JSON.stringify(answer));
    }
    const name = url.pathname === "/" ? "index.html" : url.pathname === "/docs" ? "docs/index.html" : normalize(url.pathname).slice(1);
    return send(200, TYPES[extname(name)] ?? "application/octet-stream", readFileSync(join(STATIC, name)));
  } catch (error) {
    if (error.code === "ENOENT") return send(404, "text/plain", "not found");
    const status = error.status ?? 500;
    const problem = { type: `urn:drivetrain:problem:${error.slug ?? "fault"}`, title: error.slug === "too-many-requests" ? "Too many requests" : error.slug === "fault" ? "Fault in the server" : (error.slug ?? "fault"), status, detail: error.message, request_id: hex(16), errors: [] };
    return send(status, "application/problem+json", JSON.stringify(problem), error.retryAfter ? { "Retry-After": String(error.retryAfter) } : {});
  }
}).listen(Number(options.port), "127.0.0.1", () => process.stdout.write(`http://127.0.0.1:${options.port}\n`));
