/** How long a person has looked at a case. */

/**
 * Counts while it is started and the page can be seen: whoever turns to another window, or locks the screen, is not looking.
 * Times are in milliseconds, from any monotonic clock.
 */
export class LookClock {
  private total = 0;
  private since: number | null = null;
  private started = false;

  constructor(
    private readonly now: () => number,
    private visible = true,
  ) {}

  /** From the beginning, or from what was counted before the page was loaded anew. */
  start(seconds = 0): void {
    this.total = seconds * 1000;
    this.started = true;
    this.since = this.visible ? this.now() : null;
  }

  stop(): void {
    this.total = this.seconds * 1000;
    this.since = null;
    this.started = false;
  }

  see(visible: boolean): void {
    if (visible === this.visible) return;
    this.total = this.seconds * 1000;
    this.visible = visible;
    this.since = visible && this.started ? this.now() : null;
  }

  get seconds(): number {
    const running = this.since === null ? 0 : Math.max(0, this.now() - this.since);
    return (this.total + running) / 1000;
  }
}
