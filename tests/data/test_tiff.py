"""TIFFs beyond their values: which picture of several, what is passed on, and files made to mislead or to exhaust."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import tiff_cases
import tiff_picture_cases
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiff_writer import Form, assembled, write

from drivetrain.core.errors import ImageError
from drivetrain.data.image.decode import decode, decoding_bytes
from drivetrain.data.image.render import AS_BEFORE, SRGB, Ranges, Render
from drivetrain.data.image.tiff import read_values
from drivetrain.data.image.tiff_layout import read_layout
from drivetrain.data.image.values import Values

RGB = np.random.default_rng(0).integers(0, 256, (21, 37, 3))
SMALL = RGB[::3, ::3]

# Pillow warns of much that is odd in a file.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

Tags = dict[int, tuple[int, Any]]


def pages(*pictures: tuple[np.ndarray, Form], loop: bool = False) -> bytes:
    """Several pictures one after another; ``loop``: the last is followed by the first."""
    data, links, starts = b"", [], []
    for values, form in pictures:
        one = write(values, form)
        start = struct.unpack_from(f"{form.order}I", one, 4)[0]
        shifted = bytearray(one)
        if data:
            _shift(shifted, start, len(data), form.order)
        starts.append(len(data) + start)
        links.append(len(data) + start + 2 + 12 * struct.unpack_from(f"{form.order}H", one, start)[0])
        data += bytes(shifted) + b"\0" * (len(shifted) % 2)
    whole = bytearray(data)
    for number, link in enumerate(links):
        following = starts[number + 1] if number + 1 < len(starts) else starts[0] if loop else 0
        struct.pack_into("<I", whole, link, following)
    return bytes(whole)


def _shift(one: bytearray, start: int, by: int, order: str) -> None:
    """Move a file's offsets, as it is to lie behind others."""
    for entry in range(struct.unpack_from(f"{order}H", one, start)[0]):
        at = start + 2 + 12 * entry
        tag, kind, count, value = struct.unpack_from(f"{order}HHII", one, at)
        size = count * {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}[kind]
        if size > 4 or tag in (273, 324):
            struct.pack_into(f"{order}I", one, at + 8, value + by)
        if tag in (273, 324) and size > 4:
            for number in range(count):
                place = value + 4 * number
                struct.pack_into(f"{order}I", one, place, struct.unpack_from(f"{order}I", one, place)[0] + by)


def of(subfile: int | None, old: int | None = None, **options: Any) -> Form:
    more: Tags = {} if subfile is None else {254: (4, [subfile])}
    return Form(more=more | ({} if old is None else {255: (3, [old])}), **options)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((), (None,)),
        ((), (None, None)),
        ((1,), (0,)),
        ((1, 4), (0, 1)),
        ((5, 1, 1), (2, 0)),
        ((), (0, 1, 1)),
    ],
)
def test_the_first_picture_that_is_no_thumbnail_nor_mask(
    planar: bool, before: tuple[int, ...], after: tuple[int | None, ...]
) -> None:
    form = of(None, planar=planar)
    small = [(SMALL, of(kind)) for kind in before]
    rest = [
        (RGB if number == 0 else SMALL, Form(planar=planar, more=of(kind).more)) for number, kind in enumerate(after)
    ]
    assert np.array_equal(np.asarray(decode(pages(*small, *rest)).image), RGB)
    assert form.planar is planar


def test_the_old_tag_for_a_thumbnail_counts_too() -> None:
    assert np.array_equal(np.asarray(decode(pages((SMALL, of(None, 2)), (RGB, of(None, 1)))).image), RGB)


def test_where_all_are_thumbnails_the_first_is_the_picture() -> None:
    for loop in (False, True):
        data = pages((RGB, of(1)), (SMALL, of(1)), loop=loop)
        assert np.array_equal(np.asarray(decode(data).image), RGB)


def test_pictures_inside_of_tags_are_passed_over() -> None:
    inner = write(SMALL, Form())
    data = write(RGB, Form(more={330: (4, [8])}))
    assert np.array_equal(np.asarray(decode(data + inner).image), RGB)


def test_no_data_and_profile_are_passed_on() -> None:
    grey = RGB[:, :, :1].astype(np.float32)
    for text, value in (
        (b"-9999\0", -9999.0),
        (b" 1e+20 \0", 1e20),
        (b"nan\0", None),
        (b"none\0", None),
        (b"1" * 60, None),
    ):
        data = write(grey, Form(32, "f", 1, more={42113: (2, text), 34675: (7, b"a profile")}))
        pixels = read_values(data, read_layout(data)).pixels
        assert isinstance(pixels, Values)
        assert pixels.profile == b"a profile"
        assert pixels.no_data == value or (value is None and (pixels.no_data is None or np.isnan(pixels.no_data)))


def test_parts_that_a_sparse_file_leaves_out_are_no_data() -> None:
    values = np.full((32, 32, 1), 7, np.uint16)
    form = Form(16, "u", 1, tile=(16, 16), more={42113: (2, b"0\0")})
    whole = bytearray(write(values, form))
    layout = read_layout(bytes(whole))
    # The third tile is there no more: neither offset nor bytes.
    for at in (whole.rfind(struct.pack("<4I", *layout.offsets)), whole.rfind(struct.pack("<4I", *layout.counts))):
        whole[at + 8 : at + 12] = bytes(4)
    found = np.asarray(decode(bytes(whole), render=Render(ranges=Ranges(integers=(0, 7)))).image)
    assert (found[16:, :16] == 0).all()
    assert (found[:16] == 255).all()
    assert (found[16:, 16:] == 255).all()


def tags(**changed: tuple[int, Any] | None) -> Tags:
    plain: Tags = {
        256: (4, [37]),
        257: (4, [21]),
        258: (3, [16] * 3),
        259: (3, [1]),
        262: (3, [2]),
        277: (3, [3]),
        278: (4, [21]),
        284: (3, [1]),
    }
    for name, value in changed.items():
        if value is None:
            plain.pop(int(name[1:]))
        else:
            plain[int(name[1:])] = value
    return plain


def jpeg(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "JPEG")
    return buffer.getvalue()


STRIP = RGB.astype("<u2").tobytes()


def lying(strip: bytes = STRIP, **changed: tuple[int, Any] | None) -> bytes:
    return assembled([strip], tags(**changed), Form())


# Each is refused before more memory is taken than the file has bytes, and a little.
REFUSED: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "no width": (lambda: lying(t256=None), "a size of 0×21"),
    "no strips": (
        lambda: lying().replace(struct.pack("<HH", 273, 4), struct.pack("<HH", 65000, 4)),
        "asks for 1 pieces",
    ),
    "a width of billions": (lambda: lying(t256=(4, [4_000_000_000])), "at most"),
    "a length of millions": (lambda: lying(t257=(4, [60_000_000]), t278=(4, [60_000_000])), "at most"),
    "samples without number": (lambda: lying(t277=(3, [60000])), "60000 values a pixel"),
    "samples enough to fill memory": (
        lambda: lying(t277=(3, [4096]), t256=(4, [9000]), t257=(4, [9000]), t278=(4, [9000])),
        "of memory",
    ),
    "strips that nobody asked for": (lambda: assembled([STRIP, STRIP], tags(), Form()), "whose tags name 2"),
    "bits without number": (lambda: lying(t258=(3, [60000] * 3)), "60000 bits"),
    "a strip of one row, many times": (lambda: lying(t257=(4, [65000]), t278=(4, [1])), "asks for 65000 pieces"),
    "tiles of nothing": (lambda: lying(t322=(4, [0]), t323=(4, [0])), "tiles are 0×0"),
    "tiles of a gigabyte": (lambda: lying(t322=(4, [30000]), t323=(4, [30000]), t278=None), "of memory"),
    "a strip cut short": (lambda: lying(STRIP[:-1]), "fewer bytes"),
    "a deflated strip cut short": (lambda: lying(zlib.compress(STRIP)[:-40], t259=(3, [8])), "cannot be decoded"),
    "a deflated strip of too little": (lambda: lying(zlib.compress(STRIP[:-1]), t259=(3, [8])), "cannot be decoded"),
    "garbage for LZW": (lambda: lying(b"\xff" * 500, t259=(3, [5])), "cannot be decoded"),
    "garbage for LZMA": (lambda: lying(b"\xff" * 500, t259=(3, [34925])), "cannot be decoded"),
    "garbage for Zstandard": (lambda: lying(b"\xff" * 500, t259=(3, [50000])), "cannot be decoded"),
    "differences of an unknown kind": (
        lambda: lying(zlib.compress(STRIP), t259=(3, [8]), t317=(3, [9])),
        "predictor 9",
    ),
    "a palette without colours": (lambda: lying(t262=(3, [3]), t258=(3, [8]), t277=(3, [1])), "palette is missing"),
    "RGB of one value": (lambda: lying(t277=(3, [1]), t258=(3, [16])), "3 are needed"),
    "a JPEG of another size for each plane": (
        lambda: assembled([jpeg(90, 90)] * 3, tags(t259=(3, [7]), t258=(3, [8] * 3), t284=(3, [2])), Form()),
        "holds a picture of another size",
    ),
    "a directory in the middle of nowhere": (lambda: b"II*\0" + struct.pack("<I", 1 << 31) + bytes(99), "lies beyond"),
    "a directory of a million tags": (
        lambda: b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1 << 20) + bytes(99),
        "1048576 tags",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_tags_that_lie_are_refused_and_take_nothing(name: str) -> None:
    make, words = REFUSED[name]
    data = make()
    tracemalloc.start()
    with pytest.raises(ImageError) as caught:
        decode(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert words in str(caught.value)
    assert most < len(data) + (4 << 20)


def test_pieces_that_unpack_to_gigabytes_are_refused_however_small_picture_and_file_are() -> None:
    # All but a row of each tile is passed over.
    tiles = [zlib.compress(bytes(16 * 65536 * 8), 1)] * 300
    changed = {"t256": (4, [16 * 300]), "t257": (4, [1]), "t258": (3, [64]), "t259": (3, [8]), "t262": (3, [1])}
    more = {"t277": (3, [1]), "t278": None, "t322": (4, [16]), "t323": (4, [65536])}
    data = assembled(tiles, tags(**changed, **more), Form(tile=(16, 65536)))
    with pytest.raises(ImageError, match=r"unpack to 2\.34 GiB"):
        decode(data)


def test_a_jpeg_in_a_tiff_that_ends_too_soon_is_refused() -> None:
    buffer = io.BytesIO()
    Image.fromarray(RGB.astype(np.uint8)).save(buffer, "TIFF", compression="jpeg")
    whole = buffer.getvalue()
    assert decode(whole).image.size == (37, 21)
    at = whole.index(struct.pack("<HHI", 279, 4, 1)) + 8
    half = struct.pack("<I", int.from_bytes(whole[at : at + 4], "little") // 2)
    with pytest.raises(ImageError) as caught:
        decode(whole[:at] + half + whole[at + 4 :])
    assert caught.value.reason == "truncated"


@pytest.mark.parametrize("code", [8, 34925, 50000])
def test_a_strip_that_unpacks_to_more_than_its_share_takes_no_more(code: int) -> None:
    import imagecodecs

    bomb = bytes(100 << 20)
    packed = {8: zlib.compress, 34925: imagecodecs.lzma_encode, 50000: imagecodecs.zstd_encode}[code](bomb)
    data = lying(bytes(packed), t259=(3, [code]))
    need = decoding_bytes(data)
    tracemalloc.start()
    assert (np.asarray(decode(data).image) == 0).all()  # its own share of the zeros
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < need < 20 << 20


@pytest.mark.thorough
@pytest.mark.parametrize("compression", ["LZW", "deflate"])
def test_a_strip_of_more_bytes_than_pillow_takes_for_pixels(compression: str) -> None:
    """One strip of 96 MB: libtiff is given it as pixels of four bytes, as a picture of so many would be refused."""
    values = np.zeros((4000, 4000, 3), np.uint16)
    values[::7, ::5] = (0, 257, 65535)
    data = write(values, Form(16, rows=4000, compression=compression))
    found = decode(data, render=Render(ranges=Ranges(integers=(0, 65535))))
    assert np.array_equal(np.asarray(found.image), values >> 8)


def test_what_only_says_too_little_of_itself_is_read() -> None:
    full = Render(ranges=Ranges(integers=(0, 255)))
    for changed in ({"t279": None}, {"t278": None}, {"t262": None}, {"t284": None}, {"t278": (4, [(1 << 32) - 1])}):
        data = lying(**{name: value for name, value in changed.items() if name != "t279"})
        if "t279" in changed:
            data = data.replace(struct.pack("<HH", 279, 4), struct.pack("<HH", 65000, 4))
        assert np.array_equal(np.asarray(decode(data, render=full).image), RGB)


SEEDS = tuple(
    case.data
    for number, case in enumerate(
        [*tiff_cases.colour_spaces(), *tiff_picture_cases.cases(), *tiff_cases.orientations()]
    )
    if number % 3 == 0
)


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    directory = struct.unpack_from("<I" if data[:2] == b"II" else ">I", data, 4)[0]
    for _ in range(draw(st.integers(1, 5))):
        # The directory decides most, so most changes fall there.
        low, high = draw(st.sampled_from([(directory, directory + 240), (0, len(data))]))
        at = min(draw(st.integers(low, high)), len(data) - 1)
        data[at : at + 1] = bytes([draw(st.sampled_from([0, 1, 2, 3, 127, 128, 255]) | st.integers(0, 255))])
    return bytes(data)


@pytest.mark.thorough
@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
@given(data=mutants(), render=st.sampled_from([SRGB, AS_BEFORE]))
def test_altered_tags_give_a_picture_or_an_image_error(data: bytes, render: Render) -> None:
    with suppress(ImageError):
        decoded = decode(data, render=render, max_pixels=4_000_000)
        assert decoded.image.mode == "RGB"
        assert decoded.image.size == (decoded.width, decoded.height)
