import { describe, expect, it, vi } from "vitest";
import { Problem, Unreachable } from "../src/api/problem";
import { BATCH_IMAGES, IN_FLIGHT, UploadQueue, type Around, type Target } from "../src/predict/queue.svelte";
import { flush, prediction, predictions } from "./fakes";

const target: Target = { model: null, version: null, metadata: {} };
const image = (name: string, size = 10) => new File([new Uint8Array(size)], name, { type: "image/jpeg" });
const images = (n: number) => Array.from({ length: n }, (_, i) => image(`${i}.jpg`));
const names = (body: FormData) => body.getAll("images").map((file) => (file as File).name);
const answer = (body: FormData) => predictions(names(body).map((path) => prediction({ path })));

function queue(post: (body: FormData, query: unknown, signal: AbortSignal) => Promise<unknown>, changes: Partial<Around> = {}) {
  const calls: string[][] = [];
  const sleeps: number[] = [];
  let most = 0;
  let running = 0;
  const around: Around = {
    client: {
      post: (async (_path: string, query: unknown, options: { body: FormData; signal: AbortSignal }) => {
        calls.push(names(options.body));
        running += 1;
        most = Math.max(most, running);
        try {
          return await post(options.body, query, options.signal);
        } finally {
          running -= 1;
        }
      }) as unknown as Around["client"]["post"],
    },
    now: () => 0,
    sleep: async (ms) => void sleeps.push(ms),
    random: () => 0,
    refused: vi.fn(),
    reconnected: async () => undefined,
    createUrl: (file) => `blob:${file.name}`,
    revokeUrl: vi.fn(),
    ...changes,
  };
  return { queue: new UploadQueue(around), around, calls, sleeps, most: () => most };
}

describe("upload queue", () => {
  it("sends small batches, few at once, and keeps the order", async () => {
    const t = queue(async (body) => answer(body));
    t.queue.add(images(40), target);
    await flush(200);
    expect(t.queue.done).toBe(40);
    expect(t.most()).toBe(IN_FLIGHT);
    expect(Math.max(...t.calls.map((call) => call.length))).toBe(BATCH_IMAGES);
    expect(t.calls.flat()).toEqual(images(40).map((file) => file.name));
    expect(t.queue.items[7]!.prediction!.path).toBe("7.jpg");
  });

  it("keeps large images apart", async () => {
    const t = queue(async (body) => answer(body));
    t.queue.add([image("a", 5_000_000), image("b", 5_000_000), image("c", 10)], target);
    await flush(200);
    expect(t.calls).toEqual([["a"], ["b", "c"]]);
  });

  it("sends the model and only the metadata that was given", async () => {
    const seen: unknown[] = [];
    const t = queue(async (body, query) => {
      seen.push(query, JSON.parse(body.get("metadata") as string));
      return answer(body);
    });
    t.queue.add(images(1), { model: "bears", version: "v1", metadata: { camera: "gate", site: "" } });
    await flush();
    expect(seen).toEqual([{ model: "bears", version: "v1" }, { camera: "gate" }]);
  });

  it("waits when the server is busy, says so, and then sends the same again", async () => {
    let release: () => void = () => undefined;
    let busy = true;
    const t = queue(
      async (body) => {
        if (busy) throw new Problem(429, "Too many", "", { retryAfterMs: 9000 });
        return answer(body);
      },
      { sleep: (ms) => new Promise((resolve) => ((release = resolve), t.sleeps.push(ms))) },
    );
    t.queue.add(images(20), target);
    await flush();
    expect(t.queue.pause).toMatchObject({ until: 9000 });
    expect(t.sleeps).toEqual([9000]);
    expect(t.queue.waiting).toBe(20);
    const before = t.calls.length;
    await flush();
    expect(t.calls.length).toBe(before);
    busy = false;
    release();
    await flush(200);
    expect(t.queue.pause).toBeNull();
    expect(t.queue.done).toBe(20);
  });

  it("waits for a server that is gone", async () => {
    let back: () => void = () => undefined;
    let gone = true;
    const t = queue(
      async (body) => {
        if (gone) throw new Unreachable();
        return answer(body);
      },
      { reconnected: () => new Promise((resolve) => (back = resolve)) },
    );
    t.queue.add(images(3), target);
    await flush();
    expect(t.queue.pause).toMatchObject({ until: null });
    gone = false;
    back();
    await flush(100);
    expect(t.queue.done).toBe(3);
  });

  it("finds the one image that a batch was refused for", async () => {
    const t = queue(async (body) => {
      if (names(body).includes("2.jpg")) throw new Problem(413, "Too large", "An image may have 20 MB at most.");
      return answer(body);
    });
    t.queue.add(images(5), target);
    await flush(300);
    expect(t.queue.done).toBe(4);
    expect(t.queue.items.filter((item) => item.state === "failed").map((item) => item.name)).toEqual(["2.jpg"]);
    expect(t.queue.items[2]!.error).toBe("Too large. An image may have 20 MB at most.");
  });

  it("sends the others together when the server names those it will not take", async () => {
    const large = ["2.jpg", "5.jpg"];
    const t = queue(async (body) => {
      const faults = names(body).flatMap((name, place) => (large.includes(name) ? [{ loc: ["images", place], msg: "56 million pixels" }] : []));
      if (faults.length > 0) throw new Problem(422, "Unusable", "image 3 (2.jpg) has 56 million pixels", { faults });
      return answer(body);
    });
    t.queue.add(images(8), target);
    await flush(300);
    expect(t.calls.map((call) => call.length)).toEqual([8, 6]);
    expect(t.queue.done).toBe(6);
    const refused = t.queue.items.filter((item) => item.state === "failed");
    expect(refused.map((item) => [item.name, item.error, item.sendable])).toEqual(large.map((name) => [name, "Not taken: 56 million pixels", false]));
    // It would only be refused again.
    t.queue.retry();
    await flush(50);
    expect(t.calls.length).toBe(2);
  });

  it("hands over to another key: answers go, what has none is sent anew", async () => {
    let hang = false;
    const t = queue((body, _q, signal) =>
      hang ? new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))) : Promise.resolve(answer(body)),
    );
    t.queue.add(images(3), target);
    await flush(50);
    hang = true;
    t.queue.add([image("late.jpg")], target);
    await flush(50);
    hang = false;
    expect(t.queue.handOver()).toBe(3);
    expect(t.queue.items.map((item) => [item.name, item.state])).toEqual([["late.jpg", "waiting"]]);
    t.queue.run();
    await flush(50);
    expect(t.queue.done).toBe(1);
    expect(t.around.revokeUrl).toHaveBeenCalledTimes(3);
  });

  it("gives up what is on its way when cancelled, and can take it up again", async () => {
    let hang = true;
    const aborted: boolean[] = [];
    const t = queue((body, _query, signal) =>
      hang
        ? new Promise((_, reject) =>
            signal.addEventListener("abort", () => {
              aborted.push(true);
              reject(signal.reason);
            }),
          )
        : Promise.resolve(answer(body)),
    );
    t.queue.add(images(30), target);
    await flush();
    t.queue.cancel();
    await flush(50);
    expect(aborted.length).toBe(IN_FLIGHT);
    expect(t.queue.items.every((item) => item.state === "cancelled")).toBe(true);
    hang = false;
    t.queue.retry();
    await flush(200);
    expect(t.queue.done).toBe(30);
  });

  it("sends what is added right after a cancellation", async () => {
    let hang = true;
    const t = queue((body, _q, signal) =>
      hang ? new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))) : Promise.resolve(answer(body)),
    );
    t.queue.add(images(3), target);
    await flush();
    hang = false;
    t.queue.cancel();
    t.queue.add([image("new.jpg")], target);
    await flush(100);
    expect(t.queue.items.at(-1)!.state).toBe("done");
  });

  it("asks for a key and goes on with it", async () => {
    let key = false;
    const t = queue(async (body) => {
      if (!key) throw new Problem(401, "Unauthorized", "");
      return answer(body);
    });
    t.queue.add(images(2), target);
    await flush(50);
    expect(t.around.refused).toHaveBeenCalledTimes(1);
    expect(t.queue.waiting).toBe(2);
    expect(t.calls.length).toBe(1);
    key = true;
    t.queue.run();
    await flush(50);
    expect(t.queue.done).toBe(2);
  });

  it("shows what failed, and tries that one again", async () => {
    let broken = true;
    const t = queue(async (body) => {
      if (broken) throw new Problem(500, "Fault", "It broke.");
      return answer(body);
    });
    t.queue.add(images(2), target);
    await flush(50);
    expect(t.queue.failed).toBe(2);
    broken = false;
    t.queue.retry(t.queue.items[1]!.id);
    await flush(50);
    expect(t.queue.items.map((item) => item.state)).toEqual(["failed", "done"]);
  });

  it("frees the pictures it shows", () => {
    const t = queue(() => new Promise(() => undefined));
    t.queue.add(images(2), target);
    t.queue.remove(t.queue.items[0]!.id);
    expect(t.around.revokeUrl).toHaveBeenCalledWith("blob:0.jpg");
    t.queue.clear();
    expect(t.around.revokeUrl).toHaveBeenCalledWith("blob:1.jpg");
    expect(t.queue.items.length).toBe(0);
  });
});
