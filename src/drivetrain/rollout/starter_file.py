"""A commented ``rollout.toml`` to start from: every field with its value and what it is for, from the policy itself."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from .policy import Policy
from .policy_schema import fields_at, node_at

WIDTH = 100

HEAD = (
    "The policy of a rollout: what has to be shown before the model may do more, and what stops it. "
    "Shares and errors are fractions: 0.02 is 2 %. Delete a line to have its default."
)

SAID: Mapping[tuple[str, ...], str] = {
    ("supervised", "scope"): "The limited scope of the supervised stage. Without a line below, there is no limit.",
}

EXAMPLES: Mapping[tuple[str, ...], str] = {
    ("cases", "slices"): 'slices = ["site", "camera"]',
    ("cases", "most_a_day"): "most_a_day = 400",
    ("supervised", "scope", "slices"): 'slices = { site = ["north"] }',
    ("supervised", "scope", "hours"): "hours = [6, 18]",
}
"""Lines that are put as comments where a field says nothing yet."""


def starter_file(
    policy: Policy, *, labels: tuple[str, ...] = (), remarks: Mapping[tuple[str, ...], str] | None = None
) -> str:
    """Write the file of a policy, with a comment above every field.

    ``labels`` are those that the model answers; ``remarks`` say more of some fields, by place.
    """
    remarks = {} if remarks is None else remarks
    document = policy.model_dump(mode="json")
    lines = [*_comment(HEAD), "", *_section(document, (), labels, remarks)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _section(
    values: Mapping[str, Any], place: tuple[str, ...], labels: tuple[str, ...], remarks: Mapping[tuple[str, ...], str]
) -> Iterator[str]:
    """Yield the fields of one section, and then the sections within it, as TOML wants them."""
    inner = [name for name in fields_at(place) if fields_at((*place, name))]
    for number, name in enumerate(one for one in fields_at(place) if one not in inner):
        yield from ([""] if number else [])
        yield from _field((*place, name), values[name], labels, remarks)
    for name in inner:
        below = (*place, name)
        yield from ("", "", *_comment(_words(below, remarks)), f"[{'.'.join(below)}]")
        yield from _section(values[name], below, labels, remarks)


def _field(
    place: tuple[str, ...], value: Any, labels: tuple[str, ...], remarks: Mapping[tuple[str, ...], str]
) -> Iterator[str]:
    yield from _comment(_words(place, remarks))
    examples = {**EXAMPLES, ("supervised", "scope", "labels"): f"labels = {_toml(list(labels[:1]))}"}
    # An empty list or table says nothing, and nothing cannot be written at all.
    yield f"# {examples[place]}" if value in (None, [], {}) and place in examples else f"{place[-1]} = {_toml(value)}"


def _words(place: tuple[str, ...], remarks: Mapping[tuple[str, ...], str]) -> str:
    above, here = node_at(place[:-1]), node_at(place)
    # A section whose field is described in the words of the section itself has them there alone.
    own = next(
        (n["description"] for n in ((above or {})["properties"][place[-1]], here or {}) if "description" in n), ""
    )
    return " ".join(one for one in (SAID.get(place, own), remarks.get(place, "")) if one)


def _comment(words: str) -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _toml(value: Any) -> str:
    """Write a value in TOML: texts as JSON has them, but for a character that JSON leaves as it is."""
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{_toml(name)} = {_toml(one)}" for name, one in value.items()) + " }" if value else "{}"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"{value:.1f}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
