/** What is asked of a desk for labelling, and how. */

import { withQuery, type Options } from "../api/client";
import { session } from "../session.svelte";
import type { How, LabelState, NextItems, Recorded, Said } from "./types";

const ask = <T>(path: string, query: Record<string, unknown> = {}, options?: Options) => session.client.json<T>("get", withQuery(path, query), options);
const tell = <T>(path: string, body: object) => session.client.json<T>("post", path, { body, retries: 0 });

export interface Mark {
  id: string;
  to: Said;
  how: How;
  seen: string | null;
}

export const calls = {
  state: (by: string, known: string | null, wait: number, signal?: AbortSignal) => ask<LabelState>("/v1/desk", { by, known, wait_s: wait }, { signal, retries: 0 }),
  next: (by: string, n: number, onScreen: readonly string[], signal?: AbortSignal) => ask<NextItems>("/v1/desk/next", { by, n, on_screen: onScreen.join(",") }, { signal }),
  mark: (by: string, mark: Mark) => tell<Recorded>("/v1/desk/edits", { by, changes: [mark] }),
  step: (which: "undo" | "redo", by: string) => tell<Recorded>(`/v1/desk/${which}`, { by }),
  skip: (by: string, id: string, back = false) => tell<{ skipped: number }>("/v1/desk/skips", { by, id, back }),
  add: (by: string, name: string) => tell<{ name: string }>("/v1/desk/classes", { by, name }),
};

export const imageOf = (id: string) => `/v1/desk/items/${encodeURIComponent(id)}/image`;
export const thumbnailOf = (id: string) => `/v1/desk/items/${encodeURIComponent(id)}/thumbnail`;
