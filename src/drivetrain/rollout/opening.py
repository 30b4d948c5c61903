"""The opening of a rollout: its row, and the first line of its log."""

from __future__ import annotations

from datetime import datetime

from ..core.rollout_port import RolloutStore
from ..core.rollout_records import RolloutRow
from ..model.manifest import Manifest
from .policy import Policy


def open_rollout(
    store: RolloutStore,
    policy: Policy,
    manifest: Manifest,
    by: str,
    *,
    at: datetime,
    salt: bytes,
    rollout_id: str,
    shadow_of: str | None = None,
) -> RolloutRow:
    """Open a rollout of a bundle in a store. It begins in parallel; ``salt`` are 32 random bytes that nobody else has.

    Raises:
        UsageError: the bundle gives no answer of one label, or the policy names a label it does not have, or a rollout of this
            name runs already.
    """
    raise NotImplementedError
