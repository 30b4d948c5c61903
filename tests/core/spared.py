"""``python -m spared``: a child that says how readily the system ends it."""

from __future__ import annotations

from pathlib import Path

from drivetrain.core.child import Work, answer
from drivetrain.core.errors import BundleError


def prepare() -> Work:
    def work(*_: object) -> None:
        raise BundleError(Path("/proc/self/oom_score_adj").read_text())

    return work


if __name__ == "__main__":
    answer(prepare)
