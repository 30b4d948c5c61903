/** A pretended monitor for mock.mjs: two standing alarms, one cleared, images refused at two cameras. */

import { randomBytes } from "node:crypto";

const hex = (n) => randomBytes(n).toString("hex");
const ago = (minutes) => new Date(Date.now() - minutes * 60_000).toISOString();
const rate = (value, low, high, n) => ({ value, low, high, count: Math.round(value * n), n });

export function monitor({ history, version, has }) {
  const base = { model: "bears", bundle_id: version, cleared: null, cleared_by: null, reason: null };
  const alarms = [
    {
      ...base, id: hex(16), source: "river", source_name: "river", monitor: "out-of-domain-rate", monitor_name: "out-of-domain rate", looks_like: "new-class", looks_like_name: "new class",
      began: ago(74), raised: ago(38), text: "More images than usual are unlike those trained on at river; many of them look alike, as a new class would.",
      evidence: {
        votes: 24, votes_before: 64, out_of_domain: { before: 0.04, since: 0.42 }, unreadable: { before: 0, since: 0 },
        tests: [
          { of: "labels", distance: 0.2, p: 0.16, before: { teddy: 0.42, black: 0.3, grizzly: 0.28 }, since: { teddy: 0.62, grizzly: 0.25, black: 0.13 } },
          { of: "confidence", distance: 0.46, p: 0.0011, before: 0.987, since: 0.921 },
        ],
        in_domain_at_most: 0.066, began_with: hex(16), images: [hex(16)],
      },
    },
    {
      ...base, id: hex(16), source: "ridge", source_name: "ridge", monitor: "score", monitor_name: "score of likeness", looks_like: "camera-or-processing", looks_like_name: "camera or processing",
      began: ago(60 * 26), raised: ago(60 * 22), text: "Images of ridge have drifted away from those trained on, all classes alike, as after a change of the camera or its processing.",
      evidence: { votes: 88, votes_before: 210, out_of_domain: { before: 0.04, since: 0.08 }, tests: [{ of: "scores of images inside the domain", distance: 0.4, p: 0.00002, before: 0.52, since: 0.31 }], began_with: hex(16), images: [hex(16)] },
    },
    {
      ...base, id: hex(16), source: "gate", source_name: "gate", monitor: "confidence", monitor_name: "confidence", looks_like: "harder-cases", looks_like_name: "harder cases",
      began: ago(60 * 24 * 6), raised: ago(60 * 24 * 5.8), text: "Answers at gate are less sure than those the model was calibrated on.", evidence: { votes: 31, votes_before: 400 },
      cleared: ago(60 * 24 * 5.1), cleared_by: "Ada", reason: "Fog for two days; the images were looked through, nothing was wrong.",
    },
  ];
  const standing = () => (has("calm") || has("quiet") || has("no-gate") || has("learning") ? [] : alarms.filter((one) => one.cleared === null));
  const shown = (one) => ({ ...one, acts: one.cleared === null });

  function sources() {
    if (has("quiet")) return [];
    const gate = !has("no-gate");
    const row = (source, n, votes, minutes, value, low, high, evidence) => {
      const own = standing().filter((one) => one.source === source);
      return { source, name: source || "unnamed", n, votes, last_seen: ago(minutes), out_of_domain: gate ? rate(value, low, high, votes) : null, evidence: gate ? (own.length ? 1 : evidence) : null, alarms: own.map((one) => one.id), held: own.length > 0 };
    };
    const rows = [
      row("river", 410, 122, 1, 0.21, 0.15, 0.29, 0.31),
      row("ridge", 280, 97, 4, 0.08, 0.04, 0.15, 0.22),
      row("gate", 1204, 361, 0.4, 0.05, 0.03, 0.08, 0.34),
      row("", 96, 40, 60 * 30, 0.03, 0, 0.13, 0.12),
    ];
    return has("many") ? [...rows, ...Array.from({ length: 30 }, (_, i) => row(`camera-${i + 1}`, 300 + i, 100 + i, 2 + i, 0.04, 0.02, 0.09, 0.3 - i / 110))] : rows;
  }

  function row(model, title) {
    const own = model === "bears" ? standing() : [];
    const list = model === "bears" ? sources() : [];
    const state = has("no-gate") || model !== "bears" ? "no-gate" : own.length ? "alarm" : has("learning") ? "learning" : "ok";
    const text = {
      "no-gate": "No gate in this bundle: images unlike those trained on are not noticed.",
      alarm: `Alarms stand for ${own.map((one) => one.source_name).join(" and ")}.`,
      learning: "12 of 30 votes seen: too few to say anything yet.",
      ok: has("quiet") ? "Nothing has been asked yet." : "Nothing unusual in 4 sources.",
    }[state];
    const gate = state !== "no-gate";
    return {
      model, bundle_id: version, title, current: true, state, text, n: list.reduce((sum, one) => sum + one.n, 0), votes: list.reduce((sum, one) => sum + one.votes, 0),
      last_seen: list.length ? ago(0.4) : null, out_of_domain: gate && list.length ? rate(0.07, 0.055, 0.089, 620) : null, expected_out_of_domain: gate ? 0.05 : null,
      sources: list, sources_left_out: has("many") ? 12 : 0, alarms: own.map(shown),
      estimated_accuracy: list.length ? { value: 0.931, low: 0.902, high: 0.958, n: 620, is: "estimate", text: "Estimated from the confidences of accepted and reviewed answers; it holds while these are calibrated." } : null,
      audited: list.length ? { n: 40, wrong: 1, value: 0.025, low: 0.004, high: 0.129, text: "1 of 40 answers that a person judged blind was wrong." } : null,
      certificate: !gate ? null : own.length
        ? { stands: false, text: `The certificate of 12 Oct 2026 is suspended while an alarm stands, for ${own[0].source_name}.` }
        : { stands: true, text: "The certificate of 12 Oct 2026 stands: the mix of answers has not moved by more than 10.0 %." },
      progress: { position: 5120, behind: has("behind") ? 2500 : 0, caught_up: !has("behind"), seconds_behind: has("behind") ? 340 : 0.4, updated: ago(0.05), problem: has("stuck-monitor") ? "the store does not answer: database is locked" : null },
    };
  }

  function clusters() {
    const refused = history.filter((one) => one.verdict === "out_of_domain" && one.input);
    const parts = has("calm") || has("quiet") ? [] : [refused.slice(0, 9), refused.slice(9, 13)].filter((part) => part.length > 2);
    return {
      model: "bears", bundle_id: version, refused: parts.length ? refused.length + 6 : 0, embedded: parts.length ? refused.length : 0, alone: 5,
      clusters: parts.map((part, i) => ({
        size: part.length, sources: [{ source: i ? "ridge" : "river", name: i ? "ridge" : "river", n: part.length }], first: part.at(-1).at, last: part[0].at, similarity: 0.83 - i * 0.1,
        ids: part.map(({ id }) => id), examples: part.slice(0, 6).map(({ id, input, label, at }) => ({ id, input, label, at })),
      })),
      text: parts.length ? `${parts[0].length} of ${refused.length} refused images look alike: a new class, perhaps.` : "No images were refused.",
    };
  }

  return async function answer(path, query, sent) {
    if (path === "/v1/monitor") {
      return {
        on_alarm: has("tell") ? "tell" : "review", alarms_known: !has("unknown-alarms"), webhook: has("webhook") ? { waiting: 3, failed: 1, last_error: "connection refused", last_sent: ago(90) } : null,
        models: has("empty-models") ? [] : [row("bears", "Bears"), ...(has("numbers") || has("two") ? [row("age", "Age of faces")] : [])],
      };
    }
    if (path === "/v1/monitor/clusters") {
      await new Promise((resolve) => setTimeout(resolve, 700));
      return clusters();
    }
    if (path === "/v1/monitor/alarms") {
      const wanted = query.get("standing");
      const found = [...standing(), ...alarms.filter((one) => one.cleared !== null)];
      return { alarms: found.filter((one) => wanted === null || (wanted === "true") === (one.cleared === null)).map(shown), next: null };
    }
    const [, id, clear] = /^\/v1\/monitor\/alarms\/(\w+)(\/clear)?$/.exec(path) ?? [];
    const found = alarms.find((one) => one.id === id);
    if (!found) return null;
    if (clear) {
      if (!sent?.reason?.trim()) return { status: 422, detail: "reason is missing" };
      if (found.cleared === null) Object.assign(found, { cleared: new Date().toISOString(), cleared_by: sent.by ?? "ops", reason: sent.reason });
      return shown(found);
    }
    const driving = history.filter((one) => one.verdict === "out_of_domain" && (one.metadata.camera === found.source || found.source === "ridge")).slice(0, 14);
    return { ...shown(found), predictions: driving, predictions_missing: 2 };
  };
}
