"""The chance of a rollout: HMAC-SHA256 of a unit's name under a secret salt, which was committed to before the first case.

Nobody without the salt can tell what a case will be drawn for, and everybody who is given it can check every draw.
"""

from __future__ import annotations

import hashlib
import hmac

_TOP = float(1 << 53)


def commitment(salt: bytes) -> str:
    """Return what the first line of the log says of the salt: its SHA-256.

    >>> commitment(b"")[:12]
    'e3b0c44298fc'
    """
    return hashlib.sha256(salt).hexdigest()


class Assignment:
    """Draws by a salt. Each purpose has its own, independent of the others; the same unit always has the same."""

    __slots__ = ("_salt",)

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def place(self, purpose: str, unit: str) -> float:
        """Return the place of a unit in 0–1, below 1: it belongs to a share s where its place is less than s, so that a unit
        in a share is in every larger one of that purpose too.

        >>> 0 <= Assignment(b"salt").place("audit", "case-1") < 1
        True
        """
        digest = hmac.digest(self._salt, f"{purpose}\n{unit}".encode(), "sha256")
        return (int.from_bytes(digest[:7], "big") >> 3) / _TOP

    def chosen(self, purpose: str, unit: str, share: float) -> bool:
        """Tells whether a unit belongs to a share, such as 0.1 of all."""
        return share > 0 and (share >= 1 or self.place(purpose, unit) < share)

    def order(self, case_id: str, of: str = "") -> str:
        """Return a case's place among those of one due time, as a text to sort by; it says nothing of the case."""
        return hmac.digest(self._salt, f"order\n{case_id}\n{of}".encode(), "sha256")[:8].hex()

    def pair(self, case_id: str, first: str, second: str) -> tuple[str, str]:
        """Return two answers in the order in which an adjudicator is shown them."""
        return (second, first) if self.place("shown", case_id) < 0.5 else (first, second)

    def other(self, case_id: str, label: str, labels: tuple[str, ...]) -> str | None:
        """Return a label beside this one, by chance; None where there is no other."""
        others = [one for one in labels if one != label]
        return others[int(self.place("other", case_id) * len(others))] if others else None
