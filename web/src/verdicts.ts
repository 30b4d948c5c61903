/** The verdicts on an answer: the server's names for them, and the words that a person reads. */

import type { Said } from "./api/types";
import type { IconName } from "./ui/Icon.svelte";

export type VerdictName = Said["verdict"];

interface Verdict {
  name: VerdictName;
  words: string;
  /** What follows from it; empty where nothing does. */
  next: string;
  icon: IconName;
}

/** From the one that asks for nothing to the one that leaves nothing to ask. */
export const VERDICTS: readonly Verdict[] = [
  { name: "accept", words: "accept", next: "", icon: "accept" },
  { name: "review", words: "review", next: "a person should look", icon: "review" },
  { name: "out_of_domain", words: "unlike the training images", next: "the answer says nothing", icon: "outside" },
  { name: "unreadable", words: "unreadable", next: "", icon: "unreadable" },
];

/** A verdict of a newer server is shown by its name, without underscores. */
export function verdict(name: string): Verdict & { known: boolean } {
  const found = VERDICTS.find((one) => one.name === name);
  if (found) return { ...found, known: true };
  return { name: name as VerdictName, words: name.replaceAll("_", " "), next: "", icon: "info", known: false };
}
