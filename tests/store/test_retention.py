"""The rule for images."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from drivetrain.core.errors import UsageError
from drivetrain.core.retention import Kept, Retention


@pytest.mark.parametrize(
    ("text", "rule", "of_hash", "of_image"),
    [
        ("none", Retention(Kept.NONE), False, False),
        ("hash", Retention(Kept.HASH), True, False),
        (" Keep ", Retention(Kept.INPUT), True, True),
        ("30d", Retention(Kept.INPUT, 30), True, True),
        ("30", Retention(Kept.INPUT, 30), True, True),
    ],
)
def test_a_rule_is_read(text: str, rule: Retention, of_hash: bool, of_image: bool) -> None:
    read = Retention.parse(text)
    assert read == rule == Retention.parse(str(rule))
    assert (read.keeps_hash, read.keeps_input) == (of_hash, of_image)


@pytest.mark.parametrize("text", ["", "d", "0", "0d", "-1", "1.5d", "30 days", "99999d", "٣٠", "9" * 5000, "none 3"])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no rule for images"):
        Retention.parse(text)


def test_days_are_counted_back() -> None:
    now = datetime(2026, 3, 31, tzinfo=UTC)
    assert Retention.parse("30d").oldest(now) == datetime(2026, 3, 1, tzinfo=UTC)
    assert Retention.parse("keep").oldest(now) is None
