/** The person who tells right answers, and what that person has seen of the model's. */

import { SvelteSet } from "svelte/reactivity";
import { tabStorage } from "../storage";

const NAME = "drivetrain.reviewer";
const BLIND = "drivetrain.blind";
const SEEN = "drivetrain.seen";
/** Answers remembered as seen; the oldest make room. */
const MOST_SEEN = 5_000;

class Reviewer {
  private kept = $state(recall(NAME));
  private hides = $state(recall(BLIND) === "yes");
  /** Predictions whose right answer this person has told. */
  readonly told = new SvelteSet<string>();
  /** Predictions whose answer this person has seen before telling. */
  private readonly seen = new SvelteSet<string>(seenBefore());

  /** Remembered in this browser. */
  get name(): string {
    return this.kept;
  }

  set name(name: string) {
    this.kept = name;
    remember(NAME, name.trim());
  }

  /** Whether the model's answer is hidden until this person has told the right one. */
  get blind(): boolean {
    return this.hides;
  }

  set blind(blind: boolean) {
    this.hides = blind;
    remember(BLIND, blind ? "yes" : "");
  }

  hidden(id: string): boolean {
    return this.hides && !this.told.has(id) && !this.seen.has(id);
  }

  hasSeen(id: string): boolean {
    return this.seen.has(id);
  }

  /** These answers are in sight from now on: what is told of them later is no test of the model. */
  see(...ids: string[]): void {
    const fresh = ids.filter((id) => !this.seen.has(id) && !this.told.has(id));
    if (fresh.length === 0) return;
    for (const id of fresh) this.seen.add(id);
    for (const oldest of this.seen) {
      if (this.seen.size <= MOST_SEEN) break;
      this.seen.delete(oldest);
    }
    try {
      tabStorage()?.setItem(SEEN, JSON.stringify([...this.seen]));
    } catch {
      // Full: it is known as long as the page.
    }
  }

  /** Another person, with another key. */
  forget(): void {
    this.told.clear();
    this.seen.clear();
    tabStorage()?.removeItem(SEEN);
  }
}

function recall(name: string): string {
  try {
    return localStorage.getItem(name) ?? "";
  } catch {
    return "";
  }
}

function remember(name: string, text: string): void {
  try {
    if (text) localStorage.setItem(name, text);
    else localStorage.removeItem(name);
  } catch {
    // Storage is switched off: it lasts as long as the page.
  }
}

function seenBefore(): string[] {
  try {
    const found: unknown = JSON.parse(tabStorage()?.getItem(SEEN) ?? "[]");
    return Array.isArray(found) ? found.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

export const reviewer = new Reviewer();
