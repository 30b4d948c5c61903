/** One person's work on the queue: what is on its way, what was decided last, how far the day has come. */

import { SvelteSet } from "svelte/reactivity";
import { Problem, words } from "../api/problem";
import { session } from "../session.svelte";
import { calls, type Wanted } from "./calls";
import { Sending, type Decision } from "./sending.svelte";
import type { Review, Summary } from "./types";

const LOOK_MS = 20_000;

/** What was decided last, for undo; `until` is null as long as the server has not said it. */
export interface Last {
  review: Review;
  label: string | null;
  until: number | null;
}

export class Work {
  wanted = $state.raw<Wanted>({ rollout: null, kind: null });
  summary = $state.raw<Summary | null>(null);
  /** Why the summary could not be had; what is shown of it may be old. */
  summaryError = $state.raw<unknown>(null);
  /** A sentence about the last thing that went otherwise than wished. */
  remark = $state.raw<string | null>(null);
  last = $state.raw<Last | null>(null);
  undoing = $state(false);
  /** The rollout of the case at hand, whose queue is told of where several are live. */
  private rollout: string | null = null;
  /** Reviews that this person has skipped here; the queue has them again, for others first. */
  readonly skipped = new SvelteSet<string>();
  readonly sending = new Sending({
    taken: (decision, { undo_until }) => {
      if (this.last?.review.id === decision.review) this.last = { ...this.last, until: new Date(undo_until).getTime() };
      if (this.sending.waiting.length === 0) void this.look();
    },
    refused: (decision, problem) => this.refused(decision, problem),
  });
  private stop = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private person = "";

  /** Reviews that the server must not give: those skipped, and those decided whose decision has not arrived. */
  get passed(): string[] {
    return [...this.sending.waiting.map(({ review }) => review), ...this.skipped];
  }

  get canUndo(): boolean {
    return !this.undoing && (this.last !== null || (this.summary?.done_today ?? 0) > 0);
  }

  /** Works for this person until the function that is returned is called. */
  begin(person: string): () => void {
    if (person !== this.person) {
      this.summary = this.last = this.remark = this.rollout = null;
      this.skipped.clear();
    }
    this.person = person;
    this.stop = new AbortController();
    void this.sending.begin(person);
    void this.look();
    const seen = () => !document.hidden && void this.look();
    document.addEventListener("visibilitychange", seen);
    return () => {
      this.stop.abort();
      clearTimeout(this.timer);
      document.removeEventListener("visibilitychange", seen);
      this.sending.end();
    };
  }

  /** A case of this rollout is on the screen. */
  follow(rollout: string): void {
    if (rollout === this.rollout) return;
    this.rollout = rollout;
    if (this.summary?.rollout !== rollout) void this.look();
  }

  /** The server answers again. */
  resume(): void {
    this.sending.sendNow();
    void this.look();
  }

  get signal(): AbortSignal {
    return this.stop.signal;
  }

  async look(): Promise<void> {
    clearTimeout(this.timer);
    const { signal } = this.stop;
    if (signal.aborted) return;
    try {
      this.summary = await calls.summary(this.wanted.rollout ?? this.rollout, signal);
      this.summaryError = null;
    } catch (error) {
      if (signal.aborted) return;
      this.summaryError = error;
      session.refused(error);
      if (error instanceof Problem && [403, 404, 409].includes(error.status)) void session.askAgain();
    }
    clearTimeout(this.timer);
    if (!document.hidden) this.timer = setTimeout(() => void this.look(), LOOK_MS);
  }

  /** `null`: cannot tell. */
  decide(review: Review, label: string | null, seconds: number): void {
    this.remark = null;
    this.last = { review, label, until: null };
    this.sending.push({ source: this.person, review: review.id, rollout: review.rollout, label, seconds: Math.round(seconds * 100) / 100, tried: false });
  }

  /** The review whose decision was taken back; null where none was. */
  async undo(): Promise<Review | null> {
    if (!this.canUndo) return null;
    this.remark = null;
    const { last } = this;
    if (last && this.sending.takeBack(last.review.id)) {
      this.last = null;
      return last.review;
    }
    this.undoing = true;
    try {
      await this.sending.settled();
      if (this.sending.failure !== null) {
        this.complain("The last decision is still on its way; it can be taken back once the server answers.");
        return null;
      }
      const { review } = await calls.undo(last?.review.rollout ?? this.wanted.rollout);
      this.last = null;
      void this.look();
      return review;
    } catch (error) {
      if (error instanceof Problem && error.status < 500) this.last = null;
      this.failed(error);
      void this.look();
      return null;
    } finally {
      this.undoing = false;
    }
  }

  failed(error: unknown): void {
    if (this.stop.signal.aborted) return;
    session.refused(error);
    this.complain(reason(error));
  }

  complain(remark: string): void {
    this.remark = remark;
    session.say(remark);
  }

  private refused({ review }: Decision, problem: Problem): void {
    if (this.last?.review.id === review) this.last = null;
    this.complain(`Your last decision was not taken. ${reason(problem)}`);
    void this.look();
  }
}

export function reason(error: unknown): string {
  const said = words(error);
  return [said.title.replace(/\.$/, ""), said.text].filter(Boolean).join(": ");
}
