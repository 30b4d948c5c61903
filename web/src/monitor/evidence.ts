/** What an alarm rests on, as lines of tables: what was so before it and since, and figures that stand alone. */

import { count, number, percent } from "../format";
import { format } from "../routes";

export interface Comparison {
  name: string;
  before: string;
  since: string;
  /** How often chance alone would do as much; empty where nobody tested it. */
  p: string;
  /** Chance alone would hardly do as much. */
  telling: boolean;
}

export interface Figure {
  name: string;
  text: string;
  /** Where a prediction is that it names. */
  href?: string;
}

const WORDS: Record<string, string> = {
  votes: "Votes since it began",
  votes_before: "Votes before",
  out_of_domain: "Unlike the training images",
  unreadable: "Unreadable",
  in_domain_at_most: "To be expected unlike them, at most",
  audits: "Answers that people judged",
  wrong: "Of these wrong",
  bound: "Errors that were promised, at most",
  began_with: "Began with",
  mix: "Mix of answers, certified and since",
  margin: "Change of the mix that is allowed",
};
const SHARES = ["out_of_domain", "unreadable", "in_domain_at_most", "bound", "margin"];
const HARDLY = 0.01;
const MOST_NAMED = 4;
const MOST_LISTED = 12;

type Bag = Record<string, unknown>;
const isBag = (value: unknown): value is Bag => typeof value === "object" && value !== null && !Array.isArray(value);
const isId = (value: unknown) => typeof value === "string" && /^[0-9a-f]{32}$/.test(value);
const isComparison = (value: unknown): value is Bag => isBag(value) && "before" in value && "since" in value;
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
const nameOf = (key: string) => WORDS[key] ?? capital(key.replaceAll("_", " "));

export function comparisons(evidence: Bag): Comparison[] {
  return Object.entries(evidence).flatMap(([key, value]) => {
    if (isComparison(value)) return [compared(nameOf(key), value, SHARES.includes(key))];
    if (!Array.isArray(value)) return [];
    return value.filter(isComparison).map((one) => compared(typeof one.of === "string" ? capital(one.of) : nameOf(key), one, false));
  });
}

function compared(name: string, { before, since, p }: Bag, share: boolean): Comparison {
  const known = typeof p === "number";
  return { name, before: said(before, share), since: said(since, share), p: known ? chance(p) : "", telling: known && p < HARDLY };
}

/** Figures that stand alone; ids of images are left out, as these are shown themselves. */
export function figures(evidence: Bag, within = ""): Figure[] {
  return Object.entries(evidence).flatMap(([key, value]): Figure[] => {
    const name = within ? `${within} › ${key.replaceAll("_", " ")}` : nameOf(key);
    if (isComparison(value) || (Array.isArray(value) && value.length > 0 && (value.every(isId) || value.every(isComparison)))) return [];
    if (isBag(value)) return figures(value, name);
    return isId(value) ? [{ name, text: "this image", href: format("history", { id: value as string }) }] : [{ name, text: said(value, SHARES.includes(key)) }];
  });
}

function chance(p: number): string {
  return p < 0.0001 ? "<0.0001" : number(Number(p.toPrecision(2)));
}

function said(value: unknown, share: boolean): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return share ? percent(value) : number(Number(value.toPrecision(3)));
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (isBag(value)) return shares(value);
  if (!Array.isArray(value)) return String(value);
  if (value.some(isBag)) return count(value.length, "entry", "entries");
  return value.slice(0, MOST_LISTED).map((one) => said(one, share)).join(", ") + (value.length > MOST_LISTED ? " …" : "");
}

/** “teddy: 42%, black: 30%”: of many the largest. */
function shares(parts: Bag): string {
  const found = Object.entries(parts).filter((part): part is [string, number] => typeof part[1] === "number");
  found.sort((a, b) => b[1] - a[1]);
  const named = found.slice(0, MOST_NAMED).map(([name, share]) => `${name}: ${percent(share, 0)}`);
  return named.join(", ") + (found.length > MOST_NAMED ? " …" : "") || "–";
}
