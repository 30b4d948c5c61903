"""The content of an ONNX file, read off its bytes before any library sees them.

ONNX is a protocol-buffer message: fields of a number, a wire type and a value. A parser makes an object of each, of two
bytes a hundred, and a runtime does what the graph says; so the bytes are walked here first, by hand. Only the fields that
lead to tensors, nodes and operator sets are followed (numbers from onnx.proto, which may never be reused), weights are
stepped over, and the heavy ``onnx`` package is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from ..operators import Step

# Protocol-buffer readers stop at 100 messages within each other.
MAX_DEPTH = 100

# The most fields, far beyond any network: the largest in use have some ten thousand nodes, each of a few dozen fields.
MAX_FIELDS = 600_000

# The most bytes of a name; exporters build names from those of modules within modules.
MAX_NAME = 4096


class GraphFaultError(Exception):
    """The bytes are no graph, or a graph beyond any real network; the message says which."""


@dataclass
class Scan:
    """The findings of a scan. Steps and names are those of the main graph, in the order of the file."""

    steps: list[Step] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    weights: list[str] = field(default_factory=list)
    domains: set[str] = field(default_factory=set)
    """Domains of every operator set and every node, wherever it stands."""
    external: bool = False
    """Tells whether there are weights in other files."""
    bodies: bool = False
    """Tells whether a node holds a graph, as loops and branches do."""
    functions: bool = False
    training: bool = False
    sparse: bool = False


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
    VALUE = auto()


_BELOW: Mapping[_Kind, Mapping[int, _Kind]] = {
    _Kind.MODEL: {7: _Kind.GRAPH, 8: _Kind.OPERATOR_SET, 20: _Kind.TRAINING, 25: _Kind.FUNCTION},
    _Kind.TRAINING: {1: _Kind.GRAPH, 2: _Kind.GRAPH},
    _Kind.GRAPH: {1: _Kind.NODE, 5: _Kind.TENSOR, 11: _Kind.VALUE, 15: _Kind.SPARSE},
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
_READS, _MAKES, _OPERATOR, _NODE_DOMAIN = 1, 2, 4, 7
_SET_DOMAIN = 1
_DIMS, _EXTERNAL_DATA, _DATA_LOCATION, _TENSOR_NAME = 1, 13, 14, 8
_VALUE_NAME = 1


def scan(model: bytes) -> Scan:
    """Walk a whole file.

    Raises:
        GraphFaultError: it is cut short or not ONNX, or is nested, long or announces more than any network.
    """
    walker = _Walker()
    try:
        walker.walk(memoryview(model), _Kind.MODEL, 0, main=True)
    except (IndexError, UnicodeDecodeError):
        raise GraphFaultError(f"the graph ({len(model)} bytes) is cut short or not an ONNX file") from None
    return walker.found


class _Walker:
    def __init__(self) -> None:
        self.found = Scan()
        self._fields = 0

    def walk(self, message: memoryview, kind: _Kind, depth: int, *, main: bool) -> None:
        """Walk a message; ``main`` tells whether it is the model, its graph or a part of that, rather than of a body or
        function."""
        if depth > MAX_DEPTH:
            raise GraphFaultError(f"the graph is nested more than {MAX_DEPTH} deep")
        if kind is _Kind.TENSOR:
            self._tensor(message, main)
            return
        below = _BELOW.get(kind, {})
        texts: dict[int, list[str]] = {}
        for number, value in self._fields_of(message):
            if not isinstance(value, memoryview):
                continue
            self._note(kind, number)
            if kind in _TEXTS and number in _TEXTS[kind]:
                texts.setdefault(number, []).append(_name(value))
            if number in below:
                inside = kind in (_Kind.MODEL, _Kind.GRAPH) and number != 20
                self.walk(value, below[number], depth + 1, main=main and inside)
        self._take(kind, texts, main)

    def _note(self, kind: _Kind, number: int) -> None:
        found = self.found
        if kind is _Kind.MODEL:
            found.training |= number == 20
            found.functions |= number == 25
        elif kind is _Kind.ATTRIBUTE:
            found.bodies |= number in (6, 11)
            found.sparse |= number in (22, 23)
        elif kind is _Kind.GRAPH:
            found.sparse |= number == 15

    def _take(self, kind: _Kind, texts: dict[int, list[str]], main: bool) -> None:
        """Take up a message's names. Where a field that may stand once is repeated, the last counts."""
        if kind is _Kind.NODE:
            domain = texts.get(_NODE_DOMAIN, [""])[-1]
            self.found.domains.add(domain)
            if main:
                reads, makes = tuple(texts.get(_READS, ())), tuple(texts.get(_MAKES, ()))
                self.found.steps.append(Step(texts.get(_OPERATOR, [""])[-1], domain, reads, makes))
        elif kind is _Kind.OPERATOR_SET:
            self.found.domains.add(texts.get(_SET_DOMAIN, [""])[-1])
        elif kind is _Kind.VALUE and main:
            self.found.inputs.append(texts.get(_VALUE_NAME, [""])[-1])

    def _tensor(self, message: memoryview, main: bool) -> None:
        dims: list[int] = []
        name = ""
        for number, value in self._fields_of(message):
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value):
                self.found.external = True
            elif number == _DIMS:
                dims += [value] if isinstance(value, int) else self._packed(value)
            elif number == _TENSOR_NAME and isinstance(value, memoryview):
                name = _name(value)
        # Every type of number takes at least half a byte.
        if not self.found.external and _exceeds(dims, 2 * len(message)):
            raise GraphFaultError(f"the graph's weight “{name[:80]}” announces more numbers than it holds")
        if main:
            self.found.weights.append(name)

    def _packed(self, value: memoryview) -> list[int]:
        numbers, at = [], 0
        while at < len(value):
            number, at = _varint(value, at)
            numbers.append(number)
            self._count()
        return numbers

    def _count(self) -> None:
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise GraphFaultError(f"the graph has more than {MAX_FIELDS:,} parts")

    def _fields_of(self, message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
        """Yield each field's number and value: a view for a length-delimited field, a number for a varint, 0 for fixed widths.

        Raises:
            IndexError: the message ends within a field, or is none.
        """
        at, end = 0, len(message)
        while at < end:
            self._count()
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


_TEXTS: Mapping[_Kind, frozenset[int]] = {
    _Kind.NODE: frozenset({_READS, _MAKES, _OPERATOR, _NODE_DOMAIN}),
    _Kind.OPERATOR_SET: frozenset({_SET_DOMAIN}),
    _Kind.VALUE: frozenset({_VALUE_NAME}),
}


def _name(value: memoryview) -> str:
    if len(value) > MAX_NAME:
        raise GraphFaultError(f"the graph holds a name of {len(value):,} bytes; names have at most {MAX_NAME:,}")
    return bytes(value).decode()


def _exceeds(dims: list[int], most: int) -> bool:
    """Tells whether a tensor of these dimensions has more numbers than ``most``.

    The product of all is not made: of half a million large numbers it would take an hour, with every thread waiting.
    """
    count = 1
    for dim in dims:
        count *= dim
        if count > most:
            return 0 not in dims
    return False


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Read a base-128 number, and return it with the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at + shift // 7]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + shift // 7 + 1
    raise IndexError("a number without end")
