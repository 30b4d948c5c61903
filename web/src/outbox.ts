/**
 * What a person has said and the server has not acknowledged. It outlives the page: each tab keeps its own, and a tab that opens
 * takes over what tabs that are gone have left.
 */

import { tabStorage } from "./storage";

const TAB = "drivetrain.tab";

/** Entries of this tab and source, and of tabs that are gone. `T` is plain data with the name of its source. */
export class Outbox<T extends { source: string }> {
  private tab = "";

  constructor(
    private readonly prefix: string,
    private readonly source: string,
    private readonly isEntry: (value: unknown) => value is T,
    private readonly locks: LockManager | undefined = navigator.locks,
  ) {}

  /** Whatever waits to be sent; from now on this tab answers for it. */
  async open(): Promise<T[]> {
    const known = tabStorage()?.getItem(TAB) ?? null;
    const own = known !== null && (await this.hold(known)) ? known : await this.fresh();
    this.tab = own;
    try {
      tabStorage()?.setItem(TAB, own);
    } catch {
      // Full or switched off: a reload then counts as another tab, which takes over.
    }
    const found = this.read(this.name(own));
    for (const other of await this.orphans()) {
      found.push(...this.read(other));
      remove(other);
    }
    this.keep(found);
    return found;
  }

  keep(entries: readonly T[]): void {
    if (this.tab === "") return;
    if (entries.length === 0) return remove(this.name(this.tab));
    try {
      localStorage.setItem(this.name(this.tab), JSON.stringify(entries));
    } catch {
      // Full or switched off: they last as long as the page, which asks before it is left.
    }
  }

  private name(tab: string): string {
    return `${this.prefix}${this.source}.${tab}`;
  }

  private read(name: string): T[] {
    try {
      const found: unknown = JSON.parse(localStorage.getItem(name) ?? "[]");
      return Array.isArray(found) ? found.filter(this.isEntry).filter(({ source }) => source === this.source) : [];
    } catch {
      return [];
    }
  }

  private async fresh(): Promise<string> {
    const tab = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
    await this.hold(tab);
    return tab;
  }

  /** Holds a tab's name as long as the page lives; false where another page holds it, as after a tab was doubled. */
  private hold(tab: string): Promise<boolean> {
    if (!this.locks) return Promise.resolve(true);
    return new Promise((resolve) => {
      void this.locks!.request(`${this.prefix}${tab}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise<void>(() => undefined);
      }).catch(() => resolve(true));
    });
  }

  /** Entries of this source whose tab is gone. Where the browser cannot tell, none: two tabs must not send the same. */
  private async orphans(): Promise<string[]> {
    if (!this.locks) return [];
    const held = new Set(((await this.locks.query()).held ?? []).map(({ name }) => name));
    const start = `${this.prefix}${this.source}.`;
    // A tab's name has no dot: what has one belongs to a source whose name begins as this one's.
    const tabs = names().flatMap((name) => (name.startsWith(start) && !name.slice(start.length).includes(".") ? [name.slice(start.length)] : []));
    return tabs.filter((tab) => tab !== this.tab && !held.has(`${this.prefix}${tab}`)).map((tab) => this.name(tab));
  }
}

function names(): string[] {
  try {
    return Object.keys(localStorage);
  } catch {
    return [];
  }
}

function remove(name: string): void {
  try {
    localStorage.removeItem(name);
  } catch {
    // Switched off: there is nothing to remove.
  }
}
