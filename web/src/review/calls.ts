/** What is asked of the server about reviews, and how. */

import { withQuery, type Options } from "../api/client";
import { session } from "../session.svelte";
import type { Done, Grid, Kind, Next, Summary } from "./types";

export interface Wanted {
  rollout: string | null;
  kind: Kind | null;
}

const ask = <T>(path: string, query: Record<string, unknown> = {}, options?: Options) => session.client.json<T>("get", withQuery(path, query), options);
const tell = <T>(path: string, query: Record<string, unknown> = {}, body?: object) => session.client.json<T>("post", withQuery(path, query), { body, retries: 0 });
const at = (id: string) => `/v1/reviews/${encodeURIComponent(id)}`;

export const calls = {
  summary: (rollout: string | null, signal?: AbortSignal) => ask<Summary>("/v1/reviews/summary", { rollout }, { signal, retries: 0 }),
  /** `skip`: reviews that this page knows of already. */
  next: ({ rollout, kind }: Wanted, skip: readonly string[], signal?: AbortSignal) => ask<Next>("/v1/reviews/next", { rollout, kind, skip: skip.join(",") }, { signal, retries: 0 }),
  grid: ({ rollout, kind }: Wanted, n: number, signal?: AbortSignal) => ask<Grid>("/v1/reviews/grid", { rollout, kind, n }, { signal, retries: 0 }),
  decide: (id: string, label: string | null, seconds: number) => tell<Done>(at(id), {}, { label, cannot_tell: label === null, seconds }),
  skip: (id: string) => tell<unknown>(`${at(id)}/skip`),
  undo: (rollout: string | null) => tell<Next>("/v1/reviews/undo", { rollout }),
};

const releases = new Set<Promise<unknown>>();

/** Gives back what nobody has looked at, so that others may be given it at once. */
export function release(ids: readonly string[]): void {
  for (const id of ids) {
    const one = calls
      .skip(id)
      .catch(() => undefined)
      .finally(() => releases.delete(one));
    releases.add(one);
  }
}

/** Resolves once all of it has been given back: asked before, the server might give it again, and take it away then. */
export async function released(): Promise<void> {
  await Promise.all(releases);
}
