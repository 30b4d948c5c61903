"""Traits of pictures: what they say, that they are kept by content, and that sharpness is told whatever the size."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFilter

from drivetrain.core.ports import Silent
from drivetrain.core.types import Item
from drivetrain.data.block.blocks import ImageBlock
from drivetrain.data.image import traits_pass
from drivetrain.data.image.measured_traits import traits_of_bytes
from drivetrain.data.image.sharpness import sharpness
from drivetrain.data.image.traits import Traits
from drivetrain.embed.cache import EmbeddingCache


def textured(width: int = 240, height: int = 160, seed: int = 0) -> Image.Image:
    """A picture with edges of every size: noise at several scales, one on top of the other."""
    rng = np.random.default_rng(seed)
    layers = [
        Image.fromarray(rng.integers(0, 256, (max(2, height // step), max(2, width // step), 3), np.uint8)).resize(
            (width, height), Image.Resampling.NEAREST
        )
        for step in (4, 8, 16, 32)
    ]
    return Image.fromarray(np.mean([np.asarray(layer) for layer in layers], axis=0).astype(np.uint8))


def stored(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def test_light_colour_and_border_are_as_painted() -> None:
    image = Image.new("RGB", (320, 160), (255, 0, 0))
    image.paste((0, 0, 0), (20, 10, 300, 150))
    found = traits_of_bytes(stored(image))
    assert (found.width, found.height, found.format, found.mode, found.aspect) == (320, 160, "PNG", "RGB", 2.0)
    assert found.border == pytest.approx((1, 0, 0), abs=0.01)
    assert found.border_spread < 0.03
    assert 0.05 < found.brightness < 0.12
    assert found.highlight == pytest.approx(0.299, abs=0.01)
    assert found.saturation > 0.9
    assert not found.grey
    assert found.quality is None


def test_a_black_picture_has_no_sharpness_and_no_highlight() -> None:
    found = traits_of_bytes(stored(Image.new("RGB", (64, 64))))
    assert found.sharpness is None
    assert (found.brightness, found.highlight, found.contrast) == (0, 0, 0)
    assert found.grey


def test_grey_is_told_of_infra_red_and_not_of_dark_colours() -> None:
    grey = textured().convert("L").convert("RGB")
    dark = Image.fromarray((np.asarray(textured()) * (0.1, 0.05, 0.02)).astype(np.uint8))
    assert traits_of_bytes(stored(grey)).grey
    assert not traits_of_bytes(stored(dark)).grey


@pytest.mark.parametrize("quality", [20, 50, 75, 90, 95])
def test_the_quality_of_a_jpeg_is_the_one_it_was_saved_at(quality: int) -> None:
    found = traits_of_bytes(stored(textured(), "JPEG", quality=quality))
    assert found.quality == pytest.approx(quality, abs=1)
    assert found.bytes_a_pixel > 0


def test_camera_and_moment_are_read_from_exif() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "NIKON CORPORATION\0", "Nikon\tD90 "
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:02:03 04:05:06"
    found = traits_of_bytes(stored(textured(), "JPEG", exif=exif))
    assert found.camera == "NIKON CORPORATION Nikon D90"
    assert found.taken_at == "2020-02-03T04:05:06+00:00"
    exif[ExifTags.Base.Make] = "Nikon"
    assert traits_of_bytes(stored(textured(), "JPEG", exif=exif)).camera == "Nikon D90"
    assert traits_of_bytes(stored(textured(), "JPEG")).camera is None


def test_metadata_that_cannot_be_read_do_no_harm() -> None:
    found = traits_of_bytes(stored(textured(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    assert (found.camera, found.taken_at) == (None, None)


def test_blur_lowers_sharpness_and_motion_in_one_direction_is_blur() -> None:
    sharp = textured(400, 300)
    motion = np.asarray(sharp, np.float32)
    motion = np.mean([np.roll(motion, shift, axis=1) for shift in range(12)], axis=0)
    values = [sharpness(sharp.filter(ImageFilter.GaussianBlur(radius))) or 0 for radius in (0, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 2 * values[-1]
    assert (sharpness(Image.fromarray(motion.astype(np.uint8))) or 0) < 0.6 * values[0]


def test_sharpness_does_not_depend_on_contrast() -> None:
    sharp = textured(400, 300)
    faint = sharp.point(lambda value: 100 + value / 4)
    assert sharpness(faint) == pytest.approx(sharpness(sharp), abs=0.02)


def test_a_blurred_photo_is_told_from_others_at_any_size(data_root: Path) -> None:
    sharp, blurred, moved = [], [], []
    for path in sorted((data_root / "scenes").rglob("*.jpg"))[:60]:
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        soft = photo.filter(ImageFilter.GaussianBlur(0.006 * max(photo.size)))
        sharp.append(sharpness(photo) or 0)
        blurred.append(sharpness(soft) or 0)
        moved.append(abs(sharp[-1] - (sharpness(photo.resize((photo.width // 2, photo.height // 2), 4)) or 0)))
    assert np.mean(np.asarray(sharp)[:, None] > np.asarray(blurred)[None]) > 0.99
    assert np.median(moved) < 0.06


def test_a_reduced_decode_measures_as_a_full_one(data_root: Path) -> None:
    paths = [path for path in sorted((data_root / "bears_fullsize").rglob("*")) if path.is_file()][:6]
    for path in paths:
        with Image.open(path) as opened:
            full = sharpness(opened.convert("RGB"))
        assert traits_of_bytes(path.read_bytes()).sharpness == pytest.approx(full, abs=0.01), path.name


class Kept(dict[str, str]):
    """Notes in memory."""

    def note(self, name: str) -> str | None:
        return self.get(name)

    def set_note(self, name: str, text: str) -> None:
        self[name] = text

    def notes(self, names: Sequence[str]) -> dict[str, str]:
        return {name: self[name] for name in names if name in self}

    def set_notes(self, texts: Mapping[str, str]) -> None:
        self.update(texts)


def items_in(folder: Path) -> list[Item]:
    for row in range(3):
        (folder / f"{row}.png").write_bytes(stored(textured(seed=row)))
    (folder / "copy.png").write_bytes((folder / "1.png").read_bytes())
    (folder / "broken.png").write_bytes(b"no picture")
    names = ("0.png", "1.png", "2.png", "copy.png", "broken.png", "gone.png")
    return [Item(folder / name, name) for name in names]


def test_traits_are_kept_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items, notes, measured = items_in(tmp_path), Kept(), []
    monkeypatch.setattr(
        traits_pass, "traits_of_bytes", lambda *given: measured.append(given[0]) or traits_of_bytes(*given)
    )
    first = ImageBlock().traits(items, Silent(), 2, notes)
    assert [found is None for found in first] == [False, False, False, False, True, True]
    assert first[1] == first[3]
    assert len(notes) == 3
    assert len(measured) == 4, "the copy is measured with the first, the broken file tried once"
    assert ImageBlock().traits(items, Silent(), 2, notes) == first
    assert len(measured) == 5, "only the broken file is tried again"
    assert ImageBlock().traits(items, Silent()) == first


def test_what_was_kept_and_cannot_be_read_is_measured_anew(tmp_path: Path) -> None:
    items, cache = items_in(tmp_path), EmbeddingCache(None)
    first = ImageBlock().traits(items, Silent(), 2, cache)
    hashes = traits_pass._hashes(items, 2)
    names = [traits_pass._name(sha256, ImageBlock().render) for sha256 in hashes]
    cache.set_notes({str(names[0]): "{}", str(names[1]): "no JSON"})
    assert ImageBlock().traits(items, Silent(), 2, cache) == first


def test_traits_survive_json(tmp_path: Path) -> None:
    found = ImageBlock().traits(items_in(tmp_path), Silent())[0]
    assert found is not None
    assert Traits.from_json(found.to_json()) == found
