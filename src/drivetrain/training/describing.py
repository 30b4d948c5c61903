"""Describing a training run in the manifest of its bundle."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from .._version import __version__
from ..learn.accept_rule import Accepted, accepted_of
from ..learn.judged import Judged
from ..learn.risk import Independent, Target, accepting_all, independent_of
from ..model.figure_row import FigureRow, rows_of
from ..model.inputs.registry import INPUTS
from ..model.kinds.kind import Kind
from ..model.manifest import Accept, BackboneInfo, DataInfo, FineTuning, GateInfo, GateTried, Manifest, Training
from ..model.part import Calibration, Share
from ..model.policy import Policy
from ..stats.learn_then_test import one_of_each
from .holdout import out_of_fold
from .options import TrainOptions
from .trained import Trained

NOT_YET = "1970-01-01T00:00:00+00:00"
"""The date of a description that is only asked for its rules."""

MADE_WITH = ("numpy", "pillow", "onnx", "onnxruntime")


def manifest_of(trained: Trained, created_at: str, bundle_id: str) -> Manifest:
    """The whole of it."""
    described = _without_coverage(trained, created_at, bundle_id)
    return described.model_copy(update={"accept": trained.accept})


def with_accept_rule(trained: Trained) -> Trained:
    """Return the run with the rule by which answers stand, and what that rests on."""
    described = _without_coverage(trained, NOT_YET, "0" * 16)
    judged = unseen(trained)
    independent = independent_of(
        judged,
        trained.figures.settings,
        described,
        Policy.of(accepting_all(described)),
        trained.seen(judged, described.input),
        one_of_each(judged.groups_J, trained.options.seed),
    )
    return replace(trained, accept=_accept(trained, described, independent), independent=independent)


def _without_coverage(trained: Trained, created_at: str, bundle_id: str) -> Manifest:
    """All that its policy is read from: how much that lets stand is not reckoned yet."""
    features, tuned, targets = trained.chosen.features, trained.tuned, trained.targets
    preparation = features.backbone.preprocess
    frozen_width = len(features.backbone.columns(features.blocks))
    fitted_on = f"out-of-fold logits of {len(trained.trained_on)} images"
    if tuned is not None:
        fitted_on = f"logits of {len(tuned.judged.rows_J)} held-out images"
    kind = targets.described(trained.figures, Calibration(beta=trained.beta, fitted_on=fitted_on))
    return Manifest(
        name=trained.options.name or Path(trained.dataset.source).stem or "model",
        bundle_id=bundle_id,
        created_at=created_at,
        input=INPUTS[preparation.input_type].of(preparation),
        embedding_width=frozen_width if tuned is None else tuned.embeddings_AD.shape[1],
        frozen_width=frozen_width if tuned else None,
        backbone=_backbone(trained),
        data=_data(trained),
        training=_training(trained),
        versions={
            "drivetrain": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in MADE_WITH},
        },
        kind=kind,
        accept=_asked(trained.options, kind),
        gate=_gate(trained),
        figures=_figures(trained),
    )


def _gate(trained: Trained) -> GateInfo | None:
    """Return the gate's rule, with what it made of the sets that it was tried on."""
    if trained.gate is None:
        return None
    trial = trained.gate_trial
    sets = () if trial is None else (*trial.near, *trial.far)
    tried = tuple(
        GateTried(name=one.name, images=len(one), refused=one.refused.value, auroc=one.auroc or 0.0) for one in sets
    )
    return trained.gate.fitted.info.model_copy(update={"tried": tried})


def unseen(trained: Trained) -> Judged:
    """Return the answers from which the accept rule is reckoned: all those to images the model has not seen."""
    if trained.tuned is not None:
        return trained.tuned.judged
    return out_of_fold(trained.sides.training, trained.trained_on, trained.fitted, "out of fold")


def _backbone(trained: Trained) -> BackboneInfo:
    features, tuned = trained.chosen.features, trained.tuned
    return BackboneInfo(
        name=features.backbone.name,
        fingerprint=features.backbone.fingerprint,
        licence=features.backbone.licence,
        source=features.backbone.source,
        blocks=features.blocks,
        views=tuple(str(view) for view in (features.views if tuned is None else tuned.views)),
    )


def _data(trained: Trained) -> DataInfo:
    sides = trained.sides
    return DataInfo(
        fingerprint=_fingerprint(trained),
        source=Path(trained.dataset.source).name,
        images=len(sides.trained_on),
        skipped=len(sides.skipped),
        per_class=trained.targets.per_class(),
        groups_duplicates=len(sides.duplicates.clusters()),
        groups_user=sides.user_groups,
    )


def _training(trained: Trained) -> Training:
    return Training(
        penalty=trained.fitted.head.penalty,
        balance=trained.targets.balanced(trained.options.balance),
        seed=trained.options.seed,
        folds=trained.fitted.n_folds,
        trials=tuple(f"{trial.name}: {trial.log_loss:.4f}" for trial in trained.chosen.trials),
        fine_tuning=_fine_tuning(trained),
    )


def _fine_tuning(trained: Trained) -> FineTuning | None:
    tuned = trained.tuned
    if tuned is None:
        return None
    return FineTuning(
        epochs=tuned.tuning.epochs,
        rate=tuned.tuning.rate,
        trained=tuned.trained,
        images=tuned.images,
        held_out=len(tuned.judged.rows_J),
        loss=tuned.loss,
        frozen_loss=tuned.frozen_loss,
    )


def accepted(trained: Trained, judged: Judged, described: Manifest) -> Accepted | None:
    """Return what the bundle's policy lets stand of the answers that it is judged by."""
    seen = trained.seen(judged, described.input)
    # The gate is asked for p-values alone, and those are known, out of fold.
    return accepted_of(judged, trained.figures.settings, described, Policy.of(described), seen)


def _asked(options: TrainOptions, kind: Kind) -> Accept | None:
    """Return the rule as it was asked for, before anything is known of the answers."""
    if kind.has_confidence:
        return Accept(confidence=options.accept, coverage=0, error=None)
    return (
        None
        if options.accept_width is None
        else Accept(confidence=None, width=options.accept_width, coverage=0, error=None)
    )


def _accept(trained: Trained, described: Manifest, independent: Independent | None) -> Accept | None:
    """Return the rule with the share of answers that it lets stand; a threshold is looked for where an error was named."""
    options, rule = trained.options, described.accept
    if options.max_error is not None and independent is not None:
        rule = independent.accept(Target(options.max_error, options.confidence or Target.level), "estimate")
    judged = unseen(trained)
    stand = accepted(trained, judged, described.model_copy(update={"accept": rule}))
    if stand is None or rule is None:
        return None
    error = Share.of(stand.error) if stand.n else None
    return rule.model_copy(update={"coverage": stand.n / len(judged.rows_J), "error": error})


def _figures(trained: Trained) -> tuple[FigureRow, ...]:
    """Return the figures about the model as a whole; those of single classes or labels are in the report."""
    parts = trained.figures.parts
    rows = [row for row in trained.figures.rows if row not in parts]
    return rows_of(replace(row, how=row.how[:1].upper() + row.how[1:]) for row in rows)


def _fingerprint(trained: Trained) -> str:
    """SHA-256 over the sorted (file hash, target) pairs: equal for equal training data, whatever the file names."""
    items, targets = trained.trained_on.items, trained.targets
    pairs = sorted(f"{item.id.sha256} {targets.fingerprint(n)}\n" for n, item in enumerate(items))
    return hashlib.sha256("".join(pairs).encode()).hexdigest()
