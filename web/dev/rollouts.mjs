/** The pretended server's rollouts. States: `supervised`, `expanding`, `paused`, `alarm`, `rolled-back`, `ended`, `may-advance`, `early`, `no-rollouts`, `one-rollout`, `refuse-turn`. */

import { createHash } from "node:crypto";

/** As the server writes it: sorted keys, no blanks, ASCII. */
const canonical = (value) =>
  JSON.stringify(value, (_, one) => (one && typeof one === "object" && !Array.isArray(one) ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1))) : one)).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
const hash = (text) => createHash("sha256").update(text).digest("hex");
const GENESIS = "0".repeat(64);
const DAY = 86_400_000;
const STEPS = [0.05, 0.25, 0.5, 1];
const SLICES = ["module=mono", "module=poly", "site=Almería", "site=Lleida"];

export function rollouts({ has }) {
  const opened = Date.now() - 19 * DAY;
  const ago = (days) => new Date(Date.now() - days * DAY).toISOString();
  const made = [];
  let place = null;

  const stage = () => place?.stage ?? (has("ended") ? "ended" : has("rolled-back") ? "rolled-back" : has("expanding") ? "expanding" : has("supervised") ? "supervised" : "parallel");
  const step = () => place?.step ?? (stage() === "expanding" ? 1 : 0);
  const holds = () => {
    if (place?.holds) return place.holds;
    if (has("alarm")) return [{ kind: "alarm", words: "More images than usual are unlike those trained on, from site Lleida.", at: ago(0.02), alarm_id: "a".repeat(32), by: null }];
    return has("paused") ? [{ kind: "person", words: "poly modules arrive, wait for the next look", at: ago(0.1), alarm_id: null, by: "ops" }] : [];
  };

  const reading = (gate, slice, value, bound, threshold, n, verdict, expected_more, words) => ({ gate, slice, value, bound, threshold, n, verdict, expected_more, words });
  function readings() {
    if (["rolled-back", "ended"].includes(stage())) return [];
    const early = has("early");
    const ok = has("may-advance");
    const n = early ? 12 : 612;
    if (stage() === "parallel") {
      return [
        reading("non-inferior", null, early ? null : 0.0021, early ? null : ok ? 0.0148 : 0.0231, 0.02, n, ok ? "pass" : "not-yet", ok ? null : early ? null : 210, early ? "Nothing can be said yet: 12 of the cases are resolved." : ok ? "The model is at most 1.5 points worse than people, and 2.0 are allowed." : "The model may be up to 2.3 points worse than people; 2.0 are allowed."),
        ...(early ? [] : SLICES.map((slice, i) => reading("non-inferior", slice, -0.004 + i * 0.005, ok ? 0.016 : 0.018 + i * 0.006, 0.02, 300 - i * 70, ok || i < 1 ? "pass" : "not-yet", ok || i < 1 ? null : 210 + 80 * i, "At most so much worse than people."))),
        reading("unresolved", null, 0.021, null, 0.1, n, "pass", null, "2.1% of the cases in evidence count worst-case."),
        reading("out-of-domain", null, 0.034, 0.051, 0.1, n, "pass", null, "At most 5.1% are unlike the training images."),
        reading("latency", null, 412, null, 2000, n, "pass", null, "95 of 100 answers came within 412 ms."),
        reading("cases", null, n, null, 300, n, early ? "not-yet" : "pass", early ? 288 : null, early ? "12 of 300 cases." : "612 cases, of 300 asked."),
        reading("days", null, early ? 0.6 : 19, null, 7, n, early ? "not-yet" : "pass", null, early ? "0.6 of 7 days." : "19 days, of 7 asked."),
        reading("sample-ratio", null, 0.147, null, 0.145, n, "pass", null, "14.7% of 612 units were drawn for checks, and 14.5% were to be."),
        reading("alarms", null, holds().some(({ kind }) => kind === "alarm") ? 1 : 0, null, 0, 0, holds().some(({ kind }) => kind === "alarm") ? "fail" : "pass", null, holds().some(({ kind }) => kind === "alarm") ? "One alarm stands." : "No alarm stands."),
      ];
    }
    return [
      reading("risk", null, 0.012, ok ? 0.041 : 0.062, 0.05, 240, ok ? "pass" : "not-yet", ok ? null : 95, "At most 6.2% of accepted answers are wrong; 5.0% are allowed."),
      ...SLICES.slice(0, 2).map((slice, i) => reading("risk", slice, 0.01 + i * 0.03, 0.05 + i * 0.06, 0.05, 160 - i * 80, i ? "fail" : "pass", null, "At most so many are wrong.")),
      reading("override-rate", null, 0.043, 0.071, 0.1, 380, "pass", null, "At most 7.1% of proposals are overridden."),
      reading("automation-bias", null, 0.006, null, 0.02, 91, "pass", null, "People are wrong as often with a proposal as without one."),
      reading("seeded", null, 0.05, null, 0.2, 20, "pass", null, "People were wrong on 1 of 20 cases of known answer."),
      reading("alarms", null, 0, null, 0, 0, "pass", null, "No alarm stands."),
    ];
  }

  const curve = (gate, slice, threshold, from, to, wide) => ({
    gate, slice, threshold,
    points: Array.from({ length: 40 }, (_, i) => {
      const k = 1 / Math.sqrt(i + 1);
      const noise = (parseInt(hash(`${gate}${slice}${i}`).slice(0, 4), 16) / 65_536 - 0.5) * k;
      const value = Math.max(-0.05, to + (from - to) * k + noise * wide);
      return { at: new Date(opened + ((i + 1) / 40) * 19 * DAY).toISOString(), n: (i + 1) * 15, value: i < 2 ? null : value, bound: i < 2 ? null : value + wide * k * 1.6 };
    }),
  });
  const curves = () =>
    has("early") ? [] : stage() === "parallel"
      ? [curve("non-inferior", null, 0.02, 0.03, 0.001, 0.09), ...SLICES.map((slice, i) => curve("non-inferior", slice, 0.02, 0.04, i * 0.003, 0.12)), curve("unresolved", null, 0.1, 0.06, 0.02, 0.02), curve("out-of-domain", null, 0.1, 0.05, 0.034, 0.05)]
      : [curve("risk", null, 0.05, 0.04, 0.012, 0.15), ...SLICES.slice(0, 2).map((slice, i) => curve("risk", slice, 0.05, 0.05, 0.01 + 0.03 * i, 0.2)), curve("override-rate", null, 0.1, 0.1, 0.043, 0.09)];

  const counts = (k) => ({
    arrived: Math.round(1840 * k), waiting: Math.round(41 * k), blind: Math.round(1211 * k), assisted: stage() === "parallel" ? 0 : Math.round(380 * k), acted: stage() === "expanding" ? Math.round(204 * k) : 0, undecided: Math.round(9 * k),
    certified: Math.round(1402 * k), out_of_domain: Math.round(62 * k), seeded: Math.round(20 * k), final: Math.round(612 * k), unresolved: Math.round(8 * k), cannot_tell: Math.round(5 * k),
  });
  const changed = (k) => ({ compared: Math.round(980 * k), discordant: Math.round(58 * k), model_right: Math.round(27 * k), person_right: Math.round(11 * k), neither: Math.round(3 * k), cannot_tell: Math.round(4 * k), unresolved: Math.round(2 * k), both_wrong: Math.round(6 * k) });
  const NONE = { compared: 0, discordant: 0, model_right: 0, person_right: 0, neither: 0, cannot_tell: 0, unresolved: 0, both_wrong: 0 };

  function turns() {
    const base = [];
    if (stage() === "rolled-back" && !made.length) base.push({ at: ago(0.03), turn: "rolled-back", by: null, reason: "the e-CUSUM of audited errors reached 1,204 (rolled back at 1,000) after 71 audits of this step, in slice module=poly", stage: "rolled-back", step: 0, evidence: { head_hash: hash("head2") } });
    if (stage() === "ended" && !made.length) base.push({ at: ago(0.5), turn: "ended", by: "ops", reason: "replaced by the bundle of November", stage: "ended", step: 0, evidence: {} });
    if (stage() !== "parallel") base.push({ at: ago(6), turn: "advanced", by: "ops", reason: "all gates pass since Tuesday; agreed with the plant", stage: "supervised", step: 0, evidence: { head_hash: hash("head1") } });
    return [...made].reverse().concat(base);
  }

  const log = [];
  function line(event) {
    const before = log.at(-1)?.hash ?? GENESIS;
    const number = log.length + 1;
    log.push({ number, at: event.at, case_id: event.case?.id ?? event.case_id ?? null, event, before, hash: hash(`${before}\n${number}\n${canonical(event)}`) });
  }
  line({ event: "opened", at: new Date(opened).toISOString(), by: "ops", policy: { name: "solar-cells", expanding: { steps: STEPS } }, bundle_id: "a593aa456b196a30", labels: ["functional", "defective"], salt_sha256: hash("salt") });
  for (let i = 0; i < 180; i += 1) {
    const at = new Date(opened + (i / 180) * 19 * DAY).toISOString();
    line({ event: "arrived", at, case: { id: hash(`c${i}`).slice(0, 32), key: `M-${1000 + i}`, slices: {} }, answer: {}, draw: { route: "blind", audit: i % 9 === 0 }, known: i % 40 === 3 ? "defective" : null });
    line({ event: "decided", at, case_id: hash(`c${i}`).slice(0, 32), review: i % 12 === 5 ? "adjudicate" : "decide", round: 0, by: i % 3 ? "Ada" : "Ben", label: i % 31 === 7 ? null : i % 4 ? "functional" : "defective", how: i % 12 === 5 ? "adjudicated" : "blind", seconds: 6.2 });
  }

  const row = (changes = {}) => ({
    id: "r1", name: "solar-cells", model: "cells", bundle_id: "a593aa456b196a30", stage: stage(), step: step(), paused: holds().length > 0, opened_at: new Date(opened).toISOString(), live: stage() !== "ended", served: !has("not-served"), shadow_of: null,
    head: log.length, head_hash: log.at(-1).hash, ...changes,
  });

  function status(own) {
    const first = readings();
    const slow = first.filter(({ expected_more }) => expected_more !== null).map(({ expected_more }) => expected_more);
    const open = first.filter(({ verdict }) => verdict !== "pass");
    const next = { parallel: { stage: "supervised", step: 0 }, supervised: { stage: "expanding", step: 0 }, expanding: step() < 3 ? { stage: "expanding", step: step() + 1 } : null }[stage()] ?? null;
    const refusals = [...holds().map(({ words }) => `it is paused: ${words}`), ...open.map((one) => `${one.gate}${one.slice ? ` of ${one.slice}` : ""}: ${one.words}`)];
    const { live, served, ...plain } = own;
    return {
      ...plain, at: new Date().toISOString(), share: stage() === "expanding" ? STEPS[step()] : null, holds: holds(), next, may_advance: next !== null && refusals.length === 0, refusals, expected_more: slow.length ? Math.max(...slow) : null, readings: first,
      counts: counts(has("early") ? 0.02 : 1), slices: Object.fromEntries(SLICES.map((name, i) => [name, counts((has("early") ? 0.02 : 1) * [0.7, 0.3, 0.55, 0.45][i])])), changed: has("early") ? NONE : changed(1), changed_slices: {},
      overrides: stage() === "parallel" ? [] : [{ by: "Ada", slice: null, proposed: 212, overridden: 14, cannot_tell: 1 }, { by: "Ben", slice: null, proposed: 168, overridden: 2, cannot_tell: 0 }, { by: null, slice: "module=mono", proposed: 301, overridden: 9, cannot_tell: 1 }, { by: null, slice: "module=poly", proposed: 79, overridden: 7, cannot_tell: 0 }],
      workload: { decisions: has("early") ? 31 : 1702, seconds: has("early") ? 240 : 11_900, timed: has("early") ? 31 : 1690, saved: stage() === "expanding" ? 183 : 0 }, harm: stage() === "expanding" ? { audit_share: 0.1, audits: 70, acted: 700, error: 0.1, errors: 70 } : null,
      spent: { alpha: 0.05, spent: stage() === "parallel" ? 0 : 0.025, attempt: 0 }, curves: curves(), queue: { decide: { open: 36, leased: 2, held: 1, overdue: 4 } }, people: has("early") ? {} : { decided_twice: { n: 61, agreed: 57, kappa: 0.83, low: 0.68, high: 0.94, error: 0.034 }, adjudicated_twice: { n: 22, disagreed: 1, error: 0.023, error_upper: 0.11 }, found_wrong: { hits: 27, n: 960, value: 0.028, lower: 0.019, upper: 0.041 }, both_wrong: { hits: 6, n: 120, value: 0.05, lower: 0.02, upper: 0.11 }, seeded: { hits: 1, n: 20, value: 0.05, lower: 0.001, upper: 0.25 } }, turns: turns(),
    };
  }

  return function answer(path, query, sent, by) {
    const all = has("no-rollouts") ? [] : has("one-rollout") ? [row()] : [row({ id: "r2", name: "solar-cells-next", stage: "parallel", step: 0, paused: false, live: true, shadow_of: "r1", opened_at: ago(2) }), row(), row({ id: "r0", name: "solar-cells", stage: "ended", step: 0, paused: false, live: false, opened_at: ago(90) })];
    if (path === "/v1/rollouts") return { rollouts: all };
    const [, id, rest] = /^\/v1\/rollouts\/([^/]+)(\/.*)?$/.exec(path) ?? [];
    const own = all.find((one) => one.id === id) ?? all.find((one) => one.name === id);
    if (!own) return null;
    if (!rest) return status(own);
    if (rest === "/log") {
      const after = Number(query.get("after") ?? 0);
      const limit = Number(query.get("limit") ?? 200);
      const lines = log.slice(after, after + limit);
      return { lines, next: after + limit < log.length ? lines.at(-1).number : null };
    }
    if (rest === "/log.jsonl") return { data: Buffer.from(log.map(({ number, at, case_id, event, before, hash: own }) => `{"number":${number},"at":"${at}","case_id":${JSON.stringify(case_id)},"event":${canonical(event)},"before":"${before}","hash":"${own}"}`).join("\n")), type: "application/jsonl" };
    const turn = rest.slice(1);
    if (has("refuse-turn")) return { status: 409, detail: "the rollout has been turned meanwhile by ops: look again" };
    if (!sent?.reason) return { status: 422, detail: "reason is missing" };
    const now = new Date().toISOString();
    const to = { advance: status(own).next, rollback: { stage: "rolled-back", step: 0 }, clear: { stage: "parallel", step: 0 }, end: { stage: "ended", step: 0 } }[turn];
    place = { stage: stage(), step: step(), holds: holds(), ...to };
    if (turn === "pause") place.holds = [{ kind: "person", words: sent.reason, at: now, alarm_id: null, by }];
    if (turn === "resume" || turn === "rollback" || turn === "clear") place.holds = [];
    const done = { advance: "advanced", pause: "paused", resume: "resumed", rollback: "rolled-back", clear: "cleared", end: "ended" }[turn];
    made.push({ at: now, turn: done, by: sent.by ?? by, reason: sent.reason, stage: place.stage, step: place.step, evidence: { head_hash: log.at(-1).hash } });
    line({ event: "turned", ...made.at(-1) });
    return status(row());
  };
}
