/** What the monitor knows, as a person reads it. */

import type { HistoryEntry } from "../api/types";
import { percent } from "../format";
import type { Alarm, Monitor, Rate, Watched } from "./types";

export type Tone = "well" | "alarm" | "unsure";

/** The one thing to know of a model, in two or three words. */
export function headline(row: Pick<Watched, "state" | "alarms">): { tone: Tone; words: string } {
  if (row.alarms.length > 0) return { tone: "alarm", words: row.alarms.length === 1 ? "1 alarm stands" : `${row.alarms.length} alarms stand` };
  switch (row.state) {
    case "ok":
      return { tone: "well", words: "all well" };
    case "no-gate":
      return { tone: "unsure", words: "no gate" };
    case "learning":
      return { tone: "unsure", words: "too little seen yet" };
    default:
      return { tone: "alarm", words: "an alarm stands" };
  }
}

/** Models whose alarms stand come first; otherwise as the server lists them. */
export function urgent(rows: readonly Watched[]): Watched[] {
  return [...rows].sort((a, b) => Number(b.alarms.length > 0) - Number(a.alarms.length > 0));
}

export function standing(monitor: Monitor | null): Alarm[] {
  return (monitor?.models ?? []).flatMap(({ alarms }) => alarms).sort((a, b) => b.raised.localeCompare(a.raised));
}

/** What an alarm has done, or did while it stood. */
export function acted(alarm: Pick<Alarm, "acts" | "cleared" | "source" | "source_name">, onAlarm: Monitor["on_alarm"]): string {
  const where = alarm.source === null ? "all sources" : alarm.source_name;
  if (alarm.acts) return `“accept” becomes “review” for ${where} until a person clears the alarm`;
  if (alarm.cleared) return "nothing any more: it is cleared";
  return onAlarm === "tell" ? "nothing but to tell: the server was started with --on-alarm tell" : "nothing";
}

/** “7.0%, between 5.5% and 8.9%”. */
export function rateText(rate: Rate): string {
  return rate.value === null ? "no votes yet" : `${percent(rate.value)}, between ${percent(rate.low)} and ${percent(rate.high)}`;
}

/** How far the evidence has come, in words: the bar's meaning for those who do not see it. */
export function evidenceText(evidence: number): string {
  if (evidence >= 1) return "at the limit of an alarm";
  return `${Math.round(evidence * 100)}% of the way to an alarm`;
}

/** “4 min ago”. Moments to come, by clocks that differ, are now. */
export function ago(iso: string, now: Date): string {
  const seconds = Math.max(0, (now.getTime() - new Date(iso).getTime()) / 1000);
  if (!Number.isFinite(seconds)) return iso;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} days ago`;
}

/** The filters of the History that show what came from an alarm's source since it began. */
export function historyOf(alarm: Alarm, driving: readonly HistoryEntry[]): Record<string, string> {
  const filters: Record<string, string> = { model: alarm.model };
  if (alarm.monitor === "out-of-domain-rate") filters.verdict = "out_of_domain";
  const from = new Date(alarm.began);
  if (!Number.isNaN(from.getTime())) {
    filters.from = [from.getFullYear(), String(from.getMonth() + 1).padStart(2, "0"), String(from.getDate()).padStart(2, "0")].join("-");
  }
  if (alarm.source) {
    const bySite = driving.some(({ metadata }) => metadata?.camera !== alarm.source && metadata?.site === alarm.source);
    filters[bySite ? "site" : "camera"] = alarm.source;
  }
  return filters;
}
