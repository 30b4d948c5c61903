"""From a training run to the files of a bundle."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from .._version import __version__
from ..core.cores import available_cores
from ..core.errors import InputError
from ..core.ordered_map import ordered_map
from ..core.reference import read_reference
from ..core.types import FloatArray, Item
from ..data.image import phash
from ..embed.session import Session
from ..learn.accept_rule import accept_rule, class_confidence, label_confidence
from ..learn.figures import COVERAGE, ClassFigures, LabelFigures, NumberFigures
from ..learn.judged import Judged
from ..learn.targets import ClassTargets, LabelTargets
from ..model import gallery, golden, manifest, storage
from ..model.arrays import TrainingArrays
from ..model.card import render_card
from ..model.export import with_head
from ..model.figure_row import rows_of
from ..model.golden import GoldenExample
from ..model.inputs.registry import INPUTS
from ..model.kinds.classes import ClassKind, ClassMetrics
from ..model.kinds.kind import Kind
from ..model.kinds.labels import LabelKind, LabelMetrics
from ..model.kinds.numbers import NumberKind, NumberMetrics
from ..model.manifest import Manifest
from ..model.part import Amount, Calibration, Part, Share
from .checks import per_output
from .trained import Trained

GOLDEN_EXAMPLES = 4


def bundle_files(trained: Trained, created_at: str) -> dict[str, bytes]:
    """Every file of the bundle but the report and the sums."""
    features = trained.chosen.features
    backbone = features.backbone
    files: dict[str, bytes] = {}
    if trained.tuned is None:
        head = trained.fitted.head
        # The features were scaled to unit length by one factor; the graph's are not, so the factor goes into the weights.
        scale = np.float32(1 / np.sqrt(len(features.blocks)))
        graph = backbone.build(features.blocks)
        model = with_head(graph, head.weight_DC * scale, head.bias_C, views=features.views)
        embeddings_AD, frozen_AF = trained.chosen.embeddings.features_ND / scale, None
    else:
        # What tells pictures of another kind apart is better seen before fine-tuning, so both networks travel.
        model, embeddings_AD = trained.tuned.model, trained.tuned.embeddings_AD
        files[storage.FROZEN] = backbone.build(features.blocks).SerializeToString()
        frozen_AF = trained.chosen.embeddings.features_ND * np.float32(np.sqrt(len(features.blocks)))
    session = Session(model)
    remembered = _arrays(trained, embeddings_AD, frozen_AF)
    arrays = remembered.to_bytes()
    described = _manifest(trained, created_at, _identity(model, trained.beta, arrays))
    pictures = _pictures(trained, remembered)
    if pictures:
        files[storage.GALLERY] = gallery.write_gallery(pictures)
    files |= {
        storage.MODEL: model,
        storage.ARRAYS: arrays,
        storage.MANIFEST: described.to_json().encode(),
        storage.CARD: render_card(described).encode(),
    }
    return files | golden.write_golden(_golden_examples(trained, described, session), described.input, session)


def _identity(model: bytes, beta: float, arrays: bytes) -> str:
    """Equal models of equal data get equal ids, whenever and wherever they were made."""
    return hashlib.sha256(model + repr(beta).encode() + hashlib.sha256(arrays).digest()).hexdigest()[:16]


def _arrays(trained: Trained, embeddings_AD: FloatArray, frozen_AF: FloatArray | None) -> TrainingArrays:
    """What was trained on first; then what a fine-tuned network was judged on, where that is something else."""
    rows = trained.rows_N
    unseen_rows, unseen_logits = np.arange(len(rows)), trained.fitted.out_of_fold.logits_NC
    targets, groups = trained.targets.values, trained.groups_N
    if trained.tuned is not None:
        judged = trained.tuned.judged
        place = {int(row): n for n, row in enumerate(rows)}
        beyond = [int(row) for row in judged.rows_J if int(row) not in place]
        place |= {row: len(rows) + n for n, row in enumerate(beyond)}
        outside = np.isin(judged.rows_J, beyond)
        rows = np.concatenate([rows, np.asarray(beyond, np.int64)])
        targets = np.concatenate([targets, judged.targets.values[outside]])
        groups = np.concatenate([groups, judged.groups_J[outside]])
        unseen_rows, unseen_logits = np.asarray([place[int(row)] for row in judged.rows_J]), judged.logits_JO
    facts = [trained.chosen.embeddings.facts[row] for row in trained.rows_N]
    digests = np.frombuffer(bytes.fromhex("".join(fact.content_sha256 for fact in facts)), np.uint8)
    return TrainingArrays(
        embeddings_ND=embeddings_AD[rows].astype(np.float16),
        targets_N=targets,
        groups_N=groups.astype(np.int64),
        unseen_logits_MC=np.asarray(unseen_logits, np.float32),
        unseen_rows_M=unseen_rows.astype(np.int64),
        pixels_sha256_T32=digests.reshape(-1, 32),
        frequencies_TKK=phash.frequencies([f.fingerprint for f in facts if f.fingerprint is not None]).astype(
            np.float16
        ),
        frozen_NF=None if frozen_AF is None else frozen_AF[rows].astype(np.float16),
    )


def _manifest(trained: Trained, created_at: str, bundle_id: str) -> Manifest:
    features, options, targets, tuned = trained.chosen.features, trained.options, trained.targets, trained.tuned
    backbone, frozen_width = features.backbone, len(features.backbone.columns(features.blocks))
    counts = per_output(targets) if isinstance(targets, ClassTargets | LabelTargets) else {}
    common: dict[str, Any] = {
        "name": options.name or Path(trained.dataset.source).stem or "model",
        "bundle_id": bundle_id,
        "created_at": created_at,
        "input": INPUTS[backbone.preprocess.input_type].of(backbone.preprocess),
        "embedding_width": frozen_width if tuned is None else tuned.embeddings_AD.shape[1],
        "frozen_width": frozen_width if tuned else None,
        "backbone": manifest.BackboneInfo(
            name=backbone.name,
            fingerprint=backbone.fingerprint,
            licence=backbone.licence,
            source=backbone.source,
            blocks=features.blocks,
            views=tuple(str(view) for view in (features.views if tuned is None else tuned.views)),
        ),
        "data": manifest.DataInfo(
            fingerprint=_data_fingerprint(trained),
            source=Path(trained.dataset.source).name,
            images=len(trained.items),
            skipped=len(trained.skipped),
            per_class=counts,
            groups_duplicates=len(trained.duplicates.clusters()),
            groups_user=trained.user_groups,
        ),
        "training": manifest.Training(
            penalty=trained.fitted.head.penalty,
            balance=options.balance if isinstance(targets, ClassTargets) else "none",
            seed=options.seed,
            folds=trained.fitted.n_folds,
            trials=tuple(f"{trial.name}: {trial.log_loss:.4f}" for trial in trained.chosen.trials),
            fine_tuning=_fine_tuning(trained),
        ),
        "versions": {
            "drivetrain": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "pillow", "onnx", "onnxruntime")},
        },
    }
    fitted_on = f"out-of-fold logits of {len(trained.items)} images"
    if tuned is not None:
        fitted_on = f"logits of {len(tuned.judged.rows_J)} held-out images"
    kind, accept = _kind(trained, Calibration(beta=trained.beta, fitted_on=fitted_on))
    figures = rows_of(kind.lifted(_metrics(trained)))
    return Manifest(**common, kind=kind, accept=accept, figures=figures)


def _kind(trained: Trained, calibration: Calibration) -> tuple[Kind, manifest.Accept | None]:
    """What is predicted, and from when on an answer stands."""
    figures, names = trained.figures, trained.targets.names
    match figures:
        case ClassFigures():
            return ClassKind(classes=names, calibration=calibration), _accept(trained, class_confidence)
        case LabelFigures():
            thresholds = tuple(row.threshold for row in figures.rows)
            accept = _accept(trained, partial(label_confidence, np.asarray(thresholds)))
            return LabelKind(labels=names, thresholds=thresholds, calibration=calibration), accept
        case NumberFigures():
            spreads = tuple(float(s) for s in trained.targets.values.std(axis=0, dtype=np.float64))
            widths = figures.half_widths
            return NumberKind(targets=names, half_widths=widths, coverage=COVERAGE, spreads=spreads), None


def _metrics(trained: Trained) -> Part:
    figures, how = trained.figures, trained.figures.how[:1].upper() + trained.figures.how[1:]
    match figures:
        case ClassFigures():
            return _class_metrics(trained, figures, how)
        case LabelFigures():
            return LabelMetrics(
                mean_average_precision=Share.of(figures.mean_average_precision),
                mean_average_precision_random_split=figures.random_split,
                exact=Share.of(figures.exact),
                log_loss=figures.log_loss,
                how=how,
            )
        case NumberFigures():
            return NumberMetrics(
                mean_absolute_error=tuple(Amount.of(error) for error in figures.mean_absolute_error),
                baseline=figures.baseline,
                root_mean_squared_error=figures.root_mean_squared_error,
                r_squared=figures.r_squared,
                how=how,
            )


def _class_metrics(trained: Trained, figures: ClassFigures, how: str) -> ClassMetrics:
    leaky = trained.with_leak
    return ClassMetrics(
        accuracy=Share.of(figures.accuracy),
        accuracy_random_split=figures.random_split,
        accuracy_with_leak=leaky.accuracy.value if isinstance(leaky, ClassFigures) else None,
        balanced_accuracy=figures.balanced_accuracy,
        log_loss=figures.log_loss,
        ece=figures.ece,
        auc=manifest.finite(figures.auc) if figures.auc is not None else None,
        how=how,
    )


def _fine_tuning(trained: Trained) -> manifest.FineTuning | None:
    tuned = trained.tuned
    if tuned is None:
        return None
    return manifest.FineTuning(
        epochs=tuned.tuning.epochs,
        rate=tuned.tuning.rate,
        trained=tuned.trained,
        images=tuned.images,
        held_out=len(tuned.judged.rows_J),
        loss=tuned.loss,
        frozen_loss=tuned.frozen_loss,
    )


def unseen(trained: Trained) -> Judged:
    """Answers from which the accept rule is reckoned: as many as there are of images the model has not seen."""
    if trained.tuned is not None:
        return trained.tuned.judged
    fitted, rows = trained.fitted, trained.rows_N.astype(np.intp)
    logits = fitted.out_of_fold.logits_NC
    answers = trained.targets.answers(logits, fitted.head.beta)
    return Judged(rows, trained.targets, trained.groups_N, logits, answers, "out of fold")


def _accept(trained: Trained, confidence: Any) -> manifest.Accept:
    judged, threshold = unseen(trained), trained.options.accept
    confidence_J, wrong_J = confidence(judged)
    coverage, error = accept_rule(confidence_J, wrong_J > 0, judged.groups_J, threshold)
    return manifest.Accept(confidence=threshold, coverage=coverage, error=Share.of(error) if error else None)


def _data_fingerprint(trained: Trained) -> str:
    """SHA-256 over the sorted (file hash, label) pairs: equal for equal training data, whatever the file names."""
    facts, targets = trained.chosen.embeddings.facts, trained.targets
    labels: list[str] = [str(trained.all_items[row].label) for row in trained.rows_N]
    if not isinstance(targets, ClassTargets):
        # What people read of several labels and of numbers is ambiguous or rounded.
        labels = [json.dumps(row) for row in targets.values.tolist()]
        labels = [f"{json.dumps(targets.names)} {label}" for label in labels]
    pairs = sorted(f"{facts[row].sha256} {label}\n" for row, label in zip(trained.rows_N, labels, strict=True))
    return hashlib.sha256("".join(pairs).encode()).hexdigest()


def _pictures(trained: Trained, remembered: TrainingArrays) -> dict[int, bytes]:
    """Small pictures of some of the images it was trained on, by their rows of the arrays."""
    options, n_trained = trained.options, len(trained.items)
    rows = gallery.choose(remembered.embeddings_ND[:n_trained], trained.targets.strata_N, options.gallery)
    workers = options.workers or available_cores()
    made = ordered_map(partial(_picture, trained.items), rows, workers=workers, ahead=2 * workers)
    return {row: picture for row, picture in zip(rows, made, strict=True) if picture is not None}


def _picture(items: Sequence[Item], row: int) -> bytes | None:
    try:
        return gallery.picture_of(read_reference(items[row].reference))
    except (OSError, InputError):
        return None  # gone since it was embedded; the others will do


def _golden_examples(trained: Trained, described: Manifest, session: Session) -> list[tuple[bytes, GoldenExample]]:
    """One image of each of the first classes, chosen by confidence nearest 0.9: clear, yet able to move.

    Of labels and numbers, images from the whole range of losses.
    """
    judged, form = unseen(trained), described.input
    images: list[tuple[bytes, GoldenExample]] = []
    for row in _candidates(judged):
        if len(images) == GOLDEN_EXAMPLES:
            break
        lossless = len(images) < GOLDEN_EXAMPLES - 1
        try:
            content = form.read(trained.all_items[row].reference)
        except InputError:
            continue  # gone since it was embedded; another will do
        data = form.golden_file(content, lossless=lossless)
        _, seen = golden.answer(data, form, session)
        file = f"{len(images)}.{form.golden_ending(lossless=lossless)}"
        images.append((data, golden.entry_of(file, lossless, seen, described)))
    return images


def _candidates(judged: Judged) -> list[int]:
    """Rows among all usable images, those to be tried first ahead."""
    if not isinstance(judged.targets, ClassTargets):
        order = np.argsort(judged.losses_J, kind="stable")
        spaced = order[np.linspace(0, len(order) - 1, GOLDEN_EXAMPLES).astype(int)].tolist()
        return [int(judged.rows_J[j]) for j in dict.fromkeys([*spaced, *order.tolist()])]
    order = np.argsort(np.abs(judged.answers_JO.max(axis=1) - 0.9), kind="stable")
    by_class = [[j for j in order if judged.targets.values[j] == c] for c in range(len(judged.targets.names))]
    chosen = [rows[depth] for depth in range(GOLDEN_EXAMPLES) for rows in by_class if depth < len(rows)]
    return [int(judged.rows_J[j]) for j in chosen]
