/** The shapes of the answers about reviews. */

import type { Answer } from "../api/types";

export type Next = Answer<"get", "/v1/reviews/next">;
/** One thing asked of a person. */
export type Review = NonNullable<Next["review"]>;
export type Kind = Review["kind"];
export type Grid = Answer<"get", "/v1/reviews/grid">;
export type Done = Answer<"post", "/v1/reviews/{review_id}">;
export type Undone = Answer<"post", "/v1/reviews/undo">;
export type Skipped = Answer<"post", "/v1/reviews/{review_id}/skip">;
export type Summary = Answer<"get", "/v1/reviews/summary">;
export type Agreement = NonNullable<Summary["agreement"]>;
