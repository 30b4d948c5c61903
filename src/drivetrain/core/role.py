"""The roles of API keys. They have a module of their own, so that the command line need not load NumPy for them."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a key may do; each may do what those before it may."""

    PREDICT = "predict"
    REVIEW = "review"
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        """Tells whether this role has the rights of ``needed``."""
        order = list(Role)
        return order.index(self) >= order.index(needed)
