"""The way between figures as rows and the ``metrics`` of manifests of versions 1 and 2; ``inspect --json`` shows both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...core.figure import Better, Figure, Format
from ..part import Amount, Part, Share

CLAIMED = "what folds that ignore groups would have claimed"


def row(
    slug: str,
    name: str,
    found: Amount | float | None,
    form: Format,
    better: Better | None,
    how: str,
    *,
    of: str | None = None,
    note: str = "",
) -> Figure:
    """Make the row of a figure, with its interval where it has one."""
    if isinstance(found, Amount):
        how = f"{how}; {found.method}"
        return Figure(slug, name, found.value, found.low, found.high, form, better, how, of=of, note=note)
    return Figure(slug, name, found, None, None, form, better, how, of=of, note=note)


def random_split(found: float | None, of: str, form: Format, how: str) -> list[Figure]:
    """Make the row of a figure as a random split would have claimed it, where that is known."""
    if found is None:
        return []
    slug, name = f"{of.replace(' ', '-')}-random-split", f"{of} with a random split"
    return [row(slug, name, found, form, None, how, note=CLAIMED)]


def how_of(figures: Iterable[Figure]) -> str:
    """Say how figures were obtained, the methods of their intervals aside."""
    rows = list(figures)
    plain = next((row.how for row in rows if row.low is None), None)
    return plain if plain is not None else rows[0].how.rpartition("; ")[0] if rows else ""


def metric_of(one: Figure | None, how: str) -> Any:
    """Return a figure's value, with its interval where it has one; None where there is no such figure. ``how`` is from
    `how_of`."""
    if one is None or one.low is None:
        return None if one is None else one.value
    return {"value": one.value, "low": one.low, "high": one.high, "method": one.how.removeprefix(f"{how}; ")}


def metrics_by_slug(figures: Sequence[Figure], slugs: Mapping[str, str], form: type[Part]) -> dict[str, Any]:
    """Return the metrics of the model as a whole, with ``how``: each field's slug is replaced by what `metric_of` gives.

    Only the fields that ``form`` has an interval for get one.
    """
    how, whole = how_of(figures), {one.slug: one for one in figures if one.of is None}
    found = {field: metric_of(whole.get(slug), how) for field, slug in slugs.items()} | {"how": how}
    for field, metric in found.items():
        if isinstance(metric, dict) and form.model_fields[field].annotation is not Share:
            found[field] = metric["value"]
    return found
