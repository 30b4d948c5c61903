"""Evaluate: a bundle on labelled images it has not seen. Shapes: N images, C classes."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from ..core.errors import DataError, ImageError
from ..core.ports import Progress, Silent
from ..core.types import FloatArray, ImageFacts, IntArray, Interval, Item, Skipped
from ..curate.duplicates import copies_of
from ..data.facts import facts_of
from ..data.sources import open_source
from ..embed.cache import default_folder
from ..embed.embedder import available_cores
from ..learn import interpret
from ..learn.report import Headline, Report, render
from ..model import metrics
from ..model.metrics import Floats, softmax
from ..model.predictor import Predictor, decode_source, load
from .groups import group_numbers
from .report_page import MISTAKES_SHOWN, mistakes


@dataclass(frozen=True)
class Evaluation:
    """Figures of a bundle on a source. ``near_duplicates_of_training`` images were left out of every figure."""

    source: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    labels_N: IntArray
    probs_NC: Floats
    skipped: tuple[Skipped, ...]
    near_duplicates_of_training: int
    accuracy: Interval
    log_loss: float
    ece: float
    auc: float | None
    confusion_CC: IntArray
    seconds: float
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The document that ``evaluate --json`` prints."""
        document: dict[str, object] = {
            "n": len(self.items),
            "skipped": len(self.skipped),
            "near_duplicates_of_training": self.near_duplicates_of_training,
            "accuracy": {"value": self.accuracy.value, "low": self.accuracy.low, "high": self.accuracy.high},
            "log_loss": self.log_loss,
            "ece": self.ece,
            "confusion": {"labels": list(self.classes), "counts": self.confusion_CC.tolist()},
            "warnings": list(self.warnings),
            "seconds": round(self.seconds, 3),
        }
        if self.auc is not None:
            document["auc"] = self.auc if np.isfinite(self.auc) else None
        return document


def evaluate(
    bundle: str | Path | Predictor,
    source: str | Path | Iterable[object],
    *,
    split: str | None = None,
    keep_leaks: bool = False,
    golden: bool = True,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a bundle on a labelled source.

    Images that are copies of training images are counted and left out, unless ``keep_leaks``; images of classes that the
    bundle does not know are skipped. ``split`` takes only the items so named (``train``, ``valid``, ``test``).

    Raises:
        BundleError: the bundle cannot be loaded.
        SourceError: the source cannot be read as a labelled data set.
        DataError: no image is left to judge.
    """
    start_s = time.perf_counter()
    progress = progress or Silent()
    predictor = bundle if isinstance(bundle, Predictor) else load(bundle, golden=golden)
    dataset = open_source(source, unpack_dir=default_folder() / "archives")
    chosen = [item for item in dataset.items if split is None or item.split == split]
    if split is not None and not chosen:
        names = sorted({item.split for item in dataset.items if item.split}) or ["none"]
        raise DataError(f"{dataset.source} has no split “{split}”; it has: {', '.join(names)}")
    known: list[Item] = []
    unknown: list[Item] = []
    for item in chosen:
        (known if item.label in predictor.classes else unknown).append(item)
    skipped = [
        *dataset.skipped,
        *(Skipped(i.name, "unknown class", f"“{i.label}” is not in the bundle") for i in unknown),
    ]
    if not known:
        raise DataError(
            f"no image of {dataset.source} has a class of the bundle ({', '.join(predictor.classes)}); "
            f"found {', '.join(dataset.classes[:10]) or 'no labels'}"
        )
    judged: list[tuple[Item, FloatArray, ImageFacts]] = []
    with progress.stage("evaluate", len(known)) as advance:
        for item, answer in zip(known, _answers(predictor, known), strict=True):
            advance(1)
            if isinstance(answer, Skipped):
                skipped.append(answer)
            else:
                judged.append((item, *answer))
    leaks = _leaks(predictor, [facts for *_, facts in judged])
    warnings = []
    if leaks:
        row, training_row = next(iter(leaks.items()))
        warnings.append(
            f"{len(leaks)} of {len(judged)} images are copies of training images (first: {judged[row][0].name}, "
            f"training image number {training_row + 1}) and {'count in' if keep_leaks else 'are left out of'} the figures."
        )
        if not keep_leaks:
            judged = [entry for row, entry in enumerate(judged) if row not in leaks]
    if unknown:
        strangers = ", ".join(f"“{name}”" for name in sorted({item.label or "" for item in unknown})[:5])
        warnings.append(f"{len(unknown)} images of classes the bundle does not know are not counted: {strangers}.")
    if not judged:
        raise DataError(f"no image of {dataset.source} is left to judge: {len(skipped)} skipped, {len(leaks)} copies")
    labels_N = np.asarray([predictor.classes.index(item.label or "") for item, *_ in judged], np.int64)
    probs_NC = softmax(np.stack([logits for _, logits, _ in judged]), predictor.manifest.calibration.beta)
    items = tuple(item for item, *_ in judged)
    predicted_N = probs_NC.argmax(axis=1)
    return Evaluation(
        source=dataset.source,
        classes=predictor.classes,
        items=items,
        labels_N=labels_N,
        probs_NC=probs_NC,
        skipped=tuple(skipped),
        near_duplicates_of_training=len(leaks),
        accuracy=metrics.accuracy(labels_N, predicted_N, group_numbers(items)),
        log_loss=metrics.log_loss(labels_N, probs_NC),
        ece=metrics.expected_calibration_error(labels_N, probs_NC),
        auc=metrics.auc(labels_N == 1, probs_NC[:, 1]) if len(predictor.classes) == 2 else None,
        confusion_CC=metrics.confusion(labels_N, predicted_N, len(predictor.classes)),
        seconds=time.perf_counter() - start_s,
        warnings=tuple(warnings),
    )


def evaluation_report(evaluation: Evaluation, predictor: Predictor) -> str:
    """The evaluation as an HTML page."""
    labels_N, probs_NC, classes = evaluation.labels_N, evaluation.probs_NC, evaluation.classes
    groups_N = group_numbers(evaluation.items)
    accuracy = evaluation.accuracy
    claimed = predictor.manifest.metrics.accuracy
    cards = [
        Headline("Accuracy", f"{accuracy.value:.1%}", f"{100 * accuracy.low:.1f}–{100 * accuracy.high:.1f} %"),
        Headline("At training time", f"{claimed.value:.1%}", f"{100 * claimed.low:.1f}–{100 * claimed.high:.1f} %"),
        Headline("Log-loss", f"{evaluation.log_loss:.3f}"),
        Headline("Calibration error", f"{evaluation.ece:.1%}", note="mean gap between confidence and accuracy"),
    ]
    if evaluation.auc is not None and np.isfinite(evaluation.auc):
        cards.insert(2, Headline("AUC", f"{evaluation.auc:.3f}"))
    return render(
        Report(
            title=f"{predictor.manifest.name} on {Path(evaluation.source).name}",
            subtitle=f"{len(evaluation.items)} images the model had not seen",
            headlines=tuple(cards),
            warnings=evaluation.warnings,
            classes=classes,
            confusion_CC=tuple(tuple(int(n) for n in row) for row in evaluation.confusion_CC),
            class_rows=interpret.class_rows(labels_N, probs_NC.argmax(axis=1), groups_N, classes),
            reliability=interpret.reliability(labels_N, probs_NC, groups_N),
            ece=evaluation.ece,
            top_losses=mistakes(
                interpret.top_losses(labels_N, probs_NC, MISTAKES_SHOWN), evaluation.items, labels_N, probs_NC, classes
            ),
            confident_mistakes=mistakes(
                interpret.confident_mistakes(labels_N, probs_NC, MISTAKES_SHOWN),
                evaluation.items,
                labels_N,
                probs_NC,
                classes,
            ),
            skipped=evaluation.skipped,
            run=(("Bundle", f"{predictor.path} ({predictor.manifest.bundle_id})"), ("Source", evaluation.source)),
            seconds=(("evaluate", evaluation.seconds),),
        )
    )


def _answers(predictor: Predictor, items: Sequence[Item]) -> Iterator[tuple[FloatArray, ImageFacts] | Skipped]:
    """Logits and facts of each item, in order; several at once, a bounded number ahead."""

    def one(item: Item) -> tuple[FloatArray, ImageFacts] | Skipped:
        try:
            data = item.path.read_bytes()
            decoded = decode_source(data, predictor.manifest)
        except ImageError as error:
            return Skipped(item.name, error.reason, error.detail)
        except OSError as error:
            return Skipped(item.name, "unreadable", error.strerror or str(error))
        logits_C, _ = predictor.run(decoded.image)
        return logits_C, facts_of(hashlib.sha256(data).hexdigest(), decoded)

    workers = available_cores() + 1
    with ThreadPoolExecutor(workers) as pool:
        rest = iter(items)
        waiting: deque[Future[tuple[FloatArray, ImageFacts] | Skipped]] = deque()
        waiting.extend(pool.submit(one, item) for item in islice(rest, 4 * workers))
        while waiting:
            answer = waiting.popleft().result()
            waiting.extend(pool.submit(one, item) for item in islice(rest, 1))
            yield answer


def _leaks(predictor: Predictor, facts: list[ImageFacts]) -> dict[int, int]:
    arrays = predictor.arrays()
    return copies_of(facts, arrays.pixels_sha256_N32, arrays.frequencies_NKK.astype(np.float32))
