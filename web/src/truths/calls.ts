/** Telling a right answer, and asking which have been told. */

import type { Telling, Truth } from "../api/types";
import { session } from "../session.svelte";

const at = (prediction: string) => `/v1/predictions/${encodeURIComponent(prediction)}`;

export async function truthsOf(prediction: string, signal: AbortSignal): Promise<Truth[]> {
  return (await session.client.json<{ labels: Truth[] }>("get", `${at(prediction)}/labels`, { signal })).labels;
}

export function tell(prediction: string, what: Telling, by: { how: Truth["how"]; by: string; note: string }): Promise<Truth> {
  const { how, note } = by;
  const body = { ...what, how, ...(by.by ? { by: by.by } : {}), ...(note ? { note } : {}) };
  return session.client.json("post", `${at(prediction)}/label`, { body, retries: 2 });
}
