/** What the list shows, as the address keeps it and as the desk is asked for it. */

import type { Fate, Place } from "./types";

export const ORDERS = ["suspicion", "name"] as const;
export type Order = (typeof ORDERS)[number];

export interface View {
  label: string;
  /** Empty: whatever its fate. */
  fate: Fate | "";
  reason: string;
  order: Order;
  /** The items of an audit, without what the model thinks of them. */
  audit: boolean;
}

export const plain = (): View => ({ label: "", fate: "open", reason: "", order: "suspicion", audit: false });

const ALL = "all";
const FATES: readonly string[] = ["open", "kept", "removed"];

/** Anything not understood is as in a plain view. */
export function fromQuery(query: URLSearchParams): View {
  const fate = query.get("fate") ?? "open";
  const order = query.get("order");
  return {
    label: query.get("label") ?? "",
    fate: fate === ALL ? "" : FATES.includes(fate) ? (fate as Fate) : "open",
    reason: query.get("reason") ?? "",
    order: ORDERS.find((name) => name === order) ?? "suspicion",
    audit: query.get("audit") === "1",
  };
}

export function toQuery(view: View): Record<string, string> {
  const found: Record<string, string> = {};
  if (view.audit) return { audit: "1" };
  if (view.label) found.label = view.label;
  if (view.fate !== "open") found.fate = view.fate || ALL;
  if (view.reason) found.reason = view.reason;
  if (view.order !== "suspicion") found.order = view.order;
  return found;
}

export function toServer(view: View): Record<string, unknown> {
  if (view.audit) return { audit: true };
  return { label: view.label, fate: view.fate, reason: view.reason, order: view.order };
}

export function isNarrowed(view: View): boolean {
  return view.audit || view.label !== "" || view.fate !== "open" || view.reason !== "";
}

/** Whether the desk would list an item that stands so; its reasons do not change with an edit. */
export function lists(view: View, standing: Place): boolean {
  if (view.audit) return true;
  if (view.fate !== "" && standing.fate !== view.fate) return false;
  return view.label === "" || standing.label === view.label || (standing.labels?.includes(view.label) ?? false);
}
