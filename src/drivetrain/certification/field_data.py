"""Labelled items that come with columns of their own rather than in a table, such as those that a store holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.types import Dataset


@dataclass(frozen=True, eq=False)
class FieldData:
    """A labelled data set, what else is known of its items, and what was left out of it."""

    dataset: Dataset
    columns: Mapping[str, Mapping[str, str]]
    """By column, such as ``camera``: the value of each item that has one, by the item's name."""
    remarks: tuple[str, ...] = ()
    """Sentences on what was left out, and why."""
