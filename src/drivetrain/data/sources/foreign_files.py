"""Naming a file that is no image we read, by its first bytes: people mix videos, PDFs and RAW photos among their photos.

A RAW photo of most makers is a TIFF with a small preview in front. Read as a TIFF it would pass for a picture of 160 by
120 pixels, so it is told from a TIFF by its tags before anything is decoded.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from .file_form import HEAD_BYTES

_CANNOT = "which cannot be read here"
VIDEO = "a video; save single frames of it as JPEG or PNG"
AUDIO = "an audio file"
PDF = "a PDF; save its pages as JPEG or PNG"
POSTSCRIPT = f"a PostScript drawing, {_CANNOT}; save it as PNG"
OLD_OFFICE = "an old Office document (Word, Excel or PowerPoint)"
ARCHIVE = "archive; unpack it first"
WEB_PAGE = "a web page, perhaps an error or a login instead of the picture"
TEXT = "a text file"

# (offset, bytes there, what it is). Signatures as the formats' own documents give them.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", PDF),
    (0, b"%!PS", POSTSCRIPT),
    (0, b"\xc5\xd0\xd3\xc6", POSTSCRIPT),
    (0, b"8BPS", f"a Photoshop document, {_CANNOT}; save it as PNG or TIFF"),
    (0, b"gimp xcf", f"a GIMP document, {_CANNOT}; save it as PNG or TIFF"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", f"a JPEG XL photo, {_CANNOT}; save it as JPEG or PNG"),
    (0, b"\xff\x0a", f"a JPEG XL photo, {_CANNOT}; save it as JPEG or PNG"),
    (0, b"v/1\x01", f"an OpenEXR picture, {_CANNOT}; save it as PNG or TIFF"),
    (0, b"#?RADIANCE", f"a Radiance picture, {_CANNOT}; save it as PNG or TIFF"),
    (0, b"DDS ", f"a DirectDraw texture, {_CANNOT}; save it as PNG"),
    (0, b"icns", f"a macOS icon, {_CANNOT}; save it as PNG"),
    (0, b"AT&TFORM", f"a DjVu document, {_CANNOT}; save its pages as PNG"),
    (0, b"\xd7\xcd\xc6\x9a", f"a Windows metafile, {_CANNOT}; save it as PNG"),
    (40, b" EMF", f"a Windows metafile, {_CANNOT}; save it as PNG"),
    (128, b"DICM", f"a DICOM medical image, {_CANNOT}; export it as PNG"),
    (0, b"SIMPLE  =", f"a FITS astronomical image, {_CANNOT}; export it as PNG or TIFF"),
    # RAW photos that are no TIFF.
    (0, b"FUJIFILMCCD-RAW", "RAW Fujifilm RAF"),
    (0, b"IIRO", "RAW Olympus ORF"),
    (0, b"IIRS", "RAW Olympus ORF"),
    (0, b"MMOR", "RAW Olympus ORF"),
    (0, b"IIU\0", "RAW Panasonic RW2"),
    (0, b"FOVb", "RAW Sigma X3F"),
    (0, b"\0MRM", "RAW Minolta MRW"),
    (6, b"HEAPCCDR", "RAW Canon CRW"),
    # Videos and sound.
    (0, b"\x1aE\xdf\xa3", VIDEO),  # Matroska, WebM
    (0, b"\0\0\x01\xba", VIDEO),  # MPEG
    (0, b"\0\0\x01\xb3", VIDEO),
    (0, b"FLV\x01", VIDEO),
    (0, b"0&\xb2u\x8ef\xcf\x11", VIDEO),  # Windows Media
    (4, b"moov", VIDEO),  # QuickTime before it had a type
    (4, b"mdat", VIDEO),
    (4, b"wide", VIDEO),
    (0, b"ID3", AUDIO),
    (0, b"fLaC", AUDIO),
    (0, b"OggS", "a video or an audio file; save single frames of a video as JPEG or PNG"),
    (0, b"MThd", AUDIO),
    (0, b"FORM", AUDIO),
    # Archives.
    (0, b"7z\xbc\xaf\x27\x1c", f"a 7-Zip {ARCHIVE}"),
    (0, b"Rar!\x1a\x07", f"a RAR {ARCHIVE}"),
    (0, b"\x1f\x8b", f"a gzip {ARCHIVE}"),
    (0, b"BZh", f"a bzip2 {ARCHIVE}"),
    (0, b"\xfd7zXZ\0", f"an XZ {ARCHIVE}"),
    (0, b"\x28\xb5\x2f\xfd", f"a Zstandard {ARCHIVE}"),
    (257, b"ustar", f"a tar {ARCHIVE}"),
    # Files that systems and tools leave beside photos.
    (0, b"\0\x05\x16\x07", "a macOS resource file (._name), not the picture itself; delete it"),
    (0, b"\0\x05\x16\0", "a macOS resource file, not the picture itself"),
    (0, b"\0\0\0\x01Bud1", "a macOS folder's settings (.DS_Store)"),
    (0, b"bplist00", "a macOS property list"),
    (0, b"L\0\0\0\x01\x14\x02\0", "a Windows shortcut, not the picture itself; give what it leads to"),
    (0, b"[InternetShortcut]", "a link to a web page, not the picture itself; download that"),
    (0, b"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the picture itself; run: git lfs pull"),
    (0, b"/annex/objects/", "a git-annex pointer, not the picture itself; run: git annex get"),
    # Documents, data and programs.
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLD_OFFICE),
    (0, b"{\\rtf", "an RTF document"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"PAR1", "a Parquet table"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array; save it as PNG"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"OTTO", "a font"),
    (0, b"wOF", "a font"),
)

# Brands of HEIC, HEIF and AVIF.
_PICTURES = re.compile(rb"hei[cxms]|hev[cxms]|mif[12]|msf1|miaf|MiH[EAB]|avi[fs]")
_AUDIO_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P "})

# Names among the first entries of an office document's zip.
_ZIPPED: tuple[tuple[bytes, str], ...] = (
    (b"mimetypeapplication/vnd.oasis.opendocument.text", "an OpenDocument text"),
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "an OpenDocument spreadsheet"),
    (b"mimetypeapplication/vnd.oasis.opendocument.presentation", "an OpenDocument presentation"),
    (b"mimetypeapplication/epub+zip", "an e-book"),
    (b"mimetypeimage/openraster", f"an OpenRaster drawing, {_CANNOT}; save it as PNG"),
    (b"word/", "a Word document; save the pictures in it as JPEG or PNG"),
    (b"xl/", "an Excel workbook"),
    (b"ppt/", "a PowerPoint presentation; save its slides as PNG"),
    (b"[Content_Types].xml", "an Office document (Word, Excel or PowerPoint)"),
    (b"Index/Document.iwa", "a Pages, Numbers or Keynote document"),
    (b"META-INF/", "a Java or Android program"),
)

# XML and its like, by what stands first in the file. The order matters: a web page may hold a drawing, a sidecar is RDF.
_MARKUP: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), what)
    for pattern, what in (
        (rb"<!doctype\s+html|<html[\s>]", WEB_PAGE),
        (rb"<x:xmpmeta|<\?xpacket", "a camera's sidecar (XMP), not the picture itself"),
        (rb"<svg[\s>]", f"an SVG drawing, {_CANNOT}; save it as PNG"),
        (rb"<!doctype\s+plist|<plist[\s>]", "a macOS property list"),
        (rb"<error>\s*<code>", "an error message of a web server (XML) instead of the picture"),
        (rb"<\?xml", "an XML file"),
    )
)

_PRINTABLE = re.compile(r"[^\x00-\x08\x0e-\x1a\x1c-\x1f\x7f�]+")

# TIFF: tag → what it is called in "TIFF 6.0" and "DNG 1.4".
_SUBFILE_TYPE, _PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG_VERSION = 0x00FE, 0x0106, 0x010F, 0x014A, 0xC612
_SENSOR = frozenset({32803, 34892})  # colour filter array, linear raw
_MAKERS: tuple[tuple[bytes, str], ...] = (
    (b"CANON", "Canon CR2"),
    (b"NIKON", "Nikon NEF"),
    (b"SONY", "Sony ARW"),
    (b"PENTAX", "Pentax PEF"),
    (b"RICOH", "Pentax PEF"),
    (b"SAMSUNG", "Samsung SRW"),
    (b"OLYMPUS", "Olympus ORF"),
    (b"PANASONIC", "Panasonic RW2"),
    (b"LEICA", "Leica RWL"),
    (b"HASSELBLAD", "Hasselblad 3FR"),
    (b"PHASE ONE", "Phase One IIQ"),
    (b"LEAF", "Leaf MOS"),
    (b"MAMIYA", "Mamiya MEF"),
    (b"KODAK", "Kodak DCR"),
    (b"EASTMAN KODAK", "Kodak DCR"),
    (b"EPSON", "Epson ERF"),
)
_MOST_TAGS, _MOST_SUB_IFDS = 512, 8
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 13: 4}
"""TIFF's types that are read here: byte, text, and the numbers of 2 and 4 bytes."""


def foreign_file(head: bytes) -> str | None:
    """Name a file that is no image, and say what to do about it; None where its first bytes are not known.

    ``head`` are the file's first `HEAD_BYTES` bytes, or all of them. Ask only of what is not an image: some formats share
    their beginning with others.

    >>> foreign_file(b"%PDF-1.7")
    'a PDF; save its pages as JPEG or PNG'
    """
    head = head[:HEAD_BYTES]
    if not head:
        return "an empty file"
    if not head.strip(b"\0"):
        return "nothing but zeros, as a download or copy that failed leaves them"
    found = _of_container(head)
    if found is None:
        found = next((what for at, signature, what in _SIGNATURES if head.startswith(signature, at)), None)
    if found is None:
        return _markup_or_text(head)
    return _raw(found.removeprefix("RAW ")) if found.startswith("RAW ") else found


def raw_photo(data: bytes) -> str | None:
    """Name the RAW photo that a TIFF is: DNG, NEF, CR2, ARW and their like; None for any other file.

    Such a file says so by DNG's own version tag, by Canon's mark behind the header, by pixels of a sensor's colour filter
    in one of its pictures, or by a maker's name and a preview where the picture would be.
    """
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    if data[8:10] == b"CR" and data[:2] == b"II":
        return _raw("Canon CR2")
    order = "<" if data[:2] == b"II" else ">"
    first = _tags(data, _number(data, order, 4, 4), order)
    if _DNG_VERSION in first:
        return _raw("DNG")
    below = [_tags(data, offset, order) for offset in first.get(_SUB_IFDS, ())[:_MOST_SUB_IFDS]]
    make = bytes(value & 0xFF for value in first.get(_MAKE, ())).strip(b"\0 ").upper()
    kind = next((name for maker, name in _MAKERS if make.startswith(maker)), "")
    sensor = any(_SENSOR & set(tags.get(_PHOTOMETRIC, ())) for tags in (first, *below))
    preview = bool(make) and bool(below) and any(value & 1 for value in first.get(_SUBFILE_TYPE, ()))
    return _raw(kind) if sensor or preview else None


def _raw(kind: str) -> str:
    return f"a RAW photo{f' ({kind})' if kind else ''}, {_CANNOT}; export it as JPEG or TIFF"


def _of_container(head: bytes) -> str | None:
    """Name a file of a format that shares its wrapping with others: ISO media files, RIFF, zip, MPEG streams."""
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand == b"crx ":
            return _raw("Canon CR3")
        if _PICTURES.fullmatch(brand):
            return None
        return AUDIO if brand in _AUDIO_BRANDS else VIDEO
    if head.startswith(b"RIFF"):
        kinds = {b"AVI ": VIDEO, b"WAVE": AUDIO, b"CDR": f"a CorelDRAW drawing, {_CANNOT}; save it as PNG"}
        return next((what for form, what in kinds.items() if head[8:12].startswith(form)), None)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return next((what for entry, what in _ZIPPED if entry in head), f"a ZIP {ARCHIVE}")
    if head[0] == 0x47 and len(head) > 376 and head[188] == head[376] == 0x47:
        return VIDEO  # a transport stream's packets
    if head[0] == 0xFF and len(head) > 2 and head[1] & 0xE6 == 0xE2 and head[2] & 0xF0 not in (0x00, 0xF0):
        return AUDIO  # MP3 without a tag: frame sync, layer III, a rate that exists
    return None


def _markup_or_text(head: bytes) -> str | None:
    text = _decoded(head)
    if text is None:
        return None
    plain = text.lstrip("\ufeff \t\r\n").encode()
    if plain.startswith(b"<"):
        for pattern, what in _MARKUP:
            if pattern.search(plain):
                return what
    if plain.startswith(b"data:image/"):
        return "a picture written out as text (a data URL); decode it first"
    if plain[:1] in (b"{", b"["):
        return "a JSON file"
    return TEXT


def _decoded(head: bytes) -> str | None:
    """Decode text of any usual encoding; None where the bytes are no text."""
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    # The head may end within a character.
    text = head.decode("utf-16" if utf16 else "utf-8", "ignore" if utf16 else "replace").rstrip("�")
    return text if _PRINTABLE.fullmatch(text) else None


def _tags(data: bytes, at: int, order: str) -> dict[int, tuple[int, ...]]:
    """Read a directory of a TIFF: tag → its numbers, for the tags that matter here."""
    return dict(_entries(data, at, order)) if 0 < at < len(data) else {}


def _entries(data: bytes, at: int, order: str) -> Iterator[tuple[int, tuple[int, ...]]]:
    wanted = {_SUBFILE_TYPE, _PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG_VERSION}
    for entry in range(min(_number(data, order, at, 2), _MOST_TAGS)):
        place = at + 2 + 12 * entry
        tag, kind = _number(data, order, place, 2), _number(data, order, place + 2, 2)
        size, count = _SIZES.get(kind), min(_number(data, order, place + 4, 4), 64)
        if tag not in wanted or size is None:
            continue
        start = place + 8 if size * count <= 4 else _number(data, order, place + 8, 4)
        yield tag, tuple(_number(data, order, start + size * index, size) for index in range(count))


def _number(data: bytes, order: str, at: int, size: int) -> int:
    """Read an unsigned number of 1, 2 or 4 bytes; 0 beyond the end of the file."""
    piece = data[at : at + size]
    value: int = struct.unpack(f"{order}{ {1: 'B', 2: 'H', 4: 'I'}[size] }", piece)[0] if len(piece) == size else 0
    return value
