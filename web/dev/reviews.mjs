/** The pretended server's review queue. States: `no-reviews`, `done-today`, `not-live`, `several`, `all-confirm`, `many-classes`, `short-lease`, `refuse`, `down`. */

import { randomBytes } from "node:crypto";

const KINDS = ["decide", "decide", "adjudicate", "decide", "confirm"];
const hex = (n) => randomBytes(n).toString("hex");

/** A solar cell under a camera for electroluminescence, as a drawing. */
function cell(label, i) {
  const fingers = Array.from({ length: 30 }, (_, k) => `<path d="M10 ${18 + k * 19}H590" stroke="#000" stroke-opacity=".18"/>`).join("");
  const bars = [150, 300, 450].map((x) => `<path d="M${x} 6V594" stroke="#0a0a0c" stroke-width="9"/>`).join("");
  const cracks = label === "crack" ? `<path d="M${60 + 40 * i} 40l70 ${90 + 20 * i}-30 80 90 130-20 90" fill="none" stroke="#08080a" stroke-width="5"/>` : "";
  const dead = label === "inactive" ? `<path d="M${160 + 20 * i} 8H590V${210 + 30 * i}L${280 + 30 * i} 300z" fill="#060607" fill-opacity=".72"/>` : "";
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="600" height="600"><defs><radialGradient id="g"><stop offset=".2" stop-color="#b9b9bd"/><stop offset="1" stop-color="#6c6c72"/></radialGradient></defs><rect width="600" height="600" fill="#101012"/><path d="M40 8H560L592 40V560L560 592H40L8 560V40z" fill="url(#g)"/>${fingers}${bars}${cracks}${dead}</svg>`;
  return { label, name: `${label}-${i}.svg`, data: Buffer.from(svg), type: "image/svg+xml" };
}

/** `pictures`: those of a folder; null: solar cells are drawn. */
export function reviews({ pictures: own, has }) {
  const pictures = own ?? ["intact", "crack", "inactive"].flatMap((label) => Array.from({ length: 5 }, (_, i) => cell(label, i)));
  const MANY = Array.from({ length: 31 }, (_, i) => ["crack", "solder bond", "finger break", "hot spot", "shading", "corrosion", "delamination"][i % 7] + (i < 7 ? "" : ` ${Math.floor(i / 7) + 1}`));
  const known = [...new Set(pictures.map(({ label }) => label))];
  const names = () => (has("many-classes") ? MANY : known.slice(0, 9));
  const queue = Array.from({ length: 60 }, (_, i) => {
    const own = Array.from({ length: i % 4 === 2 ? 3 : 1 }, (_, k) => pictures[(i * 7 + k * 5) % pictures.length]);
    const truth = own[0].label;
    const other = known.find((label) => label !== truth) ?? "other";
    const kind = has("all-confirm") ? "confirm" : KINDS[i % KINDS.length];
    return {
      id: hex(16), kind, pictures: own, shown: kind === "decide" ? [] : kind === "confirm" ? [truth] : i % 2 ? [truth, other] : [other, truth],
      slices: { site: i % 3 ? "Almería" : "Lleida", module: i % 4 ? "mono" : "poly" }, metadata: { string: `S${1 + (i % 12)}`, inspected: "drone 2", "surface temperature (°C)": 41.5 + (i % 9) },
      due: i % 7 === 6 ? null : new Date(Date.now() + (i - 3) * 17 * 60_000).toISOString(), lease: null, done: null,
    };
  });
  const last = new Map();
  let doneBefore = 14;

  const free = (one, by) => one.done === null && (one.lease === null || one.lease.by === by || one.lease.until < Date.now());
  const mine = (by) => queue.filter((one) => one.done?.by === by).length + doneBefore;

  function lease(one, by) {
    one.lease = { by, until: Date.now() + (has("short-lease") ? 70_000 : 15 * 60_000) };
    return {
      id: one.id, rollout: "solar-cells", kind: one.kind, shown: one.shown, labels: names(), lease_until: new Date(one.lease.until).toISOString(),
      case: { metadata: one.metadata, slices: one.slices, due: one.due, images: one.pictures.map((_, n) => `/v1/reviews/${one.id}/images/${n}`) },
      done_today: mine(by), left_today: Math.max(0, 120 - mine(by)),
    };
  }

  function given(by, query, n) {
    const skip = query.getAll("skip");
    const kind = query.get("kind");
    const fits = has("no-reviews") ? [] : queue.filter((one) => free(one, by) && !skip.includes(one.id) && (!kind || one.kind === kind));
    fits.sort((a, b) => Number(b.lease?.by === by) - Number(a.lease?.by === by) || (a.due ?? "9").localeCompare(b.due ?? "9"));
    return fits.slice(0, n).map((one) => lease(one, by));
  }

  return function answer(path, query, sent, by) {
    if (has("not-live")) return { status: 404, detail: "no rollout is live; open one: drivetrain rollout open POLICY --bundle BUNDLE" };
    if (has("several") && path === "/v1/reviews/summary" && !query.get("rollout")) return { status: 422, detail: "several rollouts are live; add ?rollout=NAME, one of: solar-cells, weld-seams" };
    if (path === "/v1/reviews/next") return { review: given(by, query, 1)[0] ?? null };
    if (path === "/v1/reviews/grid") return { reviews: given(by, query, Number(query.get("n") ?? 12)) };
    if (path === "/v1/reviews/summary") {
      const now = Date.now();
      const of = (kind) => {
        const all = has("no-reviews") ? [] : queue.filter((one) => one.kind === kind && one.done === null);
        const leased = all.filter((one) => one.lease && one.lease.until > now).length;
        return { open: all.length, leased, held: 0, overdue: all.filter((one) => one.due && new Date(one.due).getTime() < now).length };
      };
      const kinds = Object.fromEntries(["decide", "confirm", "adjudicate"].map((kind) => [kind, of(kind)]));
      return {
        rollout: "solar-cells", by, by_kind: kinds, overdue: Object.values(kinds).reduce((sum, one) => sum + one.overdue, 0), left_today: has("done-today") ? 0 : Math.max(0, 120 - mine(by)),
        done_today: mine(by), agreement: has("no-reviews") ? null : { kappa: 0.81, low: 0.66, high: 0.93, n: 46 },
      };
    }
    if (path === "/v1/reviews/undo") {
      const one = last.get(by);
      if (!one) return { status: 409, detail: "There is nothing that can still be taken back." };
      last.delete(by);
      one.done = null;
      return { review: lease(one, by) };
    }
    const [, id, rest] = /^\/v1\/reviews\/(\w+)(\/.*)?$/.exec(path) ?? [];
    const one = queue.find((each) => each.id === id);
    if (!one) return null;
    const image = /^\/images\/(\d+)$/.exec(rest ?? "");
    if (image) return has("no-pictures") ? null : (one.pictures[Number(image[1])] ?? null);
    if (rest === "/skip") {
      one.lease = null;
      return { id };
    }
    if (has("down")) return { status: 503, detail: "The store does not answer." };
    if (has("refuse") || one.done || one.lease?.by !== by) return { status: 409, detail: "This review is not yours any more: its time ran out, and somebody else has it." };
    one.done = { by, label: sent.label };
    last.set(by, one);
    return { id, undo_until: new Date(Date.now() + 60_000).toISOString() };
  };
}
