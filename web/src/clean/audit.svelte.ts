/** The audit of a set: its state at the desk. */

import { Problem } from "../api/problem";
import { session } from "../session.svelte";
import type { AuditState } from "./types";

class Audit {
  state = $state.raw<AuditState | null>(null);
  error = $state<unknown>(null);
  busy = $state(false);
  /** False where the desk has none. */
  known = $state(true);

  async load(): Promise<void> {
    if (!this.known) return;
    try {
      this.state = await session.client.json<AuditState>("get", "/v1/desk/audit");
      this.error = null;
    } catch (error) {
      if (error instanceof Problem && error.status === 404) this.known = false;
      else this.error = error;
    }
  }

  /** Whether it could be begun. */
  async begin(size: number): Promise<boolean> {
    this.busy = true;
    try {
      this.state = await session.client.json<AuditState>("post", "/v1/desk/audit", { body: { size } });
      this.error = null;
      return true;
    } catch (error) {
      this.error = error;
      session.refused(error);
      return false;
    } finally {
      this.busy = false;
    }
  }
}

export const audit = new Audit();
