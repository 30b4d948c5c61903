/**
 * Decisions on their way: sent one after the other, in the order in which they were made. One that the server has not
 * acknowledged is kept and sent again, over reloads and lost connections, until the server takes it or refuses it.
 */

import { backoffMs, sleep } from "../api/client";
import { Problem, Unreachable } from "../api/problem";
import { Outbox } from "../outbox";
import { session } from "../session.svelte";
import { calls } from "./calls";
import type { Done } from "./types";

const PREFIX = "drivetrain.decisions.";
const LONGEST_MS = 15_000;

export interface Decision {
  /** Whose it is: decisions of one person are never sent with the key of another. */
  source: string;
  review: string;
  rollout: string;
  /** Null: cannot tell. */
  label: string | null;
  seconds: number;
  /** Whether it has been sent before, without an answer. */
  tried: boolean;
}

export class Sending {
  waiting = $state.raw<readonly Decision[]>([]);
  /** What went wrong the last time; null while all goes well. */
  failure = $state.raw<unknown>(null);
  private outbox: Outbox<Decision> | null = null;
  private running = false;
  private hurry: (() => void) | null = null;
  private stopped = new AbortController();

  /** Tells of a decision that the server took, or of one that it refused and that is given up. */
  constructor(private readonly told: { taken: (decision: Decision, done: Done) => void; refused: (decision: Decision, problem: Problem) => void }) {}

  /** Takes up what this person has not got through yet. */
  async begin(person: string): Promise<void> {
    this.stopped = new AbortController();
    const { signal } = this.stopped;
    const outbox = new Outbox<Decision>(PREFIX, person, isDecision);
    const found = await outbox.open();
    if (signal.aborted) return;
    this.outbox = outbox;
    const known = new Set(found.map(({ review }) => review));
    this.waiting = [...found, ...this.waiting.filter(({ review }) => !known.has(review))];
    outbox.keep(this.waiting);
    void this.send();
  }

  /** What waits is kept for the next time. */
  end(): void {
    this.stopped.abort();
  }

  push(decision: Decision): void {
    this.keep([...this.waiting, decision]);
    void this.send();
  }

  /** Takes back one that has never left this page; null where it may have. */
  takeBack(review: string): Decision | null {
    const found = this.waiting.find((one) => one.review === review);
    if (!found || found.tried) return null;
    this.keep(this.waiting.filter((one) => one !== found));
    return found;
  }

  /** Resolves once nothing is on its way: all was taken or refused, or the server cannot be reached. */
  async settled(): Promise<void> {
    while (this.waiting.length > 0 && this.failure === null && !this.stopped.signal.aborted) await sleep(15);
  }

  sendNow(): void {
    this.hurry?.();
  }

  private keep(waiting: readonly Decision[]): void {
    this.waiting = waiting;
    this.outbox?.keep(waiting);
  }

  private drop(decision: Decision): void {
    this.keep(this.waiting.filter(({ review }) => review !== decision.review));
  }

  private async send(): Promise<void> {
    if (this.running) return;
    this.running = true;
    const { signal } = this.stopped;
    let attempt = 0;
    try {
      while (this.waiting.length > 0 && !signal.aborted) {
        let [first] = this.waiting;
        if (!first) break;
        // From here on it may have arrived, whatever this page learns of it.
        first = { ...first, tried: true };
        this.keep([first, ...this.waiting.slice(1)]);
        try {
          const done = await calls.decide(first.review, first.rollout, first.label, first.seconds);
          this.failure = null;
          attempt = 0;
          this.drop(first);
          this.told.taken(first, done);
        } catch (error) {
          if (signal.aborted) return;
          if (passes(error)) {
            attempt += 1;
            this.failure = error;
            session.refused(error);
            await this.pause(Math.min(LONGEST_MS, backoffMs(attempt, error instanceof Problem ? error.retryAfterMs : null, Math.random())), signal);
            continue;
          }
          this.failure = null;
          attempt = 0;
          this.drop(first);
          this.told.refused(first, error as Problem);
        }
      }
    } finally {
      this.running = false;
    }
  }

  private async pause(ms: number, signal: AbortSignal): Promise<void> {
    const waking = new AbortController();
    this.hurry = () => waking.abort();
    await sleep(ms, AbortSignal.any([signal, waking.signal])).catch(() => undefined);
    this.hurry = null;
  }
}

/** Whether the same decision may be taken later: no answer, a server in trouble, a key that is not valid now. */
export function passes(error: unknown): boolean {
  if (error instanceof Unreachable) return true;
  return error instanceof Problem && (error.status >= 500 || [401, 408, 429].includes(error.status) || (error.status >= 200 && error.status < 400));
}

function isDecision(value: unknown): value is Decision {
  const one = value as Partial<Decision> | null;
  return typeof one?.source === "string" && typeof one.review === "string" && typeof one.rollout === "string" && (one.label === null || typeof one.label === "string") && typeof one.seconds === "number";
}
