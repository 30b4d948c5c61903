/** Results as a table or as JSON, to keep. */

import type { Said } from "../api/types";

export interface Result extends Said {
  id?: string | null;
  input_sha256?: string | null;
  model: string;
  bundle_id: string;
}

/** One cell after RFC 4180. A text that a spreadsheet would run as a formula gets an apostrophe in front. */
export function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Columns: what every result has, then a probability for each label, then each number with its interval. */
export function toCsv(results: readonly Result[]): string {
  const labels = [...new Set(results.flatMap((r) => Object.keys(r.probs ?? {})))].sort();
  const numbers = [...new Set(results.flatMap((r) => Object.keys(r.values ?? {})))].sort();
  const head = [
    ...["path", "label", "labels", "confidence", "verdict", "p_in_domain", "reasons", "error", "model", "bundle_id", "id", "input_sha256"],
    ...labels.map((name) => `p(${name})`),
    ...numbers.flatMap((name) => [name, `${name} low`, `${name} high`]),
  ];
  const rows = results.map((r) => [
    ...[r.path, r.label, (r.labels ?? []).join(";"), r.confidence, r.verdict, r.p_in_domain, (r.reasons ?? []).map((reason) => reason.code).join(";"), r.error],
    ...[r.model, r.bundle_id, r.id, r.input_sha256],
    ...labels.map((name) => r.probs?.[name]),
    ...numbers.flatMap((name) => [r.values?.[name]?.value, r.values?.[name]?.low, r.values?.[name]?.high]),
  ]);
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function toJson(results: readonly Result[]): string {
  return JSON.stringify(results, null, 2) + "\n";
}

/** Hands a file to the browser's downloads. */
export function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
