/**
 * Marks that the desk has not acknowledged. They outlive the page: each tab keeps its own, and a tab that opens takes over those
 * of tabs that are gone.
 */

import { tabStorage } from "../storage";
import type { Change } from "./types";

const PREFIX = "drivetrain.unsent.";
const TAB = "drivetrain.tab";

export interface Batch {
  key: string;
  source: string;
  by: string;
  changes: Change[];
  /** The items' names, for messages about them. */
  names: string[];
  /** Whether it has been sent before, without an answer. */
  tried: boolean;
}

/** Marks of this tab and source, and of tabs that are gone. */
export class Outbox {
  private tab = "";

  constructor(
    private readonly source: string,
    private readonly locks: LockManager | undefined = navigator.locks,
  ) {}

  /** Whatever waits to be sent; from now on this tab answers for it. */
  async open(): Promise<Batch[]> {
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

  keep(batches: readonly Batch[]): void {
    if (this.tab === "") return;
    if (batches.length === 0) return remove(this.name(this.tab));
    try {
      localStorage.setItem(this.name(this.tab), JSON.stringify(batches));
    } catch {
      // Full or switched off: they last as long as the page, which asks before it is left.
    }
  }

  private name(tab: string): string {
    return `${PREFIX}${this.source}.${tab}`;
  }

  private read(name: string): Batch[] {
    try {
      const found: unknown = JSON.parse(localStorage.getItem(name) ?? "[]");
      return Array.isArray(found) ? found.filter(isBatch).filter(({ source }) => source === this.source) : [];
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
      void this.locks!.request(`${PREFIX}${tab}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise<void>(() => undefined);
      }).catch(() => resolve(true));
    });
  }

  /** Entries of this source whose tab is gone. Where the browser cannot tell, none: two tabs must not send the same. */
  private async orphans(): Promise<string[]> {
    if (!this.locks) return [];
    const held = new Set(((await this.locks.query()).held ?? []).map(({ name }) => name));
    const start = `${PREFIX}${this.source}.`;
    return names().filter((name) => name.startsWith(start) && name !== this.name(this.tab) && !held.has(`${PREFIX}${name.slice(start.length)}`));
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

function isBatch(value: unknown): value is Batch {
  const batch = value as Partial<Batch> | null;
  return typeof batch?.key === "string" && typeof batch.by === "string" && typeof batch.source === "string" && Array.isArray(batch.changes) && Array.isArray(batch.names);
}
