/** The shapes of what gives labels away, taken from the desk's generated schema, so that a change there shows here. */

import type { components } from "../api/desk";

export type Gotchas = components["schemas"]["Gotchas"];
export type Shortcut = components["schemas"]["Shortcut"];
export type Slice = components["schemas"]["Slice"];
export type Share = components["schemas"]["Share"];
