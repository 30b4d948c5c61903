"""Shortcuts: planted ones are found and named, and shuffled labels have none."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageDraw

from drivetrain.core.types import Item
from drivetrain.curate.cells import categories, ranges
from drivetrain.curate.shortcuts import ALL, Shortcut, shortcuts_of
from drivetrain.curate.told import colour_name, folders_of, told_of
from drivetrain.data.image.measured_traits import traits_of_bytes
from drivetrain.data.image.traits import Traits
from drivetrain.stats.folds import grouped_folds

CLASSES = ("black", "grizzly", "teddy")
EACH = 24


def picture(seed: int) -> Image.Image:
    """A picture of varied size and colour that says nothing of any class."""
    rng = np.random.default_rng(seed)
    width, height = (int(side) for side in rng.integers(90, 160, 2))
    ground = Image.fromarray(rng.integers(0, 256, (7, 9, 3)).astype(np.uint8))
    return ground.resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, seed: int = 0, **how: object) -> bytes:
    buffer = io.BytesIO()
    quality = int(np.random.default_rng((seed, 1)).integers(70, 96))
    image.save(buffer, "JPEG", quality=quality, **how)
    return buffer.getvalue()


def as_png(image: Image.Image, seed: int) -> bytes:  # noqa: ARG001  # called as the other ways are
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def framed(image: Image.Image, seed: int) -> bytes:
    ImageDraw.Draw(image).rectangle((0, 0, image.width - 1, image.height - 1), outline=(250, 20, 20), width=4)
    return jpeg(image, seed)


def by_camera(image: Image.Image, seed: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Canon", "Canon EOS 90D"
    return jpeg(image, seed, exif=exif)


def larger(image: Image.Image, seed: int) -> bytes:
    return jpeg(image.resize((image.width * 3, image.height * 3)), seed)


def told_in(planted: Callable[[Image.Image, int], bytes] | None) -> dict[str, Shortcut]:
    """What is told of a set in which the teddies alone went through ``planted``."""
    items, traits, labels = [], [], []
    for number, label in enumerate(CLASSES):
        for n in range(EACH):
            seed = 1000 * number + n
            made = planted if planted and label == "teddy" else jpeg
            traits.append(traits_of_bytes(made(picture(seed), seed)))
            items.append(Item(Path(label), f"{label}/{n}", label))
            labels.append(number)
    found = shortcuts_in(items, traits, np.asarray(labels))
    return {one.slug: one for one in found}


def shortcuts_in(items: list[Item], traits: list[Traits], labels_N: NDArray[np.int64]) -> list[Shortcut]:
    groups_N = np.arange(len(items))
    told = told_of(items, traits, {})
    return shortcuts_of(told, np.eye(3)[labels_N], grouped_folds(labels_N, groups_N, 5, 0), groups_N)


@pytest.mark.parametrize(
    ("planted", "slug", "words"),
    [
        (as_png, "file-type", "PNG"),
        (framed, "border", "border"),
        (by_camera, "camera", "Canon EOS 90D"),
        (larger, "size", "shorter side from"),
    ],
)
def test_a_planted_shortcut_is_found_and_named(
    planted: Callable[[Image.Image, int], bytes], slug: str, words: str
) -> None:
    found = told_in(planted)
    shortcut = found[slug]
    assert shortcut.clear
    assert shortcut.output == CLASSES.index("teddy")
    assert shortcut.sign is not None
    assert words in shortcut.sign.words
    assert shortcut.sign.inside > 0.9
    assert shortcut.sign.outside < 0.1
    first = shortcut.sign.rows[:EACH]
    assert all(row >= 2 * EACH for row in first[: round(0.9 * EACH)]), "its images come first"
    assert next(iter(found)) in {slug, "compression"}, (
        "the most telling stands first; another size is another compression"
    )
    assert found[ALL].clear


def test_a_set_without_a_shortcut_has_none() -> None:
    assert not [slug for slug, one in told_in(None).items() if one.clear]


def test_what_all_images_have_in_common_is_not_asked() -> None:
    assert {"file-type", "camera", "date", "folder"}.isdisjoint(told_in(None))


@pytest.mark.thorough
def test_shuffled_labels_have_a_shortcut_far_less_often_than_once_in_twenty_sets() -> None:
    traits = [traits_of_bytes(jpeg(picture(seed), seed)) for seed in range(60)]
    items = [Item(Path("x"), f"{n}") for n in range(60)]
    rng = np.random.default_rng(0)
    labels_N = np.repeat(np.arange(3), 20)
    alarms, above = 0, []
    for _ in range(300):
        found = shortcuts_in(items, traits, rng.permutation(labels_N))
        alarms += any(one.clear for one in found)
        above.append(any(one.low > 0 for one in found))
    assert alarms == 0
    assert np.mean(above) < 0.05, "even the claim to tell anything at all keeps to its level"


def test_groups_of_equal_images_are_no_evidence_of_their_own() -> None:
    """Ten pictures of each class, each thirty times over: what tells thirty copies apart tells one thing."""
    rng = np.random.default_rng(3)
    base = [traits_of_bytes(jpeg(picture(seed), seed)) for seed in range(30)]
    groups_N = np.repeat(np.arange(30), 30)
    items = [Item(Path("x"), str(n)) for n in range(900)]
    clear = 0
    for _ in range(20):
        labels_N = rng.permutation(np.repeat(np.arange(3), 10))[groups_N]
        folds_N = grouped_folds(labels_N, groups_N, 5, 0)
        told = told_of(items, [base[group] for group in groups_N], {})
        clear += any(one.clear for one in shortcuts_of(told, np.eye(3)[labels_N], folds_N, groups_N))
    assert clear == 0


def test_numbers_are_told_by_the_size_that_follows_them() -> None:
    rng = np.random.default_rng(0)
    sides = rng.integers(50, 300, 200)
    traits = [replace(traits_of_bytes(jpeg(picture(0))), width=400, height=int(side)) for side in sides]
    items = [Item(Path("x"), str(n)) for n in range(200)]
    values_N1 = (sides + rng.normal(0, 10, 200))[:, None]
    found = shortcuts_of(told_of(items, traits, {}), values_N1, np.arange(200) % 5, np.arange(200))
    size = next(one for one in found if one.slug == "size")
    assert size.clear
    assert size.sign is not None
    assert size.sign.inside > size.sign.outside + 50


def test_cells_of_ranges_give_common_values_their_own() -> None:
    cells = ranges([224.0] * 20 + [*map(float, range(300, 340))], "side", "{:.0f}".format, "none", " px")
    assert cells is not None
    assert cells.words[0] == "side 224 px"
    assert len(set(cells.cells_N[:20].tolist())) == 1
    assert cells.words_for(1, cells.ordered - 1) == "side from 300 px on"
    with_none = ranges([1.0, 2.0, None], "x", str, "nothing")
    assert with_none is not None
    assert with_none.words[-1] == "nothing"
    assert ranges([None, None], "x", str, "nothing") is None
    assert categories(["a"] * 9, "") is None


def test_folders_named_like_labels_tell_nothing() -> None:
    items = [
        Item(Path("x"), f"{place}/{label}/{n}.jpg", label) for place in "AB" for label in CLASSES for n in range(9)
    ]
    assert set(folders_of(items)) == {"A", "B"}
    assert set(folders_of([replace(item, name=item.name[2:]) for item in items])) == {None}


def test_a_column_that_only_renames_the_labels_is_left_out() -> None:
    traits = [traits_of_bytes(jpeg(picture(seed))) for seed in range(20)]
    items = [Item(Path("x"), str(n), "ab"[n % 2]) for n in range(20)]
    columns = {
        "id": {str(n): str(n % 2) for n in range(20)},
        "site": {str(n): "north" if n < 10 else "south" for n in range(20)},
    }
    slugs = [told.slug for told in told_of(items, traits, columns)]
    assert "column site" in slugs
    assert "column id" not in slugs


@pytest.mark.parametrize(
    ("colour", "name"),
    [((0.5, 0.5, 0.5), "grey"), ((1, 0, 0), "red"), ((0.4, 0.2, 0.05), "brown"), ((0.2, 0.7, 0.2), "green")],
)
def test_colours_have_plain_names(colour: tuple[float, float, float], name: str) -> None:
    assert colour_name(*colour) == name
