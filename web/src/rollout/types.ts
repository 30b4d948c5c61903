/** The shapes of the answers about rollouts. */

import type { Answer } from "../api/types";

export type Row = Answer<"get", "/v1/rollouts">["rollouts"][number];
export type Status = Answer<"get", "/v1/rollouts/{name}">;
export type Stage = Status["stage"];
export type Hold = Status["holds"][number];
/** What is known of a gate, against what has to be shown. */
export type Reading = Status["readings"][number];
export type Verdict = Reading["verdict"];
export type Counts = Status["counts"];
export type Overrides = Status["overrides"][number];
export type Curve = Status["curves"][number];
export type Turned = Status["turns"][number];
export type LogPage = Answer<"get", "/v1/rollouts/{name}/log">;
export type Line = LogPage["lines"][number];
export type TurnName = "advance" | "pause" | "resume" | "rollback" | "clear" | "end";
