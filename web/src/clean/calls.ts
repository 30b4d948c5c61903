/** What is asked of the desk, and how. */

import { withQuery, type Options } from "../api/client";
import { session } from "../session.svelte";
import type { Change, Changes, Duplicates, Gain, Item, ItemDetail, ItemPage, Overview, Recorded, Stepped } from "./types";

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

/** A picture under an address that names its bytes: the browser keeps it for good, over reloads and other desks at the set. */
const picture = ({ id, content }: Pick<Item, "id" | "content">, what: string) => withQuery(`/v1/desk/items/${encodeURIComponent(id)}/${what}`, { v: content });

export const thumbnailOf = (item: Pick<Item, "id" | "content">) => picture(item, "thumbnail");
export const imageOf = (item: Pick<Item, "id" | "content">) => picture(item, "image");
