"""Policies of rollouts as commands read them, each beside the bundle that it has to fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model.predictor import Predictor
    from ..rollout.policy import Policy


def policy_of(path: Path, bundle: Path, no_golden: bool) -> tuple[Policy, Predictor]:
    """Read a policy, and load the bundle that it has to fit; the policy first, as it is read in no time.

    Raises:
        UsageError: the policy is none, or does not fit.
        BundleError: the bundle cannot be trusted.
    """
    from ..model.predictor import load
    from ..rollout.policy_file import check_fits, read_policy

    policy = read_policy(path)
    predictor = load(bundle, golden=not no_golden)
    check_fits(policy, predictor.manifest.outputs, str(path))
    return policy, predictor
