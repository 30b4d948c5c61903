"""Any ONNX file as a backbone: what is accepted, what it becomes, and the one line that every refusal is."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from small_nets import SIZE, floats, images, model, node, norm, norm_weights, operators, plain_net, run

from drivetrain.core.errors import WeightsError
from drivetrain.data.image.preprocess import Preprocess, Resize
from drivetrain.embed import registry
from drivetrain.embed.backbone import INPUT, OUTPUT, Backbone, Block
from drivetrain.embed.foreign import onnx_file
from drivetrain.embed.foreign.cleanup import clean
from drivetrain.embed.foreign.standard_form import embedding_graph
from drivetrain.embed.session import Session

STATED = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a model and its JSON; returns the path of the model."""

    def write(net: onnx.ModelProto | bytes, **sidecar: Any) -> Path:
        path = tmp_path / "model.onnx"
        path.write_bytes(net if isinstance(net, bytes) else net.SerializeToString())
        (tmp_path / "model.json").write_text(json.dumps({"preprocess": STATED, **sidecar}))
        return path

    return write


def embed(backbone: Backbone, images_NKHW: np.ndarray) -> np.ndarray:
    """What the built graph gives, after a look at its signature."""
    graph = backbone.build(("head",))
    onnx.checker.check_model(graph, full_check=True)
    assert [value.name for value in graph.graph.input] == [INPUT]
    assert [value.name for value in graph.graph.output] == [OUTPUT]
    (embedding_ND,) = Session(graph.SerializeToString()).run(images_NKHW)
    assert embedding_ND.shape == (len(images_NKHW), backbone.blocks[0].width)
    np.testing.assert_allclose(np.linalg.norm(embedding_ND, axis=1), 1, atol=1e-5)
    return embedding_ND


def batch_axis(backbone: Backbone) -> str | int:
    dim = backbone.build(("head",)).graph.input[0].type.tensor_type.shape.dim[0]
    return dim.dim_param or dim.dim_value


def unit(vectors: np.ndarray) -> np.ndarray:
    flat = vectors.reshape(len(vectors), -1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def one_by_one(net: onnx.ModelProto, images_NKHW: np.ndarray) -> np.ndarray:
    return np.concatenate([run(net, image[None]) for image in images_NKHW])


# What is accepted, and what it becomes


def test_a_file_and_its_json_are_a_backbone(save: Save) -> None:
    path = save(plain_net(), name="small", licence="MIT", source="a test")
    backbone = onnx_file.load(path)
    assert (backbone.name, backbone.licence, backbone.source) == ("small", "MIT", "a test")
    assert backbone.preprocess == Preprocess(
        resize=Resize(size=SIZE), mean=tuple(STATED["mean"]), std=tuple(STATED["std"])
    )
    assert backbone.blocks == (Block("head", 5),)
    images_NKHW = images(3)
    np.testing.assert_allclose(embed(backbone, images_NKHW), unit(run(plain_net(), images_NKHW)), atol=1e-5)
    assert batch_axis(backbone) == "N"


def test_the_name_is_the_files_and_the_rest_unknown_unless_stated(save: Save) -> None:
    backbone = onnx_file.load(save(plain_net()))
    assert (backbone.name, backbone.licence, backbone.source) == ("model", "unknown", "unknown")


def test_the_registry_resolves_a_path(save: Save) -> None:
    assert registry.resolve(str(save(plain_net()))).blocks == (Block("head", 5),)


def test_what_is_built_is_cleaned(save: Save) -> None:
    graph = onnx_file.load(save(plain_net())).build(("head",))
    assert operators(graph) == {"Conv": 1, "Relu": 1, "GlobalAveragePool": 1, "Flatten": 1, "LpNormalization": 1}


@pytest.mark.parametrize(
    ("nodes", "width"),
    [
        pytest.param([node("Conv", ["image", "w"], "y")], 5, id="feature map"),
        pytest.param([node("Conv", ["image", "w"], "c"), node("GlobalMaxPool", ["c"], "y")], 5, id="one pixel"),
        pytest.param([node("Flatten", ["image"], "y")], 3 * SIZE[0] * SIZE[1], id="vector"),
    ],
)
def test_vectors_and_feature_maps_become_an_embedding(save: Save, nodes: list[onnx.NodeProto], width: int) -> None:
    net = model(nodes, {"w": floats(5, 3, 3, 3)})
    backbone = onnx_file.load(save(net))
    assert backbone.blocks == (Block("head", width),)
    given = run(net, images(2))
    expected = given.mean((2, 3)) if given.ndim == 4 else given
    np.testing.assert_allclose(embed(backbone, images(2)), unit(expected), atol=1e-5)


def test_a_size_that_the_graph_leaves_open_comes_from_the_json(save: Save) -> None:
    net = plain_net(shape=("n", 3, "h", "w"))
    path = save(net, preprocess={**STATED, "resize": {"method": "pad", "size": [9, 14], "filter": "bicubic"}})
    backbone = onnx_file.load(path)
    assert backbone.preprocess.resize == Resize(method="pad", size=(9, 14), filter="bicubic")
    np.testing.assert_allclose(embed(backbone, images(2, (9, 14))), unit(run(net, images(2, (9, 14)))), atol=1e-5)


def test_a_batch_of_one_is_freed(save: Save) -> None:
    net = plain_net(shape=(1, 3, *SIZE))
    backbone = onnx_file.load(save(net))
    np.testing.assert_allclose(embed(backbone, images(3)), unit(one_by_one(net, images(3))), atol=1e-5)
    assert batch_axis(backbone) == "N"


@pytest.mark.parametrize("more", [{}, {"allowzero": 1}])
@pytest.mark.parametrize("target", [[1, 4 * 5], [1, -1], [1, 5, 4]])
def test_a_batch_of_one_frozen_into_a_reshape_is_freed(save: Save, target: list[int], more: dict[str, int]) -> None:
    nodes = [
        node("Conv", ["image", "w"], "c", strides=[5, 5]),
        node("Reshape", ["c", "target"], "v", **more),
        node("Reshape", ["v", "flat"], "y"),
    ]
    weights = {"w": floats(5, 3, 3, 3), "target": np.array(target, np.int64), "flat": np.array([1, -1], np.int64)}
    net = model(nodes, weights, shape=(1, 3, *SIZE))
    backbone = onnx_file.load(save(net))
    np.testing.assert_allclose(embed(backbone, images(3)), unit(one_by_one(net, images(3))), atol=1e-5)
    assert batch_axis(backbone) == "N"


def test_a_graph_that_mixes_the_images_of_a_batch_stays_at_one(save: Save) -> None:
    nodes = [node("Flatten", ["image"], "f"), node("Softmax", ["f"], "s", axis=0), node("Mul", ["s", "f"], "y")]
    net = model(nodes, {}, shape=(1, 3, *SIZE))
    backbone = onnx_file.load(save(net))
    np.testing.assert_allclose(embed(backbone, images(1)), unit(run(net, images(1))), atol=1e-5)
    assert batch_axis(backbone) == 1


def test_a_graph_that_cannot_take_two_images_stays_at_one(save: Save) -> None:
    nodes = [
        node("Reshape", ["image", "target"], "r"),
        node("Conv", ["r", "w"], "c"),
        node("Reshape", ["c", "flat"], "y"),
    ]
    weights = {
        "w": floats(5, 3 * SIZE[0], 3, 3)[:, :, :1, :],
        "target": np.array([1, 3 * SIZE[0], 1, SIZE[1]], np.int64),
        "flat": np.array([-1, 5 * (SIZE[1] - 2)], np.int64),
    }
    nodes.insert(0, node("Add", ["image", "one_image"], "sum"))
    nodes[1].input[0] = "sum"
    weights["one_image"] = floats(1, 3, *SIZE)
    weights["target"][0] = -1
    net = model(nodes, weights, shape=(1, 3, *SIZE))
    backbone = onnx_file.load(save(net))
    np.testing.assert_allclose(embed(backbone, images(2)), unit(one_by_one(net, images(2))), atol=1e-5)


@pytest.mark.processes
def test_one_of_several_outputs_is_named(save: Save) -> None:
    net = plain_net(outputs={"y": None, "r": None})
    with pytest.raises(WeightsError, match=r"2 outputs \(y, r\); name one as “output”"):
        onnx_file.load(save(net))
    backbone = onnx_file.load(save(net, output="r"))
    np.testing.assert_allclose(
        embed(backbone, images(2)), embed(onnx_file.load(save(net, output="y")), images(2)), atol=1e-5
    )


def test_an_inner_tensor_can_be_named_and_what_lies_behind_it_goes(save: Save) -> None:
    nodes = [*plain_net().graph.node, node("Gemm", ["y", "fc"], "logits")]
    net = model(
        nodes, {"w": floats(5, 3, 3, 3), **norm_weights("bn", 5), "fc": floats(5, 1000)}, outputs={"logits": None}
    )
    assert onnx_file.load(save(net)).blocks == (Block("head", 1000),)
    backbone = onnx_file.load(save(net, output="y"))
    assert backbone.blocks == (Block("head", 5),)
    assert backbone.build(("head",)).ByteSize() < 2000
    np.testing.assert_allclose(embed(backbone, images(2)), unit(run(plain_net(), images(2))), atol=1e-5)


@pytest.mark.processes
def test_an_output_that_is_not_there_is_refused(save: Save) -> None:
    with pytest.raises(WeightsError, match=r"no tensor “pooled”.*its outputs are y"):
        onnx_file.load(save(plain_net(), output="pooled"))


@pytest.mark.parametrize("output", ["embedding", "embedding_", "pixels"])
def test_names_that_we_use_ourselves_do_no_harm(save: Save, output: str) -> None:
    nodes = [
        node("Conv", ["head", "w"], "embedding", pads=[1, 1, 1, 1]),
        node("Relu", ["embedding"], "embedding_"),
        node("Neg", ["embedding_"], "head.pool"),
        node("Exp", ["head.pool"], "pixels"),
    ]
    net = model(nodes, {"w": floats(5, 3, 3, 3)}, source="head", outputs={output: None})
    backbone = onnx_file.load(save(net, output=output))
    np.testing.assert_allclose(embed(backbone, images(2)), unit(run(net, images(2)).mean((2, 3))), atol=1e-5)


def test_a_width_that_only_shows_when_the_graph_runs_is_found(save: Save) -> None:
    nodes = [
        node("Flatten", ["image"], "f"),
        node("NonZero", ["mask"], "where"),
        node("Squeeze", ["where", "axis0"], "columns"),
        node("Gather", ["f", "columns"], "y", axis=1),
    ]
    weights = {"mask": np.array([1, 0, 1, 1, 0, 0, 1], np.float32), "axis0": np.array([0], np.int64)}
    net = model(nodes, weights)
    backbone = onnx_file.load(save(net))
    assert backbone.blocks == (Block("head", 4),)
    np.testing.assert_allclose(embed(backbone, images(2)), unit(run(net, images(2))), atol=1e-5)


def test_old_graphs_are_brought_up_to_date(save: Save) -> None:
    """Opset 6 with weights among the inputs: what exporters of 2017 wrote."""
    nodes = [
        node("Conv", ["image", "w"], "c", kernel_shape=[3, 3]),
        norm("c", "bn", "n", is_test=1),
        node("Dropout", ["n"], "d", is_test=1),
        node("GlobalAveragePool", ["d"], "p"),
        node("Flatten", ["p"], "y"),
    ]
    weights = {"w": floats(5, 3, 3, 3), **norm_weights("bn", 5)}
    net = model(nodes, weights, opset=6, ir=3, shape=(1, 3, *SIZE))
    for name, value in weights.items():
        net.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(value.shape)))
    backbone = onnx_file.load(save(net))
    graph = backbone.build(("head",))
    assert graph.opset_import[0].version == 7
    assert graph.ir_version == 8
    assert operators(graph) == {"Conv": 1, "GlobalAveragePool": 1, "Flatten": 1, "LpNormalization": 1}
    modern = model([nodes[0], norm("c", "bn", "n"), *nodes[3:]], weights)
    modern.graph.node[2].input[0] = "n"
    np.testing.assert_allclose(embed(backbone, images(2)), unit(run(modern, images(2))), atol=1e-5)


@pytest.mark.parametrize(("opset", "ir"), [(13, 7), (17, 8), (18, 10), (20, 10)])
def test_versions_are_kept_readable(save: Save, opset: int, ir: int) -> None:
    graph = onnx_file.load(save(plain_net(opset=opset, ir=ir))).build(("head",))
    assert [entry.version for entry in graph.opset_import] == [opset]
    assert graph.ir_version == (9 if opset >= 19 else 8)


def test_functions_of_the_model_are_written_out(save: Save) -> None:
    body = helper.make_function(
        "torch_lib", "halve", ["a"], ["b"],
        [node("Constant", [], "half", value_float=0.5), node("Mul", ["a", "half"], "b")],
        [helper.make_opsetid("", 18)],
    )  # fmt: skip
    call = helper.make_node("halve", ["image"], ["h"], domain="torch_lib")
    net = model([call, node("Flatten", ["h"], "y")], {}, functions=[body], domains=["torch_lib"], opset=18)
    backbone = onnx_file.load(save(net))
    np.testing.assert_allclose(embed(backbone, images(2)), unit(images(2)), atol=1e-5)


def test_weights_that_are_normalised_by_themselves_are_no_training(save: Save) -> None:
    """Weight standardisation, as exporters write it: batch norm over the weights, which depends on no image."""
    nodes = [
        node("Reshape", ["w", "as_batch"], "flat"),
        norm("flat", "bn", ["normed", "m", "v"], training_mode=1),
        node("Reshape", ["normed", "as_weight"], "standardised"),
        node("Conv", ["image", "standardised"], "y", kernel_shape=[3, 3]),
    ]
    shapes = {"as_batch": np.array([1, 5, 27], np.int64), "as_weight": np.array([5, 3, 3, 3], np.int64)}
    net = model(nodes, {"w": floats(5, 3, 3, 3), **norm_weights("bn", 5), **shapes})
    expected = unit(run(net, images(2)).mean((2, 3)))
    np.testing.assert_allclose(embed(onnx_file.load(save(net)), images(2)), expected, atol=1e-5)


def test_a_clean_up_that_changed_the_result_is_dropped() -> None:
    def broken(net: onnx.ModelProto) -> onnx.ModelProto:
        cleaned = clean(net)
        for tensor in cleaned.graph.initializer:
            if tensor.name.endswith("folded_bias"):
                tensor.raw_data = np.full(5, 3, np.float32).tobytes()
        return cleaned

    graph = embedding_graph(plain_net(), SIZE, None, "net", tidy=broken)
    assert "BatchNormalization" in operators(graph)
    (embedding_ND,) = Session(graph.SerializeToString()).run(images(2))
    np.testing.assert_allclose(embedding_ND, unit(run(plain_net(), images(2))), atol=1e-5)


# Weights in further files


def with_data(net: onnx.ModelProto, folder: Path, location: str = "weights.bin") -> onnx.ModelProto:
    """Move every weight of more than 16 bytes to a file."""
    chunks, offset = [], 0
    for tensor in net.graph.initializer:
        raw = tensor.raw_data
        if len(raw) > 16:
            onnx.external_data_helper.set_external_data(tensor, location, offset, len(raw))
            tensor.ClearField("raw_data")
            chunks.append(raw)
            offset += len(raw)
    (folder / location).parent.mkdir(parents=True, exist_ok=True)
    (folder / location).write_bytes(b"".join(chunks))
    return net


@pytest.mark.parametrize("location", ["weights.bin", "data/weights.bin"])
def test_weights_in_a_further_file_are_taken_in(save: Save, tmp_path: Path, location: str) -> None:
    backbone = onnx_file.load(save(with_data(plain_net(), tmp_path, location)))
    np.testing.assert_allclose(embed(backbone, images(2)), unit(run(plain_net(), images(2))), atol=1e-5)


@pytest.mark.parametrize(
    "location", ["../secret.bin", "/etc/hostname", "data/../../secret.bin", "..\\secret.bin", "C:\\x", ""]
)
def test_weights_outside_the_folder_are_refused(save: Save, tmp_path: Path, location: str) -> None:
    (tmp_path.parent / "secret.bin").write_bytes(bytes(4096))
    net = with_data(plain_net(), tmp_path)
    for tensor in net.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    with pytest.raises(WeightsError, match="outside the model's folder"):
        onnx_file.load(save(net))


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
@pytest.mark.parametrize("of_folder", [False, True])
def test_a_link_out_of_the_folder_is_refused(save: Save, tmp_path: Path, of_folder: bool) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}_outside"
    outside.mkdir()
    net = with_data(plain_net(), tmp_path, "data/weights.bin")
    (tmp_path / "data/weights.bin").rename(outside / "weights.bin")
    if of_folder:
        (tmp_path / "data").rmdir()
        (tmp_path / "data").symlink_to(outside)
    else:
        (tmp_path / "data/weights.bin").symlink_to(outside / "weights.bin")
    with pytest.raises(WeightsError, match="a link that leads outside"):
        onnx_file.load(save(net))


def test_weights_that_are_missing_or_too_short_are_refused(save: Save, tmp_path: Path) -> None:
    path = save(with_data(plain_net(), tmp_path))
    data = tmp_path / "weights.bin"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"needs bytes \d+ to \d+ of \d+; get that file again"):
        onnx_file.load(path)
    data.unlink()
    with pytest.raises(WeightsError, match=r"weights\.bin, which is not there; put it beside the model"):
        onnx_file.load(path)


@pytest.mark.parametrize(
    ("key", "value"), [("offset", "-8"), ("offset", "x"), ("length", "-1"), ("offset", str(1 << 60))]
)
def test_impossible_places_in_a_further_file_are_refused(save: Save, tmp_path: Path, key: str, value: str) -> None:
    net = with_data(plain_net(), tmp_path)
    for entry in net.graph.initializer[0].external_data:
        if entry.key == key:
            entry.value = value
    with pytest.raises(WeightsError, match=r"weights\.bin"):
        onnx_file.load(save(net))


def test_weights_inside_a_node_are_found_too(save: Save) -> None:
    constant = node("Constant", [], "k", value=onnx.numpy_helper.from_array(floats(5, 3, 3, 3)))
    onnx.external_data_helper.set_external_data(constant.attribute[0].t, "../k.bin", 0, 540)
    net = model([constant, node("Conv", ["image", "k"], "y")], {})
    with pytest.raises(WeightsError, match="outside the model's folder"):
        onnx_file.load(save(net))


# Identity


def test_the_fingerprint_covers_graph_data_and_json(save: Save, tmp_path: Path) -> None:
    path = save(with_data(plain_net(), tmp_path))
    prints = {onnx_file.load(path).fingerprint}
    assert onnx_file.load(path).fingerprint in prints
    save(with_data(plain_net(), tmp_path), licence="MIT")
    prints.add(onnx_file.load(path).fingerprint)
    data = bytearray((tmp_path / "weights.bin").read_bytes())
    data[0] ^= 1
    (tmp_path / "weights.bin").write_bytes(data)
    prints.add(onnx_file.load(path).fingerprint)
    net = with_data(plain_net(), tmp_path)
    net.producer_name = "another"
    prints.add(onnx_file.load(save(net)).fingerprint)
    assert len(prints) == 4
    assert all(len(found) == 64 for found in prints)


def test_a_file_that_changed_after_loading_is_not_used(save: Save) -> None:
    backbone = onnx_file.load(save(plain_net()))
    save(plain_net(opset=18))
    with pytest.raises(WeightsError, match="changed since it was loaded"):
        backbone.build(("head",))


def test_there_is_one_block(save: Save) -> None:
    with pytest.raises(WeightsError, match="one block, head; asked for head, stage1"):
        onnx_file.load(save(plain_net())).build(("head", "stage1"))


# Refusals


def custom(domain: str) -> onnx.ModelProto:
    own = helper.make_node("Attention9", ["image"], ["z"], domain=domain, name="blocks.3")
    net = plain_net(domains=[domain])
    net.graph.node.insert(0, own)
    return net


def hidden_custom() -> onnx.ModelProto:
    inner = helper.make_node("Evil", ["image"], ["t"], domain="evil", name="inside")
    result = helper.make_tensor_value_info("t", TensorProto.FLOAT, ["a", "b", "c", "d"])
    body = helper.make_graph([inner], "then", [], [result])
    net = plain_net(domains=["evil"])
    net.graph.node.append(node("If", ["yes"], "unused", then_branch=body, else_branch=body))
    net.graph.initializer.append(onnx.numpy_helper.from_array(np.bool_(True), "yes"))
    return net


def two_inputs() -> onnx.ModelProto:
    net = plain_net()
    net.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [1]))
    return net


def training() -> onnx.ModelProto:
    nodes = [node("Conv", ["image", "w"], "c"), norm("c", "bn", ["y", "m", "v"], training_mode=1)]
    return model(nodes, {"w": floats(5, 3, 3, 3), **norm_weights("bn", 5)})


def huge() -> onnx.ModelProto:
    nodes = [node("Pad", ["image", "amounts"], "padded"), node("GlobalAveragePool", ["padded"], "y")]
    return model(nodes, {"amounts": np.array([0, 0, 0, 0, 0, 0, 36_000_000_000_000 // 3, 0], np.int64)})


def of(*nodes: onnx.NodeProto, **more: Any) -> onnx.ModelProto:
    return model(list(nodes), {}, **more)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("net", "message"),
    [
        (custom("com.microsoft"), r"node “blocks\.3” is a com\.microsoft::Attention9, which is not a standard ONNX"),
        (custom("ai.onnx.ml"), r"ai\.onnx\.ml::Attention9"),
        (hidden_custom(), r"node “node_unused” is a If, which no network for pictures needs"),
        (two_inputs(), r"2 inputs \(image, age\)"),
        (training(), r"“node_y” is in training mode; call model\.eval\(\)"),
        (
            of(node("Flatten", ["image"], "y"), shape=("n", *SIZE, 3)),
            r"is \[None, 12, 10, 3\]; a backbone takes \(N, 3, H, W\)",
        ),
        (of(node("Flatten", ["image"], "y"), shape=("n", 1, *SIZE)), r"is \[None, 1, 12, 10\]; a backbone takes"),
        (of(node("Flatten", ["image"], "y"), shape=(3, *SIZE)), r"is \[3, 12, 10\]; a backbone takes"),
        (of(node("Flatten", ["image"], "y"), shape=(8, 3, *SIZE)), "batches of 8 only"),
        (of(node("Cast", ["image"], "y", to=1), dtype=TensorProto.UINT8), "“image” is UINT8; export with a float32"),
        (of(node("Cast", ["image"], "y", to=10)), "output “y” is FLOAT16; name a float32 tensor"),
        (
            of(node("ReduceMean", ["image"], "y", axes=[2], keepdims=0)),
            r"output “y” is \[None, 3, 10\]; an embedding is",
        ),
        (of(node("ReduceMean", ["image"], "y", keepdims=0)), r"output “y” is \[\]; an embedding is"),
        (of(node("Nonsense", ["image"], "y")), "is a Nonsense, which no network for pictures needs"),
        (of(node("Flatten", ["image", "image"], "y")), "not a valid ONNX graph"),
        (huge(), "tensor “padded” takes 360,000,000,000,360 numbers for one image; use a smaller input"),
        (plain_net(shape=("n", 3, "h", "w")), "states no preprocess.resize.size, and the graph takes any"),
    ],
)
def test_graphs_that_are_no_backbone_are_refused_in_one_line(save: Save, net: onnx.ModelProto, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        onnx_file.load(save(net))
    assert "\n" not in str(caught.value)


def test_an_opset_from_the_future_is_refused(save: Save) -> None:
    net = plain_net()
    net.opset_import[0].version = 99
    with pytest.raises(WeightsError, match=r"opset 99, newer than .*; upgrade onnx, or export with 17"):
        onnx_file.load(save(net))


@pytest.mark.processes
def test_a_graph_that_gives_no_numbers_is_refused_when_built(save: Save) -> None:
    net = of(node("Log", ["image"], "l"), node("Flatten", ["l"], "y"))
    with pytest.raises(WeightsError, match="not finite"):
        onnx_file.load(save(net)).build(("head",))


@pytest.mark.processes
def test_a_graph_that_does_not_run_is_refused_when_built(save: Save) -> None:
    nodes = [node("MatMul", ["image", "w"], "m"), node("Flatten", ["m"], "y")]
    net = model(nodes, {"w": floats(10, 4)})
    broken = onnx.ModelProto.FromString(net.SerializeToString())
    del broken.graph.value_info[:]
    broken.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(floats(11, 4), "w"))
    with pytest.raises(WeightsError) as caught:
        onnx_file.load(save(broken)).build(("head",))
    assert "\n" not in str(caught.value)


def test_a_graph_that_draws_lots_is_refused(save: Save) -> None:
    nodes = [
        node("RandomNormalLike", ["image"], "r"),
        node("Add", ["image", "r"], "a"),
        node("Flatten", ["a"], "y"),
    ]
    with pytest.raises(WeightsError, match="is a RandomNormalLike, which no network for pictures needs"):
        onnx_file.load(save(model(nodes, {})))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00" * 64,
        b"<html>404 Not Found</html>",
        b"version https://git-lfs.github.com/spec/v1\n",
        os.urandom(500),
    ],
)
def test_what_is_not_onnx_is_refused(save: Save, raw: bytes) -> None:
    with pytest.raises(WeightsError, match=r"bytes\) (is cut short or not an ONNX file|holds no graph)"):
        onnx_file.load(save(raw))


def test_a_file_cut_short_anywhere_is_refused(save: Save) -> None:
    whole = plain_net().SerializeToString()
    for cut in range(0, len(whole) - 1, 5):
        with pytest.raises(WeightsError):
            onnx_file.load(save(whole[:cut]), quarantine=None).build(("head",))


@pytest.mark.thorough
def test_altered_bytes_are_refused_or_give_an_embedding(save: Save) -> None:
    """Nothing but WeightsError may come out, whichever of protobuf, the checker or the runtime meets the damage."""
    whole = plain_net().SerializeToString()
    rng = random.Random(3)
    outcomes = {True: 0, False: 0}
    for _ in range(400):
        altered = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            altered[rng.randrange(len(altered))] = rng.randrange(256)
        try:
            backbone = onnx_file.load(save(bytes(altered)), quarantine=None)
            backbone.build(("head",))
            outcomes[True] += 1
        except WeightsError as error:
            outcomes[False] += 1
            assert "\n" not in str(error)  # noqa: PT017
    assert min(outcomes.values()) > 20


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text(json.dumps({"preprocess": STATED}))
    with pytest.raises(WeightsError, match=r"cannot read .*none\.onnx: No such file"):
        onnx_file.load(tmp_path / "none.onnx")


# The JSON


def test_a_missing_json_is_asked_for_with_an_example(save: Save, tmp_path: Path) -> None:
    path = save(plain_net())
    (tmp_path / "model.json").unlink()
    with pytest.raises(WeightsError, match=r"no model\.json beside it.*\"mean\"") as caught:
        onnx_file.load(path)
    example = str(caught.value).partition("made: ")[2]
    (tmp_path / "model.json").write_text(example)
    assert onnx_file.load(path).preprocess.resize.method == "crop"


def resize(**more: Any) -> dict[str, Any]:
    return {"preprocess": {**STATED, "resize": more}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"model\.json is not JSON"),
        ("[1]", "holds a list, not an object"),
        ({}, "preprocess: Field required"),
        ({"preprocess": {"mean": [0, 0, 0]}}, "preprocess: std missing; state what the network was trained with"),
        ({"preprocess": STATED, "licens": "MIT"}, "licens: Extra inputs are not permitted"),
        ({"preprocess": {**STATED, "colour": "BGR"}}, "preprocess.colour: Extra inputs are not permitted"),
        (resize(zoom=2), "preprocess.resize.zoom: Extra inputs"),
        (
            resize(method="zoom"),
            r"preprocess\.resize\.method: Input should be 'crop', 'pad' or 'squish' \(got 'zoom'\)",
        ),
        (resize(size=[224, 224]), r"resize\.size is \[224, 224\], the graph takes \[12, 10\]; drop the size"),
        ({"preprocess": {**STATED, "mean": [123.7, 116.3, 103.5]}}, r"pixel values in 0–1, so divide by 255"),
        ({"preprocess": {**STATED, "std": [58.4, 57.1, 57.4]}}, "pixel values in 0–1, so divide by 255"),
        (
            {"preprocess": {**STATED, "std": [0, 1, 1]}},
            r"preprocess: std is \[0\.0, 1\.0, 1\.0\]; every value must be above 0",
        ),
        ({"preprocess": {**STATED, "mean": [0.5]}}, r"preprocess\.mean"),
        ({"preprocess": {**STATED, "resize": 224}}, "resize must be an object"),
        ('{"preprocess": {"mean": [NaN, 0, 0], "std": [1, 1, 1]}}', r"preprocess\.mean\.0: Input should be a finite"),
    ],
)
def test_a_wrong_json_is_refused_in_one_line(save: Save, tmp_path: Path, content: Any, message: str) -> None:
    path = save(plain_net())
    (tmp_path / "model.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(WeightsError, match=message) as caught:
        onnx_file.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("size", "message"),
    [([0, 10], r"preprocess\.resize\.size\.0: .* \(got 0\)"), ([4096, 10], "each side must be at most 2048")],
)
def test_a_size_out_of_reason_is_refused(save: Save, size: list[int], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        onnx_file.load(save(plain_net(shape=("n", 3, "h", "w")), **resize(size=size)))


@pytest.mark.processes
def test_onnx_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys; import drivetrain.embed.registry, drivetrain.embed.foreign.onnx_file, drivetrain.embed.foreign.hub\n"
        "print(sorted({'onnx', 'onnxruntime', 'huggingface_hub', 'torch'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
