"""Foreign graphs that ask for more than any network does: each is refused in one line, by little work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_nets import floats, model, node, plain_net

from drivetrain.core.errors import WeightsError
from drivetrain.embed.foreign import onnx_file
from drivetrain.embed.foreign.determinism import Trial
from drivetrain.embed.foreign.graph_scan import MAX_NAME, GraphFaultError, scan
from drivetrain.embed.onnx_runtime import onnx_runtime
from drivetrain.embed.operators import ALLOWED, SIZED_BY, Step, fault_of
from drivetrain.embed.quarantine import ChildLimits, Quarantine
from drivetrain.embed.session import Session

pytestmark = pytest.mark.processes

SIDECAR = json.dumps({"preprocess": {"mean": [0.5] * 3, "std": [0.5] * 3}})


def saved(folder: Path, net: onnx.ModelProto | bytes) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(net if isinstance(net, bytes) else net.SerializeToString())
    path.with_suffix(".json").write_text(SIDECAR)
    return path


def quick(folder: Path, seconds: float = 20, mebibytes: int = 512) -> Quarantine:
    return Quarantine(folder / "passed", ChildLimits(seconds, mebibytes << 20))


def raw(nodes: list[onnx.NodeProto], weights: dict[str, Any], **more: Any) -> onnx.ModelProto:
    """As `model`, without the inference of shapes, which some of these would be too much for."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 12, 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, **more)


def loop() -> onnx.ModelProto:
    """2⁶² turns."""
    infos = [helper.make_tensor_value_info(n, t, []) for n, t in (("i", TensorProto.INT64), ("on", TensorProto.BOOL))]
    body = helper.make_graph(
        [node("Identity", ["on"], "on2"), node("Neg", ["x"], "x2")],
        "body",
        [*infos, helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("on2", TensorProto.BOOL, []), helper.make_tensor_value_info("x2", 1, None)],
    )
    nodes = [node("Loop", ["turns", "", "image"], "looped", body=body), node("Flatten", ["looped"], "y")]
    return raw(nodes, {"turns": np.int64(1 << 62)})


def functions(depth: int = 10, calls: int = 10) -> onnx.ModelProto:
    """Each calls the next one ten times: 10¹⁰ nodes, written out."""
    made = []
    for level in range(depth):
        op, domain = (f"f{level + 1}", "own") if level + 1 < depth else ("Neg", "")
        nodes = []
        for call in range(calls):
            source, target = f"t{call}" if call else "x", f"t{call + 1}" if call + 1 < calls else "z"
            nodes.append(helper.make_node(op, [source], [target], domain=domain))
        sets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        made.append(helper.make_function("own", f"f{level}", ["x"], ["z"], nodes, sets))
    call = helper.make_node("f0", ["image"], ["called"], domain="own")
    net = raw([call, node("Flatten", ["called"], "y")], {}, functions=made)
    net.opset_import.append(helper.make_opsetid("own", 1))
    return net


def circle() -> onnx.ModelProto:
    net = functions(2, 1)
    net.functions[1].node[0].op_type, net.functions[1].node[0].domain = "f0", "own"
    return net


def sized_by_picture(op: str) -> onnx.ModelProto:
    """As many numbers as the picture says."""
    nodes = [
        node("ReduceMax", ["image"], "top", keepdims=0),
        node("Cast", ["top"], "many", to=TensorProto.INT64),
        node("Reshape", ["many", "one"], "size"),
        node(op, ["size"] if op == "ConstantOfShape" else ["half", "size"], "made"),
        node("ReduceMax", ["made"], "r", keepdims=0),
        node("Add", ["image", "r"], "sum"),
        node("Flatten", ["sum"], "y"),
    ]
    return raw(nodes, {"one": np.array([1]), "half": np.ones(1, np.float32)})


def by_detour() -> onnx.ModelProto:
    """What NonZero finds depends on the picture, and how much that is on what it found."""
    nodes = [
        node("NonZero", ["image"], "found"),
        node("Shape", ["found"], "size"),
        node("ConstantOfShape", ["size"], "made"),
        node("ReduceMax", ["made"], "r", keepdims=0),
        node("Add", ["image", "r"], "sum"),
        node("Flatten", ["sum"], "y"),
    ]
    return raw(nodes, {})


def huge_constant() -> onnx.ModelProto:
    """16 GiB of zeros."""
    nodes = [
        node("ConstantOfShape", ["size"], "made"),
        node("ReduceMax", ["made"], "r", keepdims=0),
        node("Add", ["image", "r"], "sum"),
        node("Flatten", ["sum"], "y"),
    ]
    return raw(nodes, {"size": np.array([1 << 32])})


def einsum() -> onnx.ModelProto:
    """300 numbers, and 300⁴ of them."""
    nodes = [
        node("Einsum", ["v", "v", "v", "v"], "made", equation="a,b,c,d->abcd"),
        node("ReduceMax", ["made"], "r", keepdims=0),
        node("Add", ["image", "r"], "sum"),
        node("Flatten", ["sum"], "y"),
    ]
    return raw(nodes, {"v": floats(300)})


def wide_pooling() -> onnx.ModelProto:
    nodes = [
        node("MaxPool", ["image"], "p", kernel_shape=[1 << 18, 1 << 18], pads=[(1 << 18) - 1] * 4),
        node("GlobalAveragePool", ["p"], "g"),
        node("Flatten", ["g"], "y"),
    ]
    return raw(nodes, {})


def announced() -> onnx.ModelProto:
    """A weight of 2⁴⁰ numbers, none of which is there."""
    net = plain_net()
    net.graph.initializer.append(TensorProto(name="w2", data_type=1, dims=[1 << 20, 1 << 20]))
    return net


def long_name() -> onnx.ModelProto:
    net = plain_net()
    net.graph.node.append(node("Relu", ["image"], "x" * (1 << 20)))
    return net


REFUSED = {
    "loop": (loop(), "is a Loop, which no network for pictures needs"),
    "functions": (functions(), "comes to more than 100,000 nodes, or 2 GiB, with its functions written out"),
    "circle": (circle(), "function “f0” calls itself"),
    "size by the picture": (
        sized_by_picture("ConstantOfShape"),
        "how much its ConstantOfShape makes depends on what a",
    ),
    "repeats by the picture": (sized_by_picture("Tile"), "how much its Tile makes depends on what a picture shows"),
    "detour": (by_detour(), "how much its NonZero makes depends on what a picture shows"),
    "huge constant": (huge_constant(), "takes more than 512 MiB of memory|ended the process|numbers for one image"),
    "einsum": (einsum(), "takes more than 512 MiB of memory|ended the process|numbers for one image"),
    "pooling": (wide_pooling(), "m.onnx"),
    "announced": (announced(), "“w2” announces more numbers than it holds"),
    "long name": (long_name(), "a name of 1,048,576 bytes"),
}


@pytest.mark.parametrize(("net", "message"), REFUSED.values(), ids=REFUSED)
def test_a_graph_without_bounds_is_refused(tmp_path: Path, net: onnx.ModelProto, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        onnx_file.load(saved(tmp_path, net), quick(tmp_path))
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "passed").glob("*")), "what was refused is not remembered as passed"


def by_batch(nodes: list[onnx.NodeProto], weights: dict[str, Any]) -> onnx.ModelProto:
    """As many zeros as ``nodes`` say in ``size``, of the number of images at once, which is ``n``."""
    nodes = [
        node("Shape", ["image"], "shape"),
        node("Gather", ["shape", "first"], "n"),
        *nodes,
        node("ConstantOfShape", ["size"], "made"),
        node("ReduceMax", ["made"], "r", keepdims=0),
        node("Add", ["image", "r"], "sum"),
        node("Flatten", ["sum"], "y"),
    ]
    return raw(nodes, {"first": np.array([0]), **weights})


def only_for(count: int) -> onnx.ModelProto:
    """16 TiB for so many images at once, and a single number for any other."""
    nodes = [node("Equal", ["n", "that"], "is"), node("Where", ["is", "many", "one"], "size")]
    return by_batch(nodes, {"that": np.array([count]), "many": np.array([1 << 42]), "one": np.array([1])})


def to_a_power() -> onnx.ModelProto:
    """1³² zeros for one image, 16 GiB for two."""
    names = ("n", "n^2", "n^4", "n^8", "n^16", "size")
    return by_batch([node("Mul", [root, root], square) for root, square in pairwise(names)], {})


@pytest.mark.parametrize("count", [4, 8])
def test_a_graph_that_takes_more_for_a_larger_batch_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(WeightsError, match=rf"does not run on \[{count}, 3, 12, 10\]|takes more|ended the process"):
        onnx_file.load(saved(tmp_path, only_for(count)), quick(tmp_path))
    assert not (tmp_path / "passed").exists()


@pytest.mark.parametrize("net", [only_for(2), to_a_power()], ids=["of two", "to a power"])
def test_a_graph_that_takes_more_for_two_is_given_one_at_a_time(tmp_path: Path, net: onnx.ModelProto) -> None:
    """What the trial found is not tried again without its limits: 16 GiB might be there."""
    backbone = onnx_file.load(saved(tmp_path, net), quick(tmp_path))
    again = onnx_file.load(tmp_path / "m.onnx", quick(tmp_path, seconds=0))
    for one in (backbone, again):
        graph = one.build((onnx_file.HEAD,))
        assert graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_what_takes_too_long_is_given_up(tmp_path: Path) -> None:
    nodes = [node("ConstantOfShape", ["size"], "m0"), node("ReduceSum", ["image"], "s", keepdims=0)]
    nodes.append(node("Add", ["m0", "s"], "m1"))
    nodes += [node("MatMul", [f"m{i}", "m0"], f"m{i + 1}") for i in range(1, 3000)]
    nodes += [
        node("ReduceMax", ["m3000"], "r", keepdims=0),
        node("Add", ["image", "r"], "sum"),
        node("Flatten", ["sum"], "y"),
    ]
    net = raw(nodes, {"size": np.array([2000, 2000])})
    with pytest.raises(WeightsError, match="to make it a backbone takes more than 2 s, so it was refused"):
        onnx_file.load(saved(tmp_path, net), quick(tmp_path, seconds=2))


def test_what_has_passed_is_not_tried_again(tmp_path: Path) -> None:
    path = saved(tmp_path, plain_net())
    onnx_file.load(path, quick(tmp_path))
    (note,) = (tmp_path / "passed").iterdir()
    # With no time at all, it could only be known.
    onnx_file.load(path, quick(tmp_path, seconds=0))
    note.unlink()
    with pytest.raises(WeightsError, match="takes more than 0 s"):
        onnx_file.load(path, quick(tmp_path, seconds=0))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("name", ["m.onnx", "m.json"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, plain_net())
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(WeightsError, match=r"it is a pipe, not a file|has no m\.json"):
        onnx_file.load(path)


def test_many_weights_of_the_same_bytes_are_counted_before_they_are_copied(tmp_path: Path) -> None:
    net = plain_net()
    (tmp_path / "w.bin").write_bytes(bytes(1 << 20))
    for number in range(3000):
        tensor = net.graph.initializer.add(name=f"w{number}", data_type=1, dims=[1 << 18], data_location=1)
        tensor.external_data.add(key="location", value="w.bin")
    with pytest.raises(WeightsError, match="larger than 2 GiB with its weights"):
        onnx_file.load(saved(tmp_path, net))


def test_a_graph_of_millions_of_empty_parts_is_given_up() -> None:
    message = b"\x0a\x00" * 700_000  # nodes without anything
    length, head = len(message), b""
    while length > 127:
        head, length = head + bytes([length & 127 | 128]), length >> 7
    with pytest.raises(GraphFaultError, match="more than 600,000 parts"):
        scan(b"\x3a" + head + bytes([length]) + message)


def test_the_table_of_operators_is_onnxs_own() -> None:
    known = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}
    newer = {"BitCast", "CausalConvWithState", "CumProd", "LinearAttention", "SwiGLU", "Swish", "TensorScatter"}
    newer |= {"Attention", "RMSNormalization", "RotaryEmbedding", "Gelu"}
    assert ALLOWED - known <= newer, "an operator that ONNX does not have"
    assert set(SIZED_BY) <= ALLOWED
    for kind in (
        "Loop",
        "If",
        "Scan",
        "Random",
        "SequenceAt",
        "String",
        "Optional",
        "Bernoulli",
        "Multinomial",
        "Image",
    ):
        assert not [name for name in ALLOWED if kind in name]


def test_the_size_of_what_is_made_may_follow_from_the_size_of_the_picture() -> None:
    steps = [
        Step("Shape", "", ("image",), ("size",)),
        Step("Gather", "", ("size", "two"), ("side",)),
        Step("Resize", "", ("image", "", "", "side"), ("y",)),
    ]
    assert fault_of(steps, ["image"], ["two"]) is None
    assert fault_of([steps[2]], ["image", "side"], []) is not None
    assert "before that is made" in str(fault_of(steps[::-1], ["image"], ["two"]))
    assert MAX_NAME < 10_000


def test_an_ordinary_graph_with_functions_still_passes(tmp_path: Path) -> None:
    backbone = onnx_file.load(saved(tmp_path, functions(2, 3)), quick(tmp_path, mebibytes=2048))
    assert backbone.blocks[0].width == 3 * 12 * 10
    assert model([node("Relu", ["image"], "y")], {}).graph.node


SCAN_QUICKLY = """
import resource, sys
from drivetrain.embed.foreign.graph_scan import GraphFaultError, scan
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
try:
    scan(sys.stdin.buffer.read())
except GraphFaultError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits on time here")
def test_a_weight_of_half_a_million_dimensions_is_given_up_at_once() -> None:
    """Their product would have millions of digits, and take an hour in the process that reads the file."""
    net = plain_net()
    net.graph.initializer.add(name="w2", data_type=1).dims.extend([(1 << 63) - 1] * 400_000)
    done = subprocess.run(
        [sys.executable, "-c", SCAN_QUICKLY], input=net.SerializeToString(), capture_output=True, check=True
    )
    assert b"announces more numbers than it holds" in done.stdout


def test_a_weight_without_numbers_may_have_any_other_dimensions() -> None:
    net = plain_net()
    net.graph.initializer.append(TensorProto(name="w2", data_type=1, dims=[1 << 40, 0]))
    assert "w2" in scan(net.SerializeToString()).weights


def test_only_onnx_is_loaded_whatever_the_bytes_say(tmp_path: Path) -> None:
    """The runtime has a format of its own, which no audit reads, and which it takes where the fifth byte begins its name."""
    ort = onnx_runtime()
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "m.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(plain_net().SerializeToString(), options)
    own = (tmp_path / "m.ort").read_bytes()
    assert own[4:8] == b"ORTM"
    ort.InferenceSession(own)  # left to itself
    with pytest.raises(WeightsError, match="protobuf"):
        Session(own)
    # A name that happens to begin so is a name.
    net = plain_net()
    net.producer_name, net.ir_version = "ORTM of somebody", 8
    assert net.SerializeToString()[4:8] == b"ORTM"
    assert Session(net.SerializeToString()).outputs
    assert Trial(net, "m.onnx")
