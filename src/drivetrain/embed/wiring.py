"""The wiring of a graph: the maker and readers of each tensor, and the edits that need them, renaming and pruning.

A reader may sit inside a control-flow body (the branch of an ``If``, the body of a ``Loop``), which sees the tensors of
the graph around it. ONNX forbids a body to reuse a name of that outer graph, so one name is one tensor everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import onnx


def bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The control-flow bodies of one node."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            yield from attribute.graphs


def all_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and every control-flow body inside it."""
    yield graph
    for node in graph.node:
        for body in bodies(node):
            yield from all_graphs(body)


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node, those inside control-flow bodies included."""
    for inner in all_graphs(graph):
        yield from inner.node


def reads_of(node: onnx.NodeProto) -> Iterator[str]:
    """Names a node needs: its inputs, and what its bodies may take from outside (their own names among them)."""
    yield from (name for name in node.input if name)
    for body in bodies(node):
        for inner in body.node:
            yield from reads_of(inner)
        yield from (value.name for value in body.output)


class Wiring:
    """An index over the main graph, valid until the graph is edited."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        overridable = {value.name for value in graph.input}
        self.maker: dict[str, onnx.NodeProto] = {name: node for node in graph.node for name in node.output if name}
        """The node that makes a tensor."""
        self.constants: dict[str, onnx.TensorProto] = {
            tensor.name: tensor for tensor in graph.initializer if tensor.name not in overridable
        }
        """Initialisers that no caller can override."""
        self.outputs: frozenset[str] = frozenset(value.name for value in graph.output)
        self.reads: Counter[str] = Counter(name for node in graph.node for name in reads_of(node))
        """The number of times a tensor is read; being an output of the graph counts as once."""
        self.reads.update(value.name for value in graph.output)


def rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename tensors wherever they stand. The caller sees to it that the new names are free."""
    for inner in all_graphs(graph):
        for node in inner.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
        for tensor in inner.initializer:
            tensor.name = names.get(tensor.name, tensor.name)
        for value in (*inner.input, *inner.output, *inner.value_info):
            value.name = names.get(value.name, value.name)


def names_in(graph: onnx.GraphProto) -> set[str]:
    """Every tensor name in use, those of control-flow bodies included."""
    used: set[str] = set()
    for inner in all_graphs(graph):
        used.update(value.name for value in (*inner.input, *inner.output))
        used.update(tensor.name for tensor in inner.initializer)
        for node in inner.node:
            used.update((*node.input, *node.output))
    return used


def prune(graph: onnx.GraphProto) -> None:
    """Drop nodes and weights that no output depends on."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):  # ONNX lists nodes in an order of execution, so makers stand before readers
        if needed.intersection(node.output):
            needed.update(reads_of(node))
            kept.append(node)
    replace_nodes(graph, kept[::-1])
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(weights)


def replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Put ``nodes``, which may be the graph's own, in the place of all its nodes."""
    del graph.node[:]
    graph.node.extend(nodes)
