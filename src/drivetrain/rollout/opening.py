"""The opening of a rollout: its row, and the first line of its log."""

from __future__ import annotations

from datetime import datetime

from ..core.errors import UsageError
from ..core.rollout_port import RolloutStore
from ..core.rollout_records import GENESIS, RolloutRow
from ..model.manifest import Manifest
from .assignment import commitment
from .event_json import to_body
from .events import Opened
from .policy import Policy
from .stage import Stage

LEAST_SALT = 16
"""Bytes of a salt that cannot be guessed."""


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
        UsageError: the bundle's answers are no labels, or none is accepted, or the policy names a label that it does not have,
            or a rollout of this name runs already.
    """
    labels = check_bundle(policy, manifest)
    if len(salt) < LEAST_SALT:
        raise ValueError(f"a salt of {len(salt)} bytes can be guessed; give {LEAST_SALT} or more")
    if not by.strip():
        raise UsageError("nobody opens this rollout; give the name of a person")
    row = RolloutRow(
        id=rollout_id,
        name=policy.name,
        model=policy.model,
        bundle_id=manifest.bundle_id,
        stage=Stage.PARALLEL.value,
        step=0,
        paused=False,
        opened_at=at,
        salt=salt,
        head=0,
        head_hash=GENESIS,
        shadow_of=shadow_of,
    )
    opened = Opened(at, by, policy.model_dump(mode="json"), manifest.bundle_id, labels, commitment(salt))
    store.open_rollout(row)
    with store.rollout_log(rollout_id) as log:
        log.append(at, to_body(opened))
    return store.rollout(rollout_id) or row


def check_bundle(policy: Policy, manifest: Manifest) -> tuple[str, ...]:
    """Return the labels that a bundle answers, once it is certain that a rollout of this policy makes sense with it.

    Raises:
        UsageError: it does not.
    """
    if not manifest.kind.one_label:
        raise UsageError(f"the bundle answers {manifest.task}, and a rollout needs one label a case")
    if manifest.accept is None:
        raise UsageError("the bundle accepts no answer by itself; train it with --max-error, or certify it, first")
    labels = manifest.outputs
    unknown = [label for label in policy.supervised.scope.labels if label not in labels]
    if unknown:
        raise UsageError(
            f"supervised.scope.labels names {unknown[0]!r}, which the bundle does not answer; its labels are {', '.join(labels)}"
        )
    return labels
