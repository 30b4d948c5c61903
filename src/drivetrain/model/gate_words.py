"""The gate in words: what it turns away. Terminal, card and `inspect` take their sentences from here."""

from __future__ import annotations

from ..draw.numbers import whole_percent
from .manifest import GateInfo, Manifest

HELD = {
    "marginal": "on average",
    "training-conditional": "with 95 % probability",
}


def gate_words(manifest: Manifest) -> str:
    """Say how many inputs like those trained on are turned away, and what that rests on."""
    gate, many = manifest.gate, manifest.input.nouns
    if gate is None:
        return f"nothing: {many} unlike those trained on are not told apart"
    rests = f"calibrated on {gate.calibrated_on:,} {many}, one of each group"
    return f"{many} unlike those trained on, and {_at_most(gate)} of those like them; {rests}"


def gate_limits(manifest: Manifest) -> str:
    """Say in a card what becomes of an input of something else, in lines of a page."""
    gate, one, many = manifest.gate, manifest.input.noun, manifest.input.nouns
    still = f"Of any other {one} it still gives one of its answers"
    if gate is None:
        return f"{still};\nnothing in this bundle tells such {many} apart."
    return (
        f"{still}, and marks it `out_of_domain` where\nit looks unlike those: {_at_most(gate)} of {many} like them are turned "
        f"away as well. What is nearly like them may pass."
    )


def _at_most(gate: GateInfo) -> str:
    return f"at most {whole_percent(gate.false_alarm)} ({HELD[gate.mode]})"
