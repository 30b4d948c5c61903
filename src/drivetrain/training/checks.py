"""Checks of the data before a head can be fitted."""

from __future__ import annotations

import numpy as np

from ..core.errors import DataError
from ..core.types import Dataset, IntArray, Skipped
from ..data.sources.folder import UNREADABLE_FOLDER
from ..learn.balance import Balance
from ..learn.findings import LABELS_ALIKE
from ..learn.kinds.targets import Targets


def check_read(dataset: Dataset, targets: Targets) -> None:
    """Check that there is anything to tell apart.

    Raises:
        DataError: fewer than two classes; all numbers are the same; a label that all images or no other have.
    """
    try:
        targets.check_read(dataset.source, _closed(dataset.skipped))
    except DataError as error:
        # Labels in two spellings may be all that is wrong, and a finding would never be seen.
        alike = [doubt.sentence for doubt in dataset.doubts if doubt.code == LABELS_ALIKE]
        raise DataError(". ".join([str(error), *alike])) from None


def check_usable(targets: Targets, skipped: tuple[Skipped, ...], where: str = "") -> None:
    """Check that there is still something to tell apart once unusable files are gone.

    Raises:
        DataError: there is not.
    """
    unusable = f" ({len(skipped)} files could not be used{_closed(skipped)})" if skipped else ""
    targets.check(where, unusable)


def check_copies(groups_N: IntArray) -> None:
    """Check that anything can be held out once copies of a picture are joined.

    Raises:
        DataError: all images are one.
    """
    if len(np.unique(groups_N)) < 2:
        raise DataError(
            f"all {len(groups_N)} usable images are copies of one picture or belong to one group, so nothing can be held "
            "out; add pictures that differ"
        )


def check_groups(groups_N: IntArray, balance: Balance) -> None:
    """Check that anything can be held out, and balanced as was asked.

    Raises:
        DataError: all images belong to one group, or groups are to be balanced and there are none.
    """
    if len(np.unique(groups_N)) < 2:
        raise DataError(
            f"all {len(groups_N)} images belong to one group, so nothing can be held out; give them finer groups"
        )
    if balance == "groups" and len(np.unique(groups_N)) == len(groups_N):
        raise DataError(
            "--balance groups needs groups, and no two images share one; give them a group column, or take --balance classes"
        )


def _closed(skipped: tuple[Skipped, ...]) -> str:
    """The first folder that could not be read, which may be the class that is missing."""
    first = next((one for one in skipped if one.reason == UNREADABLE_FOLDER), None)
    return f"; the folder “{first.name}” cannot be read" if first else ""
