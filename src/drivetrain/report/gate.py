"""The section of a report on the gate: how strange images look to it, and which of those trained on it would refuse.

Shapes: N images trained on, D embedding, R refused ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..data.image.preprocess import render_of
from ..draw.numbers import whole_percent
from ..learn.accept_rule import Accepted
from ..model.arrays import unit
from ..model.inputs.input import Input
from ..training.gating import Planted
from ..training.trained import Trained
from .accepting import expected
from .answers import pictures_of
from .gate_section import GateSection, RefusedCase

CASES = 6
NEAREST = 3


def gate_section(trained: Trained, form: Input, stand: Accepted | None) -> GateSection | None:
    """Make the section; None without a gate."""
    gate, trial = trained.gate, trained.gate_trial
    if gate is None or trial is None:
        return None
    refused_N = refused_rows(gate, trained.trained_on.groups_N)
    return GateSection(
        known=trial.known,
        near=trial.near,
        far=trial.far,
        summary=_summary(trained, form, stand),
        notes=_notes(trained, form),
        made=" ".join(_made(trained)),
        cases=_cases(trained, gate, refused_N[:CASES], form),
        cases_total=len(refused_N),
    )


def refused_rows(gate: Planted, groups_N: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the rows of training images that are refused out of fold, the strangest first; one of each group."""
    fitted = gate.fitted
    refused_R = np.flatnonzero(fitted.scores_N < fitted.limit)
    refused_R = refused_R[np.argsort(fitted.scores_N[refused_R], kind="stable")]
    _, first = np.unique(groups_N[refused_R], return_index=True)
    rows: NDArray[np.intp] = refused_R[np.sort(first)]
    return rows


def nearest_rows(embeddings_ND: NDArray[np.float32], groups_N: NDArray[np.int64], row: int) -> NDArray[np.intp]:
    """Return the rows most like one of another group, best first; one of each group."""
    unit_ND = unit(embeddings_ND)
    cosines_N = np.einsum("nd,d->n", unit_ND, unit_ND[row])
    order_N = np.argsort(-cosines_N, kind="stable")
    order_N = order_N[groups_N[order_N] != groups_N[row]]
    _, first = np.unique(groups_N[order_N], return_index=True)
    rows: NDArray[np.intp] = order_N[np.sort(first)][:NEAREST]
    return rows


def _summary(trained: Trained, form: Input, stand: Accepted | None) -> str:
    assert trained.gate is not None  # or there is no section
    info, many = trained.gate.fitted.info, form.nouns
    held = "on average" if info.mode == "marginal" else "with a probability of 95 %"
    said = (
        f"At most {whole_percent(info.false_alarm)} of {many} like those trained on are refused, {held} (from "
        f"{info.calibrated_on:,} independent ones)."
    )
    return said if stand is None else f"{said} Of {many} like these {expected(stand, gate=True)}."


def _notes(trained: Trained, form: Input) -> tuple[str, ...]:
    targets, trial = trained.targets, trained.gate_trial
    assert trial is not None  # or there is no section
    notes = [
        (
            "These sets were made by machine, to show what the gate does. They are no promise for whatever comes: what is "
            f"nearly like the training {form.nouns} may pass, and nobody knows how near that will be."
        )
    ]
    if not targets.one_label:
        notes.append(
            f"No set shows what is new and yet near: of {targets.many} nothing can be left out as a class could be."
        )
    return tuple(notes)


def _made(trained: Trained) -> Iterator[str]:
    """Say how those sets were made that there are."""
    trial = trained.gate_trial
    assert trial is not None  # or there is no section
    if trial.left_out:
        yield f"A {trained.targets.one} left out: a gate made without its images is shown them, as if they were new."
    if trial.spoiled:
        yield (
            "Spoiled copies are scored by a gate that has not seen the image they were made of. To refuse them is not always "
            "right, nor to let them pass always wrong: the answer may still be good."
        )


def _cases(trained: Trained, gate: Planted, rows_R: NDArray[np.intp], form: Input) -> tuple[RefusedCase, ...]:
    known = trained.trained_on
    embeddings_ND, groups_N = trained.frozen_AF[trained.sides.training], known.groups_N
    near = [nearest_rows(embeddings_ND, groups_N, int(row)) for row in rows_R]
    shown = [int(row) for row, others in zip(rows_R, near, strict=True) for row in (row, *others)]
    preparation = trained.chosen.features.backbone.preprocess
    pictures = iter(pictures_of([known.items[row] for row in shown], render_of(preparation)))
    cases = [
        RefusedCase(
            thumbnail=next(pictures),
            label=known.targets.text(int(row)),
            words=_strange(float(gate.fitted.p_N[row]), form.nouns),
            nearest=tuple((next(pictures), known.targets.text(int(other))) for other in others),
        )
        for row, others in zip(rows_R, near, strict=True)
    ]
    return tuple(case for case in cases if case.thumbnail.jpeg)  # what is no picture has none to show


def _strange(p: float, many: str) -> str:
    return f"at most {max(1, math.ceil(1000 * p - 1e-9))} of 1,000 {many} like those trained on look as strange"
