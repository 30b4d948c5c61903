"""By what files of images are known."""

from __future__ import annotations

import re

from ..sources.file_form import FileForm
from ..sources.foreign_files import foreign_file
from .decode import EXTENSIONS

_HEAD = re.compile(
    b"|".join(
        (
            rb"\xff\xd8\xff",  # JPEG
            rb"\x89PNG\r\n\x1a\n",
            rb"GIF8[79]a",
            rb"RIFF....WEBP",
            rb"....ftyp(?:avi[fs]|hei[cxms]|hev[cxms]|mif[12]|msf1|miaf|MiH[EAB])",  # AVIF and HEIF
            rb"II[*+]\x00|MM\x00[*+]",  # TIFF and BigTIFF
            rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",  # JPEG 2000, boxed and bare
            # Two letters are too little to go by: BMP also needs one of its header sizes, ICO a count, PNM a number.
            rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00",
            rb"\x00\x00\x01\x00[^\x00]\x00...\x00",
            rb"P[1-6]\s[\d#]",
        )
    ),
    re.DOTALL,
)

IMAGES = FileForm("image", "images", "an", EXTENSIONS, _HEAD, foreign_file, usual="jpg", folder="photos")
