"""The trial of a bundle in another process before this one loads it, see `drivetrain.model.first_load`."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.child import ChildError
from ..core.errors import BundleError
from ..embed.quarantine import Quarantine
from . import policy
from .inputs import registry as inputs

MODULE = "drivetrain.model.first_load"


def try_first(files: Mapping[str, bytes], sums: Mapping[str, str], quarantine: Quarantine, *, golden: bool) -> None:
    """Have another process try a bundle's files, unless they have passed before.

    Raises:
        BundleError: the bundle takes too much time or memory, or cannot be loaded.
    """
    if not golden and quarantine.knows(sums):
        return  # the bundle has passed with its golden images, which says more
    # A trial without the golden images says less, so that it is remembered apart.
    tried = sums if golden else {**sums, "": "without golden images"}
    try:
        quarantine.admit(MODULE, {"golden": golden, "modules": [*inputs.modules(), *policy.modules()]}, files, tried)
    except ChildError as error:
        raise BundleError(f"loading it {error}, so it was refused") from None
