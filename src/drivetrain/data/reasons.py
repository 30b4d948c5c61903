"""The reasons why files were left out, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..core.types import Skipped


def reasons(skipped: Sequence[Skipped]) -> str:
    """Say why files were left out, the commonest reason first: “12 damaged, 2 too large”."""
    return ", ".join(
        f"{count} {reason.replace('_', ' ')}" for reason, count in Counter(one.reason for one in skipped).most_common()
    )
