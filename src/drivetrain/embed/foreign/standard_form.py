"""A foreign graph made to look like one of ours: ``pixels`` (N, 3, H, W) in, ``embedding`` (N, D) of unit length out.

Foreign means any exporter's: other names, a batch of one, several outputs, a feature map instead of a vector, weights
listed as inputs. Nothing is taken on trust: what comes out has run, and gives what the graph gave before.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, TypeProto, helper, inliner, numpy_helper, version_converter

from ...core.errors import WeightsError
from ..backbone import INPUT, OUTPUT
from ..graph import IR_VERSION
from ..known_values import Dims, dims_of, fold_constants, opset
from ..operators import Step, fault_of
from ..wiring import Wiring, all_nodes, bodies, names_in, prune, reads_of, rename
from .audit import Image, audit, check
from .cleanup import clean
from .determinism import Trial, line, trial_images

# The oldest operators that ONNX Runtime promises to run, on servers and in browsers.
OLDEST_OPSET = 7

# The most numbers in one tensor for one image: 1 GiB of float32. VGG, the hungriest of the well-known networks, has 3 million.
MAX_ELEMENTS = 1 << 28

Array = NDArray[np.float32]


def standardise(
    model: onnx.ModelProto, image: Image, size: tuple[int, int], output: str | None, where: str, *, free_batch: bool
) -> tuple[onnx.ModelProto, int]:
    """Bring a graph into standard form, not yet cleaned; returns it and its embedding's width. ``image`` is from `audit`.

    Raises:
        WeightsError: no single vector or feature map comes out, or the graph is in training mode.
    """
    source = _chosen_output(model.graph, output, where)
    model = _modern(model, where)
    graph = model.graph
    source = _take_names(graph, image.name).get(source, source)
    batch = "N" if free_batch else 1
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [batch, 3, *size]))
    # Shapes that the exporter noted for its own batch and size are dropped.
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(source, TensorProto.FLOAT, None))
    prune(graph)
    _refuse_training(graph, where)
    _refuse_unbounded(graph, where)
    known = fold_constants(model)
    _bound_memory(known, where)
    if free_batch:
        _loosen_reshapes(graph, known)
    dims = _output_dims(model, source, known.get(source), size, where)
    width = _append_head(graph, source, dims, where)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [batch, width]))
    return model, width


def _bound_memory(known: dict[str, TypeProto], where: str) -> None:
    """Refuse tensors beyond `MAX_ELEMENTS`: a slip in a padding or an upsampling can ask for terabytes."""
    for name, kind in known.items():
        elements = prod(1 if dim is None else dim for dim in dims_of(kind) or ())
        if elements > MAX_ELEMENTS:
            raise WeightsError(
                f"{where}: tensor “{name}” takes {elements:,} numbers for one image; use a smaller input"
            )


def _modern(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """Return a copy without functions, with weights that are no inputs, in versions that every runtime in use reads."""
    try:
        if opset(model) < OLDEST_OPSET:
            model = version_converter.convert_version(model, OLDEST_OPSET)
        fresh = inliner.inline_local_functions(model) if model.functions else onnx.ModelProto()
    except Exception as error:  # both converters are C++ and raise errors of several classes
        raise WeightsError(f"{where} cannot be brought up to date: {line(error)}; export it with opset 17") from None
    if not model.functions:
        fresh.CopyFrom(model)
    version = opset(fresh)
    del fresh.opset_import[:]
    fresh.opset_import.append(helper.make_opsetid("", version))
    fresh.ir_version = max(IR_VERSION, helper.find_min_ir_version_for(fresh.opset_import))
    for node in all_nodes(fresh.graph):
        if node.domain == "ai.onnx":  # the long name of the standard operators
            node.domain = ""
    return fresh


def _take_names(graph: onnx.GraphProto, image: str) -> dict[str, str]:
    """Name the image input ``pixels``, and rename all else that bears a name we need; returns the new names."""
    used = names_in(graph)
    names = {name: _fresh(name, used) for name in (INPUT, OUTPUT) if name in used and name != image}
    names[image] = INPUT
    rename(graph, names)
    return names


def _fresh(name: str, used: set[str]) -> str:
    while name in used:
        name += "_"
    used.add(name)
    return name


def _chosen_output(graph: onnx.GraphProto, wanted: str | None, where: str) -> str:
    outputs = [value.name for value in graph.output]
    listed = ", ".join(outputs)
    if wanted is None and len(outputs) != 1:
        raise WeightsError(f"{where} has {len(outputs)} outputs ({listed}); name one as “output” in its JSON")
    if wanted is None or wanted in outputs or any(wanted in node.output for node in graph.node):
        return wanted or outputs[0]
    raise WeightsError(f"{where} has no tensor “{wanted}”, which its JSON names as “output”; its outputs are {listed}")


def _refuse_training(graph: onnx.GraphProto, where: str) -> None:
    """Refuse batch norm that normalises by the batch at hand: an image's answer would depend on the images beside it.

    On weights alone it is harmless: that is how exporters write weight standardisation.
    """
    from_image = {INPUT}
    for node in graph.node:
        if from_image.isdisjoint(reads_of(node)):
            continue
        from_image.update(node.output)
        nested = (inner for body in bodies(node) for inner in all_nodes(body))
        for each in (node, *nested):
            if any(item.name == "training_mode" and item.i for item in each.attribute):
                raise WeightsError(f"{where}: “{each.name}” is in training mode; call model.eval() and export again")


def _refuse_unbounded(graph: onnx.GraphProto, where: str) -> None:
    steps = (Step(node.op_type, node.domain, tuple(node.input), tuple(node.output)) for node in graph.node)
    if fault := fault_of(steps, [INPUT], {tensor.name for tensor in graph.initializer}):
        raise WeightsError(f"{where} cannot be a backbone: {fault}")


def _loosen_reshapes(graph: onnx.GraphProto, known: dict[str, TypeProto]) -> None:
    """Let reshapes to [1, …], as exporters freeze them, take the batch as it comes: 0 copies the axis of the input.

    For one image nothing changes. Whether it is right for more only shows when a batch is tried.
    """
    wiring = Wiring(graph)
    for node in graph.node:
        shape = wiring.constants.get(node.input[1]) if node.op_type == "Reshape" else None
        dims = dims_of(known.get(node.input[0])) if shape is not None else None
        if shape is None or not dims or dims[0] not in (1, None):
            continue
        target = numpy_helper.to_array(shape).copy()
        if target.size and target[0] == 1 and target.all():
            target[0] = 0
            del node.attribute[:]  # the only attribute is allowzero, which says that 0 does not copy
            node.input[1] = f"{node.output[0]}.free_shape"
            graph.initializer.append(numpy_helper.from_array(target, node.input[1]))


def _output_dims(
    model: onnx.ModelProto, source: str, kind: TypeProto | None, size: tuple[int, int], where: str
) -> Dims:
    dims = dims_of(kind)
    if (
        kind is None or dims is None or (len(dims) > 1 and dims[1] is None)
    ):  # the shape is known only when the graph runs
        return Trial(model, where).run(np.zeros((1, 3, *size), np.float32)).shape
    if kind.tensor_type.elem_type != TensorProto.FLOAT:
        received = TensorProto.DataType.Name(kind.tensor_type.elem_type)
        raise WeightsError(f"{where}: output “{source}” is {received}; name a float32 tensor as “output” in its JSON")
    return dims


def _append_head(graph: onnx.GraphProto, source: str, dims: Dims, where: str) -> int:
    """Append the mean over what is left of H and W, and unit length; returns the width."""
    width = dims[1] if len(dims) in (2, 4) else None
    if not width:
        raise WeightsError(
            f"{where}: output “{source}” is {list(dims)}; an embedding is (N, D), or a feature map (N, C, H, W): "
            "name such a tensor as “output” in its JSON"
        )
    used = names_in(graph)
    if len(dims) == 4:
        if dims[2:] != (1, 1):
            pooled = _fresh("head.pool", used)
            graph.node.append(helper.make_node("GlobalAveragePool", [source], [pooled], name=pooled))
            source = pooled
        flat = _fresh("head", used)
        graph.node.append(helper.make_node("Flatten", [source], [flat], name=flat, axis=1))
        source = flat
    graph.node.append(helper.make_node("LpNormalization", [source], [OUTPUT], name=OUTPUT, axis=1, p=2))
    return width


def embedding_graph(
    model: onnx.ModelProto,
    size: tuple[int, int],
    output: str | None,
    where: str,
    tidy: Callable[[onnx.ModelProto], onnx.ModelProto] = clean,
    free_batch: bool | None = None,
) -> onnx.ModelProto:
    """Make the graph that a backbone builds: in standard form, cleaned, checked and tried on two images.

    The batch axis is free if a batch then gives what its images give one by one, else it stays at one image; a clean-up
    that changed what comes out would be dropped again. With ``free_batch`` it is as that says, and nothing else is tried.

    Raises:
        WeightsError: the graph cannot be run, or does not give an embedding.
    """
    image = audit(model, where)
    plain, width = standardise(model, image, size, output, where, free_batch=image.free_batch)
    images_NKHW = trial_images(size)
    expected_1D = Trial(plain, where).run(images_NKHW[:1])
    if expected_1D.shape != (1, width) or not np.isfinite(expected_1D).all():
        kind = "" if np.isfinite(expected_1D).all() else " with values that are not finite"
        raise WeightsError(
            f"{where} gives {list(expected_1D.shape)}{kind} for one image, not {[1, width]}; export again"
        )
    for free in (True, False) if free_batch is None else (free_batch,):
        form, _ = standardise(model, image, size, output, where, free_batch=free)
        for candidate in (tidy(form), form):
            if _gives(candidate, expected_1D, images_NKHW, where, batches=free):
                check(candidate, where)
                return candidate
    raise WeightsError(f"{where} does not give the same for the same image; export it for inference, with model.eval()")


def _gives(model: onnx.ModelProto, expected_1D: Array, images_NKHW: Array, where: str, *, batches: bool) -> bool:
    try:
        return Trial(model, where).gives(expected_1D, images_NKHW, batches=batches)
    except WeightsError:  # a graph that insists on one image may not even load with a free batch axis
        return False
