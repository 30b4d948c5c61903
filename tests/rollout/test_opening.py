"""The opening of a rollout: its row, its first line, and bundles that it makes no sense with."""

from __future__ import annotations

from pathlib import Path

import pytest
from live_world import Clock, events_of, numbered
from rollout_world import SALT, START
from rollouts_in_memory import MemoryStore

from drivetrain.core.errors import UsageError
from drivetrain.model.manifest import Manifest, parse_manifest
from drivetrain.rollout.assignment import commitment
from drivetrain.rollout.events import Opened
from drivetrain.rollout.live import Live
from drivetrain.rollout.opening import open_rollout
from drivetrain.rollout.policy import Policy, Scope, Supervised

BUNDLES = Path(__file__).parent.parent / "bundles"
ROLLOUT = "0" * 31 + "1"


def manifest(name: str = "v4-classes") -> Manifest:
    """The manifest of a committed bundle."""
    return parse_manifest((BUNDLES / name / "manifest.json").read_bytes())


def test_a_rollout_opens_in_parallel_and_commits_to_its_salt() -> None:
    store, bundle = MemoryStore(), manifest()
    policy = Policy(name="line-3", model="cells")
    row = open_rollout(store, policy, bundle, "ada", at=START, salt=SALT, rollout_id=ROLLOUT)
    assert (row.stage, row.step, row.paused, row.head, row.bundle_id) == ("parallel", 0, False, 1, bundle.bundle_id)
    (event,) = events_of(store)
    assert isinstance(event, Opened)
    assert event.salt_sha256 == commitment(SALT)
    assert event.labels == bundle.outputs
    assert Policy.model_validate_json(policy.model_dump_json()) == Live(store, ROLLOUT, Clock(), numbered()).policy
    with pytest.raises(UsageError, match="line-3"):
        open_rollout(store, policy, bundle, "ada", at=START, salt=SALT, rollout_id="2" * 32)


def test_bundles_that_give_no_label_or_accept_nothing_are_refused() -> None:
    policy = Policy(name="line-3", model="cells")

    def opened(bundle: Manifest, of: Policy = policy, by: str = "ada") -> None:
        open_rollout(MemoryStore(), of, bundle, by, at=START, salt=SALT, rollout_id=ROLLOUT)

    with pytest.raises(UsageError, match="answers regression"):
        opened(manifest("v4-numbers"))
    with pytest.raises(UsageError, match="answers multi-label"):
        opened(manifest("v4-labels"))
    with pytest.raises(UsageError, match="accepts no answer by itself"):
        opened(manifest().model_copy(update={"accept": None}))
    scoped = policy.model_copy(update={"supervised": Supervised(scope=Scope(labels=("purple",)))})
    with pytest.raises(UsageError, match="'purple', which the bundle does not answer"):
        opened(manifest(), scoped)
    with pytest.raises(UsageError, match="name of a person"):
        opened(manifest(), by=" ")
