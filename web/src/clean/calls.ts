/** What is asked of the desk, and how. */

import { withQuery, type Options } from "../api/client";
import { session } from "../session.svelte";
import type { Change, Changes, Duplicates, Gain, ItemDetail, ItemPage, Overview, Recorded, Stepped } from "./types";

/** As many items as the desk gives at once. */
export const MOST = 500;

const ask = <T>(path: string, query: Record<string, unknown> = {}, options?: Options) => session.client.json<T>("get", withQuery(path, query), options);
const tell = <T>(path: string, body: object) => session.client.json<T>("post", path, { body, retries: 0 });

export const calls = {
  overview: (by: string) => ask<Overview>("/v1/desk", { by }),
  items: (query: Record<string, unknown>, offset: number, limit: number, signal?: AbortSignal) => ask<ItemPage>("/v1/desk/items", { ...query, offset, limit }, { signal }),
  item: (id: string, audit: boolean, signal?: AbortSignal) => ask<ItemDetail>(`/v1/desk/items/${encodeURIComponent(id)}`, { audit: audit || null }, { signal }),
  changes: (after: string | null, version: number, state: string, signal: AbortSignal) => ask<Changes>("/v1/desk/changes", { after, version, state, wait_s: 25 }, { signal, retries: 0 }),
  duplicates: (offset: number, limit: number, signal?: AbortSignal) => ask<Duplicates>("/v1/desk/duplicates", { offset, limit }, { signal }),
  gain: (signal?: AbortSignal) => ask<Gain>("/v1/desk/gain", {}, { signal }),
  edit: (by: string, changes: readonly Change[]) => tell<Recorded>("/v1/desk/edits", { by, changes }),
  step: (which: "undo" | "redo", by: string) => tell<Stepped>(`/v1/desk/${which}`, { by }),
};

/** The desk reads the pictures once: as long as this page is there, so are they, and the browser need not ask again. */
const LOADED = Date.now().toString(36);

export const thumbnailOf = (id: string) => `/v1/desk/items/${encodeURIComponent(id)}/thumbnail?v=${LOADED}`;
export const imageOf = (id: string) => `/v1/desk/items/${encodeURIComponent(id)}/image`;
