/** How well people do by themselves, as far as double decisions, double adjudications and seeded cases tell. */

import { count, percent } from "../format";

export interface Fact {
  name: string;
  value: string;
  /** What it rests on. */
  from: string;
}

type Bag = Record<string, unknown>;
const isBag = (value: unknown): value is Bag => typeof value === "object" && value !== null && !Array.isArray(value);
const num = (bag: Bag, name: string): number | null => (typeof bag[name] === "number" ? (bag[name] as number) : null);

/** “4.0% (1.2% – 9.8%)” of a share with its interval; null where nothing is known. */
function share(bag: Bag): string | null {
  const [value, lower, upper] = [num(bag, "value"), num(bag, "lower"), num(bag, "upper")];
  if (value === null) return null;
  return `${percent(value)}${lower === null || upper === null ? "" : ` (${percent(lower)} – ${percent(upper)})`}`;
}

function twice({ decided_twice: found }: Bag): Fact[] {
  if (!isBag(found)) return [];
  const n = num(found, "n") ?? 0;
  if (n === 0) return [];
  const from = `${count(n, "case")} decided by two`;
  const [kappa, low, high, error] = [num(found, "kappa"), num(found, "low"), num(found, "high"), num(found, "error")];
  return [
    ...(kappa === null ? [] : [{ name: "Agreement of two people (Cohen's κ)", value: `${kappa.toFixed(2)}${low === null || high === null ? "" : ` (${low.toFixed(2)} – ${high.toFixed(2)})`}`, from }]),
    ...(error === null ? [] : [{ name: "Error of one person, from where two differ", value: percent(error), from }]),
  ];
}

function adjudicated({ adjudicated_twice: found }: Bag): Fact[] {
  if (!isBag(found)) return [];
  const [n, error, upper] = [num(found, "n") ?? 0, num(found, "error"), num(found, "error_upper")];
  if (n === 0 || error === null) return [];
  return [{ name: "Error of adjudicators", value: `${percent(error)}${upper === null ? "" : `, at most ${percent(upper)}`}`, from: `${count(n, "case")} adjudicated by two` }];
}

const SHARES: readonly (readonly [string, string, (n: number) => string])[] = [
  ["found_wrong", "Blind decisions found wrong", (n) => `${count(n, "decision")} that could be checked`],
  ["both_wrong", "Wrong where person and model agree", (n) => count(n, "adjudicated case")],
  ["seeded", "Error on cases of known answer", (n) => count(n, "decision")],
];

export function peopleFacts(people: Bag): Fact[] {
  const shares = SHARES.flatMap(([key, name, from]) => {
    const found = people[key];
    const value = isBag(found) ? share(found) : null;
    return isBag(found) && value !== null ? [{ name, value, from: from(num(found, "n") ?? 0) }] : [];
  });
  return [...twice(people), ...adjudicated(people), ...shares];
}
