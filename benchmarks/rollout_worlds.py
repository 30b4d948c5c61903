"""Worlds for the statistics of a rollout: cases with a model, people and adjudicators who err at known rates.

Every world drives `drivetrain.rollout.evidence`, the classes that run live, case by case, and asks after each whether the gate
passes. A world is told by its seed alone.
"""

from __future__ import annotations

import csv
import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from drivetrain.rollout.draw import Draw, Route
from drivetrain.rollout.evidence.evidence import Evidence
from drivetrain.rollout.evidence.resolved import Came, Resolved, Stop, Told
from drivetrain.rollout.policy import Cases, Expanding, Parallel, Policy, Spend
from drivetrain.rollout.stage import Stage

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOBODY = "-"
"""Stands for an answer that never comes."""


@dataclass(frozen=True)
class Inspected:
    """Cases as model and people answer them."""

    truth: list[str]
    model: list[str]
    person: list[str]
    adjudicators: tuple[list[str], list[str]]
    """The answers that either would give where it is asked."""


@dataclass(frozen=True)
class Binary:
    """Two classes; model and person err at stated rates, adjudicators at ``slips``."""

    model: float
    person: float
    correlation: float = 0.0
    """The correlation of the errors of model and person on the same case."""
    slips: float = 0.0

    def draw(self, rng: np.random.Generator, n: int) -> Inspected:
        """Draw cases."""
        both = self.model * self.person + self.correlation * math.sqrt(
            self.model * (1 - self.model) * self.person * (1 - self.person)
        )
        where = rng.random(n)
        model_wrong = where < self.model
        person_wrong = (where < both) | ((where >= self.model) & (where < self.model + self.person - both))
        truth = rng.random(n) < 0.5
        slips = [rng.random(n) < self.slips for _ in range(2)]
        named = [_named(truth ^ wrong) for wrong in (truth & False, model_wrong, person_wrong, *slips)]
        return Inspected(named[0], named[1], named[2], (named[3], named[4]))

    def said(self) -> dict[str, float]:
        """Say what it is."""
        return {
            "model_error": self.model,
            "person_error": self.person,
            "correlation": self.correlation,
            "adjudicator_error": self.slips,
        }


def _named(bad: np.ndarray) -> list[str]:
    return ["bad" if one else "good" for one in bad]


@dataclass(frozen=True)
class Sites:
    """Several sites in turn: the model errs as at the first at one of them, and as at the other everywhere else."""

    first: Binary
    other: Binary
    sites: int

    def draw(self, rng: np.random.Generator, n: int) -> Inspected:
        """Draw cases."""
        both = self.first.draw(rng, n), self.other.draw(rng, n)
        # Cases are numbered from 1, and a case's site is its number modulo the number of sites.
        chosen = [0 if (place + 1) % self.sites == 0 else 1 for place in range(n)]

        def mixed(of: str) -> list[str]:
            return [getattr(both[which], of)[place] for place, which in enumerate(chosen)]

        judges = [[both[which].adjudicators[k][place] for place, which in enumerate(chosen)] for k in (0, 1)]
        return Inspected(mixed("truth"), mixed("model"), mixed("person"), (judges[0], judges[1]))

    def said(self) -> dict[str, float]:
        """Say what it is."""
        return {**self.first.said(), "model_error_at_other_sites": self.other.model}


class Photos:
    """Ten classes of small photos, each labelled by three people: one is the person, one the model, one adjudicates.

    The model is the second person with errors taken away, or added from what people really said of that photo, until it errs as
    much more often than the person as is asked for. A second adjudicator errs on a photo as often as its three people did.
    """

    def __init__(self, path: Path, more: float, seed: int = 0) -> None:
        rows = list(csv.DictReader(path.open(encoding="utf-8")))
        rng = np.random.default_rng(seed)
        self.more = more
        self._truth = [row["clean"] for row in rows]
        self._person = [row["random1"] for row in rows]
        self._third = [row["random3"] for row in rows]
        self._model = [row["random2"] for row in rows]
        self._hard = [sum(row[f"random{n}"] != row["clean"] for n in (1, 2, 3)) / 3 for row in rows]
        wanted = round((self.person_error + more) * len(rows))
        wrong = [n for n, row in enumerate(rows) if row["random2"] != row["clean"]]
        for n in rng.permutation(wrong)[: max(0, len(wrong) - wanted)]:
            self._model[n] = self._truth[n]
        right = [n for n, row in enumerate(rows) if row["random2"] == row["clean"] != row["worst"]]
        for n in rng.permutation(right)[: max(0, wanted - len(wrong))]:
            self._model[n] = rows[n]["worst"]

    @property
    def person_error(self) -> float:
        """The person's share of wrong labels."""
        return float(np.mean(np.array(self._person) != np.array(self._truth)))

    def draw(self, rng: np.random.Generator, n: int) -> Inspected:
        """Draw photos, each as likely as any other."""
        chosen = rng.integers(len(self._truth), size=n).tolist()
        first, second = [], []
        for place in chosen:
            truth, shown = self._truth[place], (self._person[place], self._model[place])
            first.append(self._third[place] if self._third[place] in shown else truth)
            slips = rng.random() < self._hard[place]
            second.append(next((label for label in shown if label != truth), truth) if slips else truth)
        return Inspected(
            *([of[place] for place in chosen] for of in (self._truth, self._model, self._person)), (first, second)
        )

    def said(self) -> dict[str, float]:
        """Say what it is: rates in the population that cases are drawn from."""
        truth, model, person = (np.array(of) for of in (self._truth, self._model, self._person))
        model_wrong, person_wrong = model != truth, person != truth
        third = np.array(
            [t if t in (p, m) else c for t, p, m, c in zip(self._third, person, model, truth, strict=True)]
        )
        differ = model != person
        return {
            "model_error": round(float(model_wrong.mean()), 4),
            "person_error": round(float(person_wrong.mean()), 4),
            "correlation": round(float(np.corrcoef(model_wrong, person_wrong)[0, 1]), 3),
            "adjudicator_error": round(float((third != truth)[differ].mean()), 3),
        }


@dataclass(frozen=True)
class People:
    """The way people work."""

    lag: float = 0.0
    """The mean number of cases that come until a discordant case has been adjudicated; times are exponential."""
    missing: float = 0.0
    """The share of adjudications, and of decisions, that nobody ever makes."""
    cannot_tell: float = 0.0
    """The share of adjudications, and of decisions, that end so."""
    expires_after: int = 2_000
    """The cases after which what is missing counts worst-case."""

    def answer(self, rng: np.random.Generator, label: str) -> str | None:
        """Answer with a label, None (cannot tell) or `NOBODY`."""
        if self.missing or self.cannot_tell:
            chance = rng.random()
            if chance < self.missing:
                return NOBODY
            if chance < self.missing + self.cannot_tell:
                return None
        return label


@dataclass
class Beside:
    """One world in parallel, told of a case at a time."""

    policy: Policy
    inspected: Inspected
    people: People
    rng: np.random.Generator
    sites: int = 0
    in_order: bool = True
    """False: a baseline that is told evidence as it becomes final, as though it were in order."""
    pending: list[tuple[float, int, Resolved]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.evidence = Evidence(self.policy, START)

    def cases(self) -> Iterator[int]:
        """Let cases come; yield the number of each once all is told that is final by then."""
        twice = self.rng.random(len(self.inspected.truth)) < self.policy.parallel.adjudicate_twice
        for number in range(1, len(self.inspected.truth) + 1):
            came = Came(
                number,
                START,
                Stage.PARALLEL,
                0,
                f"case-{number}",
                {"site": str(number % self.sites)} if self.sites else {},
                DRAW,
                self.inspected.model[number - 1],
                True,
                True,
                0.01,
            )
            if self.in_order:
                self.evidence.came(came)
            self._resolve(came, bool(twice[number - 1]))
            while self.pending and self.pending[0][0] <= number:
                self._tell(heapq.heappop(self.pending)[2])
            yield number

    def _tell(self, resolved: Resolved) -> None:
        if not self.in_order:
            self.evidence.came(resolved.came)
        self.evidence.take(resolved)

    def _resolve(self, came: Came, twice: bool) -> None:
        place, people, rng = came.number - 1, self.people, self.rng
        decided = people.answer(rng, self.inspected.person[place])
        if decided is not NOBODY and decided == came.label:
            self._tell(Resolved(came, START, (Told(decided, "ada"),)))
            return
        told, wait = [], 0.0
        for who in self.inspected.adjudicators[: 1 + twice]:
            said = people.answer(rng, who[place])
            if said is not NOBODY:
                told.append(Told(said, f"judge-{len(told)}"))
            wait = max(
                wait, people.expires_after if said is NOBODY else rng.exponential(people.lag) if people.lag else 0
            )
        if decided is NOBODY:
            told, wait = [], people.expires_after
        decisions = () if decided is NOBODY else (Told(decided, "ada"),)
        resolved = Resolved(came, START, decisions, None, tuple(told), expired=wait >= people.expires_after)
        heapq.heappush(self.pending, (came.number + wait, came.number, resolved))


DRAW = Draw(Route.BLIND, audit_share=0.0)
ACTED = Draw(Route.ACTED, audit=True, audit_share=1.0, in_scope=True)


def parallel_policy(alpha: float, margin: float, adjudicate_twice: float, sites: int = 0) -> Policy:
    """A policy whose advance from parallel spends exactly ``alpha``."""
    return Policy(
        name="world",
        model="world",
        alpha=alpha / 0.8,
        spend=Spend(parallel=1.0, supervised=0.0, expanding=0.0),
        cases=Cases(slices=("site",) if sites else ()),
        parallel=Parallel(margin=margin, adjudicate_twice=adjudicate_twice),
    )


def passes_at(world: Beside) -> tuple[float, float]:
    """Return the case at which every gate on errors passes, and the labelled cases in evidence then; infinite: never."""
    evidence, margin = world.evidence, world.policy.parallel.margin
    needed = -math.log(evidence.alpha)
    watches: dict[str | None, Watch] = {}
    for number in world.cases():
        names: list[str | None] = [None, *evidence.comparisons]
        if all(watches.setdefault(name, Watch(margin)).passes(evidence, name, needed) for name in names):
            return number, evidence.comparison.n
    return math.inf, math.inf


class Watch:
    """Looks at one gate after every case, and reckons only where it can have passed: no case adds more than so much evidence."""

    def __init__(self, margin: float) -> None:
        self.margin = margin
        self.n, self.discordant, self.found = 0, 0, 0.0
        self._by_agreement = -math.log1p(-margin) + 1e-3
        self._by_difference = 1.5

    def passes(self, evidence: Evidence, name: str | None, needed: float) -> bool:
        """Tell whether the gate passes now."""
        comparison = evidence.comparison_of(name)
        agreed = comparison.n - comparison.discordant - self.n + self.discordant
        possible = (
            self.found + agreed * self._by_agreement + (comparison.discordant - self.discordant) * self._by_difference
        )
        if possible < needed or not comparison.n:
            return False
        self.n, self.discordant = comparison.n, comparison.discordant
        self.found = comparison.evidence(self.margin, evidence.adjudicators)
        return self.found >= needed


def acting_policy(alpha: float, max_error: float, bound: float, sites: int = 0) -> Policy:
    """A policy whose steps of expanding spend exactly ``alpha``, with adjudicators taken to be right."""
    return Policy(
        name="world",
        model="world",
        alpha=alpha / 0.8,
        spend=Spend(parallel=0.0, supervised=0.0, expanding=1.0),
        cases=Cases(slices=("site",) if sites else ()),
        parallel=Parallel(adjudicate_twice=0.0),
        expanding=Expanding(max_error=max_error),
    ).model_copy(update={"rollback": Policy(name="x", model="y").rollback.model_copy(update={"max_error": bound})})


class Acting:
    """One world of audited cases that the model acted on."""

    def __init__(self, policy: Policy, sites: int = 0) -> None:
        self.evidence = Evidence(policy, START)
        self.evidence.begin(Stage.EXPANDING, 0, START)
        self.sites = sites
        self.number = 0

    def audit(self, wrong: bool, site: int = 0) -> Stop | None:
        """Let one audit happen: a person decides blind, and an adjudicator where they differ."""
        self.number += 1
        slices = {"site": str(site)} if self.sites else {}
        came = Came(
            self.number, START, Stage.EXPANDING, 0, f"case-{self.number}", slices, ACTED, "good", True, True, 0.01
        )
        label = "bad" if wrong else "good"
        told = (Told(label, "judge"),) if wrong else ()
        stopped = self.evidence.came(came)
        return self.evidence.take(Resolved(came, START, (Told(label, "ada"),), None, told)) or stopped
