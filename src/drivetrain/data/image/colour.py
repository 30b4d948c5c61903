"""Colours as a file stores them → sRGB, by the colour profile (ICC) in the file. K = 3 channels.

A profile says what light its numbers mean. Cameras and telephones store wider spaces than sRGB (Adobe RGB, Display P3), presses
the inks of a certain paper; read as sRGB such pictures are pale, or dark. Converting is LittleCMS's work, by way of Pillow.

The intent is the profile's own perceptual one, as browsers have it: for spaces that are three primaries and a curve all intents
are the same, and for a press it is the maker's own idea of how the sheet looks on a screen, with the blackest ink as black
(LittleCMS adjusts the black point where, as here, one of the profiles is of version 4).
"""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

Space = Literal["RGB", "L", "CMYK"]

# The largest profiles in use are those of presses, of up to 3 MiB; and the least that a header takes.
MAX_PROFILE, HEADER = 4 << 20, 128
# Spaces of a profile's header that go with the picture's: grey may be stated in a space of colours, as one value for all three.
SPACES: dict[Space, frozenset[bytes]] = {
    "RGB": frozenset({b"RGB "}),
    "L": frozenset({b"GRAY", b"RGB "}),
    "CMYK": frozenset({b"CMYK"}),
}
# Kinds of profile that describe a device or a space; others (links, named colours) describe no picture.
CLASSES = frozenset({b"scnr", b"mntr", b"prtr", b"spac"})
# A profile that changes no colour by more is sRGB, written in other numbers.
SAME_LEVELS = 2
# A profile by which white is hardly lighter than black is broken.
LEAST_CONTRAST = 32
# Profiles that are kept ready, by hash: a data set has a few, one for each make of camera. Most take half a megabyte at most.
KEPT = 12
# Profiles up to this size are known by their bytes, which takes less time than a hash; cameras' and screens' are this small.
SMALL = 16 << 10
# Bytes taken for each of a profile's while it is made ready: read, taken apart, and as a table of colours.
WORK_TIMES = 4


@dataclass(frozen=True)
class Conversion:
    """One way from stored colours to sRGB; with neither part the colours stay as they are."""

    transform: ImageCms.ImageCmsTransform | None = None
    table: bytes | None = None
    """For grey: the level that each of the 256 becomes."""

    @property
    def changes(self) -> bool:
        """Tells whether any colour is changed."""
        return self.transform is not None or self.table is not None

    def of(self, image: Image.Image) -> Image.Image:
        """Convert an image of mode RGB or RGBA in place, or make another of one of mode L, LA or CMYK; opacity stays."""
        if self.table is not None:
            if image.mode == "L":
                return image.point(list(self.table))
            grey, opacity = image.split()
            return Image.merge("LA", (grey.point(list(self.table)), opacity))
        if self.transform is None:
            return image
        made = None if image.mode == "CMYK" else image
        converted = self.transform.apply(image, made)
        converted.info.pop("icc_profile", None)
        return converted


AS_IT_IS = Conversion()

_ready: OrderedDict[tuple[bytes, Space, bool], Conversion | None] = OrderedDict()
_lock = Lock()


def conversion_of(profile: object, space: Space, *, clear: bool = False) -> Conversion | None:
    """The conversion by a profile; None where it cannot be used: broken, too large, or made for another space.

    ``clear``: the image has opacity beside its colours. What is made may be used by several threads.
    """
    if not isinstance(profile, bytes) or not HEADER <= len(profile) <= MAX_PROFILE:
        return None
    key = profile if len(profile) <= SMALL else hashlib.sha256(profile).digest(), space, clear
    with _lock:
        if key in _ready:
            _ready.move_to_end(key)
            return _ready[key]
    if not _fits(profile, space):
        return None
    made = _made(profile, space, clear=clear)
    with _lock:
        _ready[key] = made
        while len(_ready) > KEPT:
            _ready.popitem(last=False)
    return made


def _fits(profile: bytes, space: Space) -> bool:
    return (
        profile[36:40] == b"acsp"
        and int.from_bytes(profile[:4], "big") <= len(profile)
        and profile[12:16] in CLASSES
        and profile[16:20] in SPACES[space]
    )


def _made(profile: bytes, space: Space, *, clear: bool) -> Conversion | None:
    stored = "L" if profile[16:20] == b"GRAY" else "CMYK" if space == "CMYK" else "RGB"
    probe = _probe(space, stored)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        # Optimised for speed, dark grey of a straight curve is up to ten levels off; of grey, 256 levels are all that is asked.
        flags = ImageCms.Flags.NOOPTIMIZE if space == "L" else ImageCms.Flags.NONE
        transform = ImageCms.buildTransform(source, target, stored, "RGB", flags=flags)
        shown = np.asarray(transform.apply(probe))
        if clear and space == "RGB":
            transform = ImageCms.buildTransform(source, target, "RGBA", "RGBA")
    except MemoryError:
        raise
    except Exception:  # on bad bytes LittleCMS fails in many ways, and Pillow passes them on as they come
        return None
    if abs(_light(shown[0, 0]) - _light(shown[-1, -1])) < LEAST_CONTRAST:
        return None
    if space == "CMYK":
        return Conversion(transform)
    if int(np.abs(shown.astype(int) - np.asarray(probe.convert("RGB"))).max()) <= SAME_LEVELS:
        return AS_IT_IS
    if space == "L":
        return Conversion(table=np.rint(shown[0].mean(axis=1)).astype(np.uint8).tobytes())
    return Conversion(transform)


def _probe(space: Space, stored: str) -> Image.Image:
    """Colours on which a conversion is tried, from the darkest to the lightest, or of inks from none to all."""
    if space == "L":
        ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
        return ramp.convert(stored)
    if space == "CMYK":
        return Image.fromarray(np.array([[[0] * 4, [255] * 4]], np.uint8), "CMYK")
    steps = np.arange(0, 257, 32).clip(0, 255).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)
    return Image.fromarray(np.ascontiguousarray(cube.reshape(27, 27, 3)))


def _light(colour: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
    return float(colour.astype(float) @ (0.2126, 0.7152, 0.0722))
