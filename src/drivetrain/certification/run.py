"""Certify: from a bundle and fresh labelled images to a rule that the model has not seen, and the bundle that carries it.

The independent images (one of each group, drawn by the seed) are dealt at random: by the first third confidences are
calibrated, and the gate; on the rest the threshold is tested, with all of that fixed.
Shapes: J images judged, T of them to tune by, C to certify on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, UsageError
from ..evaluation.evaluation import Evaluation
from ..learn.judged import Judged
from ..learn.kinds.registry import TARGETS
from ..learn.kinds.targets import Targets
from ..learn.risk import Independent, accepting_all, independent_of
from ..model.manifest import SCHEMA_VERSION, Accept, Certificate, Manifest, SliceBound
from ..model.part import Share
from ..model.predictor import Predictor
from ..model.rule import Answers
from ..model.seen import SeenItems
from ..stats.learn_then_test import one_of_each
from ..stats.metrics import wilson
from .asked import Asked
from .certified import Certified
from .field_data import FieldData
from .gate import recalibrated
from .mix import TOLERANCE, drawn_to, shares
from .rule import find_rule
from .slices import slices_of

FEWEST_TUNED = 20
"""Images to calibrate by below which the bundle's own calibration is surer."""


@dataclass(frozen=True, eq=False)
class _Dealt:
    """The rows of independent images, dealt at random."""

    tuning_T: NDArray[np.intp]
    certifying_C: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class _Tuned:
    """The bundle with its confidences and its gate calibrated on fresh images, and what had to stay as it was."""

    predictor: Predictor
    judged: Judged
    remarks: tuple[str, ...]


def check_certifiable(manifest: Manifest, asked: Asked) -> None:
    """Check that a certificate can be about such answers; asked before the work.

    Raises:
        UsageError: answers have no confidence, or the stated mix names other classes than the bundle's.
    """
    kind = TARGETS[manifest.task]
    if not manifest.kind.has_confidence:
        raise UsageError(
            f"certify finds a confidence from which on few answers are wrong, and answers of {manifest.task} have none; "
            "evaluate says how often their intervals hold"
        )
    if asked.prevalence and not kind.one_label:
        raise UsageError(
            f"prevalence (--prevalence) is for answers that are one of several, and this bundle is for {manifest.task}"
        )
    if strange := [name for name in asked.prevalence if name not in manifest.outputs]:
        raise UsageError(
            f"prevalence (--prevalence) names {strange[0]!r}; the bundle's {kind.many} are {', '.join(manifest.outputs[:12])}"
        )


def certify(
    predictor: Predictor, evaluation: Evaluation, asked: Asked, source: object, made_at: str
) -> tuple[Certified, Predictor]:
    """Find the rule on images that were answered, without copies of training images; returns also the bundle that has it.

    Raises:
        UsageError: see `check_certifiable`; or a slice or the stated mix does not fit the images.
        DataError: there are too few independent images to deal.
    """
    check_certifiable(predictor.manifest, asked)
    seen = evaluation.seen
    assert seen is not None  # as `evaluate` gives it
    dealt = _dealt(evaluation.judged, asked)
    tuned = _tuned(predictor, evaluation.judged, seen, dealt, asked)
    manifest, judged = tuned.predictor.manifest, tuned.judged
    field = source.remarks if isinstance(source, FieldData) else ()
    remarks = (*field, *_left_out(evaluation, TARGETS[manifest.task]), *tuned.remarks)
    independent = _independent(tuned, seen, dealt.certifying_C)
    answers = Answers(manifest.kind, judged.answers_JO)
    said = [_names(answers, row) for row in range(len(answers))]
    slices = list(slices_of(asked.by, source, evaluation.items, [", ".join(one) for one in said], manifest.input.files))
    rule, bounds = find_rule(independent, slices, asked.target, jointly=asked.jointly)
    made = _certificate(evaluation, judged, said, dealt.certifying_C, asked, bounds, made_at)
    accept = _with_coverage(rule, independent).model_copy(update={"certificate": made})
    after = _renamed(manifest.model_copy(update={"accept": accept, "created_at": made_at}))
    certified = Certified(predictor.manifest, after, independent, len(dealt.tuning_T), remarks)
    return certified, replace(tuned.predictor, manifest=after)


def _left_out(evaluation: Evaluation, kind: type[Targets]) -> list[str]:
    """Say that images of what the bundle does not know count nowhere: a certificate that kept quiet of them would be read as one
    for all of the data."""
    count = sum(one.reason == f"unknown {kind.one}" for one in evaluation.skipped)
    if not count:
        return []
    total = count + len(evaluation.items)
    sentence = (
        f"{count} of {total} labelled images are {kind.of_unknown()} the bundle does not know, and count nowhere: where such "
        "images come in, their accepted answers are wrong, and the certificate says nothing of how many"
    )
    return [sentence]


def _dealt(judged: Judged, asked: Asked) -> _Dealt:
    drawn = one_of_each(judged.groups_J, asked.seed)
    if len(drawn) < 3:
        raise DataError(
            f"there are {len(drawn)} independent images, which cannot be dealt into some to calibrate by and some to judge; "
            "give more, of groups of their own"
        )
    order = np.random.default_rng([asked.seed, 1]).permutation(drawn)
    third = len(order) // 3
    certifying = np.sort(order[third:])
    if asked.prevalence:
        labels = [judged.targets.text(row) for row in certifying.tolist()]
        certifying = drawn_to(asked.prevalence, certifying, labels, asked.seed)
    return _Dealt(np.sort(order[:third]), certifying)


def _tuned(predictor: Predictor, judged: Judged, seen: SeenItems, dealt: _Dealt, asked: Asked) -> _Tuned:
    """Calibrate confidences and gate on the images to tune by."""
    manifest, gate, remarks = predictor.manifest, predictor.gate, list[str]()
    rows_T = dealt.tuning_T
    if len(rows_T) >= FEWEST_TUNED:
        old = manifest.kind.beta
        # The prior of few images pulls towards the bundle's own calibration, as logits are scaled by it.
        beta = old * judged.targets.take(rows_T).beta(np.asarray(judged.logits_JW[rows_T] * old, np.float32))
        kind = manifest.kind.recalibrated(beta, f"logits of {len(rows_T)} fresh independent images")
        manifest = manifest.model_copy(update={"kind": kind})
    else:
        remarks.append(
            f"{len(rows_T)} images are too few to calibrate confidences by ({FEWEST_TUNED} would do): they stay as they were"
        )
    if gate is not None and manifest.gate is not None:
        embeddings_JF = seen.frozen_embedding_NF
        assert embeddings_JF is not None  # as the gate's rule asks for it
        found = recalibrated(gate, manifest.gate, embeddings_JF[rows_T], asked.false_alarm)
        if isinstance(found, str):
            remarks.append(found)
        else:
            gate, info = found
            manifest = manifest.model_copy(update={"gate": info})
    elif asked.false_alarm is not None:
        remarks.append("the bundle has no gate, so that nothing is turned away; train again for one")
    answers_JO = manifest.kind.answers(judged.logits_JW)
    tuned = replace(predictor, manifest=manifest, gate=gate)
    return _Tuned(tuned, replace(judged, answers_JO=answers_JO), tuple(remarks))


def _independent(tuned: _Tuned, seen: SeenItems, rows_C: NDArray[np.intp]) -> Independent:
    manifest = accepting_all(tuned.predictor.manifest)
    others = replace(tuned.predictor, manifest=manifest).policy
    settings = TARGETS[manifest.task].settings_of(manifest.kind)
    found = independent_of(tuned.judged, settings, manifest, others, seen, rows_C)
    assert found is not None  # as answers have a confidence
    return found


def _names(answers: Answers, row: int) -> tuple[str, ...]:
    """Return the label or labels of an answer."""
    answer = answers[row]
    return answer.labels if answer.label is None else (answer.label,)


def _with_coverage(rule: Accept, independent: Independent) -> Accept:
    """Return the rule with the share of the independent cases that it lets stand, and the error among these."""
    bound = rule.bound
    assert bound is not None  # as every rule that was tested
    if not bound.accepted:
        return rule
    error = Share.of(wilson(bound.wrong, bound.accepted))
    return rule.model_copy(update={"coverage": bound.accepted / independent.of, "error": error})


def _certificate(
    evaluation: Evaluation,
    judged: Judged,
    said: Sequence[tuple[str, ...]],
    rows_C: NDArray[np.intp],
    asked: Asked,
    bounds: tuple[SliceBound, ...],
    made_at: str,
) -> Certificate:
    names = judged.targets.names
    counts, total = judged.targets.take(rows_C).counts(), max(len(rows_C), 1)
    return Certificate(
        made_at=made_at,
        source=_last_part(evaluation.source),
        images=len(evaluation.items),
        leaks=evaluation.near_duplicates_of_training,
        mix={name: counts.get(name, 0) / total for name in names},
        answered=shares([said[row] for row in rows_C.tolist()], names),
        stated=bool(asked.prevalence),
        tolerance=TOLERANCE,
        jointly=asked.jointly,
        slices=bounds,
    )


def _last_part(source: str) -> str:
    return source.rstrip("/").rpartition("/")[2] or source


def _renamed(manifest: Manifest) -> Manifest:
    """Return the manifest with an id of its own: equal bundles certified equally get equal ids."""
    accept: Any = manifest.accept.model_dump(mode="json") if manifest.accept else None
    if accept is not None:
        accept["certificate"].pop("made_at")
    parts = [manifest.bundle_id, accept, manifest.kind.model_dump(mode="json")]
    parts.append(manifest.gate.model_dump(mode="json") if manifest.gate else None)
    name = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return manifest.model_copy(update={"bundle_id": name, "schema_version": SCHEMA_VERSION})
