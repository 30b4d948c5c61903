/** A review queue as a server has it, for tests: leases, decisions that can be taken back, one person. */

import type { Kind, Review, Summary } from "../src/review/types";
import { json, problem } from "./fakes";

export const LABELS = ["black", "grizzly", "teddy"];

export function review(id: string, changes: Partial<Review> = {}): Review {
  return {
    id,
    rollout: "bears",
    kind: "decide",
    shown: [],
    labels: LABELS,
    case: { metadata: {}, slices: { site: "north" }, due: null, images: [] },
    lease_until: new Date(Date.now() + 15 * 60_000).toISOString(),
    left_today: null,
    done_today: 0,
    ...changes,
  };
}

export class Queue {
  /** Decisions that arrived, in their order. */
  readonly decided: { id: string; label: string | null; cannot_tell: boolean; seconds: number }[] = [];
  /** Reviews this person has a lease on. */
  readonly leased = new Set<string>();
  readonly skipped: string[] = [];
  /** No answer at all: the connection is lost. */
  down = false;
  /** What the next decision is answered with, instead of being taken. */
  refusal: Response | null = null;

  constructor(
    readonly reviews: Review[],
    readonly summary: Partial<Summary> = {},
  ) {}

  private open(skip: readonly string[], kind: string | null): Review[] {
    const done = new Set(this.decided.map(({ id }) => id));
    const fit = this.reviews.filter((one) => !done.has(one.id) && !skip.includes(one.id) && (kind === null || one.kind === kind));
    return fit.toSorted((a, b) => Number(this.leased.has(b.id)) - Number(this.leased.has(a.id)));
  }

  readonly answer = (url: URL, init: RequestInit): Response | undefined => {
    const path = url.pathname;
    if (path === "/v1/whoami") return json({ keys_required: true, role: "review", name: "ann", version: "0.3.0", desk: null, blind: true });
    if (!path.startsWith("/v1/reviews")) return undefined;
    if (this.down) throw new TypeError("no network");
    const skip = url.searchParams.getAll("skip");
    const kind = url.searchParams.get("kind");
    const give = (one: Review | undefined) => {
      if (one) this.leased.add(one.id);
      return one ?? null;
    };
    if (path.endsWith("/next")) return json({ review: give(this.open(skip, kind)[0]) });
    if (path.endsWith("/grid")) return json({ reviews: this.open(skip, kind).slice(0, Number(url.searchParams.get("n"))).map(give) });
    if (path.endsWith("/summary")) return json(this.summed());
    if (path.endsWith("/undo")) {
      const last = this.decided.pop();
      if (!last) return problem(409, "not-now", "ann has no decision that can still be taken back");
      return json({ review: give(this.reviews.find(({ id }) => id === last.id)) });
    }
    const [, id = "", skips] = /^\/v1\/reviews\/([^/]+)(\/skip)?$/.exec(path) ?? [];
    this.leased.delete(id);
    if (skips) {
      this.skipped.push(id);
      return json({ id });
    }
    if (this.refusal) {
      const { refusal } = this;
      this.refusal = null;
      return refusal;
    }
    if (!this.decided.some((one) => one.id === id)) this.decided.push({ id, ...JSON.parse(init.body as string) });
    return json({ id, undo_until: new Date(Date.now() + 60_000).toISOString() });
  };

  private summed(): Summary {
    const counted = (kind: Kind) => {
      const open = this.open([], kind);
      return { open: open.length, leased: open.filter(({ id }) => this.leased.has(id)).length, held: 0, overdue: 0 };
    };
    return {
      rollout: "bears",
      by: "ann",
      by_kind: { decide: counted("decide"), confirm: counted("confirm"), adjudicate: counted("adjudicate") },
      overdue: 0,
      left_today: null,
      done_today: this.decided.length,
      agreement: null,
      ...this.summary,
    };
  }
}
