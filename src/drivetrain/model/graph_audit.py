"""What a graph from disk may not contain, found on its bytes before any runtime sees them.

ONNX is a protocol-buffer message: fields of a number, a wire type and a value. Only the fields that lead to tensors,
nodes and operator sets are followed here (numbers from onnx.proto, which may never be reused), so weights are stepped
over and the heavy ``onnx`` package is not needed to load a bundle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto

from ..core.errors import BundleError

# The operators of ONNX itself, and those that ONNX Runtime and ONNX Runtime Web bring along.
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})

# Protocol-buffer readers stop at 100 messages within each other.
MAX_DEPTH = 100


class _Kind(Enum):
    MODEL = auto()
    TRAINING = auto()
    GRAPH = auto()
    NODE = auto()
    ATTRIBUTE = auto()
    FUNCTION = auto()
    OPERATOR_SET = auto()
    SPARSE = auto()
    TENSOR = auto()


_BELOW: Mapping[_Kind, Mapping[int, _Kind]] = {
    _Kind.MODEL: {7: _Kind.GRAPH, 8: _Kind.OPERATOR_SET, 20: _Kind.TRAINING, 25: _Kind.FUNCTION},
    _Kind.TRAINING: {1: _Kind.GRAPH, 2: _Kind.GRAPH},
    _Kind.GRAPH: {1: _Kind.NODE, 5: _Kind.TENSOR, 15: _Kind.SPARSE},
    _Kind.NODE: {5: _Kind.ATTRIBUTE},
    _Kind.ATTRIBUTE: {
        5: _Kind.TENSOR,
        6: _Kind.GRAPH,
        10: _Kind.TENSOR,
        11: _Kind.GRAPH,
        22: _Kind.SPARSE,
        23: _Kind.SPARSE,
    },
    _Kind.FUNCTION: {7: _Kind.NODE, 9: _Kind.OPERATOR_SET, 11: _Kind.ATTRIBUTE},
    _Kind.SPARSE: {1: _Kind.TENSOR, 2: _Kind.TENSOR},
}
_DOMAIN_FIELD = {_Kind.NODE: 7, _Kind.OPERATOR_SET: 1}
_EXTERNAL_DATA_FIELD, _DATA_LOCATION_FIELD = 13, 14


def audit_graph(model: bytes) -> None:
    """Whether a graph keeps to itself: no weights in other files, no operators from elsewhere.

    Raises:
        BundleError: it does not, or it is not a whole ONNX file.
    """
    try:
        _audit(memoryview(model), _Kind.MODEL, 0)
    except (IndexError, UnicodeDecodeError):
        raise BundleError(f"the graph ({len(model)} bytes) is cut short or not an ONNX file") from None


def _audit(message: memoryview, kind: _Kind, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BundleError(f"the graph is nested more than {MAX_DEPTH} deep")
    below = _BELOW.get(kind, {})
    for number, value in _fields(message):
        if kind is _Kind.TENSOR and (number == _EXTERNAL_DATA_FIELD or (number == _DATA_LOCATION_FIELD and value)):
            raise BundleError("the graph keeps weights in another file; in a bundle they stand in the graph")
        if not isinstance(value, memoryview):
            continue
        if number == _DOMAIN_FIELD.get(kind):
            domain = bytes(value).decode()
            if domain not in DOMAINS:
                raise BundleError(f"the graph needs operators of “{domain[:80]}”, which a bundle may not bring along")
        if number in below:
            _audit(value, below[number], depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Field number and value: a view for a length-delimited field, a number for a varint, 0 for fixed widths.

    Raises:
        IndexError: the message ends within a field, or is none.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        if tag >> 32:
            raise IndexError("a tag of more than 32 bits, which other readers would cut")
        number, wire = tag >> 3, tag & 7
        value: memoryview | int = 0
        if wire == 0:
            value, at = _varint(message, at)
        elif wire == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise IndexError("no such wire type in ONNX")
        if at > end or not number:
            raise IndexError("past the end")
        yield number, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A base-128 number and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at + shift // 7]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + shift // 7 + 1
    raise IndexError("a number without end")
