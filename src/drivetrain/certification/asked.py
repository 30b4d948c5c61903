"""The certificate that is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from ..core.errors import UsageError
from ..learn.risk import Target


@dataclass(frozen=True)
class Asked:
    """The error that may pass, for what, and how the fresh data are dealt."""

    target: Target
    by: tuple[str, ...] = ()
    """The grounds on which the data are cut into slices: ``class`` (as answered), ``group``, or columns of the table."""
    jointly: bool = False
    """Tells whether the error has to hold in all slices at once."""
    prevalence: Mapping[str, float] = field(default_factory=dict)
    """The share of each class that the certificate is to be about; empty: as the data come."""
    false_alarm: float | None = None
    """The share of inputs like the fresh ones that the gate may turn away; None: as the bundle has it."""
    seed: int = 0

    @classmethod
    def of(
        cls,
        *,
        max_error: float = 0.02,
        confidence: float = 0.95,
        by: Sequence[str] = (),
        jointly: bool = False,
        prevalence: str | Mapping[str, float] = "",
        false_alarm: float | None = None,
        seed: int = 0,
    ) -> Self:
        """Check the choices; ``prevalence`` is also read from a text such as ``bear=0.2,fox=0.8``.

        Raises:
            UsageError: one is out of range, or cannot be understood.
        """
        for name, value, low, high in (
            ("max_error", max_error, 0.0001, 0.5),
            ("confidence", confidence, 0.5, 0.9999),
            ("false_alarm", 0.05 if false_alarm is None else false_alarm, 0.0001, 0.5),
        ):
            if not low <= value <= high:
                flag = name.replace("_", "-")
                raise UsageError(f"{name} (--{flag}) is {value:g}; it must be {low:g} to {high:g}")
        if seed < 0:
            raise UsageError(f"seed is {seed}; it must be 0 or more")
        if jointly and not by:
            raise UsageError("jointly (--jointly) is about several slices; say by what with by (--by), or leave it out")
        shares = _shares(prevalence)
        return cls(Target(max_error, confidence), tuple(dict.fromkeys(by)), jointly, shares, false_alarm, seed)


def _shares(given: str | Mapping[str, float]) -> dict[str, float]:
    """Read shares of classes; they have to add up to 1.

    Raises:
        UsageError: they do not, or one is no share.
    """
    if isinstance(given, str):
        parts = [part.rpartition("=") for part in given.split(",") if part.strip()]
        try:
            shares = {name.strip(): float(share) for name, _, share in parts}
        except ValueError:
            shares = {"": -1.0}
    else:
        shares = {name: float(share) for name, share in given.items()}
    if not all(name and 0 <= share <= 1 for name, share in shares.items()):
        raise UsageError(
            f"prevalence (--prevalence) is {given!r}; give the share of each class, such as bear=0.2,fox=0.8"
        )
    if shares and not math.isclose(total := sum(shares.values()), 1, abs_tol=1e-6):
        raise UsageError(f"prevalence (--prevalence) adds up to {total:g}; the shares of all classes must add up to 1")
    return shares
