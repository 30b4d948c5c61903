"""Ranges fitted to a data set: what they are, and what they do not depend on."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drivetrain.core.ports import Silent
from drivetrain.data.image import range_fit
from drivetrain.data.image.bit_depth import is_deep, may_be_deep
from drivetrain.data.image.picture import read_picture
from drivetrain.data.image.range_fit import PICTURES, fit_ranges, range_of
from drivetrain.data.image.render import AS_BEFORE, SRGB, Range, Ranges, Render


def write(folder: Path, name: str, values: NDArray[Any]) -> tuple[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(folder / name)
    return name, folder / name


def ramp(low: float, high: float, kind: str, size: int = 24) -> NDArray[Any]:
    values = np.linspace(low, high, size * size).reshape(size, size)
    return values.astype(kind) if kind.startswith("f") else np.rint(values).astype(kind)


def fitted(pictures: Sequence[tuple[str, object]], render: Render = SRGB) -> Ranges:
    found = fit_ranges(render, pictures, Silent(), 2).render.ranges
    assert isinstance(found, Ranges)
    return found


@pytest.mark.parametrize(
    ("ends", "floats", "expected"),
    [
        ([(0, 4000)] * 9, False, (0, 4095)),
        ([(0, 1020)] * 9, False, (0, 1023)),
        ([(2, 250)] * 9, False, (0, 255)),
        ([(0, 40000)] * 9, False, (0, 65535)),
        ([(0, 1500)] * 9, False, (0, 1500)),
        ([(7000, 9000)] * 9, False, (7000, 9000)),
        ([(7130, 8890)] * 9, False, (7000, 9000)),
        ([(-1024, 2900)] * 9, False, (-1200, 3000)),
        ([(-3, 4000)] * 9, False, (0, 4095)),
        ([(0, 0.97)] * 9, True, (0, 1)),
        ([(0, 1.0005)] * 9, True, (0, 1)),
        ([(0, 0.3)] * 9, True, (0, 0.3)),
        ([(0, 251)] * 9, True, (0, 255)),
        ([(0, 4090)] * 9, True, (0, 4095)),
        ([(281.3, 309.1)] * 9, True, (280, 310)),
        ([(-48, -21.5)] * 9, True, (-48, -20)),
        ([(5, 5)] * 9, False, None),
        ([], True, None),
    ],
)
def test_a_range_is_a_scale_that_people_use_or_a_coarse_grid(
    ends: list[tuple[float, float]], floats: bool, expected: Range | None
) -> None:
    assert range_of(ends, floats=floats) == expected


def test_a_few_pictures_of_another_kind_do_not_widen_a_range() -> None:
    usual, odd = [(0.0, 3900.0)] * 40, [(0.0, 65535.0), (-30000.0, 65000.0)]
    assert range_of(usual + odd, floats=False) == (0, 4095)
    assert range_of([(0, 3900), (0, 3900), (0, 65535)], floats=False) == (0, 4095)


def test_a_range_stays_when_some_pictures_are_left_out() -> None:
    rng = np.random.default_rng(0)
    for floats, scale, offset in ((False, 2000, 7000), (False, 4095, 0), (True, 1, 0), (True, 30, 280)):
        spread = rng.uniform(0, 1, (200, 2)) ** (8, 1 / 8) * scale + offset
        pairs = [(float(low), float(high)) for low, high in spread if low < high]
        whole = range_of(pairs, floats=floats)
        kept = [range_of([pairs[row] for row in rng.permutation(len(pairs))[10:]], floats=floats) for _ in range(50)]
        assert sum(one == whole for one in kept) >= 48


def test_integers_and_floating_point_are_fitted_apart(tmp_path: Path) -> None:
    pictures = [write(tmp_path, f"{n}.png", ramp(0, 4000, "uint16")) for n in range(3)]
    pictures += [write(tmp_path, f"{n}.tif", ramp(0, 0.99, "float32")) for n in range(2)]
    pictures += [write(tmp_path, f"{n}8.png", ramp(0, 255, "uint8")) for n in range(2)]
    fit = fit_ranges(SRGB, pictures, Silent(), 2)
    assert fit.render == Render(ranges=Ranges(integers=(0, 4095), floats=(0, 1)))
    assert fit.words == "integers 0 to 4095, floating point 0 to 1 (from 3 and 2 pictures)"
    assert fitted(pictures[::-1]) == fit.render.ranges


def test_what_is_known_is_not_fitted(tmp_path: Path) -> None:
    pictures = [write(tmp_path, "a.png", ramp(0, 4000, "uint16")), write(tmp_path, "a.tif", ramp(0, 1, "float32"))]
    stated = Ranges(integers=(0, 9999))
    assert fitted(pictures, Render(ranges=stated)) == Ranges(integers=(0, 9999), floats=(0, 1))
    for render in (AS_BEFORE, Render(ranges=Ranges(integers=(0, 1), floats=(0, 1)))):
        fit = fit_ranges(render, pictures, Silent(), 2)
        assert (fit.render, fit.words) == (render, None)


def test_a_hot_pixel_a_fill_value_and_nan_are_no_part_of_a_range(tmp_path: Path) -> None:
    pictures = []
    for n in range(6):
        values = ramp(0, 0.96, "float32")
        values[3, 4], values[:5, :5], values[9, 9] = 50, -9999, np.nan
        pictures.append(write(tmp_path, f"{n}.tif", values))
    assert fitted(pictures).floats == (0, 1)


def test_other_files_are_not_opened_and_broken_ones_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0\0\0\1" * 2 + b"\x10\0\0\0\0")
    pictures: list[tuple[str, object]] = [
        ("gone.jpg", tmp_path / "gone.jpg"),
        ("gone.tif", tmp_path / "gone.tif"),
        ("broken.png", tmp_path / "broken.png"),
    ]
    assert fitted(pictures) == Ranges()
    assert fitted([*pictures, write(tmp_path, "good.png", ramp(0, 1000, "uint16"))]) == Ranges(integers=(0, 1023))


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


def test_what_a_picture_says_is_noted_by_its_bytes_and_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [write(tmp_path, f"{n}.tif", ramp(0, 0.9 - n / 100, "float32")) for n in range(4)]
    notes, read = Kept(), []
    monkeypatch.setattr(range_fit, "read_picture", lambda *given: read.append(given[0]) or read_picture(*given))
    first = fit_ranges(SRGB, pictures, Silent(), 2, notes)
    assert len(read) == len(notes) == 4
    moved = [(f"elsewhere/{name}", path.rename(tmp_path / f"moved {name}")) for name, path in pictures]
    moved.append(write(tmp_path, "new.tif", ramp(0, 0.8, "float32")))
    again = fit_ranges(SRGB, moved, Silent(), 2, notes)
    assert read[4:] == [tmp_path / "new.tif"]
    assert (first.words, again.words) == (
        "floating point 0 to 1 (from 4 pictures)",
        "floating point 0 to 1 (from 5 pictures)",
    )


def test_a_bounded_sample_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_fit, "PICTURES", 5)
    pictures = [write(tmp_path, f"{n}.png", ramp(0, 1000, "uint16", 8)) for n in range(9)]
    assert PICTURES > 100
    assert fit_ranges(SRGB, pictures, Silent(), 2).words == "integers 0 to 1023 (from 5 pictures)"


def test_pictures_in_memory_are_fitted_to_as_well(tmp_path: Path) -> None:
    _, path = write(tmp_path, "a.png", ramp(0, 4000, "uint16"))
    sources = [
        ("a", path.read_bytes()),
        ("b", Image.fromarray(ramp(0, 0.9, "float32"))),
        ("c", np.zeros((4, 4), np.uint8)),
    ]
    assert fitted(sources) == Ranges(integers=(0, 4095), floats=(0, 1))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int32", "float32"])
@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM", "JPEG2000", "tiled", "big-endian", "bigtiff"])
def test_more_than_8_bits_are_told_by_the_header(kind: str, form: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    values, buffer = ramp(0, 200, kind, 64), io.BytesIO()
    if form in ("tiled", "big-endian", "bigtiff"):
        options = {"tiled": {"tile": (16, 16)}, "big-endian": {"byteorder": ">"}, "bigtiff": {"bigtiff": True}}[form]
        tifffile.imwrite(buffer, np.stack([values] * 3, -1), photometric="rgb", **options)
    elif kind in ("int32", "float32") and form != "TIFF":
        pytest.skip(f"{form} has no {kind}")
    else:
        Image.fromarray(values).save(buffer, form)
    buffer.seek(0)
    assert is_deep(buffer) == (kind != "uint8")


@pytest.mark.parametrize(
    "data", [b"", b"II*\0", b"MM\0*\0\0\0\x08\0\1", b"P5 1", b"P5\nx y z w", b"\x89PNG\r\n\x1a\n", b"\xff\x4f\xff\x51"]
)
def test_a_header_that_is_cut_short_says_nothing(data: bytes) -> None:
    assert is_deep(io.BytesIO(data)) is False


def test_only_names_of_8_bit_formats_rule_a_file_out() -> None:
    shallow = ["a.jpg", "b.JPEG", "c.webp", "d.gif", "e.bmp", "f.avif", "g.heic"]
    assert [name for name in [*shallow, "a.png", "b.TIF", "c.pgm", "d.jp2", "e", "f.dat"] if may_be_deep(name)] == [
        *("a.png", "b.TIF", "c.pgm", "d.jp2", "e", "f.dat")
    ]
