"""Images as a model's input. Shapes: H, W pixels of the network's input, K = 3 channels."""

from __future__ import annotations

import io
import math
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import AfterValidator

from ...core.errors import ImageError, InputError, UsageError
from ...core.types import Facts
from ...core.verdict import Reason
from ...data.bands import bands_of
from ...data.block.blocks import ImageBlock
from ...data.image.decode import Decoded, decode, decoding_bytes
from ...data.image.files import IMAGES
from ...data.image.metadata import rewritten, without_metadata
from ...data.image.preprocess import Preprocess, resize_image, to_tensor
from ...data.image.render import AS_BEFORE, EIGHT_BITS, Render
from ...data.image.rgb import rendered
from ...data.image.taken_at import taken_at
from ...data.image.true_size import JPEG_SIGNATURE, MAX_PIXELS, true_size
from ...data.sources.file_form import FileForm
from .far_pictures import far_pictures
from .input import Input, Pictured
from .packaged_photos import packaged_photos
from .spoiled_pictures import spoiled_pictures

# The most pixels a side of the network's input: beyond any classifier's, within any memory.
MAX_INPUT_SIDE = 4096

# The longest side of a golden image; larger than any packaged backbone's input, so that resizing is exercised.
LONGEST_SIDE = 480

# The header of a JPEG no larger than this is read in microseconds, whoever made it; 64 KiB of PNG can hold 64 MiB of text.
QUICK = 128 << 10


def _fits_memory(spec: Preprocess) -> Preprocess:
    if max(spec.resize.size) > MAX_INPUT_SIDE:
        raise ValueError(f"resize.size is {spec.resize.size}; at most {MAX_INPUT_SIDE} pixels a side")
    return spec


class ImageInput(Input):
    """An image of any size, brought to the network's size by ``preprocess``. Its content is `Decoded`."""

    type: Literal["image"] = "image"
    preprocess: Annotated[Preprocess, AfterValidator(_fits_memory)]

    files: ClassVar[FileForm] = IMAGES
    tensor_name: ClassVar[str] = "pixels"
    media_types: ClassVar[tuple[str, ...]] = (
        *("image/jpeg", "image/png", "image/webp", "image/avif", "image/heic", "image/gif", "image/bmp", "image/tiff"),
        *("image/x-portable-anymap", "image/vnd.microsoft.icon", "image/jp2", "image/x-tga"),
    )
    golden_name: ClassVar[str] = "pixels_GHWK"
    # The 99th percentile may differ by one grey level, as decoders of JPEG do.
    most_difference: ClassVar[float] = 1.0

    @classmethod
    def lifted(cls, stated: Any, version: int) -> Any:
        """Say how pictures of more than 8 bits, and colours, were rendered before version 4."""
        preprocess = stated.get("preprocess") if isinstance(stated, dict) else None
        if version >= 4 or not isinstance(preprocess, dict):
            return stated
        return {**stated, "preprocess": {**preprocess, "render": AS_BEFORE.model_dump(mode="json")}}

    @classmethod
    def block(cls) -> ImageBlock:
        """In colour."""
        return ImageBlock()

    @property
    def limits(self) -> str:
        """The place to check it, and the range of values that are not cut off."""
        known = self.preprocess.render.known
        values = f"\nOf images of more than 8 bits it sees {known}; values beyond are cut off." if known else ""
        return f"Check it on photos of the place it will work in before anybody relies on it.{values}"

    def read_bytes(self, data: bytes, most: int | None = None, *, whole: bool = False) -> Decoded:
        """Decode an upright RGB image, a large JPEG at a reduced scale unless ``whole``; see `decode`."""
        size = None if whole else self.preprocess.decode_size
        most = MAX_PIXELS if most is None else most
        return decode(data, size, render=self.preprocess.render, max_pixels=most)

    def read_object(self, source: object) -> Decoded:
        """Read a Pillow image, at the size it has: a large JPEG may differ by a trace from the same file's bytes, which are
        decoded at a reduced scale."""
        if isinstance(source, Image.Image):
            return _decode_pillow(source, self.preprocess.render)
        kind = type(source).__name__
        raise UsageError(f"an image is a path, the bytes of a file or a Pillow image; received one of type {kind}")

    def taken_at(self, path: Path) -> datetime | None:
        """EXIF's moment; of a camera that states no offset in UTC."""
        return taken_at(path)

    def is_one(self, source: object) -> bool:
        """Tells whether this is a single source; a Pillow image is one, too."""
        return isinstance(source, Image.Image) or super().is_one(source)

    def facts(self, content: Decoded) -> Facts:
        """Return width and height, upright and as stored, in pixels; and what `remarks` has to say something of."""
        how = content.rendered
        size = {"width": content.width, "height": content.height}
        return self.facts_in({**size, "mode": content.mode, "profile": how.profile, "range": how.range})

    def facts_in(self, details: Facts) -> Facts:
        """Without how the file was written, unless there is something to say of it."""
        told = {
            "range": details["range"] != EIGHT_BITS,
            "profile": details["profile"] == "ignored",
            "mode": bands_of(details) is not None,
        }
        return {name: details[name] for name in ("width", "height", *(name for name, is_odd in told.items() if is_odd))}

    @property
    def has_doubts(self) -> bool:
        """Tells whether a range of values is known, which others may miss; a model that knows none has to live with guesses."""
        return bool(self.preprocess.render.known)

    def doubt(self, facts: Facts) -> Reason | None:
        """Doubt a picture whose values are not of the range that the model was trained with."""
        known = self.preprocess.render.known
        match facts.get("range"):
            case "exceeded":
                return Reason("range-exceeded", f"at least half of its values lie beyond the model's range, {known}")
            case "guessed":
                its = f"the model's is of other values, {known}" if known else "the model knows none"
                return Reason("range-guessed", f"the range of its values was guessed, as {its}")
        return None

    def remarks(self, facts: Facts) -> tuple[Reason, ...]:
        """Beside the doubt, say whether colours are not what the file may have meant."""
        found = [doubt] if (doubt := self.doubt(facts)) is not None else []
        if facts.get("profile") == "ignored":
            found.append(
                Reason("profiles-ignored", "the colour profile cannot be used, so the colours were taken as sRGB")
            )
        if (bands := bands_of(facts)) is not None:
            meant = (
                f"the file does not say what its {bands} mean, and the first three were taken for red, green and blue"
            )
            found.append(Reason("bands-guessed", meant))
        return tuple(found)

    def size_fault(self, data: bytes, most: int) -> str | None:
        """Say whether the picture is too large, by the file's headers."""
        try:
            size = true_size(data)
        except InputError:
            return None
        if size is None or size.width * size.height <= most:
            return None
        # The size is rounded up and the bound down, so that no refused size reads like an allowed one.
        millions = math.ceil(size.width * size.height / 1e4) / 100
        return (
            f"{millions:g} million pixels ({size.width}×{size.height}); at most {math.floor(most / 1e4) / 100:g} million: "
            "send it smaller"
        )

    def size_is_quick(self, data: bytes) -> bool:
        """Tells whether the file is a small JPEG."""
        return data.startswith(JPEG_SIGNATURE) and len(data) <= QUICK

    def memory(self, data: bytes, most: int, *, whole: bool = False) -> int:
        """Return the bytes that decoding takes, see `decoding_bytes`."""
        return decoding_bytes(data, None if whole else self.preprocess.decode_size, max_pixels=most)

    def media_type(self, content: Decoded) -> str:
        """Return the media type by the format found in the file, whatever the file is called."""
        return f"image/{content.format.lower()}"

    def is_whole(self, content: Decoded) -> bool:
        """Tells whether the picture was decoded at full size."""
        return content.reduced == 1

    def without_metadata(self, data: bytes) -> tuple[bytes, str] | None:
        """Strip JPEG, PNG and WebP without decoding."""
        return without_metadata(data)

    def rewritten(self, data: bytes, content: Decoded) -> tuple[bytes, str] | None:
        """Write the picture as PNG."""
        return rewritten(data, content)

    def pictured(self, content: Decoded, longest: int) -> Pictured:
        """Return the image itself, as it has places."""
        image, spec = content.image, self.preprocess
        scale = longest / max(image.size)
        drawn = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        fitted = resize_image(image, spec.resize)
        return Pictured(image.size, fitted, image.resize(drawn, Image.Resampling.BILINEAR), to_tensor(fitted, spec))

    def golden_file(self, content: Decoded, *, lossless: bool) -> bytes:
        """Make a file of at most 480 pixels a side, as PNG or (lossy) JPEG."""
        small = content.image.copy()
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BICUBIC)
        small.info.clear()  # comments and colour profiles would be written as well
        buffer = io.BytesIO()
        if lossless:
            small.save(buffer, "PNG", optimize=False, compress_level=6)
        else:
            small.save(buffer, "JPEG", quality=90)
        return buffer.getvalue()

    def golden_ending(self, *, lossless: bool) -> str:
        """Return ``png`` or ``jpg``."""
        return "png" if lossless else "jpg"

    def far_examples(self) -> tuple[bytes, ...]:
        """Return pictures made in code."""
        return far_pictures()

    def spoiled(self, content: Decoded) -> dict[str, bytes]:
        """Blur it, add noise, darken it and compress it badly."""
        return spoiled_pictures(content.image, min(self.preprocess.resize.size))

    def other_things(self) -> dict[str, tuple[tuple[bytes, ...], ...]]:
        """Return patterns made in code and, where scikit-learn is installed, views of its two photos."""
        photos = packaged_photos()
        drawn = {"Drawn patterns": tuple((one,) for one in self.far_examples())}
        return drawn | ({"Photos of a temple and a flower": photos} if photos else {})

    def compared(self, content: Decoded) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the resized pixels (H, W, K), which any decoder of a lossless image must reproduce to the bit."""
        resized = resize_image(content.image, self.preprocess.resize)
        return np.asarray(resized), to_tensor(resized, self.preprocess)

    @property
    def compared_form(self) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """The form of the resized pixels: uint8 (H, W, K)."""
        return np.dtype(np.uint8), (*self.preprocess.resize.size, 3)

    def difference(self, got: NDArray[Any], expected: NDArray[Any]) -> float:
        """Return the 99th percentile of the pixels' differences, in grey levels."""
        return float(np.quantile(np.abs(got.astype(int) - expected.astype(int)), 0.99))

    def difference_words(self, difference: float) -> str:
        """Say a difference in grey levels."""
        return f"pixels differ by {difference:.0f} grey levels"


def _decode_pillow(image: Image.Image, render: Render) -> Decoded:
    try:
        upright = ImageOps.exif_transpose(image)
        rgb, how = rendered(upright, render)
        return Decoded(rgb, *upright.size, format=image.format or "", mode=image.mode, reduced=1, rendered=how)
    except InputError:
        raise
    except Exception as error:  # the pixels of a file are read only now, and damage shows as any exception
        raise ImageError("damaged", " ".join(str(error).split())) from None
