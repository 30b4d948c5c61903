"""The part of a graph in which the logits are a weighted sum over places of the picture.

A network that ends in the mean over its last feature map, followed only by steps that are linear once the lengths
they divide by are given, has a logit that is a sum over the places of that map (Zhou et al. 2016, "Learning deep
features for discriminative localization"). Here the graph is read backwards from its logits to every such map; a step
that cannot be undone in this way means that the graph has no such form. Nothing is run.

Shapes: N batch, K channels of a map, D columns of a tensor, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...embed.backbone import INPUT
from ..export import LOGITS

if TYPE_CHECKING:
    import onnx

    from ...embed.known_values import Dims
    from ...embed.wiring import Wiring

Floats = NDArray[np.float64]

# Operators that leave every value of a pooled (N, K, 1, 1) or (N, K) tensor in its place.
SAME_VALUES = frozenset({"Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})


class NoPlacesError(Exception):
    """The logits are no sum over places. Users never see this error: heat maps are then made in another way."""


@dataclass(frozen=True)
class Divisor:
    """The divisor of a pooled vector: the tensor itself, or its L2 norm along the columns."""

    tensor: str
    norm: bool


@dataclass(frozen=True, eq=False)
class Term:
    """One map's share in the logits: Σ over places of weight_KC · x_place / (places · divisors).

    With ``largest`` a channel counts once, at the place where it is largest, and is not divided by the places.
    """

    tensor: str
    """The map, (N, K, h, w)."""
    weight_KC: Floats
    divisors: tuple[Divisor, ...]
    reversed_axes: tuple[int, ...]
    """The axes of the image (2 for rows, 3 for columns) that run backwards in the view that the map is of."""
    largest: bool = False


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence: logits = bias + the sum over ``terms``."""

    terms: tuple[Term, ...]
    bias_C: Floats


def find_evidence(model: onnx.ModelProto) -> Evidence:
    """Read the graph backwards. ``model`` is simplified in place: values that do not depend on the image are computed.

    Raises:
        NoPlacesError: the logits are no weighted sum over places; says which step is in the way.
    """
    from ...embed.known_values import dims_of, fold_constants  # ONNX is heavy to import, and answers need none
    from ...embed.wiring import Wiring

    types = fold_constants(model)
    walk = _Walk(Wiring(model.graph), {name: dims_of(kind) for name, kind in types.items()})
    width = walk.width(LOGITS)
    walk.visit(LOGITS, np.eye(width), ())
    # Terms without a weight go (blocks that were made and not chosen), but a model without any weight still has its places.
    weighty = [term for term in walk.terms if term.weight_KC.any()]
    return Evidence(tuple(weighty or walk.terms), walk.bias_C)


class _Walk:
    """The walk from the logits to the maps; ``visit`` calls itself along every branch."""

    def __init__(self, wiring: Wiring, dims: dict[str, Dims | None]) -> None:
        self.terms: list[Term] = []
        self.bias_C: Floats = np.zeros(0)
        self._wiring = wiring
        self._dims = dims

    def width(self, name: str) -> int:
        """Return the number of columns of a tensor (N, D) or (N, D, 1, 1)."""
        dims = self._dims.get(name)
        node = self._wiring.maker.get(name)
        if dims is None and node is not None and node.op_type in ("Cast", "Div", "Identity"):
            # Torch divides by a norm that is expanded to a shape known only at run time; the vector's own width is known.
            return self.width(node.input[0])
        if dims is None and node is not None and node.op_type == "Concat":
            return sum(self.width(part) for part in node.input)
        if not dims or len(dims) not in (2, 4) or not dims[1] or any(dim != 1 for dim in dims[2:]):
            raise NoPlacesError(f"“{name}” has the shape {dims}, which is no vector an image")
        return dims[1]

    def visit(self, name: str, weight_DC: Floats, divisors: tuple[Divisor, ...]) -> None:
        """Add the contribution of ``tensor @ weight_DC / divisors`` to the logits."""
        if not len(self.bias_C):
            self.bias_C = np.zeros(weight_DC.shape[1])
        node = self._wiring.maker.get(name)
        if node is None:
            raise NoPlacesError(f"“{name}” does not come from a map")
        largest = self._is_maximum(node)
        if largest or self._is_mean(node):
            self._add_term(node.input[0], weight_DC, divisors, largest=largest)
            return
        if self.width(name) != len(weight_DC):
            raise NoPlacesError(f"“{name}” has {self.width(name)} columns where {len(weight_DC)} are read")
        kind = node.op_type
        if kind in SAME_VALUES:
            self.visit(node.input[0], weight_DC, divisors)
        elif kind == "LpNormalization" and _attribute(node, "p", 2) == 2 and _attribute(node, "axis", -1) in (1, -1):
            self.visit(node.input[0], weight_DC, (*divisors, Divisor(node.input[0], norm=True)))
        elif kind in ("Add", "Sub"):
            self._visit_sum(node, weight_DC, divisors)
        elif kind in ("Mul", "Div"):
            self._visit_product(node, weight_DC, divisors)
        elif kind == "Concat" and _attribute(node, "axis", 1) in (1, -1):
            start = 0
            for part in node.input:
                width = self.width(part)
                self.visit(part, weight_DC[start : start + width], divisors)
                start += width
        elif kind == "Gather" and _attribute(node, "axis", 0) in (1, -1):
            self._visit_columns(node, weight_DC, divisors)
        elif kind in ("Gemm", "MatMul"):
            self._visit_linear(node, weight_DC, divisors)
        else:
            raise NoPlacesError(f"between the logits and the maps stands {kind}, which is not linear")

    def _visit_sum(self, node: onnx.NodeProto, weight_DC: Floats, divisors: tuple[Divisor, ...]) -> None:
        for sign, part in zip((1.0, -1.0 if node.op_type == "Sub" else 1.0), node.input, strict=True):
            value = self._constant(part)
            if value is None:
                self.visit(part, sign * weight_DC, divisors)
            elif divisors:
                raise NoPlacesError("a constant is added before a vector is brought to a length")
            else:
                self.bias_C = self.bias_C + sign * np.broadcast_to(value.reshape(-1), len(weight_DC)) @ weight_DC

    def _visit_product(self, node: onnx.NodeProto, weight_DC: Floats, divisors: tuple[Divisor, ...]) -> None:
        first, second = node.input
        if node.op_type == "Mul" and self._constant(first) is not None:
            first, second = second, first
        factor = self._constant(second)
        if factor is not None and factor.size in (1, len(weight_DC)):
            factor_D = np.broadcast_to(factor.reshape(-1), len(weight_DC))
            scaled = factor_D if node.op_type == "Mul" else 1 / factor_D
            self.visit(first, scaled[:, None] * weight_DC, divisors)
        elif node.op_type == "Div":
            self.visit(first, weight_DC, (*divisors, Divisor(second, norm=False)))
        else:
            raise NoPlacesError("two tensors that depend on the image are multiplied")

    def _visit_columns(self, node: onnx.NodeProto, weight_DC: Floats, divisors: tuple[Divisor, ...]) -> None:
        columns = self._constant(node.input[1])
        if columns is None or columns.ndim != 1:
            raise NoPlacesError("columns are chosen by what the image shows")
        wide_DC = np.zeros((self.width(node.input[0]), weight_DC.shape[1]))
        np.add.at(wide_DC, columns.astype(np.int64), weight_DC)
        self.visit(node.input[0], wide_DC, divisors)

    def _visit_linear(self, node: onnx.NodeProto, weight_DC: Floats, divisors: tuple[Divisor, ...]) -> None:
        matrix = self._constant(node.input[1])
        if matrix is None or matrix.ndim != 2 or _attribute(node, "transA", 0):
            raise NoPlacesError(f"a {node.op_type} whose weights depend on the image")
        matrix = matrix.astype(np.float64) * _attribute(node, "alpha", 1.0)
        if _attribute(node, "transB", 0):
            matrix = matrix.T
        if len(node.input) > 2 and node.input[2]:
            shift = self._constant(node.input[2])
            if shift is None or divisors:
                raise NoPlacesError("a shift that is not constant")
            shift_D = np.broadcast_to(shift.reshape(-1), len(weight_DC)) * _attribute(node, "beta", 1.0)
            self.bias_C = self.bias_C + shift_D @ weight_DC
        self.visit(node.input[0], matrix @ weight_DC, divisors)

    def _is_mean(self, node: onnx.NodeProto) -> bool:
        """Tells whether the node takes the mean over all places of a map (N, K, h, w)."""
        dims = self._dims.get(node.input[0]) if node.input else None
        if not dims or len(dims) != 4 or None in dims[1:]:
            return False
        if node.op_type == "GlobalAveragePool":
            return True
        if node.op_type == "ReduceMean":
            given = self._constant(node.input[1]) if len(node.input) > 1 and node.input[1] else None
            axes = _attribute(node, "axes", ()) if given is None else [int(axis) for axis in given.reshape(-1)]
            return sorted(axis % 4 for axis in axes) == [2, 3]
        if node.op_type == "AveragePool":
            whole = tuple(_attribute(node, "kernel_shape", ())) == dims[2:]
            return whole and (self._dims.get(node.output[0]) or ())[2:] == (1, 1)
        return False

    def _is_maximum(self, node: onnx.NodeProto) -> bool:
        """Tells whether the node takes the largest value over all places of a map (N, K, h, w)."""
        dims = self._dims.get(node.input[0]) if node.op_type == "GlobalMaxPool" else None
        return dims is not None and len(dims) == 4 and None not in dims[1:]

    def _add_term(self, tensor: str, weight_KC: Floats, divisors: tuple[Divisor, ...], *, largest: bool) -> None:
        dims = self._dims[tensor]
        if dims is None or dims[1] != len(weight_KC):
            raise NoPlacesError(f"“{tensor}” has the shape {dims}, but {len(weight_KC)} channels are read")
        self.terms.append(Term(tensor, weight_KC, divisors, self._reversed_axes(tensor), largest))

    def _constant(self, name: str) -> NDArray[Any] | None:
        tensor = self._wiring.constants.get(name)
        if tensor is None:
            return None
        from onnx import numpy_helper

        return np.asarray(numpy_helper.to_array(tensor))

    def _reversed_axes(self, tensor: str) -> tuple[int, ...]:
        """Find the axes along which the input is gathered backwards on the way to a map."""
        from ...embed.wiring import reads_of

        views, seen, waiting = set(), {tensor}, [tensor]
        while waiting:
            name = waiting.pop()
            view = self._view(name)
            if view is not None:
                views.add(view)
                continue
            node = self._wiring.maker.get(name)
            for read in reads_of(node) if node is not None else ():
                if read not in seen:
                    seen.add(read)
                    waiting.append(read)
        if len(views) != 1:
            raise NoPlacesError(f"“{tensor}” is made from {len(views)} views of the image")
        return views.pop()

    def _view(self, name: str) -> tuple[int, ...] | None:
        """Return the axes along which a tensor is the input backwards; None where the tensor is anything else."""
        axes: set[int] = set()
        while name != INPUT:
            node = self._wiring.maker.get(name)
            order = self._constant(node.input[1]) if node is not None and node.op_type == "Gather" else None
            if node is None or order is None or not np.array_equal(order, np.arange(order.size)[::-1]):
                return None
            axis = _attribute(node, "axis", 0) % 4
            if axis not in (2, 3):
                return None
            axes ^= {axis}
            name = node.input[0]
        return tuple(sorted(axes))


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(item) for item in node.attribute if item.name == name), default)
