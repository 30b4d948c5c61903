"""The deletion of inputs, as told to whoever asked for it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Forgotten(Protocol):
    """The inputs a store has deleted, with the first and last moment at which they had been sent."""

    @property
    def inputs(self) -> int: ...

    @property
    def input_bytes(self) -> int: ...

    @property
    def oldest(self) -> datetime | None: ...

    @property
    def newest(self) -> datetime | None: ...
