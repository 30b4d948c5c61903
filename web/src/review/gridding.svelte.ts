/** Several cases beside each other: an answer for each, sent together. */

import { SvelteMap, SvelteSet } from "svelte/reactivity";
import { session } from "../session.svelte";
import { calls, imagesOf, release, released, SMALL } from "./calls";
import { LookClock } from "./clock";
import { Pictures } from "./pictures.svelte";
import type { Review } from "./types";
import type { Work } from "./work.svelte";

export const AT_ONCE = 12;
const AGAIN_MS = 15_000;

export class Gridding {
  reviews = $state.raw<readonly Review[]>([]);
  error = $state.raw<unknown>(null);
  empty = $state(false);
  loading = $state(false);
  /** The answers given so far; null: cannot tell. */
  readonly said = new SvelteMap<string, string | null>();
  /** Cases whose picture has been in sight: no other is confirmed with the rest. */
  readonly seen = new SvelteSet<string>();
  readonly pictures = new Pictures();
  readonly clock = new LookClock(() => performance.now(), !document.hidden);
  private again: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly work: Work) {}

  begin(): () => void {
    const seen = () => this.clock.see(!document.hidden);
    document.addEventListener("visibilitychange", seen);
    void this.load();
    return () => {
      clearTimeout(this.again);
      document.removeEventListener("visibilitychange", seen);
      this.pictures.clear();
      // The first is what the page shows alone from now on, or comes back to the queue when its lease ends.
      release(this.reviews.slice(1));
      this.reviews = [];
    };
  }

  /** Of few cases half are left to others. */
  private get most(): number {
    const waiting = Object.values(this.work.summary?.by_kind ?? {}).reduce((sum, { open, leased }) => sum + open - leased, 0);
    return Math.max(2, Math.min(AT_ONCE, this.work.summary ? this.reviews.length + Math.ceil(waiting / 2) : AT_ONCE));
  }

  /** Those that would be sent now: the answered, and of proposals those that were seen. */
  get ready(): Review[] {
    return this.reviews.filter((one) => this.answerOf(one) !== undefined);
  }

  /** Proposals that nobody has had in sight yet. */
  get unseen(): number {
    return this.reviews.filter((one) => one.kind === "confirm" && !this.said.has(one.id) && !this.seen.has(one.id)).length;
  }

  /** The picture that stands for a case. */
  imageOf(review: Review): string | undefined {
    return imagesOf(review, SMALL)[0];
  }

  /** What would be sent of a case: its answer, else its proposal once it was seen; undefined: nothing. */
  answerOf(review: Review): string | null | undefined {
    if (this.said.has(review.id)) return this.said.get(review.id) ?? null;
    if (review.kind !== "confirm" || !this.seen.has(review.id)) return undefined;
    return review.shown[0];
  }

  say(review: Review, label: string | null): void {
    const image = this.imageOf(review);
    if (label !== null && image !== undefined && this.pictures.of(image).failed) return;
    this.said.set(review.id, label);
    session.say(label === null ? "Cannot tell." : `${label}.`);
  }

  unsay(review: Review): void {
    this.said.delete(review.id);
  }

  async load(): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    clearTimeout(this.again);
    try {
      await Promise.all([this.work.sending.settled(), released()]);
      const { reviews } = await calls.grid(this.work.wanted, this.work.passed, this.most, this.work.signal);
      this.take(reviews);
      if (reviews[0]) this.work.follow(reviews[0].rollout);
      this.clock.start();
      this.error = null;
    } catch (error) {
      if (this.work.signal.aborted) return;
      this.error = error;
      session.refused(error);
    } finally {
      this.loading = false;
    }
    if (this.empty) this.again = setTimeout(() => !document.hidden && void this.load(), AGAIN_MS);
  }

  private take(reviews: readonly Review[]): void {
    this.reviews = reviews;
    this.empty = reviews.length === 0;
    const ids = new Set(reviews.map(({ id }) => id));
    for (const id of [...this.said.keys()]) if (!ids.has(id)) this.said.delete(id);
    for (const id of [...this.seen]) if (!ids.has(id)) this.seen.delete(id);
    this.pictures.want(reviews.flatMap((one) => this.imageOf(one) ?? []));
  }

  /** Sends what is ready; the time that was looked is shared among them evenly. */
  async send(): Promise<void> {
    const { ready } = this;
    if (ready.length === 0) return;
    const seconds = this.clock.seconds / ready.length;
    for (const review of ready) this.work.decide(review, this.answerOf(review) ?? null, seconds);
    const sent = new Set(ready.map(({ id }) => id));
    this.take(this.reviews.filter(({ id }) => !sent.has(id)));
    this.empty = false;
    session.say(`${sent.size} sent.`);
    await this.load();
  }

  async skip(review: Review): Promise<void> {
    try {
      await calls.skip(review);
      this.work.skipped.add(review.id);
      this.take(this.reviews.filter(({ id }) => id !== review.id));
      session.say("Skipped.");
      if (this.reviews.length === 0) await this.load();
    } catch (error) {
      this.work.failed(error);
    }
  }

  async undo(): Promise<void> {
    const review = await this.work.undo();
    if (review === null) return;
    this.take([review, ...this.reviews.filter(({ id }) => id !== review.id)]);
    session.say("Taken back.");
  }
}
