/** What is asked of the server about reviews, and how. */

import { withQuery, type Options } from "../api/client";
import { session } from "../session.svelte";
import type { Done, Grid, Kind, Next, Review, Skipped, Summary, Undone } from "./types";

export interface Wanted {
  rollout: string | null;
  kind: Kind | null;
}

const ask = <T>(path: string, query: Record<string, unknown> = {}, options?: Options) => session.client.json<T>("get", withQuery(path, query), options);
const tell = <T>(path: string, query: Record<string, unknown> = {}, body?: object) => session.client.json<T>("post", withQuery(path, query), { body, retries: 0 });
const at = (id: string) => `/v1/reviews/${encodeURIComponent(id)}`;

/** The longest side of a picture in the grid, and of one that the browser itself cannot draw. */
export const SMALL = 512;
export const LARGE = 1024;

/** The server holds no more than 200 of these against its queue. */
const MOST_SKIPPED = 200;

function queried({ rollout, kind }: Wanted, skip: readonly string[], more: Record<string, string> = {}): string {
  const search = new URLSearchParams(more);
  if (rollout !== null) search.set("rollout", rollout);
  if (kind !== null) search.set("kind", kind);
  for (const id of skip.slice(0, MOST_SKIPPED)) search.append("skip", id);
  const text = search.toString();
  return text ? `?${text}` : "";
}

export const calls = {
  summary: (rollout: string | null, signal?: AbortSignal) => ask<Summary>("/v1/reviews/summary", { rollout }, { signal, retries: 0 }),
  /** `skip`: reviews that this page knows of already. */
  next: (wanted: Wanted, skip: readonly string[], signal?: AbortSignal) => ask<Next>(`/v1/reviews/next${queried(wanted, skip)}`, {}, { signal, retries: 0 }),
  grid: (wanted: Wanted, skip: readonly string[], n: number, signal?: AbortSignal) => ask<Grid>(`/v1/reviews/grid${queried(wanted, skip, { n: String(n) })}`, {}, { signal, retries: 0 }),
  decide: (id: string, rollout: string, label: string | null, seconds: number) => tell<Done>(at(id), { rollout }, { label, cannot_tell: label === null, seconds }),
  skip: ({ id, rollout }: Pick<Review, "id" | "rollout">) => tell<Skipped>(`${at(id)}/skip`, { rollout }),
  undo: (rollout: string | null) => tell<Undone>("/v1/reviews/undo", { rollout }),
};

/** Where a case's pictures are; `size`: the longest side of a smaller one. */
export function imagesOf({ rollout, case: { images } }: Review, size?: number): string[] {
  return images.map((image) => withQuery(image, { rollout, size }));
}

const releases = new Set<Promise<unknown>>();

/** Gives back what nobody has looked at, so that others may be given it at once. */
export function release(reviews: readonly Review[]): void {
  for (const review of reviews) {
    const one = calls
      .skip(review)
      .catch(() => undefined)
      .finally(() => releases.delete(one));
    releases.add(one);
  }
}

/** Resolves once all of it has been given back: asked before, the server might give it again, and take it away then. */
export async function released(): Promise<void> {
  await Promise.all(releases);
}
