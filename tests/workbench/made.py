"""Surveys of sets that were never pictures: features around a centre for each class, with labels put wrong on purpose."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from drivetrain.core.scratch import Scratch
from drivetrain.core.types import Dataset, Embeddings, IntArray, Item, ItemFacts
from drivetrain.curate.duplicates import Duplicates
from drivetrain.data.block.blocks import ImageBlock
from drivetrain.learn.kinds.targets import Targets
from drivetrain.learn.reading import Read, samples_of, targets_of
from drivetrain.learn.target_options import TargetOptions
from drivetrain.model.kinds.tasks import TaskName
from drivetrain.training.features import Chosen
from drivetrain.training.options import TrainOptions
from drivetrain.training.sample import Sample
from drivetrain.workbench.session import CleaningSession
from drivetrain.workbench.survey import Survey, fit_survey


class Nowhere:
    """A reference to bytes that are not there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def read_bytes(self) -> bytes:
        raise OSError(2, "No such file or directory")


def cloud(n: int, classes: int, width: int = 24, *, spread: float = 0.55, seed: int = 0) -> tuple[np.ndarray, IntArray]:
    """(n, width) features of unit length around a centre for each class, and the classes they are truly of."""
    rng = np.random.default_rng(seed)
    truth_N = np.arange(n) % classes
    centres = rng.normal(size=(classes, width))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    features = centres[truth_N] + spread * rng.normal(size=(n, width)) / np.sqrt(width) * 2
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32), truth_N


def made(
    features_ND: np.ndarray,
    labels: list[str],
    *,
    task: TaskName = "classification",
    groups_N: IntArray | None = None,
    pairs: tuple[tuple[int, int, str, float], ...] = (),
    **options: object,
) -> Survey:
    """The survey of such a set; item 7 is ``set/0007.jpg``."""
    n = len(labels)
    items = tuple(
        Item(Nowhere(f"{row:04}.jpg"), f"set/{row:04}.jpg", label, sha256=f"{row:064x}")
        for row, label in enumerate(labels)
    )
    training = TrainOptions(targets=TargetOptions(task=task, **options))
    dataset, targets = _read(items, training.targets)
    facts = tuple(ItemFacts(f"{row:064x}", f"{row:064x}", {"width": 40 + row, "height": 30}) for row in range(n))
    embeddings = Embeddings(features_ND, np.arange(n), facts, ())
    groups = np.arange(n) if groups_N is None else groups_N
    chosen = Chosen(None, embeddings, np.empty(0, np.float32), (), "")  # type: ignore[arg-type]  # no network made these
    sample = Sample(dataset.items, targets, groups, np.ones(n, np.float32), features_ND)
    read = Read(dataset, targets, ImageBlock())
    duplicates = Duplicates(groups, pairs, None)
    return fit_survey(Survey(read, chosen, sample, duplicates, None, None, None, training))


def _read(items: tuple[Item, ...], options: TargetOptions) -> tuple[Dataset, Targets]:
    read = samples_of(Dataset("set", items), options, None, Scratch())
    target = read.kind.known(read.target, read.samples)
    texts = [target.text(sample.target) for sample in read.samples]
    described = tuple(replace(item, label=text) for item, text in zip(items, texts, strict=True))
    return Dataset("set", described), targets_of(read.kind, target, read.samples, options)


NAMES = ("ant", "bee", "cat", "dog")


def classes(
    n: int = 240, *, wrong: int = 12, seed: int = 0, spread: float = 0.55
) -> tuple[Survey, list[int], list[str]]:
    """A set of four classes, the rows whose labels are wrong, and what all labels should be."""
    features, truth_N = cloud(n, 4, seed=seed, spread=spread)
    truth = [NAMES[one] for one in truth_N]
    rows = np.sort(np.random.default_rng(seed + 1).permutation(n)[:wrong]).tolist()
    labels = [NAMES[(truth_N[row] + 1) % 4] if row in rows else truth[row] for row in range(n)]
    return made(features, labels), rows, truth


def wait_for(session: CleaningSession, version: int, *, seconds: float = 30.0) -> None:
    """Until the ranking has that version, and nothing is under way."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if session.version >= version and session.state in ("ready", "failed"):
            return
        time.sleep(0.005)
    raise AssertionError(f"version {session.version}, {session.state}: {session.problem}")
