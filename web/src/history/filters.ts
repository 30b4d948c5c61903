/** What History shows: the filters as a form holds them, as the address holds them, and as the server takes them. */

import { VERDICTS } from "../verdicts";

export const NAMES = [
  "model",
  "verdict",
  "label",
  "site",
  "camera",
  "group",
  "from",
  "to",
  "bundle_id",
  "request_id",
  "input_sha256",
] as const;
export type FilterName = (typeof NAMES)[number];
/** `from` and `to` are days (2026-11-30), both included, in the reader's time zone. */
export type Filters = Record<FilterName, string>;

export function empty(): Filters {
  return Object.fromEntries(NAMES.map((name) => [name, ""])) as Filters;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** Unknown names are dropped, and so are values that cannot be meant: a link may come from anywhere. */
export function fromQuery(query: URLSearchParams): Filters {
  const filters = empty();
  for (const name of NAMES) {
    const value = (query.get(name) ?? "").trim();
    if ((name === "from" || name === "to") && !isDay(value)) continue;
    if (name === "verdict" && !VERDICTS.some((verdict) => verdict.name === value)) continue;
    filters[name] = value;
  }
  return filters;
}

export function toQuery(filters: Filters, id: string | null = null): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of NAMES) if (filters[name].trim()) query.set(name, filters[name].trim());
  if (id) query.set("id", id);
  return query;
}

/** The server takes instants: from the first day's midnight, until the midnight after the last. */
export function toServer(filters: Filters): Record<string, string> {
  const { from, to, ...rest } = filters;
  const sent: Record<string, string> = {};
  for (const [name, value] of Object.entries(rest)) if (value.trim()) sent[name] = value.trim();
  if (isDay(from)) sent.since = midnight(from, 0).toISOString();
  if (isDay(to)) sent.until = midnight(to, 1).toISOString();
  return sent;
}

export function isActive(filters: Filters): boolean {
  return NAMES.some((name) => filters[name].trim() !== "");
}

function isDay(text: string): boolean {
  return DAY.test(text) && !Number.isNaN(midnight(text, 0).getTime());
}

function midnight(day: string, later: number): Date {
  const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
  return new Date(year, month - 1, date + later);
}
