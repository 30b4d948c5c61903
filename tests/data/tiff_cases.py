"""TIFFs of every layout, with the picture that each must give."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from picture_case import Case, Pixels, over_white, turned
from tiff_writer import COMPRESSIONS, Form, Values, assembled, write

from drivetrain.data.image.render import Ranges, Render

HEIGHT, WIDTH = 21, 37
BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIELAB = 1, 2, 3, 5, 6, 8

KINDS = (
    *(("u", bits) for bits in (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 24, 32, 64)),
    *(("i", bits) for bits in (8, 16, 32, 64)),
    *(("f", bits) for bits in (16, 32, 64)),
)
# (photometric, samples, kinds of extra samples), and what people call it.
COLOURS: tuple[tuple[str, int, int, tuple[int, ...]], ...] = (
    ("grey", 0, 1, ()),
    ("grey", 1, 1, ()),
    ("grey and a band without meaning", 1, 2, (0,)),
    ("grey with opacity", 1, 2, (2,)),
    ("grey with opacity", 1, 2, (1,)),
    ("3 to 6 bands, of which 3 are the picture", 1, 3, (0, 0)),
    ("3 to 6 bands, of which 3 are the picture", 1, 4, (0, 0, 0)),
    ("3 to 6 bands, of which 3 are the picture", 1, 5, (0,) * 4),
    ("3 to 6 bands, of which 3 are the picture", 1, 6, (0,) * 5),
    ("RGB", 2, 3, ()),
    ("RGB with further bands", 2, 4, (0,)),
    ("RGB with further bands", 2, 6, (0, 0, 0)),
    ("RGB with opacity", 2, 4, ()),
    ("RGB with opacity", 2, 4, (1,)),
    ("RGB with opacity", 2, 4, (2,)),
    ("RGB with opacity", 2, 5, (2, 0)),
    ("CMYK", 5, 4, ()),
    ("CMYK", 5, 5, (0,)),
)
LAYOUTS: tuple[dict[str, Any], ...] = (
    {},
    {"order": ">"},
    {"planar": True},
    {"planar": True, "order": ">", "tile": (16, 16), "compression": "LZW"},
    {"compression": "LZW", "predictor": 2},
    {"compression": "deflate", "predictor": 2, "order": ">", "tile": (16, 16)},
    {"compression": "deflate", "predictor": 3},
    {"compression": "LZW", "predictor": 3, "order": ">", "planar": True},
    {"tile": (16, 32)},
    {"compression": "PackBits", "reversed_bits": True},
    {"order": ">", "reversed_bits": True},
    {"compression": "LZMA", "rows": 1},
    {"compression": "old deflate", "rows": HEIGHT, "big": True},
    {"planar": True, "compression": "Zstandard", "predictor": 2},
    {"order": ">", "big": True},
)


def soft(samples: int) -> NDArray[np.float64]:
    """Values in 0 to 1, each sample different, without symmetry."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([0.5 + 0.49 * np.sin(x / (3 + s) + y / (5 + s) + s) for s in range(samples)], axis=2)


def numbers(form: Form, samples: int) -> Values:
    """The soft values as numbers of the form."""
    values = soft(samples)
    if form.kind == "u":
        return np.rint(values * ((1 << form.bits) - 1)).astype(np.uint64)
    if form.kind == "i":
        values = np.rint((values - 0.5) * ((1 << form.bits) - 2))
        if (alpha := _alpha(form, samples)) is not None:
            values[:, :, alpha] = np.abs(values[:, :, alpha])
        return values.astype(np.int64)
    return values.astype(f"f{form.bits // 8}")


def _alpha(form: Form, samples: int) -> int | None:
    """The sample that is opacity."""
    if form.photometric == RGB and samples == 4 and not form.extra:
        return 3
    return next((samples - len(form.extra) + at for at, kind in enumerate(form.extra) if kind in (1, 2)), None)


def picture(values: Values, form: Form) -> Pixels:
    """The picture that such numbers are, by the definition of the tags."""
    samples, top = values.shape[2], float((1 << form.bits) - 1)
    shares = values.astype(np.float64)
    if form.kind != "f":
        shares = shares / top if form.kind == "u" else shares / (top - 1) + 0.5
    alpha = _alpha(form, samples)
    if form.photometric == CMYK:
        return (1 - shares[:, :, :3]) * (1 - shares[:, :, 3:4]) * 255
    others = [sample for sample in range(samples) if sample != alpha]
    rgb = shares[:, :, others[:3] if len(others) >= 3 else others[:1] * 3]
    if alpha is None:
        return (1 - rgb if form.photometric == 0 else rgb) * 255
    opacity = shares[:, :, alpha : alpha + 1]
    if form.kind == "i":
        opacity = values[:, :, alpha : alpha + 1] / ((1 << form.bits - 1) - 1)
    if 1 in form.extra:
        rgb = np.minimum(rgb / np.maximum(opacity, 1e-9), 1) * (opacity > 0)
    return over_white(rgb, opacity)


def render(form: Form) -> Render:
    """A rule by which the form's lowest value is black, and its highest white."""
    top = (1 << form.bits) - 1 if form.kind == "u" else (1 << form.bits - 1) - 1
    return Render(ranges=Ranges(integers=(0 if form.kind == "u" else -top, top), floats=(0, 1)))


def _bits(form: Form) -> str:
    if form.kind == "u":
        return "1 to 8 bits" if form.bits <= 8 else "10 to 64 bits"
    return "signed, 8 to 64 bits" if form.kind == "i" else "floating point, 16 to 64 bits"


def layouts() -> Iterator[Case]:
    """Kinds of numbers × colours × layouts in the file."""
    for (kind, bits), (name, photometric, samples, extra), layout in itertools.product(KINDS, COLOURS, LAYOUTS):
        form = Form(bits, kind, photometric, extra=extra, **layout)
        if form.planar and samples == 1:
            continue
        if (form.predictor == 3 and kind != "f") or (form.predictor == 2 and bits not in (8, 16, 32, 64)):
            continue
        refused = None
        if photometric == CMYK and kind != "u":
            refused = "CMYK with signed or floating-point numbers"
        elif kind == "i" and 1 in extra:
            refused = "signed numbers multiplied by opacity"
        yield _case(f"{name}; {_bits(form)}", numbers(form, samples), form, refused)


def _case(row: str, values: Values, form: Form, refused: str | None = None) -> Case:
    data = write(values, form)
    tolerance = 2.0 if form.photometric == CMYK else 1.01 if _alpha(form, values.shape[2]) is None else 1.5
    return Case(
        "TIFF", row, str(form), data, picture(values, form), tolerance, render(form), refused, _stored(values, form)
    )


def _stored(values: Values, form: Form) -> Any:
    """A check that another reader finds the very numbers in the file that were written."""

    def check(data: bytes) -> bool:
        if form.bits == 24:
            return True  # tifffile takes these to be packed without regard to the order of bytes
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            found = file.pages[0].asarray()
        height, width, samples = values.shape
        shape = (samples, height, width) if form.planar and samples > 1 else (height, width, samples)
        found = found.reshape(shape)
        found = np.moveaxis(found, 0, 2) if form.planar and samples > 1 else found
        return bool(np.array_equal(found.astype(values.dtype), values))

    return check


def palettes() -> Iterator[Case]:
    """Colours by number, with colours of 16 bits, and of 8 as some programs write them."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    for bits, order, compression, tile, reversed_bits, narrow in itertools.product(
        (1, 2, 4, 8, 16), "<>", ("none", "LZW"), (None, (16, 16)), (False, True), (False, True)
    ):
        colours_3N = np.random.default_rng(bits).integers(0, 1 << 16, (3, 1 << bits))
        index = ((x * 5 + y * 3) % (1 << bits))[:, :, None]
        more = {320: (3, (colours_3N >> 8 * narrow).reshape(-1).tolist())}
        form = Form(bits, "u", PALETTE, False, compression, 1, order, tile, reversed_bits=reversed_bits, more=more)
        row = f"palette of 1 to 16 bits{', its colours of 8' if narrow else ''}"
        yield Case(
            "TIFF",
            row,
            str((bits, order, compression, tile, reversed_bits)),
            write(index, form),
            (colours_3N >> 8).T[index[:, :, 0]],
            0,
        )


def colour_spaces() -> Iterator[Case]:
    """YCbCr of several coarsenesses, and CIELAB."""
    rgb = np.rint(soft(3) * 180 + 30)
    luma = rgb @ [0.299, 0.587, 0.114]
    ycc = np.stack([luma, (rgb[:, :, 2] - luma) / 1.772 + 128, (rgb[:, :, 0] - luma) / 1.402 + 128], axis=2)
    full = np.rint(ycc).astype(np.int64)
    for planar, tile, compression in itertools.product((False, True), (None, (16, 16)), ("none", "LZW", "deflate")):
        form = Form(8, "u", YCBCR, planar, compression, tile=tile, more={530: (3, [1, 1])})
        yield Case("TIFF", "YCbCr", str(form), write(full, form), rgb, 2.5)
    for (across, down), compression in itertools.product(
        ((2, 2), (2, 1), (4, 2), (1, 2), (4, 4)), ("none", "LZW", "Zstandard")
    ):
        # Colour that is the same wherever it is shared, so that nothing is lost by sharing.
        flat = np.repeat(np.repeat(full[::down, ::across], down, axis=0), across, axis=1)[:HEIGHT, :WIDTH]
        flat[:, :, 0] = full[:, :, 0]
        y, cb, cr = np.moveaxis(flat.astype(np.float64) - (0, 128, 128), 2, 0)
        expected = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=2)
        data = _coarse(flat, across, down, compression)
        yield Case(
            "TIFF", "YCbCr with coarser colour", f"{across}×{down} {compression}", data, expected.clip(0, 255), 2.5
        )
    silent = write(full, Form(8, "u", YCBCR, compression="LZW"))
    yield Case(
        "TIFF", "YCbCr that does not say how coarse it is", "", silent, rgb, 0, refused="does not say how coarse"
    )
    for bits, planar, tile, compression in itertools.product((8, 16), (False, True), (None, (16, 16)), ("none", "LZW")):
        scale = np.array([255 / 100, 1, 1] if bits == 8 else [65535 / 100, 256, 256])
        rounded = np.rint(_lab(rgb) * scale)
        values = rounded.astype(np.int64) & ((1 << bits) - 1)
        form = Form(bits, "u", CIELAB, planar, compression, tile=tile)
        yield Case("TIFF", "CIELAB of 8 or 16 bits", str(form), write(values, form), _from_lab(rounded / scale), 6)


def _coarse(values: Values, across: int, down: int, compression: str) -> bytes:
    columns, rows = -(-WIDTH // across), -(-HEIGHT // down)
    padded = np.pad(values, ((0, rows * down - HEIGHT), (0, columns * across - WIDTH), (0, 0)), mode="edge")
    luma = padded[:, :, 0].reshape(rows, down, columns, across).swapaxes(1, 2).reshape(rows, columns, -1)
    units = np.concatenate([luma, padded[::down, ::across, 1:]], axis=2).astype(np.uint8)
    step = 2  # rows of units in a strip
    pieces = [units[top : top + step].tobytes() for top in range(0, rows, step)]
    if compression != "none":
        pieces = [
            getattr(imagecodecs, f"{ {'LZW': 'lzw', 'Zstandard': 'zstd'}[compression] }_encode")(piece)
            for piece in pieces
        ]
    tags = {
        256: (4, [WIDTH]),
        257: (4, [HEIGHT]),
        258: (3, [8, 8, 8]),
        259: (3, [COMPRESSIONS[compression]]),
        262: (3, [YCBCR]),
        277: (3, [3]),
        278: (4, [step * down]),
        284: (3, [1]),
        530: (3, [across, down]),
    }
    return assembled(pieces, tags, Form())


# sRGB → XYZ, adapted to the white of D50; and that white.
TO_XYZ = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
D50 = np.array([0.96422, 1, 0.82521])


def _lab(rgb: Pixels) -> Pixels:
    """CIELAB with the white of D50, as colour management has it."""
    linear = np.where(rgb <= 0.04045 * 255, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    shares = linear @ TO_XYZ.T / D50
    x, y, z = np.moveaxis(np.where(shares > 216 / 24389, np.cbrt(shares), (24389 / 27 * shares + 16) / 116), 2, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2)


def _from_lab(lab: Pixels) -> Pixels:
    y = (lab[:, :, 0] + 16) / 116
    roots = np.stack([y + lab[:, :, 1] / 500, y, y - lab[:, :, 2] / 200], axis=2)
    shares = np.where(roots > 6 / 29, roots**3, (116 * roots - 16) * 27 / 24389)
    linear = ((shares * D50) @ np.linalg.inv(TO_XYZ).T).clip(0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255


def orientations() -> Iterator[Case]:
    """All eight ways to turn a picture, in the layouts of both readers."""
    rgb = np.rint(soft(3) * 255).astype(np.int64)
    for number, bits, planar in itertools.product(range(1, 9), (8, 16), (False, True)):
        form = Form(bits, orientation=number, planar=planar)
        data = write(rgb * (257 if bits == 16 else 1), form)
        yield Case("TIFF", "turned by its orientation", str(form), data, turned(rgb, number), 0, render(form))


def refusals() -> Iterator[Case]:
    """What nobody reads, and why."""
    values = np.rint(soft(3) * 255).astype(np.int64)
    complex_numbers = (soft(1) + 0.5j).astype(np.complex64)
    mixed = write(values, Form(more={258: (3, [8, 8, 4])}))
    missing = write(values, Form(more={259: (3, [34925 + 1])}))
    for row, data, why in (
        ("complex numbers", write(complex_numbers, Form(64, "c", 1)), "complex numbers"),
        ("bits that differ between samples", mixed, "different bits"),
        ("unknown compression", missing, "its compression is number 34926"),
        ("transparency mask", write(values[:, :, :1], Form(8, "u", 4)), "a transparency mask"),
        ("ICC L*a*b*", write(values, Form(8, "u", 9)), "ICC L"),
        ("CMYK with opacity", write(np.rint(soft(5) * 255), Form(8, "u", CMYK, extra=(2,))), "CMYK with transparency"),
        ("LogLuv", write(values, Form(8, "u", 32845)), "LogLuv"),
    ):
        yield Case("TIFF", row, row, data, values, 0, refused=why)


def cases() -> Iterator[Case]:
    """All of them."""
    for family in (layouts, palettes, colour_spaces, orientations, refusals):
        yield from family()
