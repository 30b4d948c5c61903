"""From a training run to the files of a bundle."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np

from .._version import __version__
from ..core.errors import ImageError
from ..core.types import IntArray, Interval
from ..data import phash
from ..data.decode import decode
from ..embed.recipe import View
from ..embed.session import Session
from ..learn.interpret import share
from ..model import golden, manifest, storage
from ..model.arrays import TrainingArrays
from ..model.card import render_card
from ..model.export import with_head
from ..model.golden import GoldenImage
from ..model.metrics import Floats, softmax
from .checks import per_class
from .trained import Trained

GOLDEN_IMAGES = 4


def bundle_files(trained: Trained, created_at: str) -> dict[str, bytes]:
    """Every file of the bundle but the report and the sums."""
    features, head = trained.chosen.features, trained.fitted.head
    backbone = features.backbone
    # The features were scaled to unit length by one factor; the graph's are not, so the factor goes into the weights.
    scale = np.float32(1 / np.sqrt(len(features.blocks)))
    graph = backbone.build(features.blocks)
    model = with_head(graph, head.weight_DC * scale, head.bias_C, mirror=View.MIRROR in features.views)
    session = Session(model)
    arrays = _arrays(trained, float(scale)).to_bytes()
    described = _manifest(trained, created_at, _identity(model, head.beta, arrays))
    files = {
        storage.MODEL: model,
        storage.ARRAYS: arrays,
        storage.MANIFEST: described.to_json().encode(),
        storage.CARD: render_card(described).encode(),
    }
    return files | golden.write_golden(_golden_images(trained, described, session), backbone.preprocess, session)


def _identity(model: bytes, beta: float, arrays: bytes) -> str:
    """Equal models of equal data get equal ids, whenever and wherever they were made."""
    return hashlib.sha256(model + repr(beta).encode() + hashlib.sha256(arrays).digest()).hexdigest()[:16]


def _arrays(trained: Trained, scale: float) -> TrainingArrays:
    position = {id(item): row for row, item in enumerate(trained.all_items)}  # names need not be unique
    rows = [position[id(item)] for item in trained.items]
    embeddings = trained.chosen.embeddings
    facts = [embeddings.facts[row] for row in rows]
    digests = np.frombuffer(bytes.fromhex("".join(fact.pixels_sha256 for fact in facts)), np.uint8)
    return TrainingArrays(
        embeddings_ND=(embeddings.features_ND[rows] / scale).astype(np.float16),
        labels_N=trained.labels_N,
        groups_N=trained.groups_N,
        oof_logits_NC=trained.fitted.out_of_fold.logits_NC,
        pixels_sha256_N32=digests.reshape(-1, 32),
        frequencies_NKK=phash.frequencies([fact.dct for fact in facts]).astype(np.float16),
    )


def _manifest(trained: Trained, created_at: str, bundle_id: str) -> manifest.Manifest:
    features, figures, options = trained.chosen.features, trained.figures, trained.options
    backbone = features.backbone
    coverage, error = accept_rule(trained.labels_N, trained.fitted.probs_NC, trained.groups_N, options.accept)
    held_out = trained.held_out
    with_leak = held_out.accuracy_with_leak if held_out else None
    return manifest.Manifest(
        name=options.name or Path(trained.dataset.source).stem or "model",
        bundle_id=bundle_id,
        created_at=created_at,
        classes=trained.classes,
        preprocess=backbone.preprocess,
        embedding_width=len(backbone.columns(features.blocks)),
        backbone=manifest.BackboneInfo(
            name=backbone.name,
            fingerprint=backbone.fingerprint,
            licence=backbone.licence,
            source=backbone.source,
            blocks=features.blocks,
            views=tuple(str(view) for view in features.views),
        ),
        calibration=manifest.Calibration(
            beta=trained.fitted.head.beta, fitted_on=f"out-of-fold logits of {len(trained.items)} images"
        ),
        accept=manifest.Accept(
            confidence=options.accept, coverage=coverage, error=manifest.Figure.of(error) if error else None
        ),
        metrics=manifest.Metrics(
            accuracy=manifest.Figure.of(figures.accuracy),
            accuracy_random_split=figures.random_split,
            accuracy_with_leak=with_leak.value if with_leak else None,
            balanced_accuracy=figures.balanced_accuracy,
            log_loss=figures.log_loss,
            ece=figures.ece,
            auc=manifest.finite(figures.auc) if figures.auc is not None else None,
            how=figures.how[:1].upper() + figures.how[1:],
        ),
        data=manifest.DataInfo(
            fingerprint=_data_fingerprint(trained),
            source=Path(trained.dataset.source).name,
            images=len(trained.items),
            skipped=len(trained.skipped),
            per_class=per_class(trained.labels_N, trained.classes),
            groups_duplicates=len(trained.duplicates.clusters()),
            groups_user=trained.user_groups,
        ),
        training=manifest.Training(
            penalty=trained.fitted.head.penalty,
            balance=options.balance,
            seed=options.seed,
            folds=trained.fitted.n_folds,
            trials=tuple(f"{trial.name}: {trial.log_loss:.4f}" for trial in trained.chosen.trials),
        ),
        versions={
            "drivetrain": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "pillow", "onnx", "onnxruntime")},
        },
    )


def accept_rule(
    labels_N: IntArray, probs_NC: Floats, groups_N: IntArray, threshold: float
) -> tuple[float, Interval | None]:
    """Share of items whose confidence reaches the threshold, and the error among them (Wilson)."""
    accepted = probs_NC.max(axis=1) >= threshold
    return float(accepted.mean()), share(probs_NC.argmax(axis=1) != labels_N, accepted, groups_N)


def _data_fingerprint(trained: Trained) -> str:
    """SHA-256 over the sorted (file hash, label) pairs: equal for equal training data, whatever the file names."""
    facts = trained.chosen.embeddings.facts
    hashes = {id(item): fact.sha256 for item, fact in zip(trained.all_items, facts, strict=True)}
    pairs = sorted(f"{hashes[id(item)]} {item.label}\n" for item in trained.items)
    return hashlib.sha256("".join(pairs).encode()).hexdigest()


def _golden_images(trained: Trained, described: manifest.Manifest, session: Session) -> list[tuple[bytes, GoldenImage]]:
    """One image of each of the first classes, chosen by confidence nearest 0.9: clear, yet able to move."""
    confidence_N = trained.fitted.probs_NC.max(axis=1)
    images: list[tuple[bytes, GoldenImage]] = []
    order = np.argsort(np.abs(confidence_N - 0.9), kind="stable")
    by_class = [[row for row in order if trained.labels_N[row] == c] for c in range(len(trained.classes))]
    candidates = [rows[depth] for depth in range(GOLDEN_IMAGES) for rows in by_class if depth < len(rows)]
    for row in candidates:
        if len(images) == GOLDEN_IMAGES:
            break
        lossless = len(images) < GOLDEN_IMAGES - 1
        try:
            image = decode(trained.items[row].path.read_bytes(), described.preprocess.decode_size).image
        except (OSError, ImageError):
            continue  # gone since it was embedded; another will do
        data = golden.encode_golden(image, lossless)
        _, logits_C = golden.answer(data, described.preprocess, session)
        probs_C = softmax(logits_C[None], described.calibration.beta)[0]
        best = int(probs_C.argmax())
        verdict = "accept" if probs_C[best] >= described.accept.confidence else "review"
        entry = GoldenImage(
            file=f"{len(images)}.{'png' if lossless else 'jpg'}",
            lossless=lossless,
            label=described.classes[best],
            confidence=round(float(probs_C[best]), 6),
            verdict=verdict,
        )
        images.append((data, entry))
    return images
