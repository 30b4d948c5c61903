"""Metadata go, pixels stay: to the bit, for every format, and for whatever a sender may make of a file."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, features
from PIL.PngImagePlugin import PngInfo

from drivetrain.core.errors import ImageError
from drivetrain.data.image.decode import decode
from drivetrain.data.image.metadata import strip_metadata
from drivetrain.data.image.true_size import true_size

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
]

SECRET = b"Drosselweg 7"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" note="' + SECRET + b'"><tiff:Orientation>8</tiff:Orientation></x:xmpmeta>'


def picture(mode: str = "RGB", size: tuple[int, int] = (61, 43), seed: int = 0) -> Image.Image:
    """Smooth, so that JPEG has something to do, and different in every corner."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 5, 4), np.uint8)
    smooth = Image.fromarray(coarse, "RGBA").resize(size, Image.Resampling.BICUBIC)
    return smooth.convert(mode) if mode != "P" else smooth.convert("RGB").quantize(32)


def exif(orientation: int | None = 6) -> Image.Exif:
    """What a phone writes: place, time, camera, and which way up."""
    block = Image.Exif()
    if orientation is not None:
        block[ExifTags.Base.Orientation] = orientation
    block[ExifTags.Base.Make] = SECRET.decode()
    block[ExifTags.Base.ImageDescription] = SECRET.decode()
    block[ExifTags.IFD.GPSInfo] = {
        int(ExifTags.GPS.GPSLatitudeRef): "N",
        int(ExifTags.GPS.GPSLatitude): (52.0, 31.0, 12.0),
        int(ExifTags.GPS.GPSLongitude): (13.0, 24.0, 36.0),
    }
    read = Image.Exif()  # as from a file, which TIFF's writer wants
    read.load(block.tobytes())
    return read


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def text_chunks() -> PngInfo:
    info = PngInfo()
    info.add_text("Comment", SECRET.decode())
    info.add_text("Author", SECRET.decode() * 20, zip=True)
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return info


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def animation(kind: str) -> bytes:
    frames = [picture("RGBA", seed=seed) for seed in range(3)]
    more: dict[str, object] = {"exif": exif()} if kind != "GIF" else {"comment": SECRET}
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=80, **more)


@cache
def files() -> dict[str, bytes]:
    """Real files, all with something to hide."""
    rgb = picture()
    jpeg = saved(rgb, "JPEG", exif=exif(), comment=SECRET, xmp=XMP, icc_profile=profile(), dpi=(300, 300))
    thumbnail = saved(picture(size=(16, 12)), "JPEG", comment=SECRET)
    made = {
        "jpeg": jpeg,
        "jpeg grey": saved(picture("L"), "JPEG", exif=exif(3), comment=SECRET),
        "jpeg cmyk": saved(rgb.convert("CMYK"), "JPEG", exif=exif(5), comment=SECRET),
        "jpeg progressive": saved(rgb, "JPEG", progressive=True, exif=exif(8), comment=SECRET),
        "jpeg restarts": saved(rgb, "JPEG", restart_marker_rows=1, exif=exif(2), comment=SECRET),
        "jpeg rgb": saved(rgb, "JPEG", keep_rgb=True, exif=exif(7), comment=SECRET),
        "jpeg turned by xmp only": saved(rgb, "JPEG", xmp=XMP, comment=SECRET),
        "jpeg photoshop": jpeg[:2] + jpeg_segment(0xED, b"Photoshop 3.0\0" + SECRET) + jpeg[2:],
        "jpeg thumbnail": jpeg[:2] + jpeg_segment(0xE1, b"Exif\0\0MM\0*" + thumbnail) + jpeg[2:],
        "jpeg JFIF thumbnail": b"\xff\xd8"
        + jpeg_segment(0xE0, b"JFIF\0\1\2\1\0\x48\0\x48\4\1" + SECRET)
        + saved(rgb, "JPEG", comment=SECRET)[20:],
        "jpeg fill": jpeg[:2] + b"\xff" * 500 + jpeg[2:-2] + b"\xff" * 9 + jpeg[-2:],
        "mpo": saved(rgb, "MPO", save_all=True, append_images=[picture(seed=4)], exif=exif(), comment=SECRET),
        "png": saved(picture("RGBA"), "PNG", exif=exif(), pnginfo=text_chunks(), icc_profile=profile()),
        "png palette": saved(picture("P"), "PNG", exif=exif(4), pnginfo=text_chunks(), transparency=3),
        "png 16": saved(Image.fromarray(np.arange(60000, dtype=np.uint16).reshape(200, 300)), "PNG", exif=exif(2)),
        "png turned by xmp only": saved(picture("LA"), "PNG", pnginfo=text_chunks()),
        "apng": animation("PNG"),
        "webp": saved(picture("RGBA"), "WEBP", exif=exif(), xmp=XMP, icc_profile=profile(), quality=60),
        "webp lossless": saved(picture(), "WEBP", exif=exif(3), xmp=XMP, lossless=True),
        "webp turned by xmp only": saved(picture(), "WEBP", xmp=XMP),
        "webp animation": animation("WEBP"),
        "gif": animation("GIF"),
        "tiff": saved(rgb, "TIFF", exif=exif(), icc_profile=profile()),
        "bmp": saved(rgb, "BMP") + SECRET,
        "ppm": b"P6\n#" + SECRET + b"\n" + saved(rgb, "PPM")[3:],
        "jpeg 2000": saved(rgb, "JPEG2000", comment=SECRET),
        "ico": saved(picture("RGBA", (32, 32)), "ICO", sizes=[(32, 32)]) + SECRET,
        "tga": saved(rgb, "TGA", id_section=SECRET),
    }
    png = made["png"]
    late = png_chunk(b"eXIf", exif(5).tobytes()[6:]) + png_chunk(b"tEXt", b"Comment\0" + SECRET)
    made["png exif after the pixels"] = saved(picture(), "PNG")[:-12] + late + png[-12:]
    if features.check("avif"):
        made["avif"] = saved(rgb, "AVIF", exif=exif(), xmp=XMP)
    return {**made, **{f"{name}, more behind": data + SECRET for name, data in made.items()}}


NAMES = sorted(files())
IN_PLACE = {"jpeg": "image/jpeg", "mpo": "image/jpeg", "webp": "image/webp", "png": "image/png", "apng": "image/png"}


def same(stripped: bytes, data: bytes) -> None:
    before, after = decode(data), decode(stripped)
    assert (before.width, before.height) == (after.width, after.height)
    assert before.image.size == after.image.size
    assert before.image.tobytes() == after.image.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_people_stays_and_the_picture_does(name: str) -> None:
    data = files()[name]
    stripped, media_type = strip_metadata(data)
    same(stripped, data)
    assert SECRET not in stripped
    assert b"GPS" not in stripped
    assert b"xmp" not in stripped.lower()
    with Image.open(io.BytesIO(stripped)) as image:
        image.load()
        tags = image.getexif()
        assert set(tags) <= {ExifTags.Base.Orientation}
        assert not tags.get_ifd(ExifTags.IFD.GPSInfo)
        assert not {"comment", "xmp", "photoshop", "mp", "Comment", "Author"} & set(image.info)
        assert Image.MIME[str(image.format)] in (media_type, "image/apng")
    expected = IN_PLACE.get(name.split()[0].rstrip(",")) if "2000" not in name else None
    assert media_type == (expected or "image/png")
    assert strip_metadata(stripped) == (stripped, media_type), "what is clean is left as it is"


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.split()[0].rstrip(",") in IN_PLACE and "2000" not in name]
)
def test_pixels_are_copied_not_coded_again(name: str) -> None:
    """The coded pixels stand in the result as they stood in the file."""
    data, (stripped, _) = files()[name], strip_metadata(files()[name])
    assert len(stripped) < len(data)
    if name.startswith(("jpeg", "mpo")):
        end = data.index(b"\xff\xd9", data.rindex(b"\xff\xda") if "mpo" not in name else data.index(b"\xff\xda"))
        assert data[end - 200 : end - 9] in stripped
    else:
        mark = next(mark for mark in (b"IDAT", b"VP8 ", b"VP8L") if mark in data)
        start = data.index(mark)
        assert data[start : start + 200] in stripped


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [None, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_every_way_up_is_kept(kind: str, orientation: int | None) -> None:
    data = saved(picture(), kind, exif=exif(orientation))
    stripped, _ = strip_metadata(data)
    same(stripped, data)
    with Image.open(io.BytesIO(stripped)) as image:
        left = image.getexif()
    assert dict(left) == ({ExifTags.Base.Orientation: orientation} if orientation in range(2, 9) else {})


@pytest.mark.parametrize("name", ["jpeg", "png", "webp"])
def test_the_colour_profile_stays(name: str) -> None:
    with Image.open(io.BytesIO(strip_metadata(files()[name])[0])) as image:
        assert image.info["icc_profile"] == profile()


def test_what_is_written_anew_is_srgb_and_has_no_profile() -> None:
    with Image.open(io.BytesIO(strip_metadata(files()["tiff"])[0])) as image:
        assert image.format == "PNG"
        assert "icc_profile" not in image.info


@pytest.mark.parametrize("name", ["apng", "webp animation"])
def test_all_frames_of_an_animation_stay(name: str) -> None:
    before, after = (Image.open(io.BytesIO(data)) for data in (files()[name], strip_metadata(files()[name])[0]))
    assert getattr(before, "n_frames", 1) == getattr(after, "n_frames", 1) == 3
    for frame in range(3):
        before.seek(frame)
        after.seek(frame)
        assert before.convert("RGBA").tobytes() == after.convert("RGBA").tobytes()


def test_density_and_colour_transform_of_a_jpeg_stay() -> None:
    with Image.open(io.BytesIO(strip_metadata(files()["jpeg"])[0])) as image:
        assert image.info["dpi"] == (300, 300)
    with Image.open(io.BytesIO(strip_metadata(files()["jpeg cmyk"])[0])) as image:
        assert "adobe" in image.info
        assert image.mode == "CMYK"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_file_that_is_an_archive_too_is_only_a_picture_afterwards(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "both"
    path.write_bytes(saved(picture(), kind))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("evil.html", "<script>alert(1)</script>")
    assert zipfile.is_zipfile(path)
    data = path.read_bytes()
    stripped, _ = strip_metadata(data)
    same(stripped, data)
    assert not zipfile.is_zipfile(io.BytesIO(stripped))
    assert b"evil" not in stripped


def test_text_inside_the_container_goes_as_well() -> None:
    page = b"<html><script>alert(1)</script>"
    jpeg = saved(picture(), "JPEG")
    assert page not in strip_metadata(jpeg[:2] + jpeg_segment(0xE9, page) + jpeg_segment(0xFE, page) + jpeg[2:])[0]
    png = saved(picture(), "PNG")
    assert page not in strip_metadata(png[:33] + png_chunk(b"teSt", page) + png[33:])[0]
    webp = saved(picture("RGBA"), "WEBP", exif=exif())
    more = b"TEXT" + struct.pack("<I", len(page)) + page + b"\0" * (len(page) % 2)
    webp = b"RIFF" + struct.pack("<I", len(webp) - 8 + len(more)) + webp[8:] + more
    assert page not in strip_metadata(webp)[0]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 11, 12, 20, 30, 33, 40])
@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "gif"])
def test_a_file_cut_short_is_an_image_error(name: str, length: int) -> None:
    with pytest.raises(ImageError):
        strip_metadata(files()[name][:length])


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", b"RIFF\xff\xff\xff\xffWEBPVP8X\xff\xff\xff\xff", b"%PDF-1.7", b"\0" * 99]
)
def test_what_is_no_image_is_an_image_error(data: bytes) -> None:
    with pytest.raises(ImageError):
        strip_metadata(data)
    assert true_size(data) is None


def test_lengths_that_lie() -> None:
    jpeg = saved(picture(), "JPEG")
    with pytest.raises(ImageError):
        strip_metadata(jpeg[:2] + b"\xff\xe1\xff\xff" + jpeg[2:300])
    webp = saved(picture("RGBA"), "WEBP", exif=exif())
    with pytest.raises(ImageError):
        strip_metadata(webp[:30] + webp[30:38].replace(webp[34:38], b"\xff" * 4) + webp[38:])
    # Pillow reads pixels to where they end, whatever their chunk says of its length; the end it then does not find.
    png = saved(picture(), "PNG")
    lying = png[:33] + b"\xff\xff\xff\xff" + png[37:] + SECRET
    stripped, _ = strip_metadata(lying)
    same(stripped, png)
    assert SECRET not in stripped


def test_the_files_here_do_say_where_they_were_taken() -> None:
    for name in ("jpeg", "png", "webp", "tiff"):
        with Image.open(io.BytesIO(files()[name])) as image:
            assert image.getexif().get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] == (52.0, 31.0, 12.0)


def test_a_picture_without_its_end_mark_is_kept_if_it_decodes() -> None:
    """Cameras lose the last two bytes now and then; copying would have to guess, so it is coded again."""
    data = saved(picture(), "PNG")[:-12]
    stripped, media_type = strip_metadata(data)
    assert media_type == "image/png"
    assert stripped.endswith(b"IEND\xaeB`\x82")
    same(stripped, data)


def check_against_decode(data: bytes) -> None:
    try:
        before = decode(data)
    except ImageError:
        before = None
    try:
        stripped, _ = strip_metadata(data)
    except ImageError:
        assert before is None, "what can be decoded can be stripped"
        return
    if before is not None:
        after = decode(stripped)
        assert (before.width, before.height) == (after.width, after.height)
        assert before.image.tobytes() == after.image.tobytes()


@pytest.mark.thorough
@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    near=st.booleans(),
    cut=st.none() | st.floats(0, 1),
)
def test_of_a_damaged_file_the_picture_stays_what_decoding_makes_of_it(
    name: str, flips: list[tuple[float, int]], near: bool, cut: float | None
) -> None:
    data = bytearray(files()[name])
    for place, value in flips:
        # Headers stand at the beginning, and that is where a changed byte changes most.
        data[int(place**4 * len(data)) if near else int(place * len(data))] = value
    check_against_decode(bytes(data[: int(cut * len(data))] if cut is not None else data))


def test_an_animation_that_says_twice_how_long_it_is() -> None:
    """Found by fuzzing: Pillow then plays nothing, and reads on to metadata behind the last frame."""
    data = files()["apng"]
    twice = data.index(b"fcTL") - 4
    late = png_chunk(b"eXIf", exif(3).tobytes()[6:])
    again = png_chunk(b"acTL", struct.pack(">II", 1, 0))
    check_against_decode(data[:twice] + again + data[twice:-12] + late + data[-12:])


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from([name for name in NAMES if name.startswith(("jpeg", "png", "apng", "webp"))]),
    place=st.floats(0, 1),
    more=st.binary(max_size=12)
    | st.sampled_from(
        [b"\xff\xd9", b"\xff\xd8", b"\xff\xfe\0\2", b"\xff\xe1\0\4ab", b"\xff\xd0", b"\xff\xff", b"\xff\1"]
    )
    | st.sampled_from([png_chunk(b"tRNS", b"\0\0"), png_chunk(b"tEXt", b"a\0b"), png_chunk(b"IEND", b"")]),
)
def test_what_is_slipped_into_a_file_changes_nothing(name: str, place: float, more: bytes) -> None:
    data = files()[name]
    at = int(place * len(data))
    check_against_decode(data[:at] + more + data[at:])


def test_hostile_counts_end_soon() -> None:
    """Millions of tiny parts, fill bytes without end: refused or read in one pass."""
    jpeg = saved(picture(), "JPEG")
    with pytest.raises(ImageError):
        strip_metadata(jpeg[:2] + b"\xff\xfe\0\2" * (1 << 20) + jpeg[2:])
    stripped, _ = strip_metadata(jpeg[:-2] + b"\xff" * 5_000_000 + jpeg[-2:])
    same(stripped, jpeg)


@pytest.mark.thorough
def test_real_photos(data_root: Path) -> None:
    """Photos off the web, WebP named .jpg and originals of several megapixels among them."""
    photos = sorted((data_root / "bears_fullsize").rglob("*.*")) + sorted((data_root / "bears").rglob("*.jpg"))[::40]
    assert len(photos) > 40
    for path in photos:
        data = path.read_bytes()
        stripped, media_type = strip_metadata(data)
        assert len(stripped) <= len(data) or media_type == "image/png", path
        same(stripped, data)


def test_broken_files(data_root: Path) -> None:
    for path in sorted((data_root / "broken").rglob("*")):
        if path.is_file():
            check_against_decode(path.read_bytes())
