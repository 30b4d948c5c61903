"""A histogram as one row of a table: how strange the inputs of a set look, on an axis of doublings around the limit.

As the other rows of `charts`, it has percentages for x and fills any width, and takes its colours from the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from .charts import Axis, axis_row

# From a sixteenth of the limit to 32 times; what lies beyond is counted at the ends.
LOW, HIGH = -4, 5
BINS_A_DOUBLING = 3
BINS = (HIGH - LOW) * BINS_A_DOUBLING
HEIGHT = 40

_AXIS = Axis(LOW, HIGH, (-2.0, 0.0, 2.0, 4.0))
_LABELS = ("¼", "limit", "4 ×", "16 ×")


def strangeness_axis() -> str:
    """Draw the numbers above a column of rows."""
    return axis_row(_AXIS, _LABELS)


def strangeness_row(multiples: Iterable[float]) -> str:
    """Draw the histogram of multiples of the limit: blue below it, orange from it on. Hidden from screen readers, as the
    figures stand in the same row."""
    counts = [0] * BINS
    for one in multiples:
        counts[_bin(one)] += 1
    most = max(counts) or 1
    parts = [f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="{HEIGHT}"/>' for x in map(_AXIS.x, _AXIS.ticks)]
    for place, count in enumerate(counts):
        if count:
            tall = max((HEIGHT - 4) * count / most, 1.5)
            style = "fill" if place < -LOW * BINS_A_DOUBLING else "fill off"
            parts.append(
                f'<rect class="{style}" x="{100 * place / BINS:.2f}%" y="{HEIGHT - tall:.1f}" '
                f'width="{100 / BINS - 0.4:.2f}%" height="{tall:.1f}"/>'
            )
    parts.append(f'<line class="base" x1="0" x2="100%" y1="{HEIGHT}" y2="{HEIGHT}"/>')
    limit = _AXIS.x(0)
    parts.append(f'<line class="ideal" x1="{limit}" x2="{limit}" y1="0" y2="{HEIGHT}"/>')
    return f'<svg class="row" width="100%" height="{HEIGHT + 1}" aria-hidden="true">{"".join(parts)}</svg>'


def _bin(multiple: float) -> int:
    """Return the place of a multiple; exactly the limit is not beyond it."""
    if not multiple > 0:  # nor a number that is none
        return 0
    if math.isinf(multiple):
        return BINS - 1
    place = math.ceil((math.log2(multiple) - LOW) * BINS_A_DOUBLING) - 1
    return min(max(place, 0), BINS - 1)
