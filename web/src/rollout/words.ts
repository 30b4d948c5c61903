/** A rollout as a person reads it. */

import { count, number, percent } from "../format";
import type { Curve, Reading, Stage, Status, TurnName, Verdict } from "./types";

export const STAGES: readonly Stage[] = ["backtest", "parallel", "supervised", "expanding"];

export const STAGE: Record<Stage, { title: string; means: string }> = {
  backtest: { title: "Backtest", means: "Nothing is live: the policy is tried on past cases." },
  parallel: { title: "Parallel", means: "People decide every case and never see the model's answer." },
  supervised: { title: "Supervised", means: "In a limited scope the model proposes, and a person confirms." },
  expanding: { title: "Expanding", means: "A growing share of certified cases takes effect without a person." },
  "rolled-back": { title: "Rolled back", means: "The model decides nothing until a person clears it. People decide every case." },
  ended: { title: "Ended", means: "Another rollout has taken its place, or a person ended it." },
};

/** “Expanding, step 2”; the steps are counted from 1. */
export function stageOf(stage: Stage, step: number): string {
  return stage === "expanding" ? `${STAGE[stage].title}, step ${step + 1}` : (STAGE[stage]?.title ?? stage);
}

type Unit = "share" | "points" | "ms" | "count" | "days" | "plain";

const GATES: Record<string, { title: string; unit: Unit; /** Whether more is better. */ up?: boolean }> = {
  "non-inferior": { title: "Not worse than people", unit: "points" },
  risk: { title: "Risk of accepted answers", unit: "share" },
  "override-rate": { title: "Overridden proposals", unit: "share" },
  "out-of-domain": { title: "Cases unlike the training images", unit: "share" },
  latency: { title: "Time of the slowest answers", unit: "ms" },
  cases: { title: "Enough cases", unit: "count", up: true },
  days: { title: "Enough time", unit: "days", up: true },
  audits: { title: "Enough new audits", unit: "count", up: true },
  "sample-ratio": { title: "Drawn as it was to be", unit: "share" },
  alarms: { title: "No standing alarm", unit: "count" },
  unresolved: { title: "Unresolved cases", unit: "share" },
  "automation-bias": { title: "People look for themselves", unit: "points" },
  seeded: { title: "People on cases of known answer", unit: "share" },
};

export function gateTitle(gate: string): string {
  const known = GATES[gate]?.title;
  return known ?? gate.charAt(0).toUpperCase() + gate.slice(1).replaceAll("-", " ");
}

/** A gate's number in its unit; a dash where nothing is known. */
export function gateValue(gate: string, value: number | null): string {
  if (value === null) return "–";
  switch (GATES[gate]?.unit) {
    case "share":
      return percent(value);
    case "points":
      return `${value > 0 ? "+" : ""}${(100 * value).toFixed(1)} points`;
    case "ms":
      return value >= 10_000 ? `${(value / 1000).toFixed(0)} s` : value >= 1000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(0)} ms`;
    case "count":
      return Math.round(value).toLocaleString("en");
    case "days":
      return `${value >= 10 ? value.toFixed(0) : number(Number(value.toPrecision(2)))} ${value === 1 ? "day" : "days"}`;
    default:
      return number(value);
  }
}

/** What a gate asks: “at most 2.0 points”, “at least 300”. */
export function gateAsks(gate: string, threshold: number): string {
  const up = GATES[gate]?.up ?? false;
  if (gate === "alarms" && threshold === 0) return "none";
  if (gate === "sample-ratio") return gateValue(gate, threshold);
  return `${up ? "at least" : "at most"} ${gateValue(gate, threshold).replace(/^\+/, "")}`;
}

/** Whether a gate's number is an estimate of something, or just how it is. */
export function gateReads(gate: string): string {
  const unit = GATES[gate]?.unit;
  return unit === "share" || unit === "points" ? "estimate" : "now";
}

/** What it rests on; empty where the number itself is a count. */
export function gateRests(gate: string, n: number): string {
  if (["cases", "days", "alarms", "audits"].includes(gate)) return "";
  return ["risk", "non-inferior", "seeded", "automation-bias"].includes(gate) ? count(n, "labelled case") : count(n, "case");
}

export const VERDICT: Record<Verdict, { words: string; icon: "accept" | "close" | "info" }> = {
  pass: { words: "passes", icon: "accept" },
  fail: { words: "fails", icon: "close" },
  "not-yet": { words: "not yet", icon: "info" },
};

export interface Gate {
  gate: string;
  /** Of all cases together; null where only slices have a reading. */
  whole: Reading | null;
  slices: Reading[];
  /** The worst of all readings. */
  verdict: Verdict;
}

const WORST: Record<Verdict, number> = { fail: 2, "not-yet": 1, pass: 0 };

/** Readings by gate, in the order in which they come; what is worst decides. */
export function gatesOf(readings: readonly Reading[]): Gate[] {
  const found = new Map<string, Gate>();
  for (const reading of readings) {
    const gate = found.get(reading.gate) ?? { gate: reading.gate, whole: null, slices: [], verdict: "pass" as Verdict };
    if (reading.slice === null) gate.whole = reading;
    else gate.slices.push(reading);
    if (WORST[reading.verdict] > WORST[gate.verdict]) gate.verdict = reading.verdict;
    found.set(reading.gate, gate);
  }
  return [...found.values()];
}

/** “3 of 5 slices pass”, with those that do not. */
export function slicesText(slices: readonly Reading[]): string {
  const open = slices.filter(({ verdict }) => verdict !== "pass");
  if (open.length === 0) return slices.length === 1 ? "its one slice passes" : `all ${slices.length} slices pass`;
  const named = open.slice(0, 3).map(({ slice }) => sliceName(slice));
  return `${slices.length - open.length} of ${count(slices.length, "slice")} pass; not ${named.join(", ")}${open.length > 3 ? " …" : ""}`;
}

/** “site=north” → “site north”. */
export function sliceName(slice: string | null): string {
  return slice === null ? "all cases" : slice.replace("=", " ");
}

export const HOLDS: Record<string, string> = {
  person: "A person paused it",
  alarm: "A monitor raised an alarm",
  quiet: "Too little comes in",
  "audited-error": "Audits found too many errors",
  "sample-ratio": "Cases are not assigned as drawn",
};

export interface Doing {
  title: string;
  /** The button that does it. */
  verb: string;
  /** What follows from it. */
  means: string;
  /** What stands in the log where nobody gives a reason; null: one has to be given. */
  instead: string | null;
}

export function doing(turn: TurnName, status: Pick<Status, "next">): Doing {
  const where = status.next ? stageOf(status.next.stage, status.next.step) : "the next stage";
  switch (turn) {
    case "advance":
      return {
        title: `Advance to ${where.toLowerCase()}`,
        verb: "Advance",
        means: status.next ? (STAGE[status.next.stage]?.means ?? "") : "",
        instead: null,
      };
    case "pause":
      return { title: "Pause", verb: "Pause", means: "The model neither proposes nor acts, and people decide blind. Evidence stands.", instead: "paused from the console; no reason was given" };
    case "resume":
      return { title: "Resume", verb: "Resume", means: "It goes on where it was.", instead: "resumed from the console; no reason was given" };
    case "rollback":
      return {
        title: "Roll back",
        verb: "Roll back",
        means: "From now on the model decides nothing, and people decide every case blind, until somebody clears it. Open proposals are withdrawn. What has taken effect already stands.",
        instead: "rolled back from the console; no reason was given",
      };
    case "clear":
      return { title: "Clear the rollback", verb: "Clear it", means: "It begins again in parallel, with fresh evidence: what was shown before does not count any more.", instead: null };
    case "end":
      return { title: "End the rollout", verb: "End it", means: "For good: no cases are taken any more, and reviewers may see predictions again.", instead: null };
  }
}

/** Minutes and hours of people's work. */
export function workTime(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  const hours = seconds / 3600;
  return hours < 100 ? `${hours.toFixed(1)} h` : `${Math.round(hours).toLocaleString("en")} h`;
}

/** Which curves are worth a picture: those that have a course, all cases together first. */
export function curvesOf(curves: readonly Curve[], gate: string): Curve[] {
  return curves
    .filter((curve) => curve.gate === gate && curve.points.filter(({ value, bound }) => value !== null || bound !== null).length > 1)
    .toSorted((a, b) => Number(a.slice !== null) - Number(b.slice !== null));
}

const EVENTS: Record<string, string> = {
  opened: "opened",
  arrived: "case arrived",
  decided: "decided",
  "turned-out": "outcome",
  alarmed: "alarm",
  ticked: "time passed",
  turned: "turn",
  looked: "reserve looked at",
  followed: "followed",
};

const TURNED: Record<string, string> = {
  advanced: "advanced",
  paused: "paused",
  resumed: "resumed",
  "rolled-back": "rolled back",
  cleared: "cleared",
  ended: "ended",
};

export const turnedText = (turn: string) => TURNED[turn] ?? turn;
export const eventText = (event: string) => EVENTS[event] ?? event;

const text = (value: unknown) => (typeof value === "string" ? value : "");

/** Who did what, and why, of one line of the log. */
export function lineText(event: Record<string, unknown>): { who: string; what: string; why: string } {
  const kind = text(event.event);
  const by = text(event.by);
  switch (kind) {
    case "arrived": {
      const key = text((event.case as { key?: unknown } | undefined)?.key);
      const route = text((event.draw as { route?: unknown } | undefined)?.route);
      return { who: "", what: `case ${key} arrived`, why: [route, event.known ? "answer known" : ""].filter(Boolean).join(", ") };
    }
    case "decided":
      return { who: by, what: `${text(event.review) === "adjudicate" ? "adjudicated" : text(event.review) === "confirm" ? "answered a proposal" : "decided"}: ${event.label === null ? "cannot tell" : text(event.label)}`, why: text(event.how) };
    case "turned-out":
      return { who: by, what: `outcome: ${text(event.label)}`, why: "" };
    case "alarmed":
      return { who: "", what: event.cleared ? "alarm cleared" : "alarm", why: text(event.words) };
    case "turned": {
      const stage = text(event.stage) as Stage;
      const what = text(event.turn) === "advanced" ? `advanced to ${stageOf(stage, Number(event.step ?? 0))}` : turnedText(text(event.turn));
      return { who: by || "the evidence", what, why: text(event.reason) };
    }
    case "opened":
      return { who: by, what: "opened", why: `bundle ${text(event.bundle_id)}` };
    default:
      return { who: by, what: eventText(kind), why: text(event.words) };
  }
}
