"""HEIC photos: upright once, whichever way they are put together; known sizes; and never half a picture."""

from __future__ import annotations

import io
import sys
import zlib
from pathlib import Path

import heif_files as made
import numpy as np
import pillow_heif
import pytest
from forged import box, saved
from heif_files import Part, Pixels
from PIL import Image

from drivetrain.core.errors import LIBRARY_MISSING, ImageError
from drivetrain.data.image.decode import EXTENSIONS, decode, decoding_bytes
from drivetrain.data.image.files import IMAGES
from drivetrain.data.image.heif import announced, is_heif
from drivetrain.data.image.metadata import strip_metadata
from drivetrain.data.image.true_size import true_size
from drivetrain.data.image.verify import verify_images
from drivetrain.data.sources.foreign_files import foreign_file


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    return np.random.default_rng(4).integers(0, 256, (72, 104, 3), np.uint8)


def shown(data: bytes) -> Pixels:
    return np.asarray(decode(data).image)


def test_a_photo_is_what_was_saved(pixels: Pixels) -> None:
    decoded = decode(made.saved(pixels))
    assert np.array_equal(np.asarray(decoded.image), pixels)
    assert (decoded.width, decoded.height, decoded.format, decoded.mode) == (104, 72, "HEIC", "RGB")


@pytest.mark.parametrize("quarters", range(4))
def test_a_turn_is_done_once(pixels: Pixels, quarters: int) -> None:
    photo = made.coded(pixels, made.irot(quarters))
    upright = np.rot90(pixels, quarters)
    assert np.array_equal(shown(made.heif([photo])), upright)
    # EXIF says the same, as cameras write it, or something else: what counts is the file's own property.
    for orientation in (1, 3, 6, 8):
        told = made.heif([photo, Part(b"Exif", made.exif(orientation))], [(b"cdsc", 2, [1])])
        assert np.array_equal(shown(told), upright)
        assert decode(told).width == upright.shape[1]


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turn_that_only_exif_states_is_passed_over(pixels: Pixels, orientation: int) -> None:
    told = made.heif([made.coded(pixels), Part(b"Exif", made.exif(orientation))], [(b"cdsc", 2, [1])])
    assert np.array_equal(shown(told), pixels)


def test_a_mirror_and_a_turn_are_done_in_their_order(pixels: Pixels) -> None:
    assert np.array_equal(shown(made.heif([made.coded(pixels, made.imir(0))])), pixels[::-1])
    assert np.array_equal(shown(made.heif([made.coded(pixels, made.imir(1))])), pixels[:, ::-1])
    both = made.heif([made.coded(pixels, made.irot(1), made.imir(1))])
    assert np.array_equal(shown(both), np.rot90(pixels, 1)[:, ::-1])


def test_a_telephones_photo_is_put_together_from_cells() -> None:
    picture = np.random.default_rng(5).integers(0, 256, (150, 200, 3), np.uint8)
    parts, references = made.of_cells(picture, 64, made.irot(3))
    data = made.heif(parts, references)
    assert np.array_equal(shown(data), np.rot90(picture, 3))
    size = true_size(data)
    assert size is not None
    assert (size.width, size.height) == (200, 150)


def test_the_main_picture_of_several_is_read(pixels: Pixels) -> None:
    other = np.ascontiguousarray(255 - pixels)
    burst = [made.coded(pixels), made.coded(other)]
    assert np.array_equal(shown(made.heif(burst)), pixels)
    assert np.array_equal(shown(made.heif(burst, primary=2)), other)


def test_thumbnails_and_depth_maps_are_left_alone(pixels: Pixels) -> None:
    small = made.coded(np.ascontiguousarray(pixels[:64, :64]))
    depth = made.coded(pixels[..., 0], made.aux(b"urn:mpeg:hevc:2015:auxid:2"))
    data = made.heif([made.coded(pixels), small, depth], [(b"thmb", 2, [1]), (b"auxl", 3, [1])])
    assert np.array_equal(shown(data), pixels)
    alone = made.heif([made.coded(pixels)])
    assert decoding_bytes(data) == decoding_bytes(alone) + 3 * (len(data) - len(alone))


def test_transparency_is_laid_over_white(pixels: Pixels) -> None:
    alpha = np.zeros((72, 104), np.uint8)
    alpha[:, 52:] = 255
    data = made.heif([made.coded(pixels), made.coded(alpha, made.aux())], [(b"auxl", 2, [1])])
    image = shown(data)
    assert decode(data).mode == "RGBA"
    assert (image[:, :50] == 255).all()
    assert np.array_equal(image[:, 54:], pixels[:, 54:])


def test_grey_is_read_as_grey(pixels: Pixels) -> None:
    data = made.saved(pixels[..., 0], matrix_coefficients=6, chroma=420)
    assert decode(data).mode == "L"
    assert np.abs(shown(data).astype(int) - pixels[..., :1]).max() <= 2


@pytest.mark.parametrize("mode", ["RGB;16", "I;16"])
def test_ten_bits_become_eight(mode: str) -> None:
    levels = np.arange(0, 65536, 512, dtype=np.uint16).reshape(8, 16).repeat(12, 0).repeat(8, 1)
    values = levels if mode == "I;16" else np.dstack([levels] * 3)
    buffer = io.BytesIO()
    written = pillow_heif.from_bytes(mode=mode, size=(128, 96), data=values.tobytes())
    written.save(buffer, quality=-1, chroma=444, matrix_coefficients=6)
    assert np.abs(shown(buffer.getvalue()).astype(float)[..., 0] - levels / 257).max() <= 1.5


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc"])
def test_every_brand_is_known(pixels: Pixels, brand: bytes) -> None:
    data = made.heif([made.coded(pixels)], brand=brand)
    assert is_heif(data)
    assert IMAGES.begins(data)
    assert foreign_file(data) is None
    assert np.array_equal(shown(data), pixels)


@pytest.mark.parametrize("ending", ["heic", "heif", "hif", "heics", "heifs"])
def test_every_ending_is_known(ending: str) -> None:
    assert f".{ending}" in EXTENSIONS


def test_an_avif_of_the_common_brand_stays_one(pixels: Pixels) -> None:
    data = saved(Image.fromarray(pixels), "AVIF").replace(b"ftypavif", b"ftypmif1")
    assert not is_heif(data)
    assert decode(data).format == "AVIF"


@pytest.mark.parametrize("cells", [False, True])
def test_half_a_file_is_no_picture(cells: bool) -> None:
    """libheif leaves cells black that it does not find."""
    picture = np.random.default_rng(6).integers(0, 256, (130, 190, 3), np.uint8)
    data = made.heif(*made.of_cells(picture, 64)) if cells else made.saved(picture)
    for share in range(1, 20):
        cut = data[: len(data) * share // 20]
        with pytest.raises(ImageError) as caught:
            decode(cut)
        assert caught.value.reason == "truncated"
        with pytest.raises(ImageError):
            decode(cut + bytes(len(data) - len(cut)))  # as a copy that broke off, in a file of the full size


def test_a_photo_coded_otherwise_is_refused_by_name() -> None:
    jpeg = made.heif([Part(b"jpeg", b"\xff\xd8\xff", (made.ispe(8, 8),))])
    with pytest.raises(ImageError, match="an HEIF photo coded as JPEG, which cannot be read here; save it as JPEG"):
        decode(jpeg)
    cells = made.heif([made.grid(8, 8, 1, 1), Part(b"av01", b"12", (made.ispe(8, 8),))], [(b"dimg", 1, [2])])
    with pytest.raises(ImageError, match="coded as AV1"):
        decode(cells)


def test_a_sequence_without_a_still_picture_says_so() -> None:
    data = box(b"ftyp", b"hevc", bytes(4), b"hevcmsf1") + box(b"moov", box(b"trak")) + box(b"mdat", bytes(99))
    with pytest.raises(ImageError, match="an HEIF sequence without a still picture"):
        decode(data)


def test_the_size_is_the_decoders_own(pixels: Pixels) -> None:
    photo = made.coded(pixels)
    small = [made.ispe(16, 16) if b"ispe" in one else one for one in photo.described]
    lying = made.heif([Part(photo.kind, photo.data, tuple(small))])
    assert announced(lying).width >= 104
    large = [made.ispe(9000, 12000) if b"ispe" in one else one for one in photo.described]
    with pytest.raises(ImageError, match="9000×12000 pixels"):
        decode(made.heif([Part(photo.kind, photo.data, tuple(large))]))


def test_a_small_picture_of_many_large_ones_is_refused() -> None:
    large = np.zeros((2048, 2048, 3), np.uint8)
    photo = made.coded(large, quality=30, chroma=420, matrix_coefficients=6)
    data = made.heif([made.grid(2, 2, 16, 16), photo], [(b"dimg", 1, [2] * 256)])
    with pytest.raises(ImageError, match="put together from"):
        decode(data)
    twice = made.heif([made.grid(2, 2, 1, 1), made.grid(2, 2, 1, 1)], [(b"dimg", 1, [2]), (b"dimg", 2, [1])])
    with pytest.raises(ImageError, match="others"):
        decode(twice)


def test_packed_texts_are_not_unpacked(pixels: Pixels) -> None:
    bomb = zlib.compress(bytes(64 << 20), 9)
    text = Part(b"mime", bomb, encoding=b"deflate")
    data = made.heif([made.coded(pixels), text], [(b"cdsc", 2, [1])])
    assert np.array_equal(shown(data), pixels)


def test_nothing_of_where_and_when_is_kept(pixels: Pixels) -> None:
    data = made.heif([made.coded(pixels, made.irot(1)), Part(b"Exif", made.exif(6))], [(b"cdsc", 2, [1])])
    stripped, media_type = strip_metadata(data)
    assert media_type == "image/png"
    assert b"Exif" not in stripped
    assert np.array_equal(shown(stripped), np.rot90(pixels))


def test_where_the_library_is_missing_the_file_is_not_at_fault(
    pixels: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    photo, broken = tmp_path / "IMG_1.heic", tmp_path / "cut.jpg"
    photo.write_bytes(made.saved(pixels))
    broken.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ImageError, match="pip install pi-heif") as caught:
        decode(photo.read_bytes())
    assert caught.value.reason == LIBRARY_MISSING
    with pytest.warns(UserWarning, match=r"1 file could not be verified, first .*IMG_1\.heic: .*pip install pi-heif"):
        assert verify_images([photo, broken]) == [broken]


def test_a_good_photo_is_not_among_the_broken(pixels: Pixels, tmp_path: Path) -> None:
    photo = tmp_path / "IMG_1.HEIC"
    photo.write_bytes(made.saved(pixels))
    assert verify_images([photo]) == []


def test_an_encoders_own_file_has_the_size_it_says() -> None:
    for side in (64, 100, 333):
        data = made.saved(np.zeros((side, 2 * side, 3), np.uint8), quality=50, chroma=420, matrix_coefficients=6)
        size = true_size(data)
        assert size is not None
        # Coded in blocks, which reach a little beyond the picture.
        assert 2 * side <= size.width < 2 * side + 64
        assert side <= size.height < side + 64


def test_metadata_are_not_copied_for_every_picture(pixels: Pixels) -> None:
    small = np.ascontiguousarray(pixels[:64, :64])
    data = made.heif([*[made.coded(small)] * 12, Part(b"Exif", bytes(1 << 20))], [(b"cdsc", 13, list(range(1, 13)))])
    assert decoding_bytes(data) < 12 << 20
    assert np.array_equal(shown(data), small)


@pytest.mark.parametrize("kind", [b"E\xff\xfff", b"\xff\xff\xff\xff", b"uri ", b"\0\0\0\0"])
def test_metadata_of_a_strange_kind_do_no_harm(pixels: Pixels, kind: bytes) -> None:
    """A library that makes text of the kind would end the process."""
    data = made.heif([made.coded(pixels), Part(kind, made.exif(6))], [(b"cdsc", 2, [1])])
    assert np.array_equal(shown(data), pixels)
