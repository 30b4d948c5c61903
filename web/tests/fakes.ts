/** Answers of a server, for tests. */

import { vi } from "vitest";
import type { HistoryEntry, Model, Prediction } from "../src/api/types";

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
}

export function problem(status: number, slug: string, detail: string, headers: Record<string, string> = {}): Response {
  const document = { type: `urn:drivetrain:problem:${slug}`, title: slug, status, detail, request_id: "f".repeat(32) };
  return new Response(JSON.stringify(document), { status, headers: { "Content-Type": "application/problem+json", ...headers } });
}

export function prediction(changes: Partial<Prediction> = {}): Prediction {
  return {
    path: "a.jpg",
    label: "grizzly",
    confidence: 0.9731,
    probs: { grizzly: 0.9731, black: 0.02, teddy: 0.0069 },
    labels: [],
    values: {},
    verdict: "accept",
    p_in_domain: null,
    reasons: [],
    error: null,
    id: "1".repeat(32),
    input_sha256: "2".repeat(64),
    ...changes,
  };
}

export function predictions(list: Prediction[]) {
  const timings = { queue_ms: 1, decode_ms: 2, network_ms: 3, store_ms: 1, total_ms: 7 };
  return { predictions: list, request_id: "3".repeat(32), bundle_id: "bundle", model: "bears", timings };
}

export function model(changes: Partial<Model> = {}): Model {
  return {
    name: "bears",
    version: "bundle",
    default: true,
    current: true,
    title: "Bears",
    task: "classification",
    gives: "One label of several",
    outputs_are: "Classes",
    outputs: ["black", "grizzly", "teddy"],
    created_at: "2026-11-21T18:13:30+00:00",
    images: 1105,
    metrics: [
      {
        slug: "accuracy",
        name: "accuracy",
        of: null,
        value: 0.962,
        low: 0.948,
        high: 0.972,
        format: "percent",
        better: "higher",
        unit: "",
        how: "Out of fold",
        n: null,
        note: "",
      },
    ],
    accept: {
      words: "answers from confidence 0.85 on: 78.0 % of the training images, unseen; a stated convention, which promises nothing",
      confidence: 0.85,
      width: null,
      basis: "convention",
      coverage: 0.78,
      bound: null,
    },
    gate: null,
    input: { type: "image", shape: [3, 260, 260], media_types: ["image/jpeg", "image/png"] },
    backbone: "efficientnet-lite2",
    parity: null,
    gallery: 0,
    problem: null,
    links: { manifest: "/m/manifest", card: "/m/card", report: "/m/report" },
    ...changes,
  };
}

export function entry(id: string, changes: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    ...prediction(),
    id,
    path: `${id}.jpg`,
    request_id: "3".repeat(32),
    at: "2026-11-21T18:13:30+00:00",
    model: "bears",
    bundle_id: "bundle",
    input: null,
    facts: { width: 400, height: 300 },
    metadata: { camera: null, site: null, group: null, taken_at: null, extra: {} },
    timings: { queue_ms: 1, decode_ms: 2, network_ms: 3, total_ms: 7 },
    truths: [],
    ...changes,
  };
}

type Handler = (url: URL, init: RequestInit) => Response | undefined | Promise<Response | undefined>;

/** The network's edge: what a test does not answer itself, a small server does. */
export function network(own: Handler = () => undefined) {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (input: string, init: RequestInit = {}) => {
    const url = new URL(input, "http://localhost");
    asked.push(`${init.method} ${url.pathname}${url.search}`);
    const answer = await own(url, init);
    if (answer) return answer;
    switch (url.pathname) {
      case "/v1/whoami":
        return json({ keys_required: false, role: "admin", name: null, version: "0.3.0" });
      case "/v1/models":
        return json({ models: [model()] });
      case "/v1/samples":
        return json({ samples: [] });
      case "/v1/predict":
        return json(predictions((init.body as FormData).getAll("images").map((file) => prediction({ path: (file as File).name, id: (file as File).name }))));
      case "/v1/explain":
        return json({ prediction: prediction(), model: "bears", bundle_id: "bundle", heatmap: null, similar: [{ row: 4, label: "grizzly", similarity: 0.9, thumbnail: null }] });
      case "/v1/predictions":
        return json({ predictions: ["a", "b", "c"].map((id) => entry(id)), next: null, searched_to: null });
      default:
        if (/^\/v1\/predictions\/[^/]+\/labels$/.test(url.pathname)) return json({ truths: [] });
        return problem(404, "not-found", "no such thing");
    }
  });
  return asked;
}

export const flush = async (turns = 20) => {
  for (let i = 0; i < turns; i += 1) await Promise.resolve();
};
