/** Marks that the desk has not acknowledged. */

import { Outbox } from "../outbox";
import type { Change } from "./types";

const PREFIX = "drivetrain.unsent.";

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

export const marksOf = (source: string, locks?: LockManager) => new Outbox<Batch>(PREFIX, source, isBatch, locks);

function isBatch(value: unknown): value is Batch {
  const batch = value as Partial<Batch> | null;
  return typeof batch?.key === "string" && typeof batch.by === "string" && typeof batch.source === "string" && Array.isArray(batch.changes) && Array.isArray(batch.names);
}
