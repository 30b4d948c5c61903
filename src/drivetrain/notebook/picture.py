"""One picture for people, as HTML: as the model sees its values and colours, whatever a browser makes of the file."""

from __future__ import annotations

import base64
import io
from html import escape

from PIL import Image

from ..core.errors import InputError
from ..data.image.decode import decode
from ..data.image.preprocess import for_images
from ..model.predictor import Predictor

# The longest side of a picture as shown, in pixels.
SHOWN_SIDE = 480


def picture_html(predictor: Predictor, name: str, data: bytes) -> str:
    """Draw a file's picture anew from its decoded pixels, so that it shows where a browser does not know the format, and in the
    model's range of values; nothing where it cannot be read."""
    try:
        spec = for_images(predictor.manifest.input.preprocess)
        image = decode(data, spec.decode_size, render=spec.render).image.copy()
    except InputError:
        return ""
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BICUBIC)
    image.info.clear()
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img alt="{escape(name)}" src="data:image/jpeg;base64,{encoded}" '
        'style="max-width:100%;max-height:15em;border-radius:.4em;display:block;margin-bottom:.3em">'
    )
