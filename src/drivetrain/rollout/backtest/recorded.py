"""The answers that a bundle gave to past cases, as a table recorded them: ``answer``, ``confidence``, and where there are such
columns ``second``, ``certified``, ``in_domain``, ``latency_s``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from ...core.case import ModelAnswer
from ...core.errors import DataError
from ...core.types import Prediction
from ...core.verdict import Verdict
from ...data.sources.cells import Table
from ...data.sources.table import load, text_of
from ...model.manifest import Manifest
from .past import PastLog

RECORDED = ("answer", "confidence", "second", "certified", "in_domain", "latency_s")

_YES, _NO = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


def has_answers(path: Path) -> bool:
    """Tells whether a table has a column of recorded answers."""
    return "answer" in load(path, path.name, every_column=True).columns


def recorded_answers(path: Path, past: PastLog, manifest: Manifest) -> tuple[dict[str, ModelAnswer], tuple[str, ...]]:
    """Read the recorded answers, by case id, and say what had to be supposed of them.

    Without a column ``certified`` those are certified whose confidence reaches the bundle's own threshold; without one
    ``in_domain`` every case is taken for one of the kind that the bundle knows.

    Raises:
        DataError: there is no confidence, or a cell cannot be understood (with its place).
    """
    table = load(path, path.name, every_column=True)
    if "certified" not in table.columns and "confidence" not in table.columns:
        raise DataError(
            f"{table.name} records answers without a column 'confidence' (or 'certified'), so that nobody can tell which would "
            "have stood; give one, or a column 'path' for the bundle to answer the pictures"
        )
    ids = {one.case.key: one.case.id for one in past.cases}
    answers = {}
    for at, cells in table.rows:
        key = text_of(cells.get("key"), f"{at}: key")
        if key in ids:
            answers[ids[key]] = _answer(at, cells, table, manifest)
    remarks = []
    if "certified" not in table.columns:
        remarks.append(
            f"the recorded answers do not say which were certified: those from confidence {_least(manifest)} on count as such"
        )
    if "in_domain" not in table.columns:
        remarks.append(
            "the recorded answers do not say which inputs were out of domain (in_domain): none counts as such"
        )
    return answers, tuple(remarks)


def _least(manifest: Manifest) -> str:
    accept = manifest.accept
    return "∞ (the bundle accepts nothing)" if accept is None or accept.confidence is None else f"{accept.confidence:g}"


def _answer(at: str, cells: Mapping[str, object], table: Table, manifest: Manifest) -> ModelAnswer:
    label = text_of(cells.get("answer"), f"{at}: answer")
    if label is not None and label not in manifest.outputs:
        known = ", ".join(manifest.outputs[:12])
        raise DataError(f"{at}: answer is {label!r}, which the bundle never answers; its labels are {known}")
    confidence = _number(at, "confidence", cells)
    if confidence is not None and not 0 <= confidence <= 1:
        raise DataError(f"{at}: confidence is {confidence:g}; it must be 0 to 1")
    in_domain = label is not None and (_flag(at, "in_domain", cells) if "in_domain" in table.columns else True)
    if "certified" in table.columns:
        certified = _flag(at, "certified", cells)
    else:
        accept = manifest.accept
        least = math.inf if accept is None or accept.confidence is None else accept.confidence
        certified = confidence is not None and confidence >= least
    latency_s = _number(at, "latency_s", cells) or 0.0
    second = text_of(cells.get("second"), f"{at}: second")
    certified &= in_domain
    return ModelAnswer(label, confidence, second, certified, in_domain, latency_s, manifest.bundle_id)


def answer_of(prediction: Prediction) -> ModelAnswer:
    """Turn a bundle's prediction into its answer to a case. How long it took then, nobody knows: no time is counted."""
    others = sorted((name for name in prediction.probs if name != prediction.label), key=lambda n: -prediction.probs[n])
    readable = prediction.verdict is not Verdict.UNREADABLE
    return ModelAnswer(
        label=prediction.label,
        confidence=prediction.confidence if readable else None,
        second=others[0] if others else None,
        certified=prediction.verdict is Verdict.ACCEPT,
        in_domain=readable and prediction.verdict is not Verdict.OUT_OF_DOMAIN,
        latency_s=0.0,
        bundle_id=prediction.bundle_id,
    )


def _number(at: str, name: str, cells: Mapping[str, object]) -> float | None:
    text = text_of(cells.get(name), f"{at}: {name}")
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{at}: {name} is {text!r}; give a number")
    return number


def _flag(at: str, name: str, cells: Mapping[str, object]) -> bool:
    text = (text_of(cells.get(name), f"{at}: {name}") or "").lower()
    if text not in _YES | _NO:
        raise DataError(f"{at}: {name} is {text!r}; write true or false")
    return text in _YES
