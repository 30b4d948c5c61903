/** The shapes of the answers of a desk for labelling, taken from its generated schema. */

import type { components } from "../api/label";
import type { Filled } from "../api/types";

type Schemas = components["schemas"];
type Of<Name extends keyof Schemas> = Filled<Schemas[Name]>;

export type LabelState = Of<"LabelState">;
export type AskedItem = Of<"AskedItem">;
export type NextItems = Of<"NextItems">;
export type Edit = Of<"EditAnswer">;
export type Recorded = Of<"LabelRecorded">;
export type How = Edit["how"];

/** What a person says of an item: a class, or that it is of none. */
export type Said = { label: string } | "remove";
