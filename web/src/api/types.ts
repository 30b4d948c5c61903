/** The shapes of the server's answers, taken from the generated schema by path, so that a change there shows here. */

import type { components, paths } from "./schema";

export type Method = "get" | "post";
export type PathWith<M extends Method> = { [P in keyof paths]: paths[P][M] extends { responses: unknown } ? P : never }[keyof paths];

/** A field with a default may be marked optional in the document, but the server always sends it. */
export type Filled<T> = T extends (infer U)[]
  ? Filled<U>[]
  : T extends object
    ? { [K in keyof T]-?: Filled<Exclude<T[K], undefined>> }
    : T;

type JsonOf<O> = O extends { responses: { 200: { content: { "application/json": infer T } } } } ? Filled<T> : unknown;

export type Answer<M extends Method, P extends PathWith<M>> = JsonOf<paths[P][M]>;
export type Query<M extends Method, P extends PathWith<M>> = paths[P][M] extends { parameters: { query?: infer Q } }
  ? Partial<Exclude<Q, undefined>>
  : never;

export type WhoAmI = Answer<"get", "/v1/whoami">;
export type Model = Answer<"get", "/v1/models">["models"][number];
export type Metric = Model["metrics"][number];
export type Sample = Answer<"get", "/v1/samples">["samples"][number];
export type Predictions = Answer<"post", "/v1/predict">;
export type Prediction = Predictions["predictions"][number];
export type Explanation = Answer<"post", "/v1/explain">;
export type HistoryPage = Answer<"get", "/v1/predictions">;
export type HistoryEntry = HistoryPage["predictions"][number];

/** What a prediction says, whichever call it came from. */
export type Said = Pick<
  Prediction,
  "path" | "label" | "confidence" | "probs" | "labels" | "values" | "verdict" | "p_in_domain" | "reasons" | "error"
>;

/** A right answer as it was told. */
export type Truth = Answer<"get", "/v1/predictions/{record_id}/labels">["truths"][number];
/** A right answer as a person tells it: one of these. */
export type Telling = Partial<Pick<Truth, "label" | "labels" | "values">>;

/** One thing that is wrong with a request, and where. */
export type Fault = components["schemas"]["Fault"];
export type ProblemDetail = components["schemas"]["ProblemDetail"];
