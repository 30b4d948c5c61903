"""Few images, few classes, odd groups: the default command either trains or says in one line why it cannot."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import drivetrain as dt
from drivetrain.app.run import write
from drivetrain.core.errors import DataError
from drivetrain.core.ports import Advance, Silent
from drivetrain.core.types import Dataset, FloatArray, IntArray, Item
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.embed.recipe import View
from drivetrain.embed.registry import packaged, resolve
from drivetrain.learn.crossval import OutOfFold
from drivetrain.learn.kinds.classes import ClassTargets
from drivetrain.learn.reading import read
from drivetrain.learn.selection import default_features
from drivetrain.training.options import TrainOptions
from drivetrain.training.run import fit
from drivetrain.training.stopwatch import Stopwatch

# What takes another input may be registered by the tests of inputs in the same process.
IMAGE_BACKBONES = packaged("image")

pytestmark = pytest.mark.trains

CLASSES, KEPT = 12, 40


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Twelve classes of 40 pictures of 40×40 pixels; the last two are more of the first two digits, not to be told apart."""
    folder, data = tmp_path_factory.mktemp("digits"), load_digits()
    found: dict[str, list[Path]] = {}
    for label in range(CLASSES):
        again = label // 10 * KEPT
        for row in np.flatnonzero(data.target == label % 10)[again : again + KEPT]:
            path = folder / f"{label}-{row:04}.png"
            Image.fromarray((255 - data.images[row] * 15.9).astype(np.uint8)).resize((40, 40)).save(path)
            found.setdefault(str(label), []).append(path)
    return found


@dataclass(frozen=True, eq=False)
class Forced(ClassTargets):
    """Classes of which features of a given width are found best, among those of a backbone and all."""

    own: frozenset[int] = frozenset()
    """Widths of the winner's backbone."""
    width: int = 0
    mirrored: bool = False
    seen: list[int] = field(default_factory=list)
    """Widths looked at so far; the mirrored view comes last, with the width of the plain one that came so far."""

    def quick_fit(self, features_ND: FloatArray, folds_N: IntArray, weights_N: FloatArray) -> OutOfFold:
        found, width = super().quick_fit(features_ND, folds_N, weights_N), features_ND.shape[1]
        mirrored = width in self.seen
        self.seen.append(width)
        loss = {True: 0.5, False: 0.7 if width in self.own else 1.0}[width == self.width]
        if mirrored:
            loss = 0.1 if self.mirrored else 2.0
        return replace(found, losses_N=np.full(len(self), loss), loss=loss)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("blocks", ["last layer", "usual stages", "all stages"])
@pytest.mark.parametrize("backbone", IMAGE_BACKBONES)
def test_every_winner_becomes_a_bundle(
    digits: dict[str, list[Path]], cache_folder: Path, tmp_path: Path, backbone: str, blocks: str, mirrored: bool
) -> None:
    """The middle one is what `auto` tries beside the smallest only within one budget in a thousand, so it is named."""
    network = resolve(backbone)
    choices = {
        "last layer": ("head",),
        "usual stages": default_features(network).blocks,
        "all stages": network.block_names,
    }
    widths = {name: len(network.columns(chosen)) for name, chosen in choices.items()}
    options = TrainOptions("auto" if backbone != "efficientnet-lite1" else backbone, cache=cache_folder)
    items = tuple(Item(path, path.name, label) for label in ("0", "1") for path in digits[label][:6])
    found = read(Dataset("digits", items), options.targets, None, cache_folder)
    forced = Forced(
        found.targets.names, found.targets.values, frozenset(widths.values()), widths[blocks], mirrored=mirrored
    )
    cache = EmbeddingCache(cache_folder)
    trained = fit(replace(found, targets=forced), options, cache, Silent(), Stopwatch(lambda: 0.0))
    cache.close()
    features = trained.chosen.features
    assert (features.backbone.name, features.blocks) == (backbone, choices[blocks])
    assert features.views == ((View.PLAIN, View.MIRROR) if mirrored else (View.PLAIN,))
    assert [trial.name for trial in trained.chosen.trials if trial.chosen] == [features.name]
    if mirrored and blocks == "all stages":
        result = write(trained, tmp_path / "b", Stopwatch(lambda: 0.0))
        predictor = dt.load(result.bundle)
        assert predictor.manifest.backbone.blocks == choices[blocks]
        assert predictor.predict(items[0].path).label in ("0", "1")


def drawn_folder(rng: random.Random, classes: dict[str, list[Path]], folder: Path, *, most: int, large: int) -> Path:
    """2 to ``most`` of the classes with 2 to ``large`` images each, as links."""
    for label in rng.sample(sorted(classes), rng.randint(2, min(most, len(classes)))):
        (folder / label).mkdir(parents=True)
        size = min(rng.randint(2, large), len(classes[label]))
        for file in rng.sample(classes[label], size):
            (folder / label / file.name).symlink_to(file)
    return folder


def trained_with_defaults(folder: Path, out: Path, cache: Path) -> dt.TrainResult:
    result = dt.train(folder, out, cache=cache)
    answer = dt.load(result.bundle).predict(next(folder.rglob("*.*")))
    assert answer.label in result.classes
    return result


@pytest.mark.parametrize("number", [2, 6])  # 41 images of 2 classes, 216 of 11
def test_the_default_on_a_random_small_folder(
    digits: dict[str, list[Path]], cache_folder: Path, tmp_path: Path, number: int
) -> None:
    folder = drawn_folder(random.Random(number), digits, tmp_path / "photos", most=CLASSES, large=KEPT)
    result = trained_with_defaults(folder, tmp_path / "b", cache_folder)
    assert result.images_used == sum(result.classes.values()) == len(list(folder.rglob("*.png")))


def test_the_default_on_the_smallest_folder(digits: dict[str, list[Path]], cache_folder: Path, tmp_path: Path) -> None:
    folder = drawn_folder(random.Random(0), dict(list(digits.items())[:2]), tmp_path / "photos", most=2, large=2)
    result = trained_with_defaults(folder, tmp_path / "b", cache_folder)
    assert result.classes == {"0": 2, "1": 2}


@pytest.mark.parametrize("source", ["bears", "ood", "faces_age"])
def test_the_default_on_a_few_real_photos(data_root: Path, cache_folder: Path, tmp_path: Path, source: str) -> None:
    def label(file: Path) -> str:
        return f"{file.name.split('_')[0][:-1]}0s" if source == "faces_age" else file.parent.name

    classes: dict[str, list[Path]] = {}
    for file in sorted((data_root / source).rglob("*.jpg")):
        classes.setdefault(label(file), []).append(file)
    classes = {name: files for name, files in classes.items() if len(files) > 1}
    folder = drawn_folder(random.Random(source), classes, tmp_path / "photos", most=5, large=6)
    trained_with_defaults(folder, tmp_path / "b", cache_folder)


def some(digits: dict[str, list[Path]], *labels: str, each: int = 2) -> Iterator[Item]:
    """A few items, labelled by their digit."""
    for label in labels:
        for path in digits[label][:each]:
            yield Item(path, path.name, label)


def train_items(items: list[Item], tmp_path: Path, cache: Path, **options: object) -> dt.TrainResult:
    return dt.train(Dataset("few", tuple(items)), tmp_path / "b", cache=cache, **options)  # type: ignore[arg-type]  # as the case has them


def test_a_class_that_is_one_picture(digits: dict[str, list[Path]], cache_folder: Path, tmp_path: Path) -> None:
    """Copies of it are one group, so one of the two folds has nothing of this class to learn from."""
    items = list(some(digits, "0", each=5))
    items += [Item(digits["1"][0], f"copy {number}", "1") for number in range(4)]
    result = train_items(items, tmp_path, cache_folder)
    assert result.groups_duplicates == 1
    assert result.classes == {"0": 5, "1": 4}


def test_all_pictures_are_one(digits: dict[str, list[Path]], cache_folder: Path, tmp_path: Path) -> None:
    items = [Item(digits["1"][0], f"copy {number}", str(number % 2)) for number in range(8)]
    with pytest.raises(DataError, match="all 8 usable images are copies of one picture or belong to one group"):
        train_items(items, tmp_path, cache_folder)


def test_every_picture_under_two_labels(digits: dict[str, list[Path]], cache_folder: Path, tmp_path: Path) -> None:
    items = [replace(item, label=label) for item in some(digits, "0", "3") for label in ("a", "b")]
    assert train_items(items, tmp_path, cache_folder).groups_duplicates == 4


@pytest.mark.parametrize("groups", ["a group a class", "one group but for one image"])
def test_few_groups(digits: dict[str, list[Path]], cache_folder: Path, tmp_path: Path, groups: str) -> None:
    items = [replace(item, group=item.label or "") for item in some(digits, "0", "1", "2", each=4)]
    if groups != "a group a class":
        items = [*(replace(item, group="one") for item in items[:-1]), items[-1]]
    result = train_items(items, tmp_path, cache_folder)
    assert any("there are only 2 folds instead of 5" in line for line in result.warnings)


@pytest.mark.parametrize("task", ["multi-label", "regression"])
def test_other_tasks_with_four_pictures(
    digits: dict[str, list[Path]], cache_folder: Path, tmp_path: Path, task: str
) -> None:
    labels = ("a", "a;b", "b", "") if task == "multi-label" else ("1", "2", "2.5", "1")
    items = [replace(item, label=label) for item, label in zip(some(digits, "0", "1"), labels, strict=True)]
    if task == "regression":
        with pytest.raises(DataError, match="too few"):
            train_items(items, tmp_path, cache_folder, task=task)
        items = [replace(item, label=str(n % 7)) for n, item in enumerate(some(digits, "0", "1", each=10))]
    assert train_items(items, tmp_path, cache_folder, task=task).images_used == len(items)


def test_a_file_that_goes_while_features_are_compared(
    digits: dict[str, list[Path]], cache_folder: Path, tmp_path: Path
) -> None:
    """The view that is embedded later lacks a row; it is not tried, and the run goes on with what is there."""
    folder = drawn_folder(random.Random(3), digits, tmp_path / "photos", most=3, large=12)
    doomed = sorted(folder.rglob("*.png"))[0]

    class Removing(Silent):
        def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
            if name == "compare views":
                doomed.unlink()
            return super().stage(name, total)

    result = dt.train(folder, tmp_path / "b", cache=cache_folder, progress=Removing())
    assert [skipped.reason for skipped in result.skipped] == ["missing"]
    assert "mirrored" not in result.features


def test_of_many_small_classes_some_are_named_and_the_others_counted() -> None:
    names = tuple("abcdefgh")
    (found,) = ClassTargets(names, np.repeat(np.arange(8), 5)).about_counts("none")
    assert "“e” 5, “f” 5 and 2 more. Their" in found.sentence
