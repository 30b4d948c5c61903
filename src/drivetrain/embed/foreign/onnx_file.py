"""Any ONNX file as a backbone: ``model.onnx`` with ``model.json`` beside it.

The graph maps one image tensor to a vector, or to a feature map that is averaged; the JSON says how an image becomes
that tensor (see `drivetrain.embed.foreign.sidecar`). Loading parses and audits; the graph is made when it is first needed. Its
weights may lie in further files, but only below the folder of the model, and nothing in any of them is executed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ...core.errors import WeightsError
from ...core.plain_file import read_plain
from ..backbone import Backbone, Block
from ..quarantine import Quarantine
from .graph_scan import GraphFaultError, scan
from .sidecar import EXAMPLE, MAX_BYTES, Sidecar, parse

if TYPE_CHECKING:
    import onnx

# The most bytes of one protobuf message, and so of an ONNX graph with its weights inside.
MAX_GRAPH_BYTES = (2 << 30) - 1

HEAD = "head"

_QUARANTINE = Quarantine()


def load(path: Path, quarantine: Quarantine | None = _QUARANTINE) -> Backbone:
    """Load a backbone from an ONNX file and its JSON. The graph is built, checked and tried when ``build`` is called.

    A file that this machine has not seen is first taken apart and run by another process, with limits on time and memory;
    with ``quarantine=None`` only by this one.

    Raises:
        WeightsError: a file is missing, damaged or not a usable graph; the message says what to do.
    """
    file = OnnxFile(path, boundary=path.parent)
    beside = path.with_suffix(".json")
    if not beside.is_file():
        raise WeightsError(f"{path} has no {beside.name} beside it, which says how its input is made: {EXAMPLE}")
    raw = read_bytes(beside, MAX_BYTES)
    return backbone(file, parse(raw, str(beside)), raw, name=path.stem, quarantine=quarantine)


def backbone(
    file: OnnxFile,
    sidecar: Sidecar,
    sidecar_raw: bytes,
    *,
    name: str,
    quarantine: Quarantine | None = _QUARANTINE,
) -> Backbone:
    """Make a backbone of a graph and its sidecar, which may give another ``name``.

    Raises:
        WeightsError: the two do not fit each other, or the graph gives no embedding.
    """
    from .audit import audit  # ONNX is heavy to import
    from .standard_form import embedding_graph, standardise
    from .try_first import try_first

    where = str(file.path)
    with blamed_on(where):
        model, fingerprint = file.read(sidecar_raw)
        image = audit(model, where)
        spec = sidecar.preprocess_for(image.size, f"the JSON of {where}")
        free_batch = None if quarantine is None else try_first(model, fingerprint, sidecar, where, quarantine)
        _, width = standardise(model, image, spec.resize.size, sidecar.output, where, free_batch=image.free_batch)

    def build(blocks: tuple[str, ...]) -> onnx.ModelProto:
        if blocks != (HEAD,):
            raise WeightsError(f"{where} has one block, {HEAD}; asked for {', '.join(blocks) or 'none'}")
        with blamed_on(where):
            # Read again, not kept: a fully cached pass never needs the graph.
            model, now = file.read(sidecar_raw)
            if now != fingerprint:
                raise WeightsError(f"{where} has changed since it was loaded; load it again")
            return embedding_graph(model, spec.resize.size, sidecar.output, where, free_batch=free_batch)

    return Backbone(
        name=sidecar.name or name,
        fingerprint=fingerprint,
        licence=sidecar.licence,
        source=sidecar.source,
        preprocess=spec,
        blocks=(Block(HEAD, width),),
        build=build,
    )


@contextmanager
def blamed_on(where: str) -> Iterator[None]:
    """Turn any error while a foreign file is parsed into one line about the file.

    The checker does not look into weights or names, so damage there shows in any of the steps, as any exception.
    """
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:
        detail = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise WeightsError(f"{where} is damaged ({detail}); get it again, or export it again") from error


@dataclass(frozen=True)
class OnnxFile:
    """A graph on disk and the files it keeps weights in, none of which may lie outside ``boundary``."""

    path: Path
    boundary: Path

    def external(self) -> tuple[str, ...]:
        """Names of the further files, relative to the model's folder, sorted.

        Raises:
            WeightsError: the graph cannot be read, or a name leads out of that folder.
        """
        return self._locations(self._parse(read_bytes(self.path, MAX_GRAPH_BYTES)))

    def read(self, sidecar_raw: bytes) -> tuple[onnx.ModelProto, str]:
        """The graph with all its weights inside, and the fingerprint of all that was read.

        The fingerprint is the SHA-256 (hex) over the graph's file, the further files and the sidecar, each behind its
        name and length.

        Raises:
            WeightsError: a file is missing, damaged, too short or outside the boundary.
        """
        raw = read_bytes(self.path, MAX_GRAPH_BYTES)
        model = self._parse(raw)
        further = {name: read_bytes(self._within(name), MAX_GRAPH_BYTES) for name in self._locations(model)}
        digest = hashlib.sha256()
        for name, content in (("graph", raw), *((f"data:{n}", c) for n, c in further.items()), ("json", sidecar_raw)):
            digest.update(f"{name}\n{len(content)}\n".encode())
            digest.update(content)
        # The sum is bounded as well: many weights may name the same bytes, and each would get a copy of its own.
        if sum(_length(tensor, further[_location(tensor, self.path)]) for tensor in _external_tensors(model)) > (
            MAX_GRAPH_BYTES
        ):
            raise WeightsError(f"{self.path} is larger than 2 GiB with its weights; choose a smaller network")
        for tensor in _external_tensors(model):
            location = _location(tensor, self.path)
            _fill(tensor, further[location], f"{self.path}: weight “{tensor.name}” in {location}")
        if model.ByteSize() > MAX_GRAPH_BYTES:
            raise WeightsError(f"{self.path} is larger than 2 GiB with its weights; choose a smaller network")
        return model, digest.hexdigest()

    def _parse(self, raw: bytes) -> onnx.ModelProto:
        import onnx

        try:
            scan(raw)
        except GraphFaultError as error:
            raise WeightsError(f"{self.path}: {error}; get it again, or export it again") from None
        model = onnx.ModelProto()
        try:
            model.ParseFromString(raw)
        except Exception as error:  # protobuf's decoders (C and Python) raise different classes
            raise WeightsError(
                f"{self.path} ({len(raw)} bytes) is cut short or not an ONNX file ({error}); get it again"
            ) from None
        if not model.graph.node:
            raise WeightsError(f"{self.path} ({len(raw)} bytes) holds no graph; get it again, or export it again")
        return model

    def _locations(self, model: onnx.ModelProto) -> tuple[str, ...]:
        return tuple(sorted({_location(tensor, self.path) for tensor in _external_tensors(model)}))

    def _within(self, location: str) -> Path:
        """Return the file at ``location``, links resolved, if it lies inside the boundary."""
        path = (self.path.parent / location).resolve()
        if not path.is_relative_to(self.boundary.resolve()):
            raise WeightsError(f"{self.path} keeps weights in {location}, a link that leads outside its folder")
        if not path.is_file():
            raise WeightsError(f"{self.path} keeps weights in {location}, which is not there; put it beside the model")
        return path


def read_bytes(path: Path, most: int) -> bytes:
    """Read a whole file of at most ``most`` bytes.

    Raises:
        WeightsError: no such file, not readable, or larger.
    """
    try:
        size = path.stat().st_size
        if size > most:
            raise WeightsError(f"{path} has {size} bytes, more than the {most} that can be read")
        return read_plain(path, most)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from None


def _external_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield every tensor whose numbers lie in another file, wherever in the graph it stands."""
    from onnx import TensorProto

    from ..wiring import all_graphs

    nodes = [node for function in model.functions for node in function.node]
    for graph in all_graphs(model.graph):
        nodes += graph.node
        sparse = [tensor for pair in graph.sparse_initializer for tensor in (pair.values, pair.indices)]
        for tensor in (*graph.initializer, *sparse):
            if tensor.data_location == TensorProto.EXTERNAL:
                yield tensor
    for node in nodes:
        for attribute in node.attribute:
            for tensor in (attribute.t, *attribute.tensors):
                if tensor.data_location == TensorProto.EXTERNAL:
                    yield tensor


def _location(tensor: onnx.TensorProto, where: Path) -> str:
    """Return the name of the file that a tensor's numbers lie in, if it stays within the folder."""
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    path = PurePosixPath(location.replace("\\", "/"))
    if not location or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise WeightsError(f"{where} keeps weight “{tensor.name}” in “{location}”, which is outside the model's folder")
    return str(path)


def _length(tensor: onnx.TensorProto, content: bytes) -> int:
    """Return the bytes that a weight asks for; nonsense is found when the weight is filled."""
    asked = next((entry.value for entry in tensor.external_data if entry.key == "length"), "")
    return min(int(asked), len(content)) if asked.isdecimal() and len(asked) < 20 else len(content)


def _fill(tensor: onnx.TensorProto, content: bytes, what: str) -> None:
    """Put a tensor's numbers into the tensor, and forget their file."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", len(content) - offset))
    except ValueError:
        raise WeightsError(f"{what} is at no readable offset ({entries}); export the model again") from None
    if offset < 0 or length < 0 or offset + length > len(content):
        raise WeightsError(f"{what} needs bytes {offset} to {offset + length} of {len(content)}; get that file again")
    tensor.raw_data = content[offset : offset + length]
    tensor.ClearField("data_location")
    del tensor.external_data[:]
