/** Figures, times and verdicts as a person reads them. */

import type { Metric, Model, Said } from "./api/types";

/** 0.9731 → “97.3%”. Never claims 100 % or 0 % of what is not exactly that. */
export function percent(fraction: number, digits = 1): string {
  if (!Number.isFinite(fraction)) return "–";
  const text = (fraction * 100).toFixed(digits);
  if (fraction < 1 && Number(text) >= 100) return `>${(100 - 10 ** -digits).toFixed(digits)}%`;
  if (fraction > 0 && Number(text) <= 0) return `<${(10 ** -digits).toFixed(digits)}%`;
  return `${text}%`;
}

/** Four significant digits, without an exponent where that is readable. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(2).replace("e", "×10^").replace("^+", "^");
  const digits = size >= 1000 ? 0 : size === 0 ? 0 : Math.min(4, Math.max(0, 3 - Math.floor(Math.log10(size))));
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

export function milliseconds(ms: number): string {
  if (!Number.isFinite(ms)) return "–";
  if (ms >= 10_000) return `${(ms / 1000).toFixed(0)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 10 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(1)} ms`;
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(0)} kB`;
  return `${(count / 1_000_000).toFixed(1)} MB`;
}

/** “1 image”, “12 images”. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** In the reader's own time zone; today's times without the date. */
export function moment(iso: string, now: Date): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const time = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  if (at.toDateString() === now.toDateString()) return `today, ${time}`;
  const sameYear = at.getFullYear() === now.getFullYear();
  const day = at.toLocaleDateString("en-GB", { day: "numeric", month: "short", ...(sameYear ? {} : { year: "numeric" }) });
  return `${day}, ${time}`;
}

/** What the model takes: “260 × 260 pixels”; of any other input its kind and its sides. */
export function inputOf({ input }: Pick<Model, "input">): string {
  const [, height, width] = input.shape;
  return input.type === "image" ? `${width} × ${height} pixels` : `${input.type} (${input.shape.join(" × ")})`;
}

/** The answer in one line: the label, the labels, or the numbers. */
export function answerOf(said: Said): string {
  if (said.verdict === "unreadable") return "Could not be read";
  return isOutside(said) ? "No answer" : outputOf(said);
}

/** What the model gave, whatever the verdict made of it. */
export function outputOf(said: Said): string {
  if (ofNumbers(said)) {
    return Object.entries(said.values)
      .map(([name, v]) => `${name} ${number(v.value)}`)
      .join(", ");
  }
  if (said.label !== null && said.label !== undefined) return said.label;
  if ((said.labels ?? []).length > 0) return said.labels.join(", ");
  return isTentative(said) ? "none of the labels" : "None of the labels";
}

/** Whether numbers are the answer, rather than something that is said beside a label. */
export function ofNumbers(said: Said): boolean {
  return (said.label === null || said.label === undefined) && Object.keys(said.values ?? {}).length > 0;
}

/** Whether the answer is no more than a suggestion: a person decides. */
export function isSuggestion(said: Said): boolean {
  return said.verdict === "review";
}

/** Whether the input is unlike those trained on, so that what the model gave says nothing. */
export function isOutside(said: Said): boolean {
  return said.verdict === "out_of_domain";
}

/** Whether the answer does not stand: it is drawn as undecided. */
export function isTentative(said: Said): boolean {
  return isSuggestion(said) || isOutside(said);
}

/** As `answerOf`, for where nothing else shows that a suggestion is none but that: “maybe grizzly, a person should look”. */
export function spoken(said: Said): string {
  return isSuggestion(said) ? `maybe ${answerOf(said)}, a person should look` : answerOf(said);
}

/** Numbers carry no confidence; what could not be read neither, and that of an image unlike those trained on means nothing. */
export function hasConfidence(said: Said): boolean {
  return said.verdict !== "unreadable" && !isOutside(said) && !ofNumbers(said);
}

/** How like the training images it is, in a sentence; empty where the model has no gate. */
export function likeness(said: Said): string {
  const p = said.p_in_domain;
  if (p === null || p === undefined || said.verdict === "unreadable") return "";
  // The gate's reason says it in words already.
  if (said.reasons?.some(({ code }) => code === GATE)) return `In-domain p-value: ${number(Number(p.toPrecision(2)))}.`;
  return `Of images like those it was trained on, ${percent(p)} look as unlike them as this one${isOutside(said) ? "" : ", or more so"}.`;
}

/** Probabilities, largest first. */
export function ranked(probs: Record<string, number>): [string, number][] {
  return Object.entries(probs ?? {}).sort((a, b) => b[1] - a[1]);
}

/** The gate's rule, by the code of its reason. */
const GATE = "out-of-domain";

/**
 * Why an answer is not accepted, in the words of the rules that did not let it stand. Where the gate did not, what others say
 * of the answer means nothing.
 */
export function why(said: Said): string {
  const reasons = said.reasons ?? [];
  const gate = reasons.filter(({ code }) => code === GATE);
  return (gate.length > 0 ? gate : reasons).map((reason) => reason.text).join("; ");
}

/** What the verdict means for this answer, in a sentence. */
export function meaning(said: Said, model?: Model | null): string {
  const least = model?.accept?.confidence;
  switch (said.verdict) {
    case "accept":
      return least === undefined || least === null
        ? "The model may answer alone."
        : `The model may answer alone: its confidence of ${percent(said.confidence)} reaches ${percent(least)}.`;
    case "review":
      if (why(said)) return `A person should look: ${why(said)}.`;
      // Answers that were stored before there were reasons.
      return hasConfidence(said) ? "A person should look: the model is not sure enough." : "A person should look: no rule says yet which numbers may pass alone.";
    case "out_of_domain":
      return `The answer says nothing: ${why(said) || "the image is unlike those the model was trained on"}.`;
    default:
      return `The file could not be read as an image${said.error ? `: ${said.error}` : "."}`;
  }
}

/** The rule behind “accept”, in words. */
export function acceptRule(model: Model): string {
  if (!model.accept) return "Every answer goes before a person: this model has no rule for answering alone.";
  return `Accepts ${model.accept.words}.`;
}

/** What the gate turns away, in words. */
export function gateRule(model: Model): string {
  return model.gate ? `Turns away ${model.gate.words}.` : "Has no gate: images unlike those trained on are not told apart.";
}

/** What a figure is to be compared with, and which way is better. */
export function remark({ note, better }: Pick<Metric, "note" | "better">): string {
  return [note, better === "lower" ? "lower is better" : ""].filter(Boolean).join("; ");
}

/** A figure's name as a line begins: “accuracy” → “Accuracy”. */
export function metricName(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Whether a figure is a share of all there is, so that it is drawn between 0 and 1. */
export function isFraction({ format }: Pick<Metric, "format">): boolean {
  return format === "percent";
}

/** A value as the figure states how it is read, without its unit. */
export function metricNumber({ format }: Pick<Metric, "format">, value: number): string {
  switch (format) {
    case "percent":
      return percent(value);
    case "points":
      return `${(100 * value).toFixed(1)} points`;
    case "decimals":
      return value.toFixed(3);
    default:
      return number(value);
  }
}

/** A figure's value with its unit: “97.3%”, “0.538 grades”. */
export function metricValue(metric: Pick<Metric, "format" | "unit" | "value">): string {
  return `${metricNumber(metric, metric.value)} ${metric.unit}`.trim();
}
