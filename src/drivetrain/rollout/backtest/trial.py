"""The trial of one contender: its policy on its cases, under each supposition, and the plainer ways of working beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...core.case import ModelAnswer
from ...core.errors import DataError
from ...core.ports import Progress, Silent
from ..events import Opened
from ..policy import Policy
from .account import Account, Ground, account_of
from .contender import Contender, Used, usable
from .course import Course, above, deferring, followed, model_only
from .past import PastCase, PastLog
from .player import PERSON, Played, Player, Setting
from .supposed import Supposed, Supposing
from .suppositions import discordant, supposing, suppositions

Told = Mapping[str, str | None]
"""Truths that were adjudicated afterwards, by case id; None: whoever adjudicated could not tell."""


@dataclass(frozen=True, eq=False)
class Supposition:
    """A run under a supposition, with its account."""

    supposed: Supposed
    run: Played
    course: Course
    account: Account


@dataclass(frozen=True, eq=False)
class Trial:
    """The trial of a contender."""

    contender: Contender
    used: Used
    ground: Ground
    discordant: int
    """Cases in which people and model say something else."""
    unknown: int
    """Cases among them in which nobody knows who was right."""
    suppositions: tuple[Supposition, ...]
    """One of what is known, where that suffices; else the worst and the best case, and before them the likely one where a
    sample was adjudicated. Figures are quoted of the first."""
    beside: tuple[Account, ...]
    """People only, model only, a confidence threshold, deferral by slices."""
    remarks: tuple[str, ...] = ()

    @property
    def main(self) -> Supposition:
        """The supposition that figures are quoted of."""
        return self.suppositions[0]

    @property
    def is_bounded_only(self) -> bool:
        """Tells whether there are only bounds, since nobody knows who was right."""
        return self.main.supposed.side is Supposing.WORST


def salt_of(seed: int) -> bytes:
    """Make the salt of a backtest's draws from its seed."""
    return hashlib.sha256(f"backtest {seed}".encode()).digest()


def try_out(
    past: PastLog,
    contender: Contender,
    adjudicated: Told | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Trial:
    """Try a contender on past cases.

    Raises:
        DataError: no case says anything of it, or people decided none.
    """
    used = usable(past, contender)
    if not any(one.people is not None for one in used.cases):
        raise DataError(
            f"{past.source} has no decision of people on any of {len(used.cases):,} cases; a backtest compares with what people "
            "decided (column 'decided')"
        )
    answers = [contender.answers[one.case.id] for one in used.cases]
    truths = _truths(used.cases, adjudicated or {})
    apart = [one.case.id for one, answer in zip(used.cases, answers, strict=True) if discordant(one, answer)]
    unknown = sum(name not in truths for name in apart)
    policy, remarks = (contender.policy, ()) if contender.as_logged else _answerable(contender.policy, used.cases)
    ground = Ground(used.cases, tuple(truths.get(one.case.id) for one in used.cases), seed)
    nothing = [Supposed(Supposing.NOTHING, truths=truths)]
    chosen = nothing if contender.as_logged else suppositions(used.cases, contender.answers, truths, seed)
    settings = [(one, _setting(past, contender, policy, used, one, seed)) for one in chosen]
    found = [_played(contender.name, one, setting, ground, progress or Silent()) for one, setting in settings]
    said = supposing(found[0].supposed, found[0].run, len(apart), unknown)
    return Trial(
        contender=contender,
        used=used,
        ground=ground,
        discordant=len(apart),
        unknown=unknown,
        suppositions=tuple(found),
        beside=tuple(account_of(one, ground) for one in beside(contender, ground, answers)),
        remarks=(*used.remarks, *_uncertified(answers), *([said] if said else []), *remarks),
    )


def _played(name: str, supposed: Supposed, setting: Setting, ground: Ground, progress: Progress) -> Supposition:
    title = name if supposed.side in (Supposing.NOTHING, Supposing.AGREED) else f"{name}, {supposed.side.value}"
    with progress.stage(title, len(ground.cases)) as advance:
        run = Player(setting).play(advance)
    course = followed(name, ground.cases, run.ways)
    return Supposition(supposed, run, course, account_of(course, ground))


def _uncertified(answers: Sequence[ModelAnswer]) -> Iterator[str]:
    if not any(answer.certified for answer in answers):
        yield (
            "the bundle lets none of its answers to these cases stand by itself, so that the gates have nothing to go by and the "
            "model never acts: certify it (drivetrain certify), or train with more"
        )


def beside(contender: Contender, ground: Ground, answers: Sequence[ModelAnswer]) -> tuple[Course, ...]:
    """The plainer ways of working on the same cases."""
    cases, columns = ground.cases, contender.policy.cases.slices
    return (
        ground.people,
        model_only(cases, answers),
        above(cases, answers, contender.threshold),
        deferring(cases, answers, columns, ground.truths),
    )


def _truths(cases: Sequence[PastCase], adjudicated: Told) -> dict[str, str]:
    """Return the right answers that are known, by case id."""
    found = {one.case.id: one.truth for one in cases}
    found.update({name: label for name, label in adjudicated.items() if found.get(name) is None and name in found})
    return {name: label for name, label in found.items() if label is not None}


def _answerable(policy: Policy, cases: Sequence[PastCase]) -> tuple[Policy, tuple[str, ...]]:
    """Leave out the checks of a policy that a log of single decisions cannot answer, and say which."""
    parallel, supervised = policy.parallel, policy.supervised
    remarks = []
    if parallel.decide_twice:
        remarks.append("second blind decisions (decide_twice) are not asked for: who decided is on record once")
    if parallel.adjudicate_twice:
        remarks.append(
            "second adjudications (adjudicate_twice) are not asked for: outcomes and adjudications count as right"
        )
    if supervised.seeded and not any(one.known is not None for one in cases):
        remarks.append("people are not checked by seeded cases (seeded): the log has none")
        supervised = supervised.model_copy(update={"seeded": 0.0})
    parallel = parallel.model_copy(update={"decide_twice": 0.0, "adjudicate_twice": 0.0})
    return policy.model_copy(update={"parallel": parallel, "supervised": supervised}), tuple(remarks)


def _setting(past: PastLog, contender: Contender, policy: Policy, used: Used, supposed: Supposed, seed: int) -> Setting:
    labels = dict.fromkeys(contender.outputs)
    for one in used.cases:
        labels.update(dict.fromkeys(said.label for said in one.said if said.label is not None))
        labels.update(dict.fromkeys(outcome.label for outcome in one.outcomes))
    salt = past.salt if contender.as_logged and past.salt is not None else salt_of(seed)
    opened = past.opened if contender.as_logged else None
    if opened is None:
        document = policy.model_dump(mode="json")
        sha256 = hashlib.sha256(salt).hexdigest()
        opened = Opened(used.cases[0].came_at, PERSON, document, contender.bundle_id, tuple(labels), sha256)
    return Setting(
        policy=policy,
        salt=salt,
        opened=opened,
        cases=used.cases,
        answers=contender.answers,
        supposed=supposed,
        as_logged=past.happened if contender.as_logged else None,
    )
