"""A bundle's answers to the pictures of past cases, from the cache of embeddings where possible, and which of these are copies of
its training images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.case import ModelAnswer
from ..core.ports import Progress
from ..core.reference import Reference
from ..core.types import Item
from ..curate.duplicates import copies_of
from ..embed.cache import EmbeddingCache, default_folder
from ..evaluation.answering import answer_items
from ..model.predictor import Predictor
from ..rollout.backtest.recorded import answer_of


@dataclass(frozen=True)
class Cached:
    """The place where embeddings are kept."""

    folder: Path | None = None
    """None: the folder that training uses."""
    used: bool = True


@dataclass(frozen=True)
class PastAnswers:
    """The answers, by case id."""

    answers: dict[str, ModelAnswer]
    copies: frozenset[str]
    """The cases whose picture is a copy of a training image, or nearly one."""
    remarks: tuple[str, ...]


def answer_pictures(
    predictor: Predictor, pictures: Mapping[str, Reference], cached: Cached, progress: Progress
) -> PastAnswers:
    """Answer pictures, by case id; one that cannot be read gets an answer without a label."""
    names = list(pictures)
    items = [Item(pictures[name], name) for name in names]
    cache = EmbeddingCache(cached.folder or default_folder() if cached.used else None, progress.say)
    try:
        answered = answer_items(predictor, items, cache, None, progress)
    finally:
        cache.close()
    seen = answered.seen(predictor.manifest.input)
    rows_N = answered.embeddings.rows_N
    answers = {name: _unreadable(predictor.manifest.bundle_id) for name in names}
    for place, row in enumerate(rows_N.tolist()):
        answers[names[row]] = answer_of(predictor.judge(names[row], seen[place]))
    arrays = predictor.arrays()
    copies = copies_of(answered.embeddings.facts, arrays.pixels_sha256_T32, arrays.frequencies_TKK.astype(np.float32))
    copied = frozenset(names[rows_N[row]] for row in copies)
    remarks = [answered.remark] if answered.remark else []
    if unreadable := len(names) - len(rows_N):
        remarks.append(f"{_pictures(unreadable)} cannot be read, so that the model has no answer there")
    return PastAnswers(answers, copied, tuple(remarks))


def _unreadable(bundle_id: str) -> ModelAnswer:
    return ModelAnswer(None, None, None, False, False, 0.0, bundle_id)


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def found_files(files: Mapping[str, str], folder: Path) -> tuple[dict[str, Reference], Sequence[str]]:
    """Look for the files that a table names, relative to its folder: those there, by case id, and the names of the others."""
    there: dict[str, Reference] = {}
    missing = []
    for case, name in files.items():
        path = folder / name
        if path.is_file():
            there[case] = path
        else:
            missing.append(name)
    return there, missing
