"""What a key may do. By itself, so that the command line need not load NumPy for it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a key may do; each may do what those before it may."""

    PREDICT = "predict"
    REVIEW = "review"
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        """Whether this role suffices."""
        order = list(Role)
        return order.index(self) >= order.index(needed)
