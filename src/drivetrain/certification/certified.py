"""The outcome of a certification: the rule, what it rests on, and what changed in the bundle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..draw.numbers import percent, whole_percent
from ..learn.risk import Independent
from ..model.accept_words import accept_words, cannot
from ..model.gate_words import gate_words
from ..model.manifest import Accept, Bound, Certificate, Manifest

Change = tuple[str, str, str]
"""A name, what was, and what is."""


@dataclass(frozen=True, eq=False)
class Certified:
    """The outcome. Where nothing can be certified, the bundle it describes accepts nothing."""

    before: Manifest
    after: Manifest
    """The new bundle's manifest, but for what depends on its files."""
    independent: Independent
    """The answers that the certificate rests on."""
    tuned_on: int
    """Independent images by which the confidences were calibrated, and the gate."""
    remarks: tuple[str, ...]
    """Sentences on what was left as it was, or left out."""

    @property
    def accept(self) -> Accept:
        """The new accept rule."""
        assert self.after.accept is not None  # only kinds with a confidence are certified
        return self.after.accept

    @property
    def bound(self) -> Bound:
        """The limit of the error and what it rests on."""
        assert self.accept.bound is not None  # as every rule that was tested
        return self.accept.bound

    @property
    def certificate(self) -> Certificate:
        """The fresh data."""
        assert self.accept.certificate is not None  # as every rule made here
        return self.accept.certificate

    @property
    def certified(self) -> bool:
        """Tells whether any answer may pass under this error."""
        return self.accept.confidence is not None

    def changes(self) -> Iterator[Change]:
        """Say what differs between the two bundles."""
        yield "Bundle", self.before.bundle_id, self.after.bundle_id
        yield "Accepts", accept_words(self.before), accept_words(self.after)
        if self.before.kind != self.after.kind:
            yield "Calibration", f"β = {self.before.kind.beta:.3f}", f"β = {self.after.kind.beta:.3f}"
        old, new = self.before.gate, self.after.gate
        if old is not None and new is not None and old != new:
            yield (
                "Gate",
                f"calibrated on {old.calibrated_on} images",
                f"calibrated on {new.calibrated_on} of the fresh images",
            )

    def lines(self) -> Iterator[tuple[str, str]]:
        """Write names and values, as the command line shows them."""
        made, bound = self.certificate, self.bound
        leaks = f"; {made.leaks} more are copies of training images and left out" if made.leaks else ""
        # Drawing to a stated mix leaves others over, which are independent as well.
        independent = "" if made.stated else f", {self.tuned_on + bound.independent} of them independent"
        drawn = " and drawn to the stated mix" if made.stated else ""
        yield "Images", f"{made.images} labelled{independent}{leaks}"
        yield "Calibrated", f"on {self.tuned_on} of these; {bound.independent} were kept{drawn} to be judged"
        if made.stated:
            yield "Class mix", f"as stated: {mix_words(made.mix)}"
        words = cannot(self.accept)
        yield "Accepts", accept_words(self.after) if self.certified else f"{words[:1].upper()}{words[1:]}"
        yield "Turns away", gate_words(self.after)
        for one in made.slices:
            verdict = "certified" if one.certified else "not certified"
            error = f"{one.wrong} of {one.accepted} accepted wrong, upper limit {percent(one.error_upper)}"
            yield one.slice, f"{verdict}: {error} ({one.independent} independent)"
        if made.slices:
            how = "jointly" if made.jointly else "each"
            yield "", f"slices {how} at {whole_percent(bound.level)}"
        for remark in self.remarks:
            yield "!", remark

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``certify --json`` prints."""
        bound, made = self.bound, self.certificate
        return {
            "certified": self.certified,
            "max_error": bound.max_error,
            "confidence": bound.level,
            "n": made.images,
            "independent": bound.independent,
            "threshold": self.accept.confidence,
            "accepted": bound.accepted,
            "wrong": bound.wrong,
            "error_upper": bound.error_upper,
            "needed": bound.needed,
            "by": [one.model_dump(mode="json") for one in made.slices],
        }


def mix_words(mix: dict[str, float]) -> str:
    """Write the shares of classes.

    >>> mix_words({"bear": 0.2, "fox": 0.8})
    'bear 20.0 %, fox 80.0 %'
    """
    return ", ".join(f"{name} {percent(share)}" for name, share in mix.items())
