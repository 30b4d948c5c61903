"""Evaluate: a bundle on labelled images it has not seen. Shapes: N images, C classes."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from ..core.cores import available_cores
from ..core.errors import DataError, ImageError
from ..core.ports import Progress, Silent
from ..core.types import Dataset, FloatArray, ImageFacts, IntArray, Interval, Item, Skipped
from ..curate.duplicates import copies_of
from ..data.facts import facts_of
from ..data.folder import SPLITS
from ..data.sources import open_source
from ..embed.cache import default_folder
from ..learn import interpret
from ..learn.report import Headline, Report, render
from ..model import metrics
from ..model.metrics import Floats, softmax
from ..model.predictor import Predictor, decode_source, load
from .groups import group_numbers
from .report_page import MISTAKES_SHOWN, mistakes


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures of a bundle on a source. ``near_duplicates_of_training`` images were left out of every figure."""

    source: str
    classes: tuple[str, ...]
    items: tuple[Item, ...] = field(repr=False)
    labels_N: IntArray = field(repr=False)
    probs_NC: Floats = field(repr=False)
    skipped: tuple[Skipped, ...] = field(repr=False)
    near_duplicates_of_training: int
    accuracy: Interval
    log_loss: float
    ece: float
    auc: float | None
    """With two classes, both of them present; else None."""
    confusion_CC: IntArray
    seconds: float
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The document that ``evaluate --json`` prints."""
        document: dict[str, object] = {
            "n": len(self.items),
            "skipped": len(self.skipped),
            "skipped_files": [asdict(skipped) for skipped in self.skipped],
            "near_duplicates_of_training": self.near_duplicates_of_training,
            "accuracy": {"value": self.accuracy.value, "low": self.accuracy.low, "high": self.accuracy.high},
            "log_loss": self.log_loss,
            "ece": self.ece,
            "confusion": {"labels": list(self.classes), "counts": self.confusion_CC.tolist()},
            "warnings": list(self.warnings),
            "seconds": round(self.seconds, 3),
        }
        if len(self.classes) == 2:
            document["auc"] = self.auc
        return document


def evaluate(
    bundle: str | Path | Predictor,
    source: str | Path | Dataset | Iterable[object],
    *,
    split: str | None = None,
    keep_leaks: bool = False,
    golden: bool = True,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a bundle (its path, or as loaded) on a labelled source (anything that `drivetrain.train` takes).

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
    known, unknown = _by_class(dataset, split, predictor.classes)
    skipped = [*dataset.skipped, *unknown]
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
    if skipped:
        reasons = ", ".join(f"{n} {reason}" for reason, n in Counter(one.reason for one in skipped).most_common())
        warnings.append(
            f"{len(skipped)} files do not count: {reasons} (first: {skipped[0].name}, {skipped[0].detail})."
        )
    if not keep_leaks:
        judged = [entry for row, entry in enumerate(judged) if row not in leaks]
    if not judged:
        raise DataError(_nothing_left(dataset.source, skipped, len(leaks)))
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
        auc=_auc(labels_N, probs_NC),
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
    if evaluation.auc is not None:
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


def _by_class(dataset: Dataset, split: str | None, classes: tuple[str, ...]) -> tuple[list[Item], list[Skipped]]:
    """The items of a split whose class the bundle knows, and the others as skipped.

    Raises:
        DataError: there is no such split, or none of its classes is known.
    """
    chosen = [item for item in dataset.items if split is None or item.split == SPLITS.get(split.lower(), split)]
    if not chosen:
        names = sorted({item.split for item in dataset.items if item.split})
        found = f"its splits are {', '.join(names)}" if names else "it has no splits"
        raise DataError(f"{dataset.source} has no split “{split}”; {found}")
    known = [item for item in chosen if item.label in classes]
    if not known:
        labels = sorted({item.label or "no label" for item in chosen})
        raise DataError(
            f"no image of {dataset.source} has a class of the bundle ({', '.join(classes[:10])}); "
            f"found {', '.join(labels[:10])}; name the folders as the bundle names its classes"
        )
    unknown = [
        Skipped(item.name, "unknown class", f"“{item.label}” is not in the bundle")
        for item in chosen
        if item.label not in classes
    ]
    return known, unknown


def _auc(labels_N: IntArray, probs_NC: Floats) -> float | None:
    """For two classes of which both occur."""
    if probs_NC.shape[1] != 2 or len(np.unique(labels_N)) != 2:
        return None
    return metrics.auc(labels_N == 1, probs_NC[:, 1])


def _nothing_left(source: str, skipped: Sequence[Skipped], leaks: int) -> str:
    if leaks:
        return (
            f"all {leaks} readable images of {source} are copies of training images, so they say nothing about new ones; "
            "give others, or count them all the same with --keep-leaks"
        )
    first = f"first {skipped[0].name}: {skipped[0].reason}, {skipped[0].detail}"
    return f"none of the {len(skipped)} files of {source} can be judged ({first}); give images that can be read"


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
