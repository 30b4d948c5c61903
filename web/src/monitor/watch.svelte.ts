/** What the monitor says, asked for gently: often while a person looks at it, seldom for the sign in the navigation. */

import { Problem } from "../api/problem";
import { session } from "../session.svelte";
import type { Monitor } from "./types";
import { standing } from "./words";

export const NEAR_MS = 10_000;
export const FAR_MS = 60_000;

class Watch {
  data = $state.raw<Monitor | null>(null);
  error = $state<unknown>(null);
  loading = $state(false);
  /** When the server last answered, in milliseconds since 1970. */
  at = $state<number | null>(null);
  readonly standing = $derived(standing(this.data));

  private lookers = 0;
  private begun = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private running: AbortController | null = null;

  constructor() {
    session.whenKeyChanges.add(() => this.forget());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.begun) void this.look();
    });
  }

  /** Asks from now on; the function returned ends it. */
  begin(): () => void {
    this.begun = true;
    void this.look();
    return () => {
      this.begun = false;
      this.stop();
    };
  }

  /** A page shows it: it has to be fresh. */
  attend(): () => void {
    this.lookers += 1;
    if (this.begun && (this.at === null || Date.now() - this.at > 2_000)) void this.look();
    return () => {
      this.lookers -= 1;
    };
  }

  async look(): Promise<void> {
    this.stop();
    const running = new AbortController();
    this.running = running;
    this.loading = true;
    const before = new Set(this.standing.map(({ id }) => id));
    const first = this.data === null;
    try {
      const found = await session.client.get("/v1/monitor", undefined, { signal: running.signal, retries: 0 });
      if (this.running !== running) return;
      this.data = found;
      this.error = null;
      this.at = Date.now();
      const fresh = this.standing.filter(({ id }) => !before.has(id));
      if (fresh[0] && !first) session.say(`Alarm: ${fresh[0].text}`);
    } catch (error) {
      if (running.signal.aborted || this.running !== running) return;
      this.error = error;
      session.refused(error);
    }
    this.loading = false;
    // A server without a monitor gets none by asking again.
    const none = this.error instanceof Problem && [403, 404].includes(this.error.status);
    if (this.begun && !none && !document.hidden) this.timer = setTimeout(() => void this.look(), this.lookers > 0 ? NEAR_MS : FAR_MS);
  }

  private stop(): void {
    clearTimeout(this.timer);
    this.running?.abort();
    this.running = null;
    this.loading = false;
  }

  private forget(): void {
    this.stop();
    this.data = this.error = this.at = null;
  }
}

export const watch = new Watch();
