"""From a training run or an evaluation to the page a person reads."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..core.cores import available_cores
from ..core.errors import ImageError
from ..core.types import IntArray, Item
from ..data.decode import decode
from ..data.facts import thumbnail
from ..data.preprocess import apply
from ..embed.session import Session
from ..learn import interpret
from ..learn.charts import percent
from ..learn.report import DuplicateGroup, Headline, Mistake, Report, Thumbnail, render
from ..model import metrics, storage
from ..model.export import LOGITS
from ..model.metrics import Floats, softmax
from .stopwatch import Stopwatch
from .trained import Trained

MISTAKES_SHOWN = 24
GROUPS_SHOWN = 16
MEMBERS_SHOWN = 4
# Images decoded twice, reduced and in full, to see what the reduction does to probabilities.
REDUCED_CHECKED = 12


def training_report(trained: Trained, files: Mapping[str, bytes], watch: Stopwatch, created_at: str) -> str:
    """The report of a training run, as HTML."""
    items, labels_N, groups_N, probs_NC = judged(trained)
    figures, classes = trained.figures, trained.classes
    predicted_N = probs_NC.argmax(axis=1)
    embeddings = trained.chosen.embeddings
    features = trained.chosen.features
    report = Report(
        title=trained.options.name or Path(trained.dataset.source).stem or "model",
        subtitle=f"{len(trained.items)} images, {len(classes)} classes · trained {created_at[:10]}",
        headlines=_headlines(trained, labels_N, groups_N, probs_NC),
        warnings=trained.warnings,
        classes=classes,
        confusion_CC=_rows(metrics.confusion(labels_N, predicted_N, len(classes))),
        class_rows=interpret.class_rows(labels_N, predicted_N, groups_N, classes),
        reliability=interpret.reliability(labels_N, probs_NC, groups_N),
        ece=figures.ece,
        reliability_note="Confidences are calibrated by temperature scaling on out-of-fold answers "
        f"(temperature {1 / trained.fitted.head.beta:.2f}).",
        top_losses=mistakes(
            interpret.top_losses(labels_N, probs_NC, MISTAKES_SHOWN), items, labels_N, probs_NC, classes
        ),
        confident_mistakes=mistakes(
            interpret.confident_mistakes(labels_N, probs_NC, MISTAKES_SHOWN), items, labels_N, probs_NC, classes
        ),
        duplicates=_duplicate_groups(trained),
        duplicates_total=len(trained.duplicates.clusters()),
        duplicates_note=_duplicates_note(trained),
        skipped=trained.skipped,
        image_sizes=tuple((fact.width, fact.height) for fact in embeddings.facts),
        input_size=features.backbone.preprocess.resize.size,
        trials=trained.chosen.trials,
        run=_run(trained),
        seconds=tuple((name, s) for name, s in watch.totals().items() if name != "total"),
        notes=_notes(trained, files),
    )
    return render(report)


def judged(trained: Trained) -> tuple[Sequence[Item], IntArray, IntArray, Floats]:
    """What the figures are about: the held-out split where there is one, else the out-of-fold answers."""
    held = trained.held_out
    if held is None:
        return trained.items, trained.labels_N, trained.groups_N, trained.fitted.probs_NC
    return [trained.all_items[row] for row in held.rows_H], held.labels_H, held.groups_H, held.probs_HC


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
            return Thumbnail(item.name, thumbnail(item.path.read_bytes()))
        except (OSError, ImageError):
            return Thumbnail(item.name, b"")

    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(one, items))


def _headlines(trained: Trained, labels_N: IntArray, groups_N: IntArray, probs_NC: Floats) -> tuple[Headline, ...]:
    figures, accuracy = trained.figures, trained.figures.accuracy
    cards = [
        Headline("Accuracy", percent(accuracy.value), _interval(accuracy.low, accuracy.high), figures.how),
        Headline(
            "A random split would claim",
            percent(figures.random_split),
            note="out of fold, without keeping groups together",
        ),
    ]
    if figures.auc is not None:
        low, high = metrics.bootstrap(
            groups_N, lambda rows: metrics.auc(labels_N[rows] == 1, probs_NC[rows, 1]), trained.options.seed
        )
        cards.append(
            Headline("AUC", f"{figures.auc:.3f}", f"{low:.3f}–{high:.3f}", f"“{trained.classes[1]}” against the rest")
        )
    losses_N = metrics.losses(labels_N, probs_NC)
    low, high = metrics.bootstrap(groups_N, lambda rows: float(losses_N[rows].mean()), trained.options.seed)
    cards += [
        Headline(
            "Log-loss",
            f"{figures.log_loss:.3f}",
            f"{low:.3f}–{high:.3f}",
            f"smaller is better; guessing scores {np.log(len(trained.classes)):.2f}",
        ),
        Headline("Calibration error", percent(figures.ece), note="mean gap between confidence and accuracy"),
    ]
    accepted = probs_NC.max(axis=1) >= trained.options.accept
    if accepted.any():
        error = interpret.share(probs_NC.argmax(axis=1) != labels_N, accepted, groups_N)
        assert error is not None  # something is accepted
        cards.append(
            Headline(
                f"Answered at {100 * trained.options.accept:g} % confidence",
                percent(float(accepted.mean())),
                note=f"{percent(error.value)} of those wrong ({_interval(error.low, error.high)}); the rest goes to review",
            )
        )
    return tuple(cards)


def _duplicate_groups(trained: Trained) -> tuple[DuplicateGroup, ...]:
    """Conflicts (one picture, several labels) first, then the largest groups."""
    kinds = {frozenset((i, j)): kind for i, j, kind, _ in trained.duplicates.pairs}
    clusters = []
    for members in trained.duplicates.clusters():
        labels = tuple(sorted({trained.all_items[row].label or "" for row in members}))
        inside = {kind for pair, kind in kinds.items() if pair <= set(members)}
        clusters.append((members, labels, "exact" if inside == {"exact"} else "near"))
    clusters.sort(key=lambda cluster: (-len(cluster[1]), -len(cluster[0])))
    shown = [[trained.all_items[row] for row in members[:MEMBERS_SHOWN]] for members, _, _ in clusters[:GROUPS_SHOWN]]
    pictures = iter(pictures_of([item for items in shown for item in items]))
    return tuple(
        DuplicateGroup(
            kind=kind,
            size=len(members),
            members=tuple((next(pictures), item.label or "") for item in items),
            labels=labels,
        )
        for (members, labels, kind), items in zip(clusters, shown, strict=False)
    )


def _duplicates_note(trained: Trained) -> str:
    threshold = trained.duplicates.cosine_threshold
    if threshold is None:
        return (
            "Found by equal pixels and perceptual hash. Embeddings were not used: distinct images of this set are as close "
            "to each other as altered copies are to their originals."
        )
    return (
        f"Found by equal pixels, by perceptual hash, and by embeddings closer than a cosine of {threshold:.3f}: "
        "as close as slightly altered copies of these images are to their originals, and closer than neighbours "
        "that are merely alike."
    )


def _run(trained: Trained) -> tuple[tuple[str, str], ...]:
    features, options = trained.chosen.features, trained.options
    spec = features.backbone.preprocess
    height, width = spec.resize.size
    return (
        ("Source", trained.dataset.source),
        ("Images", f"{len(trained.items)} for training, {len(trained.skipped)} skipped"),
        (
            "Groups",
            f"{len(trained.duplicates.clusters())} of near-duplicates, {trained.user_groups} given with the data",
        ),
        ("Features", f"{features.name} ({features.backbone.licence})"),
        ("Choice", trained.chosen.note),
        ("Preprocessing", f"{spec.resize.method} to {width}×{height}, {spec.resize.filter}"),
        ("Head", f"logistic regression, C = {trained.fitted.head.penalty:g}, balance: {options.balance}"),
        ("Seed", str(options.seed)),
        ("Machine", f"{platform.system()} {platform.machine()}, {available_cores()} cores"),
        ("Versions", f"drivetrain {__version__}, Python {platform.python_version()}"),
    )


def _notes(trained: Trained, files: Mapping[str, bytes]) -> tuple[str, ...]:
    notes = [
        f"Figures come from answers on images the head had not seen: {trained.figures.how}.",
        (
            "Intervals are two-sided at 95 %: Wilson's for proportions, reduced to the number of independent groups where "
            "images come in groups; a bootstrap over groups for log-loss and AUC."
        ),
    ]
    if trained.options.balance != "none":
        notes.append(
            f"Classes were weighted ({trained.options.balance}): probabilities refer to a world in which they are "
            "more equally frequent than in this data."
        )
    return (*notes, *_reduced_effect(trained, files))


def _reduced_effect(trained: Trained, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """What decoding large JPEGs at a reduced scale does to probabilities, measured on some of them."""
    reduced = [
        item for item, fact in zip(trained.all_items, trained.chosen.embeddings.facts, strict=True) if fact.reduced > 1
    ]
    if not reduced:
        return ()
    spec = trained.chosen.features.backbone.preprocess
    session = Session(files[storage.MODEL])
    worst, changed, checked = 0.0, 0, 0
    for item in reduced[:: max(1, len(reduced) // REDUCED_CHECKED)][:REDUCED_CHECKED]:
        try:
            data = item.path.read_bytes()
            tensors = [apply(decode(data, size).image, spec) for size in (spec.decode_size, None)]
        except (OSError, ImageError):
            continue
        quick, full = (softmax(session.run(t[None], [LOGITS])[0], trained.fitted.head.beta)[0] for t in tensors)
        worst = max(worst, float(np.abs(quick - full).max()))
        changed += int(quick.argmax() != full.argmax())
        checked += 1
    return (
        (
            f"{len(reduced)} large JPEGs were decoded at a reduced scale (at least {spec.decode_floor} pixels on the side that "
            f"counts). On {checked} of them, decoding in full moved probabilities by at most {worst:.3f} and changed "
            f"{changed} answers."
        ),
    )


def _rows(counts_CC: IntArray) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in counts_CC)


def _interval(low: float, high: float) -> str:
    return f"{100 * low:.1f}–{100 * high:.1f} %"
