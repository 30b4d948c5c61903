"""The section of a report on answers that pass without a person: the error among them against their share."""

from __future__ import annotations

from ..draw.numbers import nearly
from ..draw.plot import Plot
from ..draw.risk_coverage_plot import risk_coverage_plot
from ..learn.accept_rule import Accepted
from ..learn.risk import Independent
from ..model.accept_words import accept_words
from ..model.manifest import Manifest


def accepting(independent: Independent | None, stand: Accepted | None, manifest: Manifest) -> tuple[Plot, ...]:
    """Draw the curve with the point that the bundle works at; nothing for a kind whose answers have no confidence."""
    if independent is None:
        return ()
    accept = manifest.accept
    target = accept.bound.max_error if accept is not None and accept.bound is not None else None
    least = accept.confidence if accept is not None else None
    point = independent.at(least) if least is not None else None
    svg = risk_coverage_plot(independent.curve(), point, target)
    note = f"Accepts {accept_words(manifest)}."
    if stand is not None:
        note += f" Of images like these {expected(stand, gate=manifest.gate is not None)}."
    return (Plot("Error among answers that pass, against their share", str(svg), note),)


def expected(stand: Accepted, *, gate: bool) -> str:
    """Say what becomes of images like those judged."""
    accepted, refused = stand.share.value, stand.refused
    reviewed = (
        f"{nearly(accepted)} would pass alone, {nearly(max(1 - accepted - refused, 0.0))} would go before a person"
    )
    return f"{reviewed}, {nearly(refused)} would be turned away as out of domain" if gate else reviewed
