/** The shapes of the desk's answers, taken from its generated schema, so that a change there shows here. */

import type { components } from "../api/desk";
import type { Filled } from "../api/types";

type Schemas = components["schemas"];
type Of<Name extends keyof Schemas> = Filled<Schemas[Name]>;

/** An item's label and fate at one moment. */
export type Place = Of<"Place">;
export type Fate = Place["fate"];
export type Reason = Of<"Reason">;
export type Edit = Of<"EditAnswer">;
export type How = Edit["how"];
export type Item = Of<"ItemAnswer">;
export type ItemPage = Of<"ItemPage">;
export type ItemDetail = Of<"ItemDetail">;
export type Ranking = Of<"Ranking">;
export type Overview = Of<"DeskAnswer">;
export type Overtaken = Of<"Overtaken">;
export type Recorded = Of<"Recorded">;
export type Stepped = Of<"Stepped">;
export type Changes = Of<"Changes">;
export type DuplicateGroup = Of<"DuplicateGroup">;
export type Duplicates = Of<"Duplicates">;
export type Share = Of<"Share">;
export type Difference = Of<"Difference">;
export type CurvePoint = Of<"CurvePoint">;
export type Purchase = Of<"Purchase">;
export type AuditState = Of<"AuditAnswer">;
export type Gain = Of<"Gain">;

/** What a person wants of an item. */
export type Wish = "keep" | "remove" | "open" | { label: string } | { labels: string[] };

export type Change = Omit<Of<"ChangeBody">, "to"> & { to: Wish };
