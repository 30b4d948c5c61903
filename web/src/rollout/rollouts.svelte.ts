/** Rollouts as an admin sees them: all of them, one at close quarters, and what is done to it. */

import { session } from "../session.svelte";
import { reviewer } from "../truths/reviewer.svelte";
import type { LogPage, Row, Status, TurnName } from "./types";

const LOOK_MS = 10_000;

export const at = (name: string) => `/v1/rollouts/${encodeURIComponent(name)}`;

export class Rollouts {
  list = $state.raw<readonly Row[] | null>(null);
  /** The one that is looked at: its id, as several may have had one name. */
  chosen = $state<string | null>(null);
  status = $state.raw<Status | null>(null);
  error = $state.raw<unknown>(null);
  /** When the server last answered, in milliseconds since 1970. */
  at = $state<number | null>(null);
  busy = $state<TurnName | null>(null);
  /** What went wrong with the last turn. */
  turnError = $state.raw<unknown>(null);
  private stop = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  readonly row = $derived(this.list?.find(({ id, name }) => id === this.chosen || name === this.chosen) ?? null);
  /** Who does it: the key says so; on a server without keys, the person. */
  readonly by = $derived(session.whoami?.name ?? reviewer.name.trim());
  readonly mustName = $derived(session.whoami !== null && session.whoami.name === null);

  begin(): () => void {
    this.stop = new AbortController();
    void this.look();
    const seen = () => !document.hidden && void this.look();
    document.addEventListener("visibilitychange", seen);
    return () => {
      this.stop.abort();
      clearTimeout(this.timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }

  choose(name: string | null): void {
    if (name === this.chosen) return;
    this.chosen = name;
    this.status = null;
    this.turnError = null;
    void this.look();
  }

  async look(): Promise<void> {
    clearTimeout(this.timer);
    const { signal } = this.stop;
    if (signal.aborted) return;
    try {
      const { rollouts } = await session.client.get("/v1/rollouts", undefined, { signal, retries: 0 });
      this.list = rollouts;
      this.chosen ??= (rollouts.find(({ live, shadow_of }) => live && shadow_of === null) ?? rollouts[0])?.id ?? null;
      const { chosen } = this;
      if (chosen !== null) {
        const status = await session.client.json<Status>("get", at(chosen), { signal, retries: 0 });
        if (chosen === this.chosen) this.take(status);
      }
      this.error = null;
      this.at = Date.now();
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
      session.refused(error);
    }
    clearTimeout(this.timer);
    if (!document.hidden) this.timer = setTimeout(() => void this.look(), LOOK_MS);
  }

  private take(status: Status): void {
    const before = this.status;
    this.status = status;
    // What the evidence does by itself is said aloud.
    if (before && before.id === status.id && (before.stage !== status.stage || before.paused !== status.paused)) {
      const [turn] = status.turns;
      if (turn?.by === null) session.say(turn.reason);
    }
  }

  /** Whether it was done; what was refused is in `turnError`. */
  async turn(turn: TurnName, reason: string): Promise<boolean> {
    const { chosen } = this;
    if (chosen === null || this.busy) return false;
    this.busy = turn;
    this.turnError = null;
    try {
      const body = { reason, ...(this.mustName ? { by: this.by } : {}) };
      const status = await session.client.json<Status>("post", `${at(chosen)}/${turn}`, { body, retries: 0 });
      if (chosen === this.chosen) this.status = status;
      void this.look();
      return true;
    } catch (error) {
      this.turnError = error;
      session.refused(error);
      return false;
    } finally {
      this.busy = null;
    }
  }
}

export const logOf = (name: string, after: number, limit: number, signal?: AbortSignal) =>
  session.client.json<LogPage>("get", `${at(name)}/log?after=${after}&limit=${limit}`, { signal });
