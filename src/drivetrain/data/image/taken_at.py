"""The moment at which a camera says it took a picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from PIL import ExifTags, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from ...core.plain_file import open_plain

# Formats whose EXIF stands in a header, so that no pixel need be decoded for it. Pillow knows them by their plugins only.
PLUGINS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    TiffImagePlugin.TiffImageFile,
)
FORMATS = tuple(plugin.format for plugin in PLUGINS)
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")


def taken_at(path: Path) -> datetime | None:
    """Read EXIF's DateTimeOriginal, in UTC unless the camera stated an offset; None where there is none that can be read."""
    try:
        with open_plain(path) as file, Image.open(file, formats=FORMATS) as image:
            exif = image.getexif().get_ifd(ExifTags.IFD.Exif)
    except Exception:  # metadata that cannot be read do not make a picture unusable; anything may be raised
        return None
    return moment_in(exif)


def moment_in(exif: Mapping[int, object]) -> datetime | None:
    """Read the same from EXIF's own part that was read already."""
    moment, offset = exif.get(ExifTags.Base.DateTimeOriginal), exif.get(ExifTags.Base.OffsetTimeOriginal)
    try:
        return _moment(str(moment), str(offset))
    except ValueError:
        return None


def _moment(text: str, offset: str) -> datetime:
    found = _OFFSET.fullmatch(offset.strip())
    zone = UTC
    if found:
        shift = timedelta(hours=int(found[2]), minutes=int(found[3]))
        zone = timezone(shift if found[1] == "+" else -shift)
    return datetime.strptime(text.strip().rstrip("\0"), "%Y:%m:%d %H:%M:%S").replace(tzinfo=zone)
