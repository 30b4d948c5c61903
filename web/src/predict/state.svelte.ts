/** The Predict page's state: kept while the reader looks at other pages. */

import { sleep } from "../api/client";
import { session } from "../session.svelte";
import { UploadQueue, type Metadata, type Target } from "./queue.svelte";

class PredictState {
  /** `name@version`, or empty for the server's own choice. */
  choice = $state("");
  metadata = $state<Metadata>({ camera: "", site: "", group: "" });
  selected = $state<number | null>(null);

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
  });
}

async function reconnected(signal: AbortSignal): Promise<void> {
  do await sleep(500, signal);
  while (!session.reachable);
}

export const predict = new PredictState();
