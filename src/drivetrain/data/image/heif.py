"""An HEIC or HEIF file's pictures, found where libheif finds them: the primary item, what it is put together from, its alpha.

Thumbnails, depth maps, gain maps and the other pictures of a burst are not decoded and do not count.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...core.errors import ImageError
from .boxes import Box, boxes
from .hevc import Coded, Units, coded
from .items import Located, item_kinds, located, place_of_kind, properties, references

# Brands that a file with HEVC in it begins with; those of `EITHER` also begin other files.
HEVC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
EITHER = frozenset({b"mif1", b"mif2", b"msf1", b"miaf", b"MiHE", b"MiHA", b"MiHB"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})

HEVC_ITEMS = frozenset({b"hvc1", b"hev1"})
AV1 = b"av01"
PUT_TOGETHER = frozenset({b"grid", b"iovl", b"iden"})
# Codings of pictures that are not read, and how people call them.
OTHER_CODINGS = {
    b"jpeg": "JPEG",
    b"avc1": "AVC (H.264)",
    b"vvc1": "VVC (H.266)",
    b"evc1": "EVC",
    b"j2k1": "JPEG 2000",
    b"unci": "uncompressed samples",
    b"tili": "tiles",
    b"mski": "a mask",
    AV1: "AV1",
}

# The most pictures that are decoded for one: a grid of 48 megapixels has under 200 cells, each may have its alpha.
MAX_PICTURES = 2048
# The pixels that are decoded for one picture: at most this many times its own, beyond a few cells at its edges.
MAX_WORK, EDGES = 4, 16 << 20
# The most cells that are decoded at a time: one in each of the decoder's threads, and one that is being pasted.
AT_ONCE = 5
# Bytes of a pixel of a picture that is put together on the way to another.
INNER_BYTES = 12
# Words by which an auxiliary picture is known as the alpha; others (depth, gain) are not decoded.
ALPHA = frozenset(
    (
        b"urn:mpeg:hevc:2015:auxid:1",
        b"urn:mpeg:avc:2015:auxid:1",
        b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    )
)
# Copies of the picture: as decoded and turned, as RGB in one, as Python's bytes, as Pillow's, and the last.
COPIES = 2
OUTPUT_BYTES = 4 + 4 + 4 + 4
# Boxes of which a list of pictures has at most one.
ONCE = frozenset({b"pitm", b"iinf", b"iloc", b"iprp", b"iref", b"idat"})
CUT_SHORT = "an HEIC photo that ends before its picture does; copy or download it again"
# Copies of the file itself, whole and in items.
COPIES_OF_FILE = 3
TEXT = b"mime"
UNUSED = b"skip"


@dataclass(frozen=True, slots=True)
class Announced:
    """The largest picture a decoder makes of the file, the bytes a pixel of it takes, and those of all that comes beside."""

    width: int
    height: int
    pixel_bytes: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Contents:
    """The items of a file: kinds, bytes, properties, parts (`dimg`) and alphas (`auxl`) by number."""

    primary: int | None
    kinds: dict[int, bytes]
    data: dict[int, Located]
    described: dict[int, list[Box]] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)
    beside: dict[int, list[int]] = field(default_factory=dict)
    needless: list[int] = field(default_factory=list)
    """Places in the file of the names of boxes that a decoder can do without, see `without_needless`."""

    @property
    def leaves(self) -> frozenset[bytes]:
        """The codings of the pictures that there are."""
        return frozenset(kind for kind in self.kinds.values() if kind in HEVC_ITEMS or kind in OTHER_CODINGS)


def is_heif(data: bytes) -> bool:
    """Tells whether a file is an HEIF whose picture is coded in HEVC, or in nothing else that is read here."""
    if data[4:8] != b"ftyp":
        return False
    brand = data[8:12]
    if brand in HEVC_BRANDS:
        return True
    if brand not in EITHER:
        return False
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    brands = {data[at : at + 4] for at in range(16, end - 3, 4)}
    if not brands & AVIF_BRANDS:
        return True
    try:
        found = contents(data)
    except (ImageError, IndexError, struct.error):
        return False
    return bool(found.leaves & HEVC_ITEMS) and (
        AV1 not in found.leaves or found.kinds.get(found.primary or 0) in HEVC_ITEMS
    )


def announced(data: bytes) -> Announced:
    """Read from the headers what decoding the primary picture takes.

    Raises:
        ImageError: there is no picture in it that can be read, or it is made to take far more than it shows.
    """
    try:
        found = contents(data)
        _check_coding(found)
        return _Reckoning(data, found).total()
    except (IndexError, struct.error):
        raise ImageError("truncated", "it ends within the list of its pictures") from None


def contents(data: bytes) -> Contents:
    """List the items of the file.

    Raises:
        ImageError: there is no list, two of what there must be one, or too much.
        IndexError, struct.error: it is cut short.
    """
    parts, entries = _list_of(data)
    kinds = {number: kind for number, kind, _ in entries}
    listed = list(located(data, parts[b"iloc"], parts.get(b"idat")))
    items = {item.number: item for item in listed}
    if len(kinds) < len(entries) or len(items) < len(listed):
        raise ImageError("damaged", "it lists a picture twice")
    found = Contents(
        _primary(data, parts.get(b"pitm")),
        kinds,
        items,
    )
    found.needless.extend(_packed_texts(data, [box for _, kind, box in entries if kind == TEXT]))
    _relate(data, parts, found)
    return found


def _list_of(data: bytes) -> tuple[dict[bytes, Box], list[tuple[int, bytes, Box]]]:
    """Find the parts of the `meta` box, and the items that are listed there."""
    tops = list(boxes(data))
    metas = [box for box in tops if box.kind == b"meta"]
    if not metas and any(box.kind == b"moov" for box in tops):
        words = "an HEIF sequence without a still picture; save single frames of it as JPEG or PNG"
        raise ImageError("not an image", words)
    inner = list(boxes(data, metas[0].start + 4, metas[0].end)) if metas else []
    parts = {box.kind: box for box in inner}
    once = [box.kind for box in inner if box.kind in ONCE]
    if len(metas) > 1 or len(set(once)) < len(once):
        raise ImageError("damaged", "it lists its pictures twice")
    if b"iloc" not in parts or b"iinf" not in parts:
        if not tops or tops[-1].end == len(data):
            raise ImageError("truncated", CUT_SHORT)
        raise ImageError("damaged", "it begins like an HEIC photo, but lists no picture")
    return parts, list(item_kinds(data, parts[b"iinf"]))


def without_needless(data: bytes) -> bytes:
    """Hide from the library what the picture does not need: texts that would be unpacked, whatever their size, and references to
    metadata, which would be copied for each picture they are about; a kind of metadata that is no text ends the process."""
    changed = bytearray(data)
    for at in contents(data).needless:
        changed[at : at + 4] = UNUSED
    return bytes(changed)


def _relate(data: bytes, parts: dict[bytes, Box], found: Contents) -> None:
    """Note properties and references of the items."""
    for number, box in properties(data, parts[b"iprp"]) if b"iprp" in parts else ():
        found.described.setdefault(number, []).append(box)
    for box, origin, to in references(data, parts[b"iref"]) if b"iref" in parts else ():
        if box.kind == b"dimg":
            found.parts.setdefault(origin, []).extend(to)
        elif box.kind == b"auxl" and _is_alpha(data, found.described.get(origin, ())):
            for one in to:
                found.beside.setdefault(one, []).append(origin)
        elif box.kind != b"prem":
            found.needless.append(place_of_kind(data, box))


def _is_alpha(data: bytes, described: Iterable[Box]) -> bool:
    said = [data[box.start + 4 : box.end].partition(b"\0")[0] for box in described if box.kind == b"auxC"]
    return bool(said) and all(one in ALPHA for one in said)


def _primary(data: bytes, pitm: Box | None) -> int | None:
    if pitm is None:
        return None
    size = 4 if data[pitm.start] else 2
    return int.from_bytes(data[pitm.start + 4 : pitm.start + 4 + size], "big")


def _packed_texts(data: bytes, entries: list[Box]) -> Iterator[int]:
    """Yield where the kind of each text with an encoding stands: number, protection, kind, name, content's type, encoding."""
    for box in entries:
        at = box.start + (10 if data[box.start] == 3 else 8)
        texts = data[at + 4 : box.end].split(b"\0")
        if len(texts) > 2 and texts[2]:
            yield at


def _check_coding(found: Contents) -> None:
    """Raise `ImageError` where the primary picture is coded in something else than HEVC."""
    if found.primary is None or found.primary not in found.kinds:
        raise ImageError("damaged", "it does not say which of its pictures is the main one")
    kind = found.kinds[found.primary]
    codings = (
        [kind]
        if kind not in PUT_TOGETHER
        else [found.kinds.get(part, b"") for part in found.parts.get(found.primary, ())]
    )
    other = next((one for one in codings if one in OTHER_CODINGS), None)
    if other is not None:
        raise ImageError(
            "not an image", f"an HEIF photo coded as {OTHER_CODINGS[other]}, which cannot be read here; save it as JPEG"
        )
    if kind not in PUT_TOGETHER and kind not in HEVC_ITEMS:
        raise ImageError("damaged", f"its main picture is of a kind that nobody knows, {kind.decode('latin-1')!r}")


class _Reckoning:
    """Adds up what is decoded for the primary picture."""

    def __init__(self, data: bytes, found: Contents) -> None:
        self._data, self._found, self._units = data, found, Units()
        self._coded: dict[int, Coded | None] = {}
        self._sizes: list[tuple[int, int]] = []
        self._visits = self._decoded = self._work = 0
        self._cell_bytes = self._inner_bytes = 0.0
        self._sample_bytes, self._deep = 1.0, False

    def total(self) -> Announced:
        """The whole account."""
        assert self._found.primary is not None
        self._visit(self._found.primary, 0)
        if not self._coded:
            raise ImageError("damaged", "no HEVC picture can be found in it")
        width, height = max(self._sizes, key=lambda size: size[0] * size[1])
        if self._work > MAX_WORK * width * height + EDGES:
            raise ImageError(
                "too large",
                f"a picture of {width}×{height} pixels put together from {self._work / 1e6:.0f} million; save it as JPEG",
            )
        pixel_bytes = COPIES * self._sample_bytes + OUTPUT_BYTES * (2 if self._deep else 1)
        beside = min(AT_ONCE, self._decoded) * self._cell_bytes + self._inner_bytes + COPIES_OF_FILE * len(self._data)
        return Announced(width, height, pixel_bytes, round(beside))

    def _visit(self, number: int, depth: int) -> None:
        """Count an item, what it is put together from, and what is decoded beside it (its alpha)."""
        self._visits += 1
        if self._visits > MAX_PICTURES or depth > 8:
            raise ImageError("too large", f"a picture put together from more than {MAX_PICTURES} others")
        found = self._found
        for box in found.described.get(number, ()):
            if box.kind == b"ispe" and box.end - box.start >= 12:
                self._sizes.append(struct.unpack_from(">4xII", self._data, box.start))
        kind, place = found.kinds.get(number, b""), found.data.get(number)
        if kind != b"iden" and (place is None or not place.is_whole):
            raise ImageError("truncated", CUT_SHORT)
        item = b"" if place is None else place.data
        if kind in HEVC_ITEMS:
            self._count(number, item)
        elif kind == b"grid" and len(item) >= 8:
            self._sizes.append(struct.unpack_from(">4xII" if item[1] & 1 else ">4xHH", item.ljust(12, b"\0")))
        elif kind == b"iovl" and len(item) >= 14:
            self._sizes.append(struct.unpack_from(">10xII" if item[1] & 1 else ">10xHH", item.ljust(18, b"\0")))
        if depth and kind in PUT_TOGETHER and self._sizes:
            width, height = self._sizes[-1]
            self._inner_bytes += width * height * INNER_BYTES
        parts = found.parts.get(number, ()) if kind in PUT_TOGETHER else ()
        for further in (*parts, *found.beside.get(number, ())):
            self._visit(further, depth + 1)

    def _count(self, number: int, item: bytes) -> None:
        if number not in self._coded:
            self._coded[number] = coded(self._all_units(number, item))
        frame = self._coded[number]
        if frame is None or not frame.frames:
            raise ImageError("damaged", "no HEVC picture can be found in a part of it")
        self._sizes.append((frame.width, frame.height))
        pixels = frame.width * frame.height
        self._decoded += 1
        self._work += pixels * max(frame.frames, 1)
        self._sample_bytes, self._deep = max(self._sample_bytes, frame.sample_bytes), self._deep or frame.deep
        self._cell_bytes = max(self._cell_bytes, pixels * (frame.pixel_bytes + frame.sample_bytes))

    def _all_units(self, number: int, item: bytes) -> Iterator[bytes]:
        for box in self._found.described.get(number, ()):
            if box.kind == b"hvcC":
                yield from self._units.of_configuration(self._data[box.start : box.end])
        yield from self._units.of(item)
