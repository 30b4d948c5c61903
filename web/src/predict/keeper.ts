/**
 * Results kept in the tab's own storage, so that they outlive a reload: the answer, the file's name and a small picture.
 *
 * Nothing of it leaves the tab, and all of it goes when the tab is closed, the list is cleared, or another key is entered.
 * Files themselves are not kept; a picture that was still on its way is remembered by its name, to be named as not answered.
 */

import type { Prediction, Predictions } from "../api/types";

export interface Kept {
  id: number;
  name: string;
  size: number;
  state: "done" | "failed" | "cancelled";
  /** A data address. */
  thumbnail: string | null;
  error: string | null;
  refused: boolean;
  prediction: Prediction | null;
  answer: Omit<Predictions, "predictions"> | null;
}

/** A picture that has no answer yet. */
export type Open = [id: number, name: string, size: number];

export interface Restored {
  kept: Kept[];
  open: Open[];
  /** How many results there was no room for. */
  left: number;
}

const PREFIX = "drivetrain.results.";
const OPEN = `${PREFIX}open`;
const LEFT = `${PREFIX}left`;

/** Signs of all results together; browsers give a tab about five million. */
export const MOST_SIGNS = 4_000_000;
/** Open ones beyond this are counted, not named. */
export const MOST_OPEN = 2_000;

export class Keeper {
  /** Signs of each result that is stored, the oldest first. */
  private readonly sizes = new Map<number, number>();
  private total = 0;
  private left = 0;

  /** `storage` null: the browser allows none, and nothing is kept. */
  constructor(
    private readonly storage: Storage | null,
    private readonly most = MOST_SIGNS,
  ) {}

  /** What the page before this one kept. Whatever cannot be read is dropped. */
  restore(): Restored {
    const kept: Kept[] = [];
    for (const key of this.keys()) {
      if (key === OPEN || key === LEFT) continue;
      const text = this.get(key);
      const found = parsed(text);
      if (text !== null && isKept(found) && key === PREFIX + found.id) kept.push(found);
      else this.remove(key);
    }
    kept.sort((a, b) => a.id - b.id);
    for (const one of kept) this.note(one.id, this.get(PREFIX + one.id)?.length ?? 0);
    const open = parsed(this.get(OPEN));
    const known = new Set(kept.map((one) => one.id));
    this.left = Number(this.get(LEFT)) || 0;
    return { kept, open: Array.isArray(open) ? open.filter(isOpen).filter(([id]) => !known.has(id)) : [], left: this.left };
  }

  /** Keeps a result, in the place of an earlier one with its id. Where there is no room the oldest make some. */
  put(one: Kept): void {
    this.drop(one.id);
    const text = JSON.stringify(one);
    while (this.sizes.size > 0 && this.total + text.length > this.most) this.makeRoom();
    while (!this.set(PREFIX + one.id, text)) {
      if (this.sizes.size === 0) return void this.leave();
      this.makeRoom();
    }
    this.note(one.id, text.length);
  }

  drop(id: number): void {
    if (!this.sizes.has(id)) return;
    this.remove(PREFIX + id);
    this.total -= this.sizes.get(id)!;
    this.sizes.delete(id);
  }

  /** Names those that have no answer yet. */
  setOpen(open: readonly Open[]): void {
    if (open.length === 0) this.remove(OPEN);
    else this.set(OPEN, JSON.stringify(open.slice(0, MOST_OPEN)));
  }

  clear(): void {
    for (const key of this.keys()) this.remove(key);
    this.sizes.clear();
    this.total = this.left = 0;
  }

  private makeRoom(): void {
    this.drop(this.sizes.keys().next().value!);
    this.leave();
  }

  private leave(): void {
    this.left += 1;
    this.set(LEFT, String(this.left));
  }

  private note(id: number, signs: number): void {
    this.sizes.set(id, signs);
    this.total += signs;
  }

  private keys(): string[] {
    if (!this.storage) return [];
    return Array.from({ length: this.storage.length }, (_, i) => this.storage!.key(i) ?? "").filter((key) => key.startsWith(PREFIX));
  }

  private get(key: string): string | null {
    return this.storage?.getItem(key) ?? null;
  }

  private set(key: string, text: string): boolean {
    try {
      this.storage?.setItem(key, text);
      return true;
    } catch {
      return false; // full
    }
  }

  private remove(key: string): void {
    this.storage?.removeItem(key);
  }
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

function isOpen(found: unknown): found is Open {
  return Array.isArray(found) && typeof found[0] === "number" && typeof found[1] === "string" && typeof found[2] === "number";
}

function isKept(found: unknown): found is Kept {
  if (typeof found !== "object" || found === null) return false;
  const { id, name, size, state, prediction, answer } = found as Partial<Kept>;
  return (
    typeof id === "number" &&
    typeof name === "string" &&
    typeof size === "number" &&
    (state === "failed" || state === "cancelled" || (state === "done" && typeof prediction?.verdict === "string" && typeof answer?.model === "string"))
  );
}
