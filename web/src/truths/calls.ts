/** Telling a right answer, and asking which have been told. */

import type { Answer, Telling, Truth } from "../api/types";
import { session } from "../session.svelte";

export interface Told {
  how: Truth["how"];
  by: string;
  note: string;
  /** Whether a label is one that the model does not know. */
  fresh: boolean;
}

const at = (prediction: string) => `/v1/predictions/${encodeURIComponent(prediction)}`;

/** What was sent last, and the id it went under: sent again after no answer came, it is not stored twice. */
let last = { text: "", id: "" };

/** The newest first. */
export async function truthsOf(prediction: string, signal: AbortSignal): Promise<Truth[]> {
  return [...(await session.client.json<Answer<"get", "/v1/predictions/{record_id}/labels">>("get", `${at(prediction)}/labels`, { signal })).truths].reverse();
}

export async function tell(prediction: string, what: Telling, { how, by, note, fresh }: Told): Promise<Truth> {
  const said = { ...what, how, ...(by ? { by } : {}), ...(note ? { note } : {}), ...(fresh ? { new: true } : {}) };
  const text = `${prediction} ${JSON.stringify(said)}`;
  if (last.text !== text) last = { text, id: identifier(Date.now()) };
  const truth = await session.client.json<Truth>("post", `${at(prediction)}/label`, { body: { ...said, id: last.id }, retries: 2 });
  last = { text: "", id: "" };
  return truth;
}

/** 32 hexadecimal digits that sort by time, as the server's own (UUID version 7). */
export function identifier(now: number): string {
  const digits = [...crypto.getRandomValues(new Uint8Array(10))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${now.toString(16).padStart(12, "0")}7${digits.slice(0, 3)}8${digits.slice(3, 18)}`;
}
