/**
 * The list of a view, as far as it has been fetched.
 *
 * What has been fetched keeps its place: items that no longer fit the view stay where they were, and a new ranking only
 * changes what comes after `keep`. The desk counts by what fits now, so that whatever was fetched and still fits makes the offset.
 */

import { MOST } from "./calls";
import type { Item, ItemPage } from "./types";

export const FIRST = 60;
export const FEWEST = 120;

export class Listing {
  items = $state.raw<readonly Item[]>([]);
  /** How many more the desk has. */
  remaining = $state(0);
  begun = $state(false);
  loading = $state(false);
  error = $state<unknown>(null);
  version = $state(0);
  readonly length = $derived(this.items.length + this.remaining);

  private ids = new Set<string>();
  /** Ids that this ranking has given, whether or not they were in the list before; true of those that fitted the view then. */
  private given = new Map<string, boolean>();
  /** Places that brought nothing new, as others had moved up before them. */
  private again = 0;
  private wanted = 0;
  private fetching: Promise<void> | null = null;
  private readonly stop = new AbortController();

  constructor(
    private readonly ask: (offset: number, limit: number, signal: AbortSignal) => Promise<ItemPage>,
    private readonly fits: (item: Item) => boolean,
  ) {}

  /** Whether items up to, not including, this one are there. */
  has(end: number): boolean {
    return this.items.length >= end || (this.begun && this.remaining === 0);
  }

  /** Fetches until `end` items are there, or all, or until something goes wrong. */
  need(end: number): Promise<void> {
    this.wanted = Math.max(this.wanted, end);
    if (this.error !== null || this.stop.signal.aborted) return Promise.resolve();
    this.fetching ??= this.fetch().finally(() => (this.fetching = null));
    return this.fetching;
  }

  private async fetch(): Promise<void> {
    if (this.has(this.wanted)) return;
    this.loading = true;
    try {
      while (!this.has(this.wanted) && !this.stop.signal.aborted) await this.more();
    } catch (error) {
      if (!this.stop.signal.aborted) this.error = error;
    } finally {
      this.loading = false;
    }
  }

  retry(): void {
    this.error = null;
    void this.need(Math.max(this.wanted, FIRST));
  }

  /** Takes a new ranking for all but the first `count` items. */
  renew(count: number, version: number): void {
    if (this.version === version || !this.begun) return;
    this.items = this.items.slice(0, count);
    this.ids = new Set(this.items.map(({ id }) => id));
    this.scan(version);
    this.wanted = Math.max(count + FIRST, 0);
    // Until the desk has been asked, as many as there were.
    this.remaining = Math.max(1, this.remaining);
    void this.need(this.wanted);
  }

  close(): void {
    this.stop.abort();
  }

  private async more(): Promise<void> {
    const offset = this.offset();
    const limit = this.begun ? Math.min(MOST, Math.max(FEWEST, this.wanted - this.items.length)) : FIRST;
    const given = this.given;
    const page = await this.ask(offset, limit, this.stop.signal);
    // Another ranking was taken meanwhile, or has begun at the desk: places of the old one mean nothing in it.
    if (given !== this.given) return;
    if (this.begun && page.version !== this.version && offset > 0) {
      this.scan(page.version);
      return;
    }
    this.version = page.version;
    const fresh = page.items.filter(({ id }) => !this.ids.has(id));
    const before = this.given.size;
    for (const item of page.items) {
      this.ids.add(item.id);
      if (!this.given.has(item.id)) this.given.set(item.id, this.fits(item));
    }
    if (this.given.size === before) this.again += page.items.length;
    this.items = [...this.items, ...fresh];
    this.begun = true;
    const ended = page.items.length === 0 || offset + page.items.length >= page.total;
    this.remaining = ended ? 0 : Math.max(1, page.total - this.items.filter((item) => this.fits(item)).length);
  }

  private scan(version: number): void {
    this.given = new Map();
    this.again = 0;
    this.version = version;
  }

  /** What was given, without what has left the view since: the desk counts it no longer. */
  private offset(): number {
    const left = this.items.reduce((sum, item) => sum + (this.given.get(item.id) && !this.fits(item) ? 1 : 0), 0);
    return this.given.size - left + this.again;
  }
}
