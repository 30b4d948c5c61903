"""The reason why a picture is not kept."""

from __future__ import annotations

from ...core.errors import DrivetrainError


class NotFetchedError(DrivetrainError):
    """An address gave no usable bytes. ``reason`` is a short stable code for counting, ``detail`` a sentence.

    ``passing``: it may be otherwise another day, so that a later run asks again.
    """

    def __init__(self, reason: str, detail: str, *, passing: bool = False) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.passing = passing

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class StoppedError(Exception):
    """The run has been told to stop; nothing further is asked of anybody."""
