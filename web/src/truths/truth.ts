/** The right answer to a prediction as a person tells it: what may be told, how it reads, and whether the model gave it. */

import type { Model, Said, Telling, Truth } from "../api/types";
import { number } from "../format";

export type Field =
  /** One of these; `open`: or a new class. */
  | { kind: "label"; choices: readonly string[]; open: boolean }
  /** Any number of these. */
  | { kind: "labels"; choices: readonly string[]; open: boolean }
  /** A number for each of these. */
  | { kind: "values"; names: readonly string[] };

/** What a person has filled in so far. `other` is a label the model does not have, or has not yet. */
export interface Draft {
  label: string;
  labels: readonly string[];
  other: string;
  values: Readonly<Record<string, string>>;
}

export const EMPTY: Draft = { label: "", labels: [], other: "", values: {} };

/** More choices than these are found by typing, not looked for among buttons. */
export const MOST_CHOICES = { label: 12, labels: 40 } as const;

/** What can be told of an answer. A version that is not served any more is known by what it said; null: nothing can be told. */
export function fieldOf(said: Said, model: Model | null): Field | null {
  if (said.verdict === "unreadable") return null;
  const task = model?.task ?? guessed(said);
  if (task === "regression") return { kind: "values", names: model?.outputs ?? Object.keys(said.values ?? {}) };
  const choices = model?.outputs ?? Object.keys(said.probs ?? {}).sort();
  if (task === "multi-label") return { kind: "labels", choices, open: true };
  return { kind: "label", choices, open: task !== "ordinal" };
}

function guessed(said: Said): Model["task"] {
  if (said.label !== null && said.label !== undefined) return "classification";
  return Object.keys(said.probs ?? {}).length > 0 ? "multi-label" : "regression";
}

/** What would be told; null where the draft says nothing yet. */
export function telling(field: Field, draft: Draft): Telling | null {
  const other = draft.other.trim();
  switch (field.kind) {
    case "label": {
      const label = other || draft.label;
      return label && (field.open || field.choices.includes(label)) ? { label } : null;
    }
    case "labels":
      return { labels: [...new Set([...draft.labels, ...other.split(";").map((one) => one.trim())])].filter(Boolean) };
    case "values": {
      const values = field.names.map((name) => [name, read(draft.values[name] ?? "")] as const);
      return values.some(([, value]) => value === null) ? null : { values: Object.fromEntries(values) as Record<string, number> };
    }
  }
}

/** A number as people type it, with a point or a comma; null for anything else. */
export function read(text: string): number | null {
  const plain = text.trim().replace(/^([+-]?\d+),(\d+)$/, "$1.$2");
  return plain !== "" && Number.isFinite(Number(plain)) ? Number(plain) : null;
}

/** “grizzly”, “disc, square”, “none of the labels”, “age 31”. */
export function told(truth: Telling): string {
  if (truth.label !== null && truth.label !== undefined) return truth.label;
  if (truth.labels) return truth.labels.length > 0 ? truth.labels.join(", ") : "none of the labels";
  return Object.entries(truth.values ?? {})
    .map(([name, value]) => `${name} ${number(value)}`)
    .join(", ");
}

/** Labels that the model does not know: new classes. */
export function unknownTo(field: Field, truth: Telling): string[] {
  if (field.kind === "values") return [];
  return [...(truth.labels ?? []), ...(truth.label ? [truth.label] : [])].filter((label) => !field.choices.includes(label));
}

/** Whether the model gave this answer too, of numbers within its interval; null where there is nothing to compare. */
export function agrees(said: Said, truth: Telling): boolean | null {
  if (truth.label !== null && truth.label !== undefined) return said.label === null ? null : said.label === truth.label;
  if (truth.labels) return [...truth.labels].sort().join("\n") === [...(said.labels ?? [])].sort().join("\n");
  const pairs = Object.entries(truth.values ?? {}).map(([name, value]) => [value, said.values?.[name]] as const);
  if (pairs.length === 0 || pairs.some(([, given]) => !given)) return null;
  return pairs.every(([value, given]) => value >= given!.low && value <= given!.high);
}

export const HOW: Record<Truth["how"], { words: string; means: string }> = {
  blind: { words: "blind", means: "without seeing the model's answer" },
  assisted: { words: "assisted", means: "with the model's answer in sight" },
  adjudicated: { words: "adjudicated", means: "deciding between answers without knowing whose they were" },
  outcome: { words: "outcome", means: "what turned out later" },
  model: { words: "model", means: "by the model alone" },
};
