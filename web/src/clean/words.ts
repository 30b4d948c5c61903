/** Edits and standings in the words of the page. */

import { count } from "../format";
import type { Edit, Place, Wish } from "./types";

export const FATES = { open: "to look at", kept: "kept", removed: "removed" } as const;

/** Codes of reasons, as the filter names them. */
const REASONS: Record<string, string> = {
  label: "label looks wrong",
  "contradictory-copy": "copy with another label",
  "near-duplicate": "near-duplicate",
  outlier: "unlike its class",
  "near-black": "near-black",
  blurred: "blurred",
  tiny: "tiny",
  unreadable: "unreadable",
};
export const REASON_CODES = Object.keys(REASONS);
export const reasonName = (code: string): string => REASONS[code] ?? code.replaceAll("-", " ");

export const labelOf = (place: Pick<Place, "label" | "labels">): string =>
  place.labels && place.labels.length !== 1 ? place.labels.join(", ") || "no label" : (place.label ?? place.labels?.[0] ?? "no label");

/** The labels of a text that lists several, as suggestions do; names may hold commas themselves. */
export function labelsIn(text: string, known: readonly string[]): string[] {
  const found: string[] = [];
  for (let rest = text === "–" ? "" : text; rest !== ""; ) {
    const fitting = known.filter((name) => rest === name || rest.startsWith(`${name}, `)).toSorted((a, b) => b.length - a.length);
    const name = fitting[0] ?? rest.split(", ", 1)[0]!;
    found.push(name);
    rest = rest.slice(name.length).replace(/^, /, "");
  }
  return found;
}

export const fileOf = (name: string): string => name.split("/").at(-1) ?? name;

const sameLabel = (a: Place, b: Place) => a.label === b.label && (a.labels ?? []).join("\n") === (b.labels ?? []).join("\n");
export const samePlace = (a: Place, b: Place): boolean => a.fate === b.fate && sameLabel(a, b);

/** “kept it as black”, “made it teddy”, “removed it”: what an edit did, after somebody's name. */
export function did(edit: Pick<Edit, "before" | "after" | "undoes">): string {
  const { before, after } = edit;
  if (edit.undoes !== null) return `took a change back, so that it is ${stands(after)}`;
  if (after.fate === "removed") return "removed it";
  if (!sameLabel(before, after)) return `made it “${labelOf(after)}”`;
  if (after.fate === "open") return "put it back among those to look at";
  return before.fate === "removed" ? `brought it back as “${labelOf(after)}”` : `kept it as “${labelOf(after)}”`;
}

/** “kept as “black””, “removed”, “black, to look at”. */
export function stands(place: Place): string {
  if (place.fate === "removed") return "removed";
  return place.fate === "kept" ? `kept as “${labelOf(place)}”` : `“${labelOf(place)}”, to look at`;
}

export function wished(place: Place, wish: Wish): Place {
  if (wish === "keep") return { ...place, fate: "kept" };
  if (wish === "remove") return { ...place, fate: "removed" };
  if (wish === "open") return { ...place, fate: "open" };
  if ("label" in wish) return { label: wish.label, labels: place.labels === null ? null : [wish.label], fate: "kept" };
  return { label: wish.labels.join(", "), labels: wish.labels, fate: "kept" };
}

/** What a mark did, for screen readers and messages: “12 pictures removed”. */
export function marked(n: number, name: string, wish: Wish): string {
  const what = n === 1 ? fileOf(name) : count(n, "picture");
  if (wish === "keep") return `${what} kept`;
  if (wish === "remove") return `${what} removed`;
  if (wish === "open") return `${what} to look at again`;
  return `${what} is now “${"label" in wish ? wish.label : wish.labels.join(", ") || "no label"}”`.replace(" is now", n === 1 ? " is now" : " are now");
}
