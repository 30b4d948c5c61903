"""The package imagecodecs, which comes with the extra ``tiff``: codecs that Pillow does not have, or to 8 bits only."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ...core.errors import ImageError
from ...core.installation import install_command


def decode_into(codec: str, what: str, data: bytes, out: NDArray[Any], **options: object) -> None:
    """Decode ``data`` into an array that has the shape and type of its picture.

    ``what`` names the kind of file for the error.

    Raises:
        ImageError: the package is not installed; or the picture has another shape or type, or is damaged.
    """
    try:
        import imagecodecs

        getattr(imagecodecs, codec)(data, out=out, **options)
    except ImportError:  # the package, or the one codec of it, which it imports when that is first asked for
        raise ImageError("not an image", f"{what}, which needs one more package; {install_command('tiff')}") from None
    except MemoryError:
        raise
    except Exception as error:  # codecs raise errors of their own, and NumPy's
        why = "of another size or type than its header says" if "out." in str(error) else "damaged"
        raise ImageError("damaged", f"{what} that is {why}") from None
