/** Images on their way to the server: small batches, a few at once, patient when the server is busy. */

import { backoffMs, type Client } from "../api/client";
import { Problem, Unreachable, words } from "../api/problem";
import type { Prediction, Predictions } from "../api/types";

/** `lost`: the page was left before the answer came, and the file with it. */
export type State = "waiting" | "sending" | "done" | "failed" | "cancelled" | "lost";

export interface Metadata {
  camera?: string;
  site?: string;
  group?: string;
}

export interface Target {
  model: string | null;
  version: string | null;
  metadata: Metadata;
}

/** One image. A class, so that the list does not wrap what it holds: targets are compared by identity. */
export class Upload {
  state = $state<State>("waiting");
  error = $state<string | null>(null);
  /** The server does not take this file as it is: sending it again is of no use. */
  refused = $state(false);
  prediction = $state.raw<Prediction | null>(null);
  answer = $state.raw<Omit<Predictions, "predictions"> | null>(null);
  /** Of a result from before a reload: where the server keeps the image; null where it does not, or nobody knows yet. */
  image = $state<string | null>(null);
  /** Of a result from before a reload: whether the server still has the answer; null while nobody knows. */
  stored = $state<boolean | null>(null);

  constructor(
    readonly id: number,
    readonly name: string,
    /** Bytes. */
    readonly size: number,
    /** Null after a reload: what is left is the result. */
    readonly file: File | null,
    /** For `<img>`; freed when the upload is removed. */
    readonly url: string | null,
    readonly target: Target,
  ) {}

  /** Whether it can be sent (again). */
  get sendable(): boolean {
    return this.file !== null && !this.refused;
  }
}

export interface Around {
  client: Pick<Client, "post">;
  now: () => number;
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  random: () => number;
  /** A 401: somebody has to enter a key. */
  refused: (problem: Problem) => void;
  /** Resolves when the server answers again. */
  reconnected: (signal: AbortSignal) => Promise<void>;
  createUrl: (file: File) => string;
  revokeUrl: (url: string) => void;
  /** These have come, or have another state. */
  changed?: (items: readonly Upload[]) => void;
  /** Taken off the list. */
  removed?: (item: Upload) => void;
}

export const BATCH_IMAGES = 8;
export const BATCH_BYTES = 6_000_000;
export const IN_FLIGHT = 2;

export interface Pause {
  until: number | null;
  reason: string;
}

export class UploadQueue {
  items = $state<Upload[]>([]);
  /** Set while the queue waits because the server asked for it. */
  pause = $state<Pause | null>(null);
  private serial = 0;
  private workers = 0;
  private stop = new AbortController();
  private attempts = 0;
  private gate: Promise<void> | null = null;
  /** Images whose batch was refused: each goes by itself. */
  private readonly alone = new Set<number>();
  /** Nothing is sent before somebody has entered a key. */
  private held = false;

  readonly waiting = $derived(this.items.filter((item) => item.state === "waiting" || item.state === "sending").length);
  readonly done = $derived(this.items.filter((item) => item.state === "done").length);
  readonly failed = $derived(this.items.filter((item) => item.state === "failed").length);

  constructor(private readonly around: Around) {}

  add(files: readonly File[], target: Target): void {
    const added = files.map((file) => new Upload((this.serial += 1), file.name, file.size, file, this.around.createUrl(file), target));
    this.items.push(...added);
    this.around.changed?.(added);
    this.run();
  }

  /** Puts results of the page before this one on the list. */
  restore(items: readonly Upload[]): void {
    this.items.push(...items);
    this.serial = Math.max(this.serial, ...items.map((item) => item.id));
  }

  /** Whatever has not been answered is given up. */
  cancel(): void {
    const open = this.items.filter((item) => item.state === "waiting" || item.state === "sending");
    this.halt();
    for (const item of open) item.state = "cancelled";
    this.around.changed?.(open);
  }

  retry(id?: number): void {
    const again = this.items.filter(
      (item) => item.sendable && (id === undefined || item.id === id) && (item.state === "failed" || item.state === "cancelled"),
    );
    for (const item of again) {
      item.state = "waiting";
      item.error = null;
    }
    this.around.changed?.(again);
    this.run();
  }

  /** Somebody else asks from now on: what has an answer goes off the list, what has none is sent anew. Returns how many went. */
  handOver(): number {
    this.halt();
    const isOpen = (item: Upload) => item.state === "waiting" || item.state === "sending";
    const gone = this.items.filter((item) => !isOpen(item));
    this.items = this.items.filter(isOpen);
    for (const item of gone) this.free(item);
    for (const item of this.items) item.state = "waiting";
    return gone.length;
  }

  /** Also called when a key has been entered: those refused for want of one start again. */
  run(): void {
    this.held = false;
    while (this.workers < IN_FLIGHT && this.items.some((item) => item.state === "waiting")) {
      this.workers += 1;
      void this.work().finally(() => {
        this.workers -= 1;
        // Images may have come, or the queue been stopped and filled again, while this worker was on its way out.
        if (!this.held && this.items.some((item) => item.state === "waiting")) this.run();
      });
    }
  }

  remove(id: number): void {
    const index = this.items.findIndex((item) => item.id === id);
    const [item] = index < 0 ? [] : this.items.splice(index, 1);
    if (item) this.free(item);
  }

  clear(): void {
    this.halt();
    const gone = this.items;
    this.items = [];
    for (const item of gone) this.free(item);
  }

  private free(item: Upload): void {
    if (item.file && item.url) this.around.revokeUrl(item.url);
    this.alone.delete(item.id);
    this.around.removed?.(item);
  }

  /** Ends what is under way. */
  private halt(): void {
    this.stop.abort(new DOMException("cancelled", "AbortError"));
    this.stop = new AbortController();
    this.pause = null;
    this.gate = null;
    this.attempts = 0;
  }

  private async work(): Promise<void> {
    const { signal } = this.stop;
    for (;;) {
      while (this.gate) await this.gate.catch(() => undefined);
      if (signal.aborted || this.held) return;
      const batch = this.take();
      if (batch.length === 0) return;
      await this.send(batch, signal);
    }
  }

  /** The next images in order that go to the same target, up to a count and a size. */
  private take(): Upload[] {
    const batch: Upload[] = [];
    let size = 0;
    for (const item of this.items) {
      if (item.state !== "waiting") continue;
      const first = batch[0];
      if (first) {
        if (item.target !== first.target || this.alone.has(item.id)) break;
        if (batch.length >= BATCH_IMAGES || size + item.size > BATCH_BYTES) break;
      }
      batch.push(item);
      size += item.size;
      if (this.alone.has(item.id)) break;
    }
    for (const item of batch) item.state = "sending";
    return batch;
  }

  private async send(batch: Upload[], signal: AbortSignal): Promise<void> {
    const { model, version, metadata } = batch[0]!.target;
    const body = new FormData();
    for (const item of batch) body.append("images", item.file!, item.name);
    if (Object.values(metadata).some(Boolean)) {
      body.append("metadata", JSON.stringify(Object.fromEntries(Object.entries(metadata).filter(([, v]) => v))));
    }
    const query = { ...(model ? { model } : {}), ...(version ? { version } : {}) };
    try {
      const { predictions, ...answer } = await this.around.client.post("/v1/predict", query, { body, signal });
      if (signal.aborted) return;
      this.attempts = 0;
      batch.forEach((item, i) => {
        if (item.state !== "sending") return;
        const prediction = predictions?.[i];
        if (!prediction) return this.fail([item], "The server gave no answer for this image.");
        item.prediction = prediction;
        item.answer = answer;
        item.state = "done";
      });
      this.around.changed?.(batch);
    } catch (error) {
      if (signal.aborted) return;
      await this.settle(batch, error, signal);
    }
  }

  private async settle(batch: Upload[], error: unknown, signal: AbortSignal): Promise<void> {
    const again = () => {
      for (const item of batch) if (item.state === "sending") item.state = "waiting";
    };
    if (error instanceof Unreachable) {
      again();
      return this.hold({ until: null, reason: "The server does not answer. Sending goes on when it does." }, () =>
        this.around.reconnected(signal),
      );
    }
    if (error instanceof Problem && error.passing) {
      again();
      // Several batches may come back at once: they share one wait.
      if (this.gate) return;
      this.attempts += 1;
      const ms = backoffMs(this.attempts, error.retryAfterMs, this.around.random());
      const reason = error.status === 429 ? "The server takes no more images for a moment." : words(error).text;
      return this.hold({ until: this.around.now() + ms, reason }, () => this.around.sleep(ms, signal));
    }
    if (error instanceof Problem && error.status === 401) {
      again();
      this.held = true;
      this.around.refused(error);
      return;
    }
    const refused = error instanceof Problem && [400, 413, 415, 422].includes(error.status);
    const named = refused ? batch.flatMap((item, i) => (error.ofImage(i) === null ? [] : [{ item, why: error.ofImage(i)! }])) : [];
    if (named.length > 0) {
      // The server says which ones are to blame; the others go on together.
      for (const { item, why } of named) this.fail([item], `Not taken: ${why}`, true);
      return again();
    }
    if (refused && batch.length > 1) {
      // One of them is to blame: each by itself, so that the others are answered.
      for (const item of batch) this.alone.add(item.id);
      return again();
    }
    const { title, text } = words(error);
    this.fail(batch, text ? `${title}. ${text}` : title, refused && error.status !== 400);
  }

  private async hold(pause: Pause, until: () => Promise<void>): Promise<void> {
    if (this.gate) return;
    this.pause = pause;
    const gate = until().catch(() => undefined);
    this.gate = gate;
    await gate;
    if (this.gate === gate) {
      this.gate = null;
      this.pause = null;
    }
  }

  private fail(batch: Upload[], error: string, refused = false): void {
    const failed = batch.filter((item) => item.state === "sending");
    for (const item of failed) {
      item.state = "failed";
      item.error = error;
      item.refused = refused;
    }
    this.around.changed?.(failed);
  }
}
