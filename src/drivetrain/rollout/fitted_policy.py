"""A policy to start from, fitted to a bundle: its name, and the error that its accept rule rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.errors import UsageError
from ..draw.numbers import whole_percent
from ..model.accept_words import known
from ..model.manifest import Accept, Manifest
from .policy import Cases, Expanding, Policy, Rollback, Supervised

Place = tuple[str, ...]

CERTIFIED: tuple[Place, ...] = (("supervised", "max_error"), ("expanding", "max_error"))
"""The fields of errors that a rollout has to show."""

EASILY = 2.5
"""An error that is so many times what the model keeps is shown with some hundreds of labels; one that is nearly that, never."""

HEALTHY: Place = ("rollback", "max_error")


@dataclass(frozen=True)
class FittedPolicy:
    """A policy, and what is to be said of the fields that the bundle has settled."""

    policy: Policy
    remarks: Mapping[Place, str]


def fitted_policy(
    manifest: Manifest, *, name: str, model: str, slices: tuple[str, ...] = (), path: str = "the bundle"
) -> FittedPolicy:
    """Return the policy to start from.

    Raises:
        UsageError: the bundle gives no answer of one label, or lets none stand without a person.
    """
    accept = checked_accept(manifest, path)
    cases = Cases(slices=slices)
    if accept.bound is None:
        remark = f"The bundle's accept rule rests on {known(accept)}; drivetrain certify shows an error."
        return FittedPolicy(Policy(name=name, model=model, cases=cases), dict.fromkeys(CERTIFIED, remark))
    promised = accept.bound.max_error
    error = max(Supervised().max_error, EASILY * promised)
    policy = Policy(
        name=name,
        model=model,
        cases=cases,
        supervised=Supervised(max_error=error),
        expanding=Expanding(max_error=error),
        rollback=Rollback(max_error=promised),
    )
    rests = f"{whole_percent(promised)} is what the bundle's accept rule rests on: {known(accept)}."
    shown = f"{rests} To show just that here takes thousands of labels; drivetrain rollout plan says how many."
    return FittedPolicy(policy, {**dict.fromkeys(CERTIFIED, shown), HEALTHY: rests})


def checked_accept(manifest: Manifest, path: str) -> Accept:
    """Return the accept rule of a bundle that a rollout can be of.

    Raises:
        UsageError: as `fitted_policy`.
    """
    kind = manifest.kind
    if not kind.has_confidence or kind.overlapping:
        raise UsageError(
            f"{path} is of the task {manifest.task}, and a rollout compares one label with one label; "
            "give a bundle of the task classification or ordinal"
        )
    accept = manifest.accept
    if accept is None or accept.confidence is None:
        why = "no error has been named that may pass" if accept is None else known(accept)
        raise UsageError(
            f"{path} lets no answer stand without a person, so that there is nothing to roll out: {why}; "
            "certify it on fresh labelled images first: drivetrain certify"
        )
    return accept
