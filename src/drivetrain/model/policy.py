"""The policy that turns a model's outputs into a verdict: small rules, each of which may ask for a person and says why.

A policy is read from the manifest. An answer stands where no rule objects; the reasons of all that do are kept. Whether answers
would stand is asked here of one (`Policy.judged`) and of many (`Policy.standing`), and nowhere else.
Shapes: N items, C outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.types import Prediction, Verdict
from ..core.verdict import Reason
from ..draw.numbers import whole_percent
from .in_domain import InDomain
from .inputs.input import Input
from .kinds.kind import Answer
from .manifest import Manifest
from .memory import Memory
from .rule import Answers, Lets, Rule, Ruling
from .seen import Seen, SeenItems

UNREADABLE = "unreadable"

GRAVEST_FIRST = (Verdict.UNREADABLE, Verdict.OUT_OF_DOMAIN, Verdict.REVIEW, Verdict.ACCEPT)
"""The verdict of several rules is the gravest of theirs."""

# Relative to the number itself; limits are sums of it and half a width.
ROUNDING = 1e-9

EACH_BY_SOME = "to each answer one rule or another objects"


@dataclass(frozen=True)
class Confident(Rule):
    """The confidence has to reach a threshold."""

    least: float

    @classmethod
    def of(cls, manifest: Manifest, memory: Memory | None = None) -> Confident | None:  # noqa: ARG003
        """Make the rule where answers have a confidence from which on they are accepted."""
        accept = manifest.accept
        return None if accept is None or accept.confidence is None else cls(accept.confidence)

    def ruling(self, seen: Seen, answer: Answer) -> Ruling:  # noqa: ARG002
        """Object where the confidence is below the threshold, or no number at all."""
        if answer.confidence >= self.least:
            return Ruling()
        words = f"its confidence, {_below(answer.confidence, self.least)}, is below {self.least:g}"
        return Ruling(Reason("low-confidence", words))

    def objects(self, seen: SeenItems, answers: Answers) -> NDArray[np.bool_]:  # noqa: ARG002
        """Object to many at once."""
        objects_N: NDArray[np.bool_] = ~(answers.confidence_N >= self.least)
        return objects_N

    def on_the_line(self, seen: Seen, answer: Answer, rounding: float) -> bool:  # noqa: ARG002
        """Tells whether the confidence is that near the threshold."""
        return abs(answer.confidence - self.least) < rounding

    @property
    def lets(self) -> Lets:
        """Say that answers stand from the threshold on."""
        return Lets(
            which=f"of confidence {self.least:g} and more",
            none=f"no answer reaches confidence {self.least:g}",
            where=f"from confidence {self.least:g} on",
            at=f"at {whole_percent(self.least)} confidence",
            too_few="no answer is sure enough",
        )


@dataclass(frozen=True)
class Narrow(Rule):
    """The interval of every number has to be narrow enough."""

    width: float
    """Half the width that an interval may have at most."""

    @classmethod
    def of(cls, manifest: Manifest, memory: Memory | None = None) -> Narrow | None:  # noqa: ARG003
        """Make the rule where numbers are accepted by the width of their intervals."""
        return None if manifest.accept is None or manifest.accept.width is None else cls(manifest.accept.width)

    def ruling(self, seen: Seen, answer: Answer) -> Ruling:  # noqa: ARG002
        """Object where an interval is wider, or has no width at all."""
        for name, one in answer.values.items():
            half = (one.high - one.low) / 2
            # The limits are rounded where they are reckoned from a number and its half width.
            if not half <= self.width + ROUNDING * max(1.0, abs(one.value), self.width):
                words = f"the interval of {name}, ± {half:.4g}, is wider than ± {self.width:g}"
                return Ruling(Reason("wide-interval", words))
        return Ruling()

    @property
    def lets(self) -> Lets:
        """Say that narrow intervals stand."""
        return Lets(
            which=f"with intervals of at most ± {self.width:g}",
            none=f"an interval of every answer is wider than ± {self.width:g}",
            at=f"within ± {self.width:g}",
            too_few="intervals are too wide",
        )


@dataclass(frozen=True)
class AlwaysReviewed(Rule):
    """Nothing says which error may pass without a person, or the error asked for could not be shown."""

    why: str = "no error has been named that may pass without a person"

    @classmethod
    def of(cls, manifest: Manifest, memory: Memory | None = None) -> AlwaysReviewed | None:  # noqa: ARG003
        """Make the rule where the manifest has no accept rule, or one that accepts nothing."""
        accept = manifest.accept
        if accept is None:
            return cls()
        if accept.confidence is not None or accept.width is not None:
            return None
        if accept.bound is None:
            return cls()
        return cls(f"an error of at most {whole_percent(accept.bound.max_error)} could not be shown")

    def ruling(self, seen: Seen, answer: Answer) -> Ruling:  # noqa: ARG002
        """Object to every answer."""
        return Ruling(Reason("no-accept-rule", self.why))

    @property
    def lets(self) -> Lets:
        """Say that none stands."""
        return Lets("without an accept rule", self.why)


@dataclass(frozen=True)
class Undoubted(Rule):
    """The input has to have been read as those that the model was trained on."""

    input: Input

    @classmethod
    def of(cls, manifest: Manifest, memory: Memory | None = None) -> Undoubted | None:  # noqa: ARG003
        """Make the rule where an input may be read in another way."""
        return cls(manifest.input) if manifest.input.has_doubts else None

    def ruling(self, seen: Seen, answer: Answer) -> Ruling:  # noqa: ARG002
        """Object where the input says so of what was read."""
        return Ruling(self.input.doubt(seen.facts))

    def objects(self, seen: SeenItems, answers: Answers) -> NDArray[np.bool_]:
        """Object to many at once; nothing but their facts is asked for."""
        doubts = (self.input.doubt(seen.facts_of(row)) for row in range(len(answers)))
        return np.fromiter((doubt is not None for doubt in doubts), np.bool_, len(answers))

    @property
    def lets(self) -> Lets:
        """Say nothing but where every input is doubted: usually none is."""
        return Lets("", f"every {self.input.noun} is unlike those trained on in how it was read")


RULES: list[type[Rule]] = [InDomain, Confident, Narrow, AlwaysReviewed, Undoubted]
"""The rules there are, each asked of every manifest, in the order in which their reasons are told."""


def register(rule: type[Rule]) -> None:
    """Have every manifest asked for such a rule.

    Call it where the class is defined, on import: a bundle is first loaded by a process of its own, which imports that module.
    """
    if rule not in RULES:
        RULES.append(rule)


def modules() -> tuple[str, ...]:
    """List the modules of rules that were registered from elsewhere: another process imports these to know them, too."""
    return tuple(sorted({rule.__module__ for rule in RULES} - {__name__, InDomain.__module__}))


@dataclass(frozen=True, eq=False)
class Standing:
    """The answers, of N, that would stand without a person."""

    stands_N: NDArray[np.bool_]
    refused_N: NDArray[np.bool_]
    """The answers whose input is out of domain."""
    lets: Lets
    """The same in words, or why there are none."""

    def take(self, rows: NDArray[np.intp]) -> Standing:
        """Return the part about the answers at ``rows``."""
        return Standing(self.stands_N[rows], self.refused_N[rows], self.lets)


@dataclass(frozen=True)
class Policy:
    """The rules of a bundle."""

    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, manifest: Manifest, memory: Memory | None = None) -> Policy:
        """Make the policy that the manifest asks for.

        ``memory`` is what its bundle remembers of the training set, in which some rules look things up. Without one the policy
        can say what it lets stand; where there is a gate, it cannot judge.
        """
        asked = [form.of(manifest, memory) for form in RULES]
        return cls(tuple(rule for rule in asked if rule is not None))

    @property
    def needs_frozen(self) -> bool:
        """Tells whether `Seen.frozen_embedding_F` has to be given."""
        return any(rule.needs_frozen for rule in self.rules)

    @property
    def lets(self) -> Lets:
        """Say in words which answers all of the rules let stand."""
        return Lets.joined([rule.lets for rule in self.rules])

    @property
    def besides_confidence(self) -> str:
        """Say which answers the rules let stand that do not look at the confidence: `` and that look familiar``; else empty."""
        others = [rule.lets for rule in self.rules if not isinstance(rule, Confident | Narrow)]
        which = Lets.joined(others).which
        return f" and {which}" if which else ""

    def judged(self, path: str, seen: Seen, answer: Answer, bundle_id: str) -> Prediction:
        """The answer with its verdict, and the reasons where it does not stand."""
        rulings = [rule.ruling(seen, answer) for rule in self.rules]
        reasons = tuple(ruling.reason for ruling in rulings if ruling.reason is not None)
        verdicts = [ruling.verdict for ruling in rulings if ruling.reason is not None]
        in_domain = [ruling.p_in_domain for ruling in rulings if ruling.p_in_domain is not None]
        return Prediction(
            path=path,
            label=answer.label,
            confidence=answer.confidence,
            probs=answer.probs,
            verdict=min(verdicts, key=GRAVEST_FIRST.index, default=Verdict.ACCEPT),
            bundle_id=bundle_id,
            p_in_domain=min(in_domain, default=None),
            labels=answer.labels,
            values=answer.values,
            reasons=reasons,
            facts=seen.facts,
        )

    def standing(self, seen: SeenItems, answers: Answers) -> Standing:
        """Find the answers of many that would stand: those that `judged` accepts."""
        objections = [(rule, rule.objects(seen, answers)) for rule in self.rules]
        stands_N, refused_N = np.ones(len(answers), np.bool_), np.zeros(len(answers), np.bool_)
        for rule, objects_N in objections:
            stands_N &= ~objects_N
            refused_N |= objects_N & (rule.verdict is Verdict.OUT_OF_DOMAIN)
        # Where none stands, those are to blame that object to every one.
        blamed = [rule.lets for rule, objects_N in objections if objects_N.all()]
        if not blamed:
            return Standing(stands_N, refused_N, replace(self.lets, none=EACH_BY_SOME, too_few=EACH_BY_SOME))
        of_none = Lets.joined(blamed)
        return Standing(stands_N, refused_N, replace(self.lets, none=of_none.none, too_few=of_none.too_few))

    def on_the_line(self, seen: Seen, answer: Answer, rounding: float) -> bool:
        """Tells whether another machine's last digits, ``rounding``, may change the verdict."""
        return any(rule.on_the_line(seen, answer, rounding) for rule in self.rules)


UNJUDGED = Policy((AlwaysReviewed(),))
"""The policy of a network whose answers were not judged yet, so that nothing is known of its errors."""


def judge(manifest: Manifest, path: str, seen: Seen, policy: Policy | None = None) -> Prediction:
    """Return one item's answer and its verdict; ``policy`` is the manifest's own, made anew where it is not given."""
    answer = manifest.kind.answer(seen.logits_W)
    return (policy or Policy.of(manifest)).judged(path, seen, answer, manifest.bundle_id)


def unreadable(path: str, error: str, bundle_id: str) -> Prediction:
    """Make the prediction for an item that cannot be used; ``error`` is the reason in words."""
    reason = Reason(UNREADABLE, error)
    return Prediction(path, None, 0.0, {}, Verdict.UNREADABLE, bundle_id, error=error, reasons=(reason,))


def _below(confidence: float, least: float) -> str:
    """Write a confidence with as many places as it takes to show that it is less."""
    return next((text for places in (3, 6) if float(text := f"{confidence:.{places}f}") < least), repr(confidence))
