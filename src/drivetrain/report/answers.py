"""What a page says of answers, the same for a training run and an evaluation. Shapes: J items judged, C, L, M outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.cores import available_cores
from ..core.errors import InputError
from ..core.reference import read_reference
from ..core.types import IntArray, Item
from ..data.image.facts import thumbnail
from ..learn.figures import AnyFigures, LabelFigures, NumberFigures
from ..learn.interpretations import interpretation_of, plots_of
from ..learn.judged import Judged
from ..learn.targets import ClassTargets, LabelTargets, NumberTargets
from ..model.manifest import Manifest
from ..stats import metrics
from ..stats import mistakes as interpret
from ..stats.metrics import Floats
from ..stats.mistakes import ClassRow
from .page import Mistake, Thumbnail

MISTAKES_SHOWN = 24


def judged_parts(judged: Judged, items: Sequence[Item], figures: AnyFigures, accept: float) -> dict[str, Any]:
    """What the page says of the answers, by field of `Report`; the same for a training run and an evaluation.

    ``accept``: confidence from which on an answer needs no review.
    """
    targets, answers = judged.targets, judged.answers_JO
    match targets:
        case ClassTargets():
            return _of_classes(targets, answers, judged.groups_J, items, accept)
        case LabelTargets():
            assert isinstance(figures, LabelFigures)  # they go together
            return _of_labels(targets, answers, items, judged, figures, accept)
        case NumberTargets():
            assert isinstance(figures, NumberFigures)
            return _of_numbers(targets, answers, items, judged, figures)
    raise TypeError(f"no report for {targets!r}")


def accepted_from(manifest: Manifest) -> float:
    """Confidence from which on a bundle's answers need no review; numbers always do."""
    return 1.0 if manifest.accept is None else manifest.accept.confidence


def _of_classes(
    targets: ClassTargets, probs_JC: Floats, groups_J: IntArray, items: Sequence[Item], accept: float
) -> dict[str, Any]:
    labels_J, classes = targets.values, targets.names
    predicted_J = probs_JC.argmax(axis=1)
    least = max(accept, interpret.CONFIDENT)
    sure = interpret.confident_mistakes(labels_J, probs_JC, least)
    hardest = interpret.top_losses(labels_J, probs_JC, MISTAKES_SHOWN, without=sure)
    return {
        "classes": classes,
        "confusion_CC": _rows(metrics.confusion(labels_J, predicted_J, len(classes))),
        "class_rows": interpret.class_rows(labels_J, predicted_J, groups_J, classes),
        "reliability": interpret.reliability(labels_J, probs_JC, groups_J),
        "ece": metrics.expected_calibration_error(labels_J, probs_JC),
        "top_losses": mistakes(hardest, items, labels_J, probs_JC, classes),
        "confident_mistakes": mistakes(sure[:MISTAKES_SHOWN], items, labels_J, probs_JC, classes),
        "confident_note": _confident_note(len(sure), int((predicted_J != labels_J).sum()), least, accept),
    }


def _confident_note(sure: int, wrong: int, least: float, accept: float) -> str:
    """How many of the mistakes were made with confidence, and what that means."""
    from_ = f"with a confidence of {100 * least:g} % or more"
    if least == accept:
        from_ += ", from which on nobody looks at an answer again"
    if not wrong:
        return "The model made no mistake on these images."
    if not sure:
        made = "the one mistake was not" if wrong == 1 else f"none of the {wrong} mistakes was"
        return f"There are none: {made} made {from_}."
    shown = f" The {MISTAKES_SHOWN} surest are shown." if sure > MISTAKES_SHOWN else ""
    return f"{sure} of {wrong} mistake{'s' * (wrong > 1)} {'was' if sure == 1 else 'were'} made {from_}.{shown}"


def _of_labels(
    targets: LabelTargets,
    probs_JL: Floats,
    items: Sequence[Item],
    judged: Judged,
    figures: LabelFigures,
    accept: float,
) -> dict[str, Any]:
    thresholds = np.asarray([row.threshold for row in figures.rows])
    losses_J = judged.losses_J
    given = LabelTargets(targets.names, (probs_JL >= thresholds).astype(np.float32))
    # An answer is as sure as its least sure label, and wrong if one of them is.
    confidence_J = np.maximum(probs_JL, 1 - probs_JL).min(axis=1)
    wrong_J = (given.values != (targets.values > 0.5)).any(axis=1)
    least = max(accept, interpret.CONFIDENT)
    sure = np.flatnonzero(wrong_J & (confidence_J >= least))
    sure = sure[np.argsort(-confidence_J[sure], kind="stable")]
    order = np.argsort(-losses_J, kind="stable")
    hardest = order[~np.isin(order, sure)][:MISTAKES_SHOWN]

    def shown(rows: NDArray[np.intp], fact: Callable[[int], str]) -> tuple[Mistake, ...]:
        pictures = pictures_of([items[j] for j in rows])
        return tuple(
            Mistake(picture, targets.text(j), given.text(j), facts=(fact(j),))
            for j, picture in zip(rows.tolist(), pictures, strict=True)
        )

    return {
        "class_rows": tuple(ClassRow(r.label, r.count, r.precision, r.recall) for r in figures.rows),
        "several_labels": True,
        "top_losses": shown(hardest, lambda j: f"loss {losses_J[j]:.2f} a label"),
        "confident_mistakes": shown(
            sure[:MISTAKES_SHOWN], lambda j: f"{100 * confidence_J[j]:.1f} % sure of every label"
        ),
        "confident_note": _confident_note(len(sure), int(wrong_J.sum()), least, accept),
        "plots": plots_of(interpretation_of(judged, items, figures)),
    }


def _of_numbers(
    targets: NumberTargets, numbers_JM: Floats, items: Sequence[Item], judged: Judged, figures: NumberFigures
) -> dict[str, Any]:
    worst = np.argsort(-judged.losses_J, kind="stable")[:MISTAKES_SHOWN]
    pictures = pictures_of([items[j] for j in worst])
    answered = NumberTargets(targets.names, numbers_JM.astype(np.float32))
    return {
        "top_losses": tuple(
            Mistake(picture, targets.text(j), answered.text(j), facts=_residuals(targets, numbers_JM, j))
            for j, picture in zip(worst.tolist(), pictures, strict=True)
        ),
        "plots": plots_of(interpretation_of(judged, items, figures)),
    }


def _residuals(targets: NumberTargets, numbers_JM: Floats, row: int) -> tuple[str, ...]:
    names = targets.names if len(targets.names) > 1 else ("",)
    gaps = zip(names, numbers_JM[row] - targets.values[row], strict=True)
    return tuple(f"{name} off by {gap:+.3g}".strip() for name, gap in gaps)


def mistakes(
    rows: NDArray[np.intp], items: Sequence[Item], labels_N: IntArray, probs_NC: Floats, classes: tuple[str, ...]
) -> tuple[Mistake, ...]:
    """Pictures and figures of the items at ``rows``."""
    losses_N = metrics.losses(labels_N, probs_NC)
    predicted_N = probs_NC.argmax(axis=1)
    pictures = pictures_of([items[row] for row in rows])
    return tuple(
        Mistake(
            thumbnail=picture,
            label=classes[labels_N[row]],
            predicted=classes[predicted_N[row]],
            confidence=float(probs_NC[row, predicted_N[row]]),
            p_label=float(probs_NC[row, labels_N[row]]),
            loss=float(losses_N[row]),
        )
        for row, picture in zip(rows.tolist(), pictures, strict=True)
    )


def pictures_of(items: Sequence[Item]) -> list[Thumbnail]:
    """A thumbnail of each; empty where the file has gone since it was read."""

    def one(item: Item) -> Thumbnail:
        try:
            return Thumbnail(item.name, thumbnail(read_reference(item.reference)))
        except (OSError, InputError):
            return Thumbnail(item.name, b"")

    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(one, items))


def _rows(counts_CC: IntArray) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in counts_CC)
