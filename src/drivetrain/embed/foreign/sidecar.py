"""The sidecar, a JSON file beside a foreign graph that says what the graph does not.

``model.onnx`` is read together with ``model.json``::

    {
      "preprocess": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "resize": {"method": "crop"}},
      "name": "resnet50-a1", "licence": "Apache-2.0", "source": "where it comes from", "output": "pooled"
    }

``preprocess`` is a manifest's, except that ``resize.size`` may be left out where the graph's input states H and W. Mean
and std are the one thing nobody can guess and nothing later will complain about, so they must be there.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from ...core.errors import WeightsError
from ...data.image.preprocess import Preprocess, Triple

EXAMPLE = '{"preprocess": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "resize": {"method": "crop"}}}'

MAX_BYTES = 1 << 20

# The largest side in pixels, beyond any a classifier is trained at; a larger number is a slip, and would cost gigabytes an image.
MAX_SIDE = 2048

GraphSize = tuple[int | None, int | None]
"""(H, W) of a graph's input, None for a free axis."""


class Sidecar(BaseModel):
    """The instructions for using a graph: its preprocessing, the tensor that is the embedding, and its origin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preprocess: dict[str, Any]
    output: str | None = None
    """Tensor to take the embedding from; needed when the graph has several outputs. Inner tensors may be named too."""
    licence: str = "unknown"
    source: str = "unknown"
    name: str | None = None

    @field_validator("preprocess")
    @classmethod
    def _states_mean_and_std(cls, given: dict[str, Any]) -> dict[str, Any]:
        missing = [key for key in ("mean", "std") if key not in given]
        if missing:
            raise ValueError(f"{' and '.join(missing)} missing; state what the network was trained with")
        if not isinstance(given.get("resize", {}), dict):
            raise ValueError("resize must be an object")
        return given

    def preprocess_for(self, graph_size: GraphSize, where: str) -> Preprocess:
        """The complete preprocessing for a graph with this input size.

        Raises:
            WeightsError: the size is stated by neither, or differently by both, or a value cannot be meant.
        """
        resize = dict(self.preprocess.get("resize", {}))
        if "size" not in resize:
            if None in graph_size:
                raise WeightsError(f"{where} states no preprocess.resize.size, and the graph takes any; add the [H, W]")
            resize["size"] = graph_size
        try:
            spec = Preprocess.model_validate({**self.preprocess, "resize": resize})
        except ValidationError as error:
            raise WeightsError(f"{where}: {_first(error, 'preprocess')}") from None
        _check(spec, graph_size, where)
        return spec


def _check(spec: Preprocess, graph_size: GraphSize, where: str) -> None:
    stated = spec.resize.size
    if any(fixed not in (None, side) for fixed, side in zip(graph_size, stated, strict=True)):
        raise WeightsError(f"{where}: resize.size is {list(stated)}, the graph takes {list(graph_size)}; drop the size")
    if max(stated) > MAX_SIDE:
        raise WeightsError(f"{where}: resize.size is {list(stated)}; each side must be at most {MAX_SIDE}")
    if not all(0 <= value <= 1 for value in spec.mean) or not all(value <= 1 for value in spec.std):
        raise WeightsError(
            f"{where}: mean is {list(spec.mean)}, std {list(spec.std)}; "
            "both are for pixel values in 0–1, so divide by 255 what is meant for 0–255"
        )


def parse(raw: bytes, where: str) -> Sidecar:
    """Read a sidecar from the bytes of its file; ``where`` names the file in messages.

    Raises:
        WeightsError: not JSON, or a key is missing, unknown or of the wrong type.
    """
    try:
        return Sidecar.model_validate(_json_object(raw, where))
    except ValidationError as error:
        raise WeightsError(f"{where}: {_first(error)}; it should look like {EXAMPLE}") from None


class _TimmConfig(BaseModel):
    """The part of a timm ``pretrained_cfg`` that says how an image becomes its input."""

    model_config = ConfigDict(extra="ignore")  # the file describes much else that does not concern a frozen network

    input_size: tuple[Literal[3], int, int]
    mean: Triple
    std: Triple
    interpolation: Literal["bilinear", "bicubic", "lanczos", "box"] = "bilinear"
    crop_mode: Literal["center", "squash", "border"] = "center"
    license: str | None = None
    origin_url: str | None = None


# timm's crop modes in our words. Its crop_pct (use only the centre 87 to 100 % of the picture) has no place in our
# preprocessing: the whole centred square is used, as for the packaged backbones.
TIMM_METHODS = {"center": "crop", "squash": "squish", "border": "pad"}


def parse_timm(raw: bytes, graph_size: GraphSize, where: str) -> Sidecar:
    """Make a sidecar from the ``pretrained_cfg`` of a timm-style ``config.json``.

    A size that the graph fixes stands above the config's, which is the one the weights were trained at.

    Raises:
        WeightsError: there is no usable ``pretrained_cfg``.
    """
    config = _json_object(raw, where).get("pretrained_cfg")
    if not isinstance(config, dict):
        raise WeightsError(f"{where} has no pretrained_cfg; put a drivetrain.json beside the model: {EXAMPLE}")
    try:
        timm = _TimmConfig.model_validate(config)
    except ValidationError as error:
        complaint = _first(error, "pretrained_cfg")
        raise WeightsError(f"{where}: {complaint}; put a drivetrain.json beside the model") from None
    size = [fixed or trained for fixed, trained in zip(graph_size, timm.input_size[1:], strict=True)]
    resize = {"method": TIMM_METHODS[timm.crop_mode], "size": size, "filter": timm.interpolation}
    return Sidecar(
        preprocess={"mean": timm.mean, "std": timm.std, "resize": resize},
        licence=timm.license or "unknown",
        source=timm.origin_url or "unknown",
    )


def _json_object(raw: bytes, where: str) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{where} is not JSON ({error}); it should look like {EXAMPLE}") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{where} holds a {type(content).__name__}, not an object; it should look like {EXAMPLE}")
    return content


def _first(error: ValidationError, *place: str) -> str:
    """Write the first complaint in one line: its place (below ``place``), the fault, and the value there."""
    first = error.errors(include_url=False)[0]
    at = ".".join(map(str, (*place, *first["loc"])))
    received = "" if first["type"] in ("missing", "value_error") else f" (got {first['input']!r:.60})"
    return " ".join(f"{at}: {first['msg'].removeprefix('Value error, ')}{received}".split())
