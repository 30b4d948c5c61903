"""The published JSON schema of a policy, and the words for what one of its fields may be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from .policy import Policy

Node = Mapping[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "Drivetrain rollout policy"


@cache
def _generated() -> Node:
    return Policy.model_json_schema()


def policy_schema() -> dict[str, Any]:
    """Return the JSON schema of ``rollout.toml``, read as JSON."""
    plain: dict[str, Any] = _without_titles(_generated())
    return {"$schema": DIALECT, "title": TITLE, **plain}


def node_at(place: Sequence[str | int]) -> Node | None:
    """Return the part of the schema about the value at ``place``; None where the policy has no such field."""
    node: Node | None = _generated()
    for step in place:
        if node is None:
            return None
        node = _below(_resolved(node), step)
    return None if node is None else _resolved(node)


def fields_at(place: Sequence[str | int]) -> tuple[str, ...]:
    """List the fields of the section at ``place``."""
    node = node_at(place)
    return () if node is None else tuple(node.get("properties", ()))


def may_be(node: Node) -> str:
    """Say what may stand at a place of the schema, so that it can follow “write”."""
    if "enum" in node:
        return f"one of {', '.join(json.dumps(one) for one in node['enum'])}"
    kind = node.get("type")
    if kind in {"number", "integer"}:
        return f"{'a whole number' if kind == 'integer' else 'a number'} {_range(node)}".rstrip()
    if kind == "string":
        return "a text in quotes" + (", not empty" if node.get("minLength") else "")
    if kind == "array":
        return _list_words(node)
    return "a section of its own, with one name = value a line"


def _list_words(node: Node) -> str:
    if "prefixItems" in node:
        parts = " and ".join(may_be(_resolved(part)) for part in node["prefixItems"])
        return f"a list of two, {parts}"
    items = _resolved(node.get("items", {}))
    example = '["north", "south"]' if items.get("type") == "string" else "[0.05, 0.25, 1.0]"
    return f"a list in brackets, such as {example}, each {may_be(items)}"


def _range(node: Node) -> str:
    low, above = node.get("minimum"), node.get("exclusiveMinimum")
    high, below = node.get("maximum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"from {low:g} to {high:g}"
    parts = [f"above {above:g}"] if above is not None else [f"of {low:g} or more"] if low is not None else []
    parts += [f"below {below:g}"] if below is not None else [f"at most {high:g}"] if high is not None else []
    return " and ".join(parts)


def _below(node: Node, step: str | int) -> Node | None:
    if isinstance(step, int):
        first = node.get("prefixItems", ())
        return first[step] if step < len(first) else node.get("items")
    further = node.get("additionalProperties")
    return node.get("properties", {}).get(step) or (further if isinstance(further, Mapping) else None)


def _resolved(node: Node) -> Node:
    """Follow a reference, and leave “or nothing” out: a field that may be nothing is left out of the file."""
    if "anyOf" in node:
        node = next(one for one in node["anyOf"] if one.get("type") != "null")
    if "$ref" in node:
        return _resolved(_generated()["$defs"][node["$ref"].rpartition("/")[2]])
    return node


def _without_titles(node: Any) -> Any:
    """Leave out the titles that are made of the fields' names, and say nothing more."""
    if isinstance(node, dict):
        titled = isinstance(node.get("title"), str)
        return {name: _without_titles(value) for name, value in node.items() if not (titled and name == "title")}
    return [_without_titles(value) for value in node] if isinstance(node, list) else node
