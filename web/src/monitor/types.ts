/** The shapes of the monitor's answers. */

import type { Answer } from "../api/types";

export type Monitor = Answer<"get", "/v1/monitor">;
export type Watched = Monitor["models"][number];
export type Source = Watched["sources"][number];
/** A share of votes with its 95 % interval; `value` is null where there are no votes yet. */
export type Rate = NonNullable<Watched["out_of_domain"]>;
export type AlarmPage = Answer<"get", "/v1/monitor/alarms">;
export type Alarm = AlarmPage["alarms"][number];
export type AlarmInFull = Answer<"get", "/v1/monitor/alarms/{alarm_id}">;
export type Clusters = Answer<"get", "/v1/monitor/clusters">;
export type Cluster = Clusters["clusters"][number];
