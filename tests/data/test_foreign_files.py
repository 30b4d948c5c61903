"""What is no image is called by its name, and a camera's RAW photo never passes for the preview in front of it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import plistlib
import sqlite3
import struct
import tarfile
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drivetrain.core.errors import ImageError
from drivetrain.data.image.decode import decode
from drivetrain.data.image.files import IMAGES
from drivetrain.data.sources.folder import walk
from drivetrain.data.sources.foreign_files import foreign_file, raw_photo


def zipped(*names: str) -> bytes:
    """As office programs write it: the first entry names or describes the content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            name, _, text = name.partition("=")
            archive.writestr(zipfile.ZipInfo(name), text or f"<{name}/>")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("a.jpg")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"abc"))
    return buffer.getvalue()


def sound() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(800))
    return buffer.getvalue()


def pdf() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(buffer, "PDF")
    return buffer.getvalue()


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((4, 4)))
    return buffer.getvalue()


def ftyp(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0" + brand + b"mp41" + bytes(200)


PACKET = b"\x47\x40\x00\x10" + bytes(184)

FOREIGN = {
    "a PDF": pdf(),
    "a video": ftyp(b"isom"),
    "a video of a phone": ftyp(b"qt  "),
    "a video from the web": b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1f" + b"B\x86\x81\x01webm" + bytes(100),
    "a video as AVI": b"RIFF\x10\0\0\0AVI LIST" + bytes(100),
    "a video as a stream": PACKET * 4,
    "an audio file": sound(),
    "an audio file of a phone": ftyp(b"M4A "),
    "a RAW photo (Canon CR3)": ftyp(b"crx "),
    "a RAW photo (Fujifilm RAF)": b"FUJIFILMCCD-RAW 0201FF129502" + bytes(200),
    "a RAW photo (Olympus ORF)": b"IIRO\x08\0\0\0" + bytes(200),
    "a RAW photo (Panasonic RW2)": b"IIU\0\x18\0\0\0" + bytes(200),
    "a RAW photo (Sigma X3F)": b"FOVb\0\0\2\0" + bytes(200),
    "a JPEG XL photo": b"\xff\x0a\xfa\x7f\x01\x90" + bytes(40),
    "a Photoshop document": b"8BPS\0\1" + bytes(100),
    "a GIMP document": b"gimp xcf v011\0" + bytes(100),
    "a PostScript drawing": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "an SVG drawing": b"<?xml version='1.0'?>\n<!-- made by hand -->\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a DICOM medical image": bytes(128) + b"DICM" + bytes(100),
    "a FITS astronomical image": b"SIMPLE  =                    T / conforms".ljust(2880),
    "a Word document": zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
    "an Excel workbook": zipped("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"),
    "a PowerPoint presentation": zipped("[Content_Types].xml", "_rels/.rels", "ppt/presentation.xml"),
    "an OpenDocument text": zipped("mimetype=application/vnd.oasis.opendocument.text", "content.xml"),
    "an old Office document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
    "a ZIP archive": zipped("photos/a.jpg"),
    "a tar archive": tarred(),
    "a gzip archive": gzip.compress(b"abc"),
    "a bzip2 archive": bz2.compress(b"abc"),
    "an XZ archive": lzma.compress(b"abc"),
    "a 7-Zip archive": b"7z\xbc\xaf\x27\x1c\0\4" + bytes(40),
    "a RAR archive": b"Rar!\x1a\x07\x01\0" + bytes(40),
    "a web page": b"\n<!DOCTYPE html><html><body>404</body></html>",
    "a web page without a type": b"<html lang='en'><head><title>Sign in</title>",
    "an error message of a web server": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "a camera's sidecar (XMP)": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF/></x:xmpmeta>",
    "a macOS resource file (._name)": b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(80),
    "a macOS property list": plistlib.dumps({"a": 1}),
    "a macOS property list, packed": plistlib.dumps({"a": 1}, fmt=plistlib.FMT_BINARY),
    "a Windows shortcut": b"L\0\0\0\1\x14\2\0" + bytes(80),
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "a git-annex pointer": b"/annex/objects/SHA256E-s1--ab.jpg\n",
    "a NumPy array": array(),
    "a picture written out as text": b"data:image/png;base64,iVBORw0KGgo=",
    "a JSON file": b'{"label": "bear"}',
    "a text file": "Bären, von Hand gezählt\n".encode(),
    "a text file, cut within a letter": b"x" * 4095 + "ä".encode(),
    "a text file of Windows": "Notiz\r\n".encode("utf-16"),
    "nothing but zeros": bytes(5000),
    "a program": b"\x7fELF\2\1\1" + bytes(100),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_file_is_called_by_its_name_whoever_meets_it(what: str, tmp_path: Path) -> None:
    data, name = FOREIGN[what], what.removesuffix(", several").removesuffix(", packed").partition(" without")[0]
    name = next((kind for kind in ("a video", "an audio file", "a text file") if name.startswith(kind)), name)
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert caught.value.reason == "not an image"
    assert caught.value.detail.startswith(name), caught.value.detail
    # In a folder, where the ending says nothing of an image, it is known by the same words.
    (tmp_path / "file.xyz").write_bytes(data)
    (file,) = walk(tmp_path, "here", IMAGES).files
    found = file.problem or ("not an image", caught.value.detail)  # HEIC passes for an image until it is decoded
    assert found[0] == "not an image"
    assert found[1].startswith(name)


def test_a_database_is_named(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "catalogue.lrcat") as db:
        db.execute("CREATE TABLE photo (name TEXT)")
    db.close()
    assert foreign_file((tmp_path / "catalogue.lrcat").read_bytes()) == "an SQLite database"


def test_real_videos_are_named(data_root: Path) -> None:
    for file in sorted((data_root / "video").iterdir()):
        with pytest.raises(ImageError, match="not an image: a video"):
            decode(file.read_bytes())


def test_what_nobody_knows_shows_how_it_starts() -> None:
    assert foreign_file(b"\x01\x02\x03\x04" * 8) is None
    with pytest.raises(ImageError, match="no known image format; the file starts with “01 02 03 04"):
        decode(b"\x01\x02\x03\x04" * 8)
    with pytest.raises(ImageError, match="a text file; the file starts with “just some te”"):
        decode(b"just some text")


# RAW photos that are TIFFs

Tag = tuple[int, int, int, int | bytes]
"""Number, type, count, and the value or what lies elsewhere in the file."""


def tiff(*directories: list[Tag], order: str = "<") -> bytes:
    """A TIFF of directories of tags; a value of bytes is put behind them, and {-n} stands for the n-th directory."""
    at = [8]
    for tags in directories:
        at.append(at[-1] + 2 + 12 * len(tags) + 4)
    body, beyond = b"", b""
    for tags in directories:
        body += struct.pack(f"{order}H", len(tags))
        for tag, kind, count, value in sorted(tags):
            if isinstance(value, bytes):
                value, beyond = at[-1] + len(beyond), beyond + value
            elif value < 0:
                value = at[-value]
            narrow = kind == 3 and count == 1
            body += struct.pack(f"{order}HHI", tag, kind, count)
            body += struct.pack(f"{order}HH", value, 0) if narrow else struct.pack(f"{order}I", value)
        body += bytes(4)
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(f"{order}I", 8) + body + beyond


def preview(*more: Tag, subfile: int = 1) -> list[Tag]:
    """A directory with a picture of 16 × 12 pixels that any reader of TIFF shows."""
    pixels = bytes(16 * 12 * 3)
    return [
        *((254, 4, 1, subfile), (256, 3, 1, 16), (257, 3, 1, 12), (258, 3, 3, struct.pack("<3H", 8, 8, 8))),
        *((259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, pixels), (277, 3, 1, 3), (278, 3, 1, 12)),
        *((279, 4, 1, len(pixels)), *more),
    ]


SENSOR: list[Tag] = [(254, 4, 1, 0), (256, 3, 1, 6016), (257, 3, 1, 4016), (262, 3, 1, 32803)]
MAKERS = {
    "Nikon NEF": b"NIKON CORPORATION\0",
    "Sony ARW": b"SONY\0\0",
    "Pentax PEF": b"PENTAX Corporation \0",
    "Samsung SRW": b"SAMSUNG\0",
    "Canon CR2": b"Canon\0",
}


def make(name: bytes) -> Tag:
    return 271, 2, len(name), name


@pytest.mark.parametrize("kind", MAKERS)
def test_a_raw_photo_is_not_taken_for_its_preview(kind: str) -> None:
    data = tiff(preview(make(MAKERS[kind]), (330, 4, 1, -1)), SENSOR)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.size == (16, 12)  # what it would have been taken for
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert caught.value.reason == "not an image"
    assert caught.value.detail == f"a RAW photo ({kind}), which cannot be read here; export it as JPEG or TIFF"


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_dng_says_so_itself(order: str) -> None:
    version: Tag = (50706, 1, 4, struct.unpack(f"{order}I", b"\1\4\0\0")[0])
    assert str(raw_photo(tiff(preview(version), order=order))).startswith("a RAW photo (DNG)")


def test_a_cr2_is_known_by_its_mark() -> None:
    data = bytearray(tiff(preview()))
    data = bytearray(b"II*\0\x10\0\0\0CR\2\0\0\0\0\0") + data[8:]
    assert str(raw_photo(bytes(data))).startswith("a RAW photo (Canon CR2)")


def test_a_raw_photo_cut_short_is_known_by_its_maker_and_preview() -> None:
    whole = tiff(preview(make(MAKERS["Nikon NEF"]), (330, 4, 1, 900_000)))
    assert str(raw_photo(whole)).startswith("a RAW photo (Nikon NEF)")


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK", "I;16", "1"])
def test_a_tiff_of_any_camera_stays_a_picture(mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (30, 20)).save(buffer, "TIFF", tiffinfo={271: "NIKON CORPORATION", 272: "NIKON D750", 254: 0})
    assert decode(buffer.getvalue()).width == 30


def test_a_tiff_with_reduced_copies_of_itself_stays_a_picture() -> None:
    assert decode(tiff(preview(make(b"NIKON\0"), (330, 4, 1, -1), subfile=0), preview(subfile=1))).width == 16


@pytest.mark.parametrize("seed", range(40))
def test_no_bytes_stop_the_look(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(tiff(preview(make(MAKERS["Nikon NEF"]), (330, 4, 1, -1)), SENSOR))
    for at in rng.integers(4, len(data), 30):
        data[at] = rng.integers(256)
    raw_photo(bytes(data))
    raw_photo(bytes(data[: rng.integers(len(data))]))
    foreign_file(rng.bytes(int(rng.integers(1, 600))))
