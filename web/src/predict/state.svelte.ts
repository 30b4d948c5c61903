/** The Predict page's state: kept while the reader looks at other pages, and its results over a reload. */

import { sleep } from "../api/client";
import { Problem } from "../api/problem";
import type { HistoryEntry } from "../api/types";
import { explanations } from "../detail/explanations.svelte";
import { session } from "../session.svelte";
import { reviewer } from "../truths/reviewer.svelte";
import { tabStorage } from "../storage";
import { Keeper, type Kept, type Open } from "./keeper";
import { Upload, UploadQueue, type Metadata, type Target } from "./queue.svelte";
import { thumbnail } from "./thumbnail";

/** Restored results that are looked up at the same time. */
const AT_ONCE = 3;

class PredictState {
  /** `name@version`, or empty for the server's own choice. */
  choice = $state("");
  metadata = $state<Metadata>({ camera: "", site: "", group: "" });
  /** Results that went because another key was entered. */
  handedOver = $state(0);
  /** Results from before a reload there was no room for in the tab's storage. */
  left = $state(0);

  /** One object for equal settings: the queue sends images together that go to the same target. */
  readonly target: Target = $derived.by(() => {
    const at = this.choice.lastIndexOf("@");
    const [model, version] = at < 0 ? [null, null] : [this.choice.slice(0, at), this.choice.slice(at + 1)];
    return { model, version, metadata: { ...this.metadata } };
  });

  readonly queue = new UploadQueue({
    client: session.client,
    now: () => Date.now(),
    sleep,
    random: Math.random,
    refused: (problem) => session.refused(problem),
    reconnected,
    createUrl: (file) => URL.createObjectURL(file),
    revokeUrl: (url) => URL.revokeObjectURL(url),
    changed: (items) => this.keep(items),
    removed: (item) => this.drop(item),
  });

  private readonly keeper = new Keeper(tabStorage());
  private readonly open = new Map<number, Open>();
  /** Whose small picture is wanted. */
  private readonly wanted = new Set<number>();
  /** Pictures are made small one after the other: each is decoded whole. */
  private drawing: Promise<void> = Promise.resolve();
  private looking = 0;

  constructor() {
    this.restore();
    session.whenKeyChanges.add(() => {
      explanations.clear();
      reviewer.forget();
      this.handedOver = this.queue.handOver();
      this.left = 0;
    });
  }

  clear(): void {
    this.queue.clear();
    this.keeper.clear();
    this.open.clear();
    this.left = this.handedOver = 0;
  }

  /** Asks the server about results from before a reload: whether it still has them, and where their images are. */
  lookUp(): void {
    if (session.whoami === null || !session.may("review")) return;
    const wanted = this.queue.items.filter((item) => item.file === null && item.stored === null && item.prediction?.id);
    while (this.looking < Math.min(AT_ONCE, wanted.length)) {
      this.looking += 1;
      void this.look(wanted).finally(() => (this.looking -= 1));
    }
  }

  private async look(wanted: Upload[]): Promise<void> {
    for (let item = wanted.shift(); item; item = wanted.shift()) {
      try {
        const { id } = item.prediction!;
        const entry = await session.client.json<HistoryEntry>("get", `/v1/predictions/${encodeURIComponent(id)}`);
        item.image = entry.input;
        item.stored = true;
      } catch (error) {
        // Of anything else nothing follows for the answer; it is asked about again when the server is back.
        if (!(error instanceof Problem) || error.status !== 404) return;
        item.stored = false;
      }
    }
  }

  /** Lists what the page before this one kept. */
  restore(): void {
    const { kept, open, left } = this.keeper.restore();
    this.left = left;
    const nowhere: Target = { model: null, version: null, metadata: {} };
    const answered = kept.map((one) => {
      const item = new Upload(one.id, one.name, one.size, null, one.thumbnail, nowhere);
      item.state = one.state;
      item.error = one.error ?? null;
      item.refused = one.refused === true;
      item.prediction = one.prediction ?? null;
      item.answer = one.answer ?? null;
      return item;
    });
    const lost = open.map(([id, name, size]) => {
      const item = new Upload(id, name, size, null, null, nowhere);
      item.state = "lost";
      this.open.set(id, [id, name, size]);
      return item;
    });
    this.queue.restore([...answered, ...lost].sort((a, b) => a.id - b.id));
  }

  private keep(items: readonly Upload[]): void {
    // Answers stand on this page as soon as they are there.
    reviewer.see(...items.flatMap((item) => (item.state === "done" && item.prediction?.id ? [item.prediction.id] : [])));
    for (const item of items) {
      if (item.state === "waiting" || item.state === "sending") {
        this.keeper.drop(item.id);
        this.open.set(item.id, [item.id, item.name, item.size]);
        continue;
      }
      this.open.delete(item.id);
      this.keeper.put(kept(item, null));
      if (item.file) this.draw(item, item.file);
    }
    this.keeper.setOpen([...this.open.values()]);
  }

  private draw(item: Upload, file: File): void {
    this.wanted.add(item.id);
    this.drawing = this.drawing.then(async () => {
      const small = this.wanted.has(item.id) ? await thumbnail(file) : null;
      // Taken off the list meanwhile, or sent once more?
      if (this.wanted.delete(item.id) && small && !this.open.has(item.id)) this.keeper.put(kept(item, small));
    });
  }

  private drop(item: Upload): void {
    this.wanted.delete(item.id);
    this.keeper.drop(item.id);
    if (this.open.delete(item.id)) this.keeper.setOpen([...this.open.values()]);
  }
}

function kept(item: Upload, thumbnail: string | null): Kept {
  const { id, name, size, error, refused, prediction, answer } = item;
  const state = item.state as Kept["state"];
  return { id, name, size, state, thumbnail, error, refused, prediction, answer };
}

async function reconnected(signal: AbortSignal): Promise<void> {
  do await sleep(500, signal);
  while (!session.reachable);
}

export const predict = new PredictState();
