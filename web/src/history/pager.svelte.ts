/** Goes back through the stored predictions page by page. */

import type { HistoryEntry, HistoryPage, Truth } from "../api/types";

type Fetch = (cursor: string | null, signal: AbortSignal) => Promise<HistoryPage>;

/** Enough to fill a screen; a search that finds less goes on by itself. */
export const WANTED = 40;

export class Pager {
  entries = $state.raw<HistoryEntry[]>([]);
  loading = $state(false);
  /** True once the first page has come. */
  begun = $state(false);
  error = $state<unknown>(null);
  next = $state<string | null>(null);
  searchedTo = $state<string | null>(null);
  stopped = $state(false);
  private running: AbortController | null = null;

  constructor(private readonly fetch: Fetch) {}

  /** Everything has been shown. */
  get ended(): boolean {
    return this.begun && this.next === null;
  }

  /** Starts over; what was running is given up. */
  async restart(): Promise<void> {
    this.running?.abort();
    this.running = null;
    this.entries = [];
    this.next = null;
    this.searchedTo = null;
    this.begun = false;
    this.error = null;
    this.loading = false;
    await this.more();
  }

  /** Loads until `WANTED` more have come or nothing is left. A page may be short or empty and still have a next one. */
  async more(): Promise<void> {
    if (this.loading || this.ended) return;
    const running = new AbortController();
    this.running = running;
    this.loading = true;
    this.stopped = false;
    this.error = null;
    const target = this.entries.length + WANTED;
    try {
      do {
        const page = await this.fetch(this.next, running.signal);
        if (this.running !== running) return;
        // A reader that went back and a server that is being written to may meet the same entry twice.
        const known = new Set(this.entries.map((entry) => entry.id));
        this.entries = [...this.entries, ...page.predictions.filter((entry) => !known.has(entry.id))];
        this.searchedTo = page.searched_to ?? null;
        this.next = page.next ?? null;
        this.begun = true;
      } while (this.next !== null && this.entries.length < target && !this.stopped);
    } catch (error) {
      if (this.running === running && !running.signal.aborted) this.error = error;
    } finally {
      if (this.running === running) this.loading = false;
    }
  }

  /** Puts a right answer that was just told beside its entry. */
  add(truth: Truth): void {
    this.entries = this.entries.map((entry) => (entry.id === truth.prediction_id ? { ...entry, truths: [...entry.truths, truth] } : entry));
  }

  /** Ends a long search; `more` goes on where it stopped. */
  stop(): void {
    this.stopped = true;
    this.running?.abort();
  }
}
