"""Pictures in all formats but TIFF, with the picture that each must give."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import heif_files
import imagecodecs
import numpy as np
import png_writer
from numpy.typing import NDArray
from picture_case import Case, Pixels, over_white, turned
from PIL import Image, ImageCms
from profiles import SPACES, lab_of, matrix_profile, press_profile, srgb_of, xyz_of_lab
from profiles import expected as in_srgb

from drivetrain.data.image.render import Ranges, Render

HEIGHT, WIDTH = 24, 36
FULL_16 = Render(ranges=Ranges(integers=(0, 65535)))

Values = NDArray[Any]


def soft(samples: int, height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    """Values in 0 to 1, each sample different, without symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([0.5 + 0.49 * np.sin(x / (5 + s) + y / (7 + s) + s) for s in range(samples)], axis=2)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _exif(number: int) -> bytes:
    return b"Exif\0\0" + png_writer.orientation(number)


def by_opencv(expected: Pixels, tolerance: float) -> Callable[[bytes], bool]:
    """A check that OpenCV finds the same colours; it knows neither orientation nor opacity here."""

    def check(data: bytes) -> bool:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        return found is not None and float(np.abs(found.astype(np.float64) - expected).max()) <= tolerance

    return check


def pngs() -> Iterator[Case]:
    """Every kind of PNG, interlaced or not, turned, with a transparent colour."""
    names = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with opacity", 6: "RGB with opacity"}
    kinds = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16)]
    for (colour, bits), interlaced, number in itertools.product(kinds, (False, True), (1, 3, 6)):
        samples, top = png_writer.CHANNELS[colour], (1 << bits) - 1
        values = np.rint(soft(samples) * top).astype(np.int64)
        turning = [png_writer.chunk(b"eXIf", png_writer.orientation(number))] if number != 1 else []
        data = png_writer.write(values, bits, colour, interlaced=interlaced, before=turning)
        shares = values / top
        rgb = shares[:, :, :3] if samples >= 3 else shares[:, :, [0] * 3]
        expected = over_white(rgb, shares[:, :, -1:]) if colour in (4, 6) else rgb * 255
        confirmed = by_opencv(rgb * 255, 1) if colour in (0, 2) else by_opencv_with_opacity(values, bits)
        row = f"{names[colour]}, {'16' if bits == 16 else '1 to 8'} bits"
        yield Case("PNG", row, f"{interlaced} {number}", data, turned(expected, number), 1.01, FULL_16, None, confirmed)
    for colour, bits in ((0, 2), (0, 8), (0, 16), (2, 8), (2, 16)):
        values = np.rint(soft(png_writer.CHANNELS[colour]) * ((1 << bits) - 1)).astype(np.int64)
        clear = values[5, 7]
        chunk = png_writer.chunk(b"tRNS", clear.astype(">u2").tobytes())
        expected = np.where((values == clear).all(axis=2, keepdims=True), 255, values / ((1 << bits) - 1) * 255)
        data = png_writer.write(values, bits, colour, before=[chunk])
        yield Case(
            "PNG", "one transparent colour, 2 to 16 bits", str((colour, bits)), data, _wide(expected), 1.01, FULL_16
        )
    for bits, interlaced, clear in itertools.product((1, 2, 4, 8), (False, True), (False, True)):
        colours = np.random.default_rng(bits).integers(0, 256, (1 << bits, 3))
        index = np.indices((HEIGHT, WIDTH)).sum(axis=0) % (1 << bits)
        opacity = np.linspace(0, 255, 1 << bits).round()
        chunks = [png_writer.chunk(b"PLTE", colours.astype(np.uint8).tobytes())]
        chunks += [png_writer.chunk(b"tRNS", opacity.astype(np.uint8).tobytes())] if clear else []
        data = png_writer.write(index[:, :, None], bits, 3, interlaced=interlaced, before=chunks)
        rgb = colours[index]
        expected = over_white(rgb / 255, opacity[index][:, :, None] / 255) if clear else rgb
        yield Case("PNG", "palette of 1 to 8 bits", f"{bits} {interlaced} {clear}", data, expected, 1.01)


def _wide(pixels: Pixels) -> Pixels:
    return pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)


def by_opencv_with_opacity(values: Values, bits: int) -> Callable[[bytes], bool]:
    """A check that OpenCV finds the very numbers, opacity too."""

    def check(data: bytes) -> bool:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        order = [2, 1, 0, 3] if values.shape[2] == 4 else [0, 0, 0, 1]
        return found is not None and bool(np.array_equal(found, values[:, :, order].astype(f"u{bits // 8}")))

    return check


def jpegs() -> Iterator[Case]:
    """JPEGs of several colours, coarsenesses and orientations, against OpenCV's decoder."""
    rgb = Image.fromarray(np.rint(soft(3) * 255).astype(np.uint8))
    for mode, sampling, progressive, number in itertools.product(("L", "RGB"), (0, 1, 2), (False, True), range(1, 9)):
        if mode == "L" and sampling:
            continue
        data = _saved(
            rgb.convert(mode), "JPEG", quality=90, subsampling=sampling, progressive=progressive, exif=_exif(number)
        )
        other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        assert other is not None
        row = "grey" if mode == "L" else "colour, also coarse; progressive or not"
        yield Case("JPEG", row, f"{sampling} {progressive} {number}", data, turned(other.astype(float), number), 2)
    inks = np.rint(soft(4) * 255).astype(np.uint8)
    shares = inks / 255
    expected = (1 - shares[:, :, :3]) * (1 - shares[:, :, 3:]) * 255
    yield Case("JPEG", "CMYK", "", _saved(Image.fromarray(inks, "CMYK"), "JPEG", quality=100), expected, 6)


def others() -> Iterator[Case]:
    """WebP, GIF, BMP, TGA, icons, PPM, JPEG 2000 and AVIF."""
    values = np.rint(soft(4) * 255).astype(np.uint8)
    rgb, rgba = Image.fromarray(values[:, :, :3]), Image.fromarray(values)
    plain, laid = values[:, :, :3].astype(float), over_white(values[:, :, :3] / 255, values[:, :, 3:] / 255)
    for number in (1, 6, 8):
        data = _saved(rgb, "WEBP", lossless=True, exif=_exif(number))
        yield Case("WebP", "lossless", str(number), data, turned(plain, number), 0, confirmed=by_opencv(plain, 0))
    yield Case("WebP", "lossless with opacity", "", _saved(rgba, "WEBP", lossless=True, exact=True), laid, 1.01)
    lossy = _saved(rgb, "WEBP", quality=90)
    other = cv2.imdecode(np.frombuffer(lossy, np.uint8), cv2.IMREAD_COLOR_RGB)
    yield Case("WebP", "lossy", "", lossy, np.asarray(other, float), 2)
    palette = rgb.quantize(64)
    known = np.asarray(palette.convert("RGB"), float)
    yield Case("GIF", "palette", "", _saved(palette, "GIF"), known, 0, confirmed=by_opencv(known, 0))
    for mode, kind in itertools.product(("1", "L", "P", "RGB"), ("BMP", "TGA")):
        image = palette if mode == "P" else rgb.convert(mode)
        known = np.asarray(image.convert("RGB"), float)
        yield Case(kind, "1 to 24 bits", mode, _saved(image, kind), known, 0)
    yield Case("TGA", "32 bits, run lengths", "", _saved(rgba, "TGA", compression="tga_rle"), laid, 1.01)
    square = Image.fromarray(np.rint(soft(4, 32, 32) * 255).astype(np.uint8))
    inside = over_white(np.asarray(square)[:, :, :3] / 255, np.asarray(square)[:, :, 3:] / 255)
    for form in ("png", "bmp"):
        yield Case(
            "ICO", "RGB with opacity", form, _saved(square, "ICO", sizes=[(32, 32)], bitmap_format=form), inside, 1.01
        )


def ppms() -> Iterator[Case]:
    """Binary and text, of any white."""
    for highest, samples, text in itertools.product((100, 255, 1023, 4095, 65535), (1, 3), (False, True)):
        values = np.rint(soft(samples) * highest).astype(np.int64)
        magic = {(1, True): "P2", (3, True): "P3", (1, False): "P5", (3, False): "P6"}[samples, text]
        head = f"{magic}\n# white is {highest}\n{WIDTH} {HEIGHT}\n{highest}\n".encode()
        body = (
            " ".join(map(str, values.reshape(-1))).encode()
            if text
            else values.astype(">u2" if highest > 255 else "u1").tobytes()
        )
        row = f"white of {'255 or less' if highest <= 255 else '256 to 65535'}"
        expected = _wide(values / highest * 255)
        yield Case("PPM", row, f"{magic} {highest}", head + body, expected, 1.01, FULL_16)


def jpeg2000s() -> Iterator[Case]:
    """Grey and colour of 8, 12 and 16 bits, with and without opacity, as code stream and in a container."""
    for bits, samples, form in itertools.product((8, 12, 16), (1, 2, 3, 4), ("jp2", "j2k")):
        values = np.rint(soft(samples) * ((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)
        stored = values[:, :, 0] if samples == 1 else values
        data = bytes(imagecodecs.jpeg2k_encode(stored, level=0, bitspersample=bits, codecformat=form))
        shares = values / ((1 << bits) - 1)
        colour = shares[:, :, :3] if samples >= 3 else shares[:, :, [0] * 3]
        expected = over_white(colour, shares[:, :, -1:]) if samples in (2, 4) else colour * 255
        row = f"{'8' if bits == 8 else '12 and 16'} bits"
        yield Case("JPEG 2000", row, f"{bits} {samples} {form}", data, expected, 1.5, FULL_16)


def avifs() -> Iterator[Case]:
    """AVIF of 8, 10 and 12 bits, against another build of libavif."""
    for bits, samples in itertools.product((8, 10, 12), (3, 4)):
        values = np.rint(soft(samples) * ((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)
        data = bytes(imagecodecs.avif_encode(values, level=95, speed=9, bitspersample=bits, pixelformat="444"))
        found = imagecodecs.avif_decode(data).astype(float) / ((1 << bits) - 1)
        expected = over_white(found[:, :, :3], found[:, :, 3:]) if samples == 4 else found * 255
        yield Case("AVIF", "8 to 12 bits", f"{bits} {samples}", data, expected, 3)


def heics() -> Iterator[Case]:
    """HEIC without loss, of 8 and 10 bits, with opacity, and turned by its own property and by EXIF, which it passes over."""
    values = np.rint(soft(4) * 255).astype(np.uint8)
    rgb = values[:, :, :3]
    laid = over_white(rgb / 255, values[:, :, 3:] / 255)
    yield Case("HEIC", "RGB of 8 bits", "", heif_files.saved(rgb), rgb.astype(float), 1)
    yield Case("HEIC", "RGB with opacity", "", heif_files.saved(values), laid, 2)
    yield Case("HEIC", "RGB of 10 bits", "", heif_files.of_ten_bits(rgb), rgb.astype(float), 3)
    for quarters in (1, 2, 3):
        part = heif_files.coded(rgb, heif_files.irot(quarters))
        expected = np.rot90(rgb, quarters).astype(float)
        yield Case("HEIC", "turned", str(quarters), heif_files.heif([part]), expected, 1)


def profiles() -> Iterator[Case]:
    """Profiles by which colours are converted, one that changes nothing, and one that cannot be used."""
    rgb = Image.fromarray(np.rint(soft(3) * 255).astype(np.uint8))
    good = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind, options, tolerance in (
        ("JPEG", {"quality": 100, "subsampling": 0}, 2),
        ("PNG", {}, 1),
        ("WebP", {"lossless": True}, 1),
        ("TIFF", {}, 1),
        ("TIFF", {"compression": "tiff_lzw"}, 1),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 2),
    ):
        plain = _saved(rgb, kind, **options)
        pixels = np.asarray(Image.open(io.BytesIO(plain)).convert("RGB"))
        for name, profile in (("sRGB", good), ("unusable", good[:200] + bytes(300))):
            data = _saved(rgb, kind, icc_profile=profile, **options)
            yield Case(kind, f"with a colour profile: {name}", str(options), data, pixels.astype(float), tolerance)
        for space in SPACES:
            data = _saved(rgb, kind, icc_profile=matrix_profile(space), **options)
            row, name = "with a colour profile: another space", f"{options} {space}"
            yield Case(kind, row, name, data, in_srgb(space, pixels), 3)
    inks = np.rint(soft(4) * 255).astype(np.uint8)
    printed = srgb_of(xyz_of_lab(lab_of(inks)))
    for kind, options in (("JPEG", {"quality": 100, "subsampling": 0}), ("TIFF", {})):
        data = _saved(Image.fromarray(inks, "CMYK"), kind, icc_profile=press_profile(9), **options)
        yield Case(kind, "with a colour profile: inks of a press", str(options), data, printed, 6)


def cases() -> Iterator[Case]:
    """All of them."""
    for family in (pngs, jpegs, others, ppms, jpeg2000s, avifs, heics, profiles):
        yield from family()
