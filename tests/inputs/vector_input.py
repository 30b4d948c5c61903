"""An input of a test's own: a vector of five numbers in a ``.npy`` file, through a linear network. All of it stands here."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from pydantic import BaseModel, ConfigDict

from drivetrain.core.errors import InputError, UsageError
from drivetrain.core.types import Facts, FloatArray, Item, ItemFacts
from drivetrain.data.block.blocks import InputBlock
from drivetrain.data.preparation import Preparation
from drivetrain.data.sources.file_form import FileForm
from drivetrain.embed import registry as backbones
from drivetrain.embed.backbone import INPUT, OUTPUT, Backbone, Block
from drivetrain.model.inputs import registry as inputs
from drivetrain.model.inputs.input import Input

VECTORS = FileForm("vector", "vectors", "a", frozenset({".npy"}), usual="npy")

LENGTH, WIDTH = 5, 8
BACKBONE = "linear-vectors"


class VectorPreparation(BaseModel):
    """Numbers are divided by ``scale``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_type: ClassVar[str] = "vector"
    details: ClassVar[Mapping[str, type]] = {"length": int}
    fingerprint_bytes: ClassVar[int] = 0
    can_be_varied: ClassVar[bool] = False

    length: int = LENGTH
    scale: float = 2.0

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    @property
    def words(self) -> str:
        return f"{self.length} numbers, divided by {self.scale:g}"

    @property
    def reading(self) -> str:
        return "vector"

    def read(self, data: bytes) -> FloatArray:
        try:
            found = np.load(io.BytesIO(data), allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise InputError("not a vector", " ".join(str(error).split())) from None
        return self.checked(found)

    def checked(self, found: np.ndarray[Any, Any]) -> FloatArray:
        if found.shape != self.shape:
            raise InputError("not a vector", f"its shape is {found.shape}, not {self.shape}")
        return found.astype(np.float32)

    def facts(self, sha256: str, content: FloatArray) -> ItemFacts:
        return ItemFacts(
            sha256,
            hashlib.sha256(content.tobytes()).hexdigest(),
            {"length": len(content), "largest": round(float(content.max()), 3)},
        )

    def altered(self, content: FloatArray) -> FloatArray:
        raise NotImplementedError

    def tensor(self, content: FloatArray) -> FloatArray:
        return content / np.float32(self.scale)


class VectorInput(Input):
    """Five numbers."""

    type: Literal["vector"] = "vector"
    preprocess: VectorPreparation

    files: ClassVar[FileForm] = VECTORS
    media_types: ClassVar[tuple[str, ...]] = ("application/x-npy",)

    @classmethod
    def block(cls) -> VectorBlock:
        return VectorBlock()

    def read_object(self, source: object) -> FloatArray:
        if isinstance(source, np.ndarray):
            return self.preprocess.checked(source)
        raise UsageError(f"a vector is a path, the bytes of a file or an array; received {type(source).__name__}")

    def facts(self, content: FloatArray) -> Facts:
        return {"length": len(content), "largest": round(float(content.max()), 3)}

    def golden_file(self, content: FloatArray, *, lossless: bool) -> bytes:  # noqa: ARG002
        return as_npy(content)

    def golden_ending(self, *, lossless: bool) -> str:  # noqa: ARG002
        return "npy"

    def far_examples(self) -> tuple[bytes, ...]:
        return tuple(as_npy(np.float32(sign * 100 * np.eye(LENGTH)[n])) for n in range(LENGTH) for sign in (1, -1))


@dataclass(frozen=True)
class VectorBlock(InputBlock):
    """Vectors."""

    input_type: ClassVar[str] = "vector"
    files: ClassVar[FileForm] = VECTORS

    def prepared(self, preparation: Preparation, resize: str | None) -> Preparation:
        if preparation.input_type != self.input_type or resize is not None:
            raise UsageError("vectors are not resized, and need a network that takes them")
        return preparation


def as_npy(numbers: np.ndarray[Any, Any]) -> bytes:
    """A file of numbers."""
    buffer = io.BytesIO()
    np.save(buffer, numbers)
    return buffer.getvalue()


def vector_items(folder: Path) -> list[Item]:
    """The ``.npy`` files in class folders."""
    return [Item(path, path.relative_to(folder).as_posix(), path.parent.name) for path in sorted(folder.rglob("*.npy"))]


def _graph(weight_KD: FloatArray, _blocks: tuple[str, ...]) -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", [INPUT, "weight"], ["wide"]),
        helper.make_node("LpNormalization", ["wide"], [OUTPUT], axis=1, p=2),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", LENGTH])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", WIDTH])],
        [numpy_helper.from_array(weight_KD, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def load(side: int | None = None) -> Backbone:  # noqa: ARG001  # as all backbones are loaded
    """The linear network."""
    weight_KD = np.random.default_rng(1).standard_normal((LENGTH, WIDTH)).astype(np.float32)
    return Backbone(
        name=BACKBONE,
        fingerprint=hashlib.sha256(weight_KD.tobytes()).hexdigest(),
        licence="CC0-1.0",
        source="a test",
        preprocess=VectorPreparation(),
        blocks=(Block("head", WIDTH),),
        build=partial(_graph, weight_KD),
    )


inputs.register(VectorInput)
backbones.register(BACKBONE, load, takes="vector")
