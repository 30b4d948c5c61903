"""``rollout.toml``: a policy as people write it, read with errors that name the field and what to write.

TOML is read as JSON, and JSON as the policy: its parts are strict, and take a list for a tuple only there.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from pydantic import ValidationError

from ..core.errors import UsageError
from ..core.local_path import local_path
from ..core.plain_file import read_plain
from .policy import Policy
from .policy_schema import fields_at, may_be, node_at

# The most bytes: a policy has some thousands.
MOST_BYTES = 1 << 20

# Characters shown of a value that was received.
SHOWN = 60

Place = Sequence[str | int]

# The step by which pydantic says that a name in a table is meant, not its value.
KEY = "[key]"

_WRITTEN = (str, int, float, list, dict)


def read_policy(path: str | PathLike[str]) -> Policy:
    """Read the policy in the file at ``path``.

    Raises:
        UsageError: it is no TOML, or no policy; names file, field, what stands there and what to write.
        OSError: it cannot be read.
    """
    place = local_path(path)
    data = read_plain(place, MOST_BYTES)
    if len(data) > MOST_BYTES:
        raise UsageError(f"{place} is no policy; it is larger than {MOST_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{place} is no policy: it is not text in UTF-8") from None
    return policy_of_toml(text, str(place))


def policy_of_toml(text: str, where: str = "rollout.toml") -> Policy:
    """Read a policy from the text of a file; ``where`` names it in errors.

    Raises:
        UsageError: as `read_policy`.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f'{where} is no TOML: {error}; texts stand in quotes, such as name = "line-3"') from None
    except (ValueError, RecursionError):  # a number of thousands of digits, lists thousands deep
        raise UsageError(f"{where} is no policy: it holds a number or a list that is too long to be read") from None
    return policy_of(document, where)


def policy_of(document: Mapping[str, Any], where: str = "rollout.toml") -> Policy:
    """Read a policy from a parsed document.

    Raises:
        UsageError: as `read_policy`.
    """
    try:
        return Policy.model_validate_json(json.dumps(document, default=_no_json))
    except ValidationError as error:
        first, more = error.errors()[0], error.error_count() - 1
        others = f" ({more} more to mend in this file)" if more else ""
        raise UsageError(f"{where}: {_fault(first, document)}{others}") from None


def check_fits(policy: Policy, labels: Sequence[str], where: str = "rollout.toml") -> None:
    """Check that a policy speaks of what a bundle answers, and of slices that its cases have.

    Raises:
        UsageError: it names a label that the bundle does not give, or a column that is not among the slices.
    """
    scope = policy.supervised.scope
    if strange := [one for one in scope.labels if one not in labels]:
        raise UsageError(
            f"{where}: supervised.scope.labels names {strange[0]!r}, which the bundle never answers; "
            f"write some of {', '.join(labels)}"
        )
    columns = policy.cases.slices
    if strange := [one for one in scope.slices if one not in columns]:
        raise UsageError(
            f"{where}: supervised.scope.slices names the column {strange[0]!r}, which cases.slices does not list; "
            f"write slices = {json.dumps([*columns, strange[0]])} in [cases]"
        )


def _fault(fault: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Say one thing that is wrong: field, what was received, what to write."""
    place = tuple(step for step in fault["loc"] if step != KEY)
    if fault["type"] == "missing" and isinstance(place[-1], int):
        place = place[:-1]  # a list that is too short is said by itself
    name = _dotted(place) or "the policy"
    kind = fault["type"]
    if kind == "extra_forbidden":
        return f"{name} is no field of a policy; {_meant(place)}"
    if KEY in fault["loc"]:
        return f"{_dotted(place[:-1])} has a name that is empty; write what it stands for"
    node = node_at(place)
    if kind == "missing" and isinstance(fault["loc"][-1], str):
        what = f"; it is {_lowered(node['description'])}" if node and "description" in node else ""
        return f'{name} is missing; write {place[-1]} = "NAME"{what}'
    if kind == "value_error":
        return f"{name}: {fault['msg'].removeprefix('Value error, ')}"
    wanted = fault["msg"] if node is None else may_be(node)
    return f"{name} is {_shown(document, place)}; write {wanted}"


def _no_json(value: object) -> dict[str, str]:
    """Stand for a date or a time, which TOML has and no field of a policy takes."""
    return {"date or time": str(value)}


def _meant(place: Place) -> str:
    """Say which field was probably meant: of this section, or the one of that name in another."""
    *section, given = place
    known = fields_at(section)
    near = difflib.get_close_matches(str(given), known, n=1)
    if near:
        return f"did you mean {_dotted((*section, near[0]))}?"
    elsewhere = [one for one in fields_at(()) if str(given) in fields_at((one,))]
    if elsewhere:
        return f"{given} stands in {' and '.join(f'[{one}]' for one in elsewhere)}"
    inside = f"[{_dotted(section)}]" if section else "the policy"
    return f"{inside} has {', '.join(known)}"


def _shown(document: Mapping[str, Any], place: Place) -> str:
    value: Any = document
    for step in place:
        value = value[step]
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, _WRITTEN) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _dotted(place: Place) -> str:
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{' '.join(step.split())[:SHOWN]}"
    return text.removeprefix(".")


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")
