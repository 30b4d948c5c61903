/**
 * Where the reader is, and what lies over the page there: details, a dialog, the filters on a phone.
 *
 * All of it is the browser's history. What lies over a page is an entry of its own, so that Back closes it, Forward opens it
 * again, and a reload shows it as it was; whatever closes it otherwise (a button, Esc) goes back, so that no entry is left over.
 */

import { format, parse, type PageName, type Route } from "./routes";

/** Kinds of what may lie over a page. */
export type Kind = "details" | "filters" | "camera" | "key" | "help";

interface Entry {
  /** Names this entry. */
  at: string;
  /** The entry this one lies over. */
  under?: string;
  /** What lies over the page, the topmost last; `details/12` is of the kind `details`. */
  over: readonly string[];
}

/** Longer than any browser takes to go back a step within a page. */
const PATIENCE_MS = 1_000;

const kindOf = (name: string | undefined) => name?.split("/", 1)[0];

class Place {
  route = $state.raw<Route>(parse(location.hash));
  over = $state.raw<readonly string[]>([]);
  /** Where the page stood when the present entry was last left: pixels from the top, 0 for a new one. */
  scrolled = 0;
  private readonly scrolls = new Map<string, number>();
  private entry: Entry = { at: "", over: [] };
  private hash = location.hash;
  private serial = 0;
  private leaving: Promise<void> | null = null;
  private left: () => void = () => undefined;

  constructor() {
    this.read();
    window.addEventListener("popstate", () => this.read());
    window.addEventListener("hashchange", () => this.read());
    window.addEventListener("scroll", () => this.scrolls.set(this.entry.at, window.scrollY), { passive: true });
  }

  go(page: PageName, query: URLSearchParams | Record<string, string> = {}): void {
    location.hash = format(page, query);
  }

  /** Changes the address without a step in the browser's history. */
  replace(page: PageName, query: URLSearchParams | Record<string, string> = {}): void {
    history.replaceState(history.state, "", format(page, query));
    this.read();
  }

  has(kind: Kind): boolean {
    return this.over.some((name) => kindOf(name) === kind);
  }

  /** What follows the kind, such as the 12 of `details/12`; null where nothing of the kind is open. */
  find(kind: Kind): string | null {
    const name = this.over.find((one) => kindOf(one) === kind);
    return name === undefined ? null : name.slice(kind.length + 1);
  }

  /** Lays something over the page; over another of its kind, in its place. `query` is the address's from then on. */
  open(name: Kind | `${Kind}/${string}`, query: URLSearchParams = this.route.query): void {
    // A step back that is still under way would take the new entry with it.
    if (this.leaving) return void this.leaving.then(() => this.open(name, query));
    const address = format(this.route.page.name, query);
    const top = this.over.at(-1);
    if (top !== undefined && kindOf(top) === kindOf(name)) {
      history.replaceState({ ...this.entry, over: [...this.over.slice(0, -1), name] } satisfies Entry, "", address);
    } else if (!this.over.some((one) => kindOf(one) === kindOf(name))) {
      history.pushState({ at: this.name(), under: this.entry.at, over: [...this.over, name] } satisfies Entry, "", address);
    }
    this.read();
  }

  /** Takes the topmost away if it is of this kind; resolves when it is gone. */
  close(kind: Kind): Promise<void> {
    if (this.leaving) return this.leaving;
    if (kindOf(this.over.at(-1)) !== kind) return Promise.resolve();
    this.leaving = new Promise((resolve) => (this.left = resolve));
    const { at, over } = this.entry;
    setTimeout(() => {
      // There was nothing to go back to: a tab that was restored without its history.
      if (this.leaving && this.entry.at === at) history.replaceState({ at, over: over.slice(0, -1) } satisfies Entry, "");
      this.read();
      this.arrive();
    }, PATIENCE_MS);
    history.back();
    return this.leaving;
  }

  private name(): string {
    return `${Date.now()}.${(this.serial += 1)}`;
  }

  private arrive(): void {
    this.leaving = null;
    this.left();
  }

  /** Follows the browser. */
  private read(): void {
    const before = this.entry;
    let entry = entryOf(history.state);
    if (!entry) history.replaceState((entry = { at: this.name(), over: [] }), "");
    // Back from what lay over this page: what was changed there meanwhile, such as filters, stays.
    if (before.under === entry.at && this.entry.at !== entry.at) {
      const query = new URLSearchParams(this.route.query);
      if (kindOf(before.over.at(-1)) === "details") query.delete("id");
      history.replaceState(history.state, "", format(this.route.page.name, query));
    }
    if (entry.at !== before.at) this.scrolled = this.scrolls.get(entry.at) ?? 0;
    this.entry = entry;
    if (location.hash !== this.hash) {
      this.hash = location.hash;
      this.route = parse(location.hash);
    }
    if (entry.over.join() !== this.over.join()) this.over = entry.over;
    if (this.leaving && before.at !== entry.at) this.arrive();
  }
}

/** What this page has written into an entry; null for any other. */
function entryOf(state: unknown): Entry | null {
  if (typeof state !== "object" || state === null) return null;
  const { at, under, over } = state as Partial<Entry>;
  if (typeof at !== "string" || !Array.isArray(over) || !over.every((name) => typeof name === "string")) return null;
  return { at, over, ...(typeof under === "string" ? { under } : {}) };
}

export const place = new Place();
