"""Small pictures of the training set in the bundle: which, how they look, and what happens to a file tampered with."""

from __future__ import annotations

import gc
import io
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image
from tampering import edit_arrays, reseal, rewrite

import drivetrain as dt
from drivetrain.core.errors import ChecksumError, ImageError, SchemaError, UsageError
from drivetrain.core.types import Item
from drivetrain.model.gallery import SIDE, Gallery, choose, picture_of, write_gallery
from drivetrain.model.storage import GALLERY, read_files, write_files
from drivetrain.training import bundling
from tiny_backbone import TINY

pytestmark = pytest.mark.trains

Arrays = dict[str, np.ndarray]


def photo(width: int = 400, height: int = 300, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def jpeg(seed: int = 0, **options: object) -> bytes:
    data = io.BytesIO()
    photo(seed=seed).save(data, "JPEG", **options)
    return data.getvalue()


# Pictures


def test_a_picture_is_small_upright_and_says_nothing_else() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = "Nobody"
    kept = picture_of(jpeg(exif=exif, comment=b"Drosselweg 7"))
    with Image.open(io.BytesIO(kept)) as image:
        assert image.format == "JPEG"
        assert image.size == (96, SIDE)
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert b"Drosselweg" not in kept
    assert b"Nobody" not in kept


def test_what_cannot_be_decoded_has_no_picture() -> None:
    with pytest.raises(ImageError):
        picture_of(jpeg()[:300])


# The file


def test_written_and_read_it_is_the_same() -> None:
    pictures = {7: picture_of(jpeg(1)), 0: picture_of(jpeg(2)), 3: picture_of(jpeg(3))}
    data = write_gallery(pictures)
    assert write_gallery(dict(sorted(pictures.items()))) == data
    gallery = Gallery.from_bytes(data, 8)
    assert gallery.rows == (0, 3, 7)
    assert {row: gallery.thumbnail(row) for row in gallery.rows} == pictures
    assert gallery.thumbnail(1) is None
    assert gallery.thumbnail(-1) is None


def test_an_empty_one_is_one() -> None:
    gallery = Gallery.from_bytes(write_gallery({}), 5)
    assert gallery.rows == ()
    assert gallery.thumbnail(0) is None


def _set(name: str, place: int, value: int) -> Callable[[Arrays], object]:
    return lambda arrays: arrays[name].__setitem__(place, value)


EDITS: dict[str, Callable[[Arrays], object]] = {
    "an array is missing": lambda a: a.pop("rows_G"),
    "another type": lambda a: a.update(rows_G=a["rows_G"].astype(np.int32)),
    "another shape": lambda a: a.update(jpeg_B=a["jpeg_B"][None]),
    "no offsets": lambda a: a.update(offsets_G1=np.zeros(0, np.int64)),
    "an offset more": lambda a: a.update(offsets_G1=np.append(a["offsets_G1"], a["offsets_G1"][-1])),
    "an offset behind the end": _set("offsets_G1", -1, 1 << 40),
    "a negative offset": _set("offsets_G1", 1, -5),
    "offsets that fall": _set("offsets_G1", 1, 1 << 40),
    "not from the start": _set("offsets_G1", 0, 1),
    "an offset inside a file": _set("offsets_G1", 1, 50),
    "a row beyond the arrays": _set("rows_G", -1, 60),
    "a negative row": _set("rows_G", 0, -1),
    "a row twice": lambda a: a["rows_G"].__setitem__(1, a["rows_G"][0]),
    "not a JPEG": _set("jpeg_B", 0, ord("<")),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_one_that_was_tampered_with_is_refused(edit: Callable[[Arrays], None], trained: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(trained, tmp_path / "bundle"))
    edit_arrays(bundle, GALLERY, edit)
    with pytest.raises(SchemaError, match=r"gallery\.safetensors"):
        dt.load(bundle)


def test_one_that_is_no_safetensors_is_refused(trained: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(trained, tmp_path / "bundle"))
    rewrite(bundle, GALLERY, b"\xff" * 100)
    with pytest.raises(SchemaError, match="malformed"):
        dt.load(bundle)


# In a bundle


def test_a_bundle_keeps_pictures_of_its_training_images(predictor: dt.Predictor) -> None:
    """Each picture is of the image whose embedding stands in its row."""
    gallery = predictor.gallery
    assert gallery is not None
    assert predictor.gallery is gallery
    arrays = predictor.arrays()
    assert gallery.rows == tuple(range(len(arrays.embeddings_ND)))  # fewer images than there is room for
    unit_ND = arrays.embeddings_ND.astype(np.float32)
    unit_ND /= np.linalg.norm(unit_ND, axis=1, keepdims=True)
    right = 0
    for row in gallery.rows:
        picture = gallery.thumbnail(row)
        assert picture is not None
        with Image.open(io.BytesIO(picture)) as image:
            assert max(image.size) <= SIDE
            _, embedding_D = predictor.run(image.convert("RGB"))
        right += int((unit_ND @ embedding_D).argmax()) == row
    assert right >= 0.9 * len(gallery.rows), "coded again they move a little, but not to their neighbours"


def test_a_gallery_does_not_outlive_its_predictor(trained: Path) -> None:
    predictor = dt.load(trained, golden=False)
    gallery = predictor.gallery
    assert gallery is not None
    watched = weakref.ref(gallery)
    del gallery, predictor
    gc.collect()
    assert watched() is None


@pytest.fixture(scope="module")
def smaller(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    folder = tmp_path_factory.mktemp("smaller")

    def train(count: int) -> Path:
        out = folder / f"{count}.bundle"
        if not out.exists():
            dt.train(pictures, out, backbone=TINY, cache=folder / "cache", gallery=count)
        return out

    return train


def test_as_many_of_each_class_as_were_asked_for(smaller: Callable[[int], Path]) -> None:
    predictor = dt.load(smaller(13))
    gallery = predictor.gallery
    assert gallery is not None
    assert sorted(np.bincount(predictor.arrays().targets_N[list(gallery.rows)])) == [4, 4, 5]


def test_none_are_kept_unless_wanted(smaller: Callable[[int], Path]) -> None:
    assert not (smaller(0) / GALLERY).exists()
    predictor = dt.load(smaller(0))
    assert predictor.file(GALLERY) is None
    assert predictor.gallery is None


def test_how_many_are_kept_is_not_part_of_what_a_model_is(smaller: Callable[[int], Path], trained: Path) -> None:
    """Equal models of equal data get equal ids, and equal files."""
    names = ("model.onnx", "arrays.safetensors")
    few, none = read_files(smaller(13)), read_files(smaller(0))
    assert all(few[name] == none[name] == read_files(trained)[name] for name in names)
    assert dt.load(smaller(13)).manifest.bundle_id == dt.load(trained).manifest.bundle_id


def test_equal_data_give_equal_bytes(pictures: Path, trained: Path, tmp_path: Path) -> None:
    dt.train(pictures, tmp_path / "again", backbone=TINY, cache=tmp_path / "cache", workers=1)
    assert (tmp_path / "again" / GALLERY).read_bytes() == (trained / GALLERY).read_bytes()


def test_a_file_gone_or_damaged_since_it_was_embedded_has_no_picture(tmp_path: Path) -> None:
    """It goes while a run lasts, too short a time to hit from outside."""
    (tmp_path / "damaged.jpg").write_bytes(jpeg()[:300])
    (tmp_path / "whole.jpg").write_bytes(jpeg())
    items = [Item(tmp_path / name, name) for name in ("none.jpg", "damaged.jpg", "whole.jpg")]
    assert [bundling._picture(items, row) is None for row in range(3)] == [True, True, False]


def test_a_bundle_without_one_loads_as_before(kept: Path) -> None:
    predictor = dt.load(kept)
    assert predictor.gallery is None


def test_a_bundle_with_one_may_be_replaced_and_zipped(trained: Path, tmp_path: Path) -> None:
    files = {name: data for name, data in read_files(trained).items() if name != GALLERY}
    out = Path(shutil.copytree(trained, tmp_path / "bundle"))
    write_files(files, out)
    assert not (out / GALLERY).exists()
    write_files(read_files(trained), tmp_path / "bundle.zip")
    gallery = dt.load(tmp_path / "bundle.zip").gallery
    assert gallery is not None
    assert gallery.rows


def test_a_file_that_was_altered_is_found_on_loading(trained: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(trained, tmp_path / "bundle"))
    data = bytearray((bundle / GALLERY).read_bytes())
    data[-1] ^= 1
    (bundle / GALLERY).write_bytes(data)
    with pytest.raises(ChecksumError, match=r"gallery\.safetensors was altered"):
        dt.load(bundle)
    (bundle / GALLERY).unlink()
    reseal(bundle)
    assert dt.load(bundle).gallery is None


@pytest.mark.parametrize("count", [-1, 2.5, "many"])
def test_a_count_that_is_none(count: object, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gallery is"):
        dt.train(pictures, tmp_path / "out", gallery=count)  # type: ignore[arg-type]


# The choice


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6), count=st.integers(0, 60), seed=st.integers(0, 2**32 - 1)
)
def test_strata_share_what_there_is(sizes: list[int], count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    strata_N = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = choose(rng.standard_normal((len(strata_N), 4)).astype(np.float16), strata_N, count)
    assert rows == sorted(set(rows))
    assert len(rows) == min(count, sum(sizes))
    shares = np.bincount(strata_N[rows], minlength=len(sizes)).tolist() if rows else [0] * len(sizes)
    # Only a stratum that is used up has less than the others, but for the one that a remainder leaves.
    assert all(share == size or share >= max(shares) - 1 for share, size in zip(shares, sizes, strict=True))


def test_within_a_stratum_they_are_as_different_as_may_be() -> None:
    """Five tight bunches of very different sizes: one of each."""
    rng = np.random.default_rng(3)
    centres_5D = np.eye(5, 16)
    bunch_N = np.repeat(np.arange(5), [60, 3, 1, 20, 9])
    embeddings_ND = (centres_5D[bunch_N] + 0.02 * rng.standard_normal((len(bunch_N), 16))).astype(np.float16)
    rows = choose(embeddings_ND, np.zeros(len(bunch_N), np.int64), 5)
    assert sorted(bunch_N[rows]) == [0, 1, 2, 3, 4]


def test_equal_embeddings_and_zeros_do_no_harm() -> None:
    embeddings_ND = np.zeros((6, 3), np.float16)
    assert choose(embeddings_ND, np.zeros(6, np.int64), 4) == [0, 1, 2, 3]
