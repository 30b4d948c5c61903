/** One case at a time: the one on the screen, the one behind it, and how long the person has looked. */

import { Problem } from "../api/problem";
import { session } from "../session.svelte";
import { tabStorage } from "../storage";
import { calls, imagesOf, release, released } from "./calls";
import { LookClock } from "./clock";
import { Pictures } from "./pictures.svelte";
import type { Review } from "./types";
import type { Work } from "./work.svelte";

const LOOKED = "drivetrain.review.looked";
/** An empty queue is looked at again after so long. */
const AGAIN_MS = 15_000;
/** A key that comes sooner after the picture was meant for the case before. */
const SETTLE_MS = 250;
/** A lease is taken anew when less is left of it, and the person is at work. */
const RENEW_MS = 120_000;
const AT_WORK_MS = 90_000;
/** Fewer cases than these are left to others, rather than held by somebody who does not look at them yet. */
const PLENTY = 6;
/** A case that waits behind the one on the screen is not shown on a lease that is about to end. */
const FRESH_MS = 60_000;

export class Single {
  current = $state.raw<Review | null>(null);
  error = $state.raw<unknown>(null);
  /** Nothing waits for this person. */
  empty = $state(false);
  /** Which of the case's pictures is shown. */
  picture = $state(0);
  /** When the picture came into sight, in milliseconds since 1970; null: not yet. */
  inSight = $state<number | null>(null);
  readonly pictures = new Pictures();
  readonly clock = new LookClock(() => performance.now(), !document.hidden);
  private ahead: Review | null = null;
  private fetching: Promise<void> | null = null;
  private filling = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private active = Date.now();
  private renewing = false;
  private renewed = 0;

  constructor(private readonly work: Work) {}

  begin(): () => void {
    const seen = () => {
      this.clock.see(!document.hidden);
      if (document.hidden) this.remember();
      else if (this.empty) void this.fill();
    };
    const leave = () => this.remember();
    document.addEventListener("visibilitychange", seen);
    window.addEventListener("pagehide", leave);
    void this.fill();
    return () => {
      leave();
      this.letGo();
      clearTimeout(this.timer);
      document.removeEventListener("visibilitychange", seen);
      window.removeEventListener("pagehide", leave);
      this.pictures.clear();
      this.current = null;
    };
  }

  /** Something else is asked for: another kind, or another rollout. What is on the screen goes back to the queue. */
  async restart(): Promise<void> {
    this.letGo();
    if (this.current) release([this.current]);
    this.current = null;
    this.clock.stop();
    await this.fill();
  }

  /** Another person sits here: what the one before had is none of theirs. */
  forget(): void {
    this.current = this.ahead = null;
    this.clock.stop();
    this.pictures.clear();
  }

  /** The case behind the one on the screen, which nobody has looked at, is free for others at once. */
  private letGo(): void {
    const { ahead } = this;
    this.ahead = null;
    if (ahead) release([ahead]);
  }

  /** The case's picture is drawn: from now on the person looks. */
  drawn(): void {
    if (this.current === null || this.inSight !== null) return;
    this.inSight = Date.now();
    this.clock.start(lookedAt(this.current.id));
    void this.fetchAhead();
  }

  /** The person has touched a key or the screen. */
  touched(): void {
    this.active = Date.now();
  }

  /** Whether a decision would be one on this case: its picture has been there for a moment. */
  get settled(): boolean {
    return this.inSight !== null && Date.now() - this.inSight >= SETTLE_MS;
  }

  /** The case's picture did not come, or cannot be drawn. */
  get unseen(): boolean {
    const [first] = this.current === null ? [] : imagesOf(this.current);
    return first !== undefined && this.pictures.of(first).failed;
  }

  /** `null`: cannot tell. What cannot be seen can only be skipped, or not told. */
  decide(label: string | null): boolean {
    const review = this.current;
    if (review === null) return false;
    if (this.unseen ? label !== null : !this.settled) return false;
    this.work.decide(review, label, this.clock.seconds);
    session.say(label === null ? "Cannot tell." : `${label}.`);
    void this.advance();
    return true;
  }

  async skip(): Promise<void> {
    const review = this.current;
    if (review === null) return;
    this.work.remark = null;
    try {
      await calls.skip(review);
      this.work.skipped.add(review.id);
      session.say("Skipped.");
    } catch (error) {
      // Gone from the queue already: as good as skipped.
      if (!(error instanceof Problem) || ![404, 409, 410].includes(error.status)) return this.work.failed(error);
    }
    if (this.current?.id === review.id) await this.advance();
    void this.work.look();
  }

  async undo(): Promise<void> {
    const review = await this.work.undo();
    if (review === null) return;
    // What was on the screen stays this person's, and comes back behind it.
    if (this.current && this.current.id !== review.id) this.ahead = this.current;
    this.show(review);
    session.say("Taken back.");
  }

  /** Those that were skipped are asked for again. */
  async again(): Promise<void> {
    this.work.skipped.clear();
    await this.fill();
  }

  /** Takes the lease anew where the person is at work and little is left of it; called every second. */
  tend(now: number): void {
    const review = this.current;
    if (review === null || document.hidden || this.inSight === null || this.renewing) return;
    const left = new Date(review.lease_until).getTime() - now;
    if (left < RENEW_MS && left > 0 && now - this.active < AT_WORK_MS && now - this.renewed > RENEW_MS / 4) void this.renew();
  }

  /** Asks for this case once more: nobody else is given it, unless somebody has been already. */
  async renew(): Promise<void> {
    const review = this.current;
    if (review === null || this.renewing) return;
    this.renewing = true;
    this.renewed = Date.now();
    try {
      const { review: found } = await calls.next(this.work.wanted, this.others(review.id), this.work.signal);
      if (this.current?.id !== review.id) return;
      if (found?.id === review.id) this.current = found;
      else {
        this.work.complain("That case is no longer yours to decide: it was taken from the queue, or somebody else has it.");
        if (found) this.show(found);
        else await this.advance();
      }
    } catch (error) {
      if (!this.work.signal.aborted) session.refused(error);
    } finally {
      this.renewing = false;
    }
  }

  /** Reviews that the server must not give: those passed over, and those this page holds, but for one. */
  private others(but: string | null = null): string[] {
    const held = [this.current, this.ahead].flatMap((one) => (one ? [one.id] : []));
    return [...new Set([...this.work.passed, ...held])].filter((id) => id !== but);
  }

  private show(review: Review): void {
    this.empty = false;
    this.error = null;
    this.clock.stop();
    this.inSight = null;
    this.picture = 0;
    this.current = review;
    this.work.follow(review.rollout);
    this.active = Date.now();
    this.hold();
    // A case without a picture is in sight at once.
    if (review.case.images.length === 0) this.drawn();
  }

  private hold(): void {
    this.pictures.want([this.current, this.ahead].flatMap((one) => (one ? imagesOf(one) : [])));
  }

  private async advance(): Promise<void> {
    this.current = null;
    this.clock.stop();
    forgetLooked();
    await this.fetching;
    const { ahead } = this;
    this.ahead = null;
    if (ahead && new Date(ahead.lease_until).getTime() - Date.now() > FRESH_MS) return this.show(ahead);
    await this.fill();
  }

  /** Asks for the next case, unless one is on the screen. */
  async fill(): Promise<void> {
    if (this.filling) return;
    this.filling = true;
    clearTimeout(this.timer);
    this.error = null;
    try {
      // A case that was just decided is still this person's until the decision has arrived.
      await Promise.all([this.work.sending.settled(), released()]);
      if (this.current !== null) return;
      const { review } = await calls.next(this.work.wanted, this.others(), this.work.signal);
      if (this.current !== null) return;
      if (review) return this.show(review);
      this.empty = true;
      this.pictures.clear();
      this.timer = setTimeout(() => !document.hidden && void this.fill(), AGAIN_MS);
    } catch (error) {
      if (this.work.signal.aborted) return;
      this.error = error;
      session.refused(error);
      this.timer = setTimeout(() => !document.hidden && void this.fill(), AGAIN_MS);
    } finally {
      this.filling = false;
    }
  }

  private get plenty(): boolean {
    const waiting = Object.values(this.work.summary?.by_kind ?? {}).reduce((sum, { open, leased }) => sum + open - leased, 0);
    return waiting >= PLENTY && (this.current?.left_today ?? PLENTY) > 1;
  }

  /** Fetches the next case while the person looks at this one, as long as enough is left for others. */
  private async fetchAhead(): Promise<void> {
    if (this.ahead !== null || this.fetching !== null || !this.plenty) return;
    this.fetching = this.lookAhead();
    await this.fetching;
    this.fetching = null;
  }

  private async lookAhead(): Promise<void> {
    // The decision before may still be on its way, and its case this person's.
    await this.work.sending.settled();
    if (this.work.sending.failure !== null) return;
    const { wanted } = this.work;
    try {
      const { review } = await calls.next(wanted, this.others(), AbortSignal.any([this.work.signal, AbortSignal.timeout(10_000)]));
      if (review === null || wanted !== this.work.wanted || review.id === this.current?.id) return;
      this.ahead = review;
      this.hold();
    } catch {
      // It is asked for when it is needed.
    }
  }

  private remember(): void {
    if (this.current === null || this.inSight === null) return;
    try {
      tabStorage()?.setItem(LOOKED, JSON.stringify({ id: this.current.id, seconds: this.clock.seconds }));
    } catch {
      // Full or switched off: after a reload the seconds begin anew.
    }
  }
}

/** Seconds that a case was looked at before the page was loaded anew. */
function lookedAt(id: string): number {
  try {
    const found = JSON.parse(tabStorage()?.getItem(LOOKED) ?? "null") as { id?: unknown; seconds?: unknown } | null;
    return found?.id === id && typeof found.seconds === "number" ? found.seconds : 0;
  } catch {
    return 0;
  }
}

function forgetLooked(): void {
  try {
    tabStorage()?.removeItem(LOOKED);
  } catch {
    // Switched off: there is nothing to forget.
  }
}
