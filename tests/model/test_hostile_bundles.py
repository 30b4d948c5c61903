"""Bundles made to be too much: each is refused in one line, whatever it holds, by a process that may have little memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tampering import edit_arrays, edit_graph, edit_json, reseal, rewrite, zipped

import drivetrain as dt
from drivetrain.core.errors import BundleError, ChecksumError, SchemaError, UsageError
from drivetrain.embed.quarantine import ChildLimits, Quarantine
from drivetrain.model.storage import check_out, read_files

pytestmark = pytest.mark.processes

# Loading the tiny bundle takes this process about 300 MiB of addresses; nothing below may take a gigabyte more.
LOAD = """
import resource, sys
import drivetrain as dt
from drivetrain.core.errors import DrivetrainError
dt.load(sys.argv[1])
now = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 30), now + (1 << 30)))
try:
    dt.load(sys.argv[2])
except DrivetrainError as error:
    print(type(error).__name__, error)
else:
    print("loaded")
"""


def loaded_with_little_memory(kept: Path, bundle: Path, folder: Path) -> str:
    """What comes of loading it in a process of its own, in one line."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(kept), str(bundle)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "DRIVETRAIN_CACHE": str(folder / "cache")},
    )
    (line,) = done.stdout.splitlines()
    return line


def before_the_network(nodes: list[onnx.NodeProto], weights: dict[str, Any], result: str) -> Any:
    """An edit that adds ``result`` of these nodes to the picture."""

    def edit(model: onnx.ModelProto) -> None:
        graph = model.graph
        source = graph.node[0].input[0]
        graph.node[0].input[0] = "with more"
        for place, one in enumerate([*nodes, helper.make_node("Add", [source, result], ["with more"])]):
            graph.node.insert(place, one)
        graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items())

    return edit


def largest_of(*nodes: onnx.NodeProto, **weights: Any) -> Any:
    return before_the_network(
        [*nodes, helper.make_node("ReduceMax", ["made"], ["most"], keepdims=0)], weights, result="most"
    )


def loop(model: onnx.ModelProto) -> None:
    infos = [helper.make_tensor_value_info(n, t, []) for n, t in (("i", TensorProto.INT64), ("on", TensorProto.BOOL))]
    out = helper.make_tensor_value_info("on2", TensorProto.BOOL, [])
    body = helper.make_graph([helper.make_node("Identity", ["on"], ["on2"])], "body", infos, [out])
    model.graph.node.append(helper.make_node("Loop", ["turns", ""], [], body=body))
    model.graph.initializer.append(numpy_helper.from_array(np.int64(1 << 62), "turns"))


def function(model: onnx.ModelProto) -> None:
    sets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("", "f", ["x"], ["y"], [helper.make_node("Neg", ["x"], ["y"])], sets))


def training(model: onnx.ModelProto) -> None:
    model.training_info.add().algorithm.name = "more"


def sparse(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "")
    model.graph.sparse_initializer.add(dims=[1 << 40]).values.CopyFrom(values)
    model.graph.sparse_initializer[0].indices.CopyFrom(indices)


def node(op: str, *inputs: str, out: str = "made", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, list(inputs), [out], **attributes)


def quantised(model: onnx.ModelProto) -> None:
    edit = largest_of(
        node("Expand", "byte", "size", out="bytes"),
        node("DequantizeLinear", "bytes", "scale"),
        byte=np.zeros(1, np.uint8),
        size=np.array([1 << 31]),
        scale=np.float32(1),
    )
    edit(model)


BEYOND = "takes more than|ended the process|would require more than"
GRAPHS = {
    "loop": (loop, "its operator Loop is none that a network for pictures needs"),
    "if": (lambda m: m.graph.node.append(node("If", "logits", out="x")), "its operator If is none"),
    "chance": (lambda m: m.graph.node.append(node("RandomNormal", out="x", shape=[1])), "RandomNormal is none"),
    "text": (lambda m: m.graph.node.append(node("StringSplit", "logits", out="x")), "StringSplit is none"),
    "functions": (function, "holds functions, which answering has no use for"),
    "training": (training, "holds training"),
    "sparse": (sparse, "holds sparse weights"),
    "microsoft": (
        lambda m: m.graph.node.append(node("FusedConv", "logits", out="x", domain="com.microsoft")),
        "needs operators of “com.microsoft”",
    ),
    "16 GiB of zeros": (largest_of(node("ConstantOfShape", "size"), size=np.array([1 << 32])), BEYOND),
    "a terabyte": (largest_of(node("ConstantOfShape", "size"), size=np.array([1 << 38])), BEYOND),
    "expanded": (
        largest_of(node("Expand", "one", "size"), one=np.ones(1, np.float32), size=np.array([1 << 32])),
        BEYOND,
    ),
    "tiled": (largest_of(node("Tile", "one", "size"), one=np.ones(1, np.float32), size=np.array([1 << 32])), BEYOND),
    "range": (
        largest_of(
            node("Range", "a", "b", "c", out="long"),
            node("Cast", "long", to=1),
            a=np.int64(0),
            b=np.int64(1 << 32),
            c=np.int64(1),
        ),
        BEYOND,
    ),
    "einsum": (
        largest_of(node("Einsum", "v", "v", "v", "v", equation="a,b,c,d->abcd"), v=np.ones(300, np.float32)),
        BEYOND,
    ),
    "padded": (largest_of(node("Pad", "pixels", "pads"), pads=np.array([0, 0, 0, 0, 0, 0, 1 << 20, 1 << 20])), BEYOND),
    "gathered": (
        largest_of(
            node("ConstantOfShape", "size", out="zeros", value=numpy_helper.from_array(np.zeros(1, np.int64))),
            node("Gather", "wide", "zeros"),
            size=np.array([1 << 20]),
            wide=np.ones((1, 1 << 12), np.float32),
        ),
        BEYOND,
    ),
    "quantised": (quantised, BEYOND),
    "by the picture": (
        largest_of(
            node("ReduceMax", "pixels", out="top", keepdims=0),
            node("Cast", "top", out="many", to=TensorProto.INT64),
            node("Reshape", "many", "one", out="size"),
            node("ConstantOfShape", "size"),
            one=np.array([1]),
        ),
        "how much its ConstantOfShape makes depends on what a picture shows",
    ),
    "a region by the picture": (
        largest_of(
            node("ReduceMax", "pixels", out="top", keepdims=0),
            node("Mul", "top", "wide", out="side"),
            node("RoiAlign", "pixels", "side", "which"),
            wide=np.array([[0, 0, 1e5, 1e5]], np.float32),
            which=np.zeros(1, np.int64),
        ),
        "how much its RoiAlign makes depends on what a picture shows",
    ),
    "upscaled by the picture": (
        largest_of(
            node("ReduceMax", "pixels", out="top", keepdims=0),
            node("Reshape", "top", "one", out="top1"),
            node("Concat", "ones", "top1", "top1", out="scales", axis=0),
            node("Resize", "pixels", "", "scales"),
            one=np.array([1]),
            ones=np.ones(2, np.float32),
        ),
        "how much its Resize makes depends on what a picture shows",
    ),
}


@pytest.mark.parametrize(("edit", "message"), GRAPHS.values(), ids=GRAPHS)
def test_a_graph_without_bounds_is_refused(bundle: Path, tmp_path: Path, edit: Any, message: str) -> None:
    edit_graph(bundle, edit)
    quarantine = Quarantine(tmp_path / "passed", ChildLimits(30, 512 << 20))
    with pytest.raises(BundleError, match=message) as caught:
        dt.load(bundle, quarantine=quarantine)
    assert str(caught.value).startswith(f"{bundle}: ")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "passed").exists(), "what was refused is not remembered as passed"


def batch_of(*nodes: onnx.NodeProto, **weights: Any) -> Any:
    """An edit that makes as many zeros as ``nodes`` say in ``size``, of the number of images at once, which is ``n``."""
    return largest_of(
        node("Shape", "pixels", out="shape"),
        node("Gather", "shape", "first", out="n"),
        *nodes,
        node("ConstantOfShape", "size"),
        first=np.array([0]),
        **weights,
    )


def only_for(count: int) -> Any:
    """16 TiB for so many images at once, and a single number for any other."""
    return batch_of(
        node("Equal", "n", "that", out="is"),
        node("Where", "is", "many", "one", out="size"),
        that=np.array([count]),
        many=np.array([1 << 42]),
        one=np.array([1]),
    )


POWERS = ("n", "n^2", "n^4", "n^8", "n^16", "size")
BATCHES = {
    # 1³² zeros for one image, 16 GiB for two, and none for four, as 4³² is more than an integer holds.
    "to a power": batch_of(*(node("Mul", root, root, out=square) for root, square in pairwise(POWERS))),
    **{f"of {count}": only_for(count) for count in (2, 4, 8)},
}


@pytest.mark.parametrize("edit", BATCHES.values(), ids=BATCHES)
def test_a_graph_that_takes_more_for_a_batch_is_refused(bundle: Path, tmp_path: Path, edit: Any) -> None:
    edit_graph(bundle, edit)
    with pytest.raises(BundleError, match=f"{BEYOND}|model.onnx does not run: .*allocate|bad_alloc") as caught:
        dt.load(bundle, quarantine=Quarantine(tmp_path / "passed", ChildLimits(30, 512 << 20)))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "passed").exists()


def test_a_graph_that_waits_for_a_batch_of_three_never_sees_one(bundle: Path, tmp_path: Path) -> None:
    edit_graph(bundle, only_for(3))
    predictor = dt.load(bundle, quarantine=Quarantine(tmp_path / "passed", ChildLimits(30, 512 << 20)))
    tensors_NKHW = noise(predictor, 3)
    singly = [predictor.run_tensor(tensor) for tensor in tensors_NKHW]
    for together, alone in zip(predictor.run_batch(tensors_NKHW), zip(*singly, strict=True), strict=True):
        np.testing.assert_allclose(together, np.stack(alone), atol=1e-5)


def test_a_batch_of_any_number_gives_what_its_images_give_alone_in_their_order(kept: Path) -> None:
    predictor = dt.load(kept)
    tensors_NKHW = noise(predictor, 11)
    singly = [predictor.run_tensor(tensor) for tensor in tensors_NKHW]
    for together, alone in zip(predictor.run_batch(tensors_NKHW), zip(*singly, strict=True), strict=True):
        assert len(np.unique(together, axis=0)) == 11, "the pictures do not tell apart in which order they come"
        np.testing.assert_allclose(together, np.stack(alone), atol=1e-5)


def noise(predictor: dt.Predictor, count: int) -> Any:
    """Different pictures, preprocessed: (N, 3, H, W)."""
    size = predictor.manifest.input.preprocess.resize.size
    means_N111 = np.linspace(-1, 1, count)[:, None, None, None]
    return (means_N111 + np.random.default_rng(0).standard_normal((count, 3, *size))).astype(np.float32)


def endless(model: onnx.ModelProto) -> None:
    """Some minutes of multiplying."""
    nodes = [node("ConstantOfShape", "size", out="m"), node("ReduceSum", "pixels", out="s", keepdims=0)]
    nodes += [node("Add", "m", "s", out="m0"), *(node("MatMul", f"m{i}", "m", out=f"m{i + 1}") for i in range(3000))]
    largest_of(*nodes, node("Identity", "m3000"), size=np.array([2000, 2000]))(model)


def test_a_network_that_takes_too_long_is_given_up(bundle: Path, tmp_path: Path) -> None:
    edit_graph(bundle, endless)
    with pytest.raises(BundleError, match=r"colours\.bundle: loading it takes more than 2 s, so it was refused"):
        dt.load(bundle, quarantine=Quarantine(tmp_path, ChildLimits(2, 1 << 30)))


def test_the_network_before_fine_tuning_is_tried_as_well(bundle: Path, tmp_path: Path) -> None:
    shutil.copy(bundle / "model.onnx", bundle / "frozen.onnx")
    width = json.loads((bundle / "manifest.json").read_bytes())["embedding_width"]
    edit_json(bundle, "manifest.json", lambda document: document.update(schema_version=2, frozen_width=width))
    edit_arrays(
        bundle, "arrays.safetensors", lambda arrays: arrays.update({"frozen_NF": arrays["embeddings_ND"].copy()})
    )
    model = onnx.load(bundle / "frozen.onnx")
    largest_of(node("ConstantOfShape", "size"), size=np.array([1 << 32]))(model)
    document = json.loads((bundle / "manifest.json").read_bytes())
    if document["schema_version"] != 2:
        pytest.skip("the kept bundle cannot be lifted")
    rewrite(bundle, "frozen.onnx", model.SerializeToString())
    with pytest.raises(BundleError):
        dt.load(bundle, quarantine=Quarantine(tmp_path / "q", ChildLimits(30, 512 << 20)))


# What has passed


def test_what_has_passed_is_known_by_its_bytes_alone(bundle: Path, tmp_path: Path) -> None:
    quarantine, no_time = Quarantine(tmp_path / "q"), Quarantine(tmp_path / "q", ChildLimits(0, 1 << 30))
    dt.load(bundle, quarantine=quarantine)
    dt.load(zipped(bundle, tmp_path / "b.zip"), quarantine=no_time)
    dt.load(bundle, golden=False, quarantine=no_time)
    rewrite(bundle, "card.md", b"another word")
    with pytest.raises(BundleError, match="takes more than 0 s"):
        dt.load(bundle, quarantine=no_time)


def test_less_was_tried_without_the_golden_images(bundle: Path, tmp_path: Path) -> None:
    dt.load(bundle, golden=False, quarantine=Quarantine(tmp_path / "q"))
    no_time = Quarantine(tmp_path / "q", ChildLimits(0, 1 << 30))
    dt.load(bundle, golden=False, quarantine=no_time)
    with pytest.raises(BundleError, match="takes more than 0 s"):
        dt.load(bundle, quarantine=no_time)


def test_a_note_that_the_bundle_brings_along_counts_for_nothing(bundle: Path, tmp_path: Path) -> None:
    dt.load(bundle, quarantine=Quarantine(tmp_path / "q"))
    shutil.copytree(tmp_path / "q", bundle / "passed")
    shutil.rmtree(tmp_path / "q")
    reseal(bundle)
    with pytest.raises(BundleError, match="takes more than 0 s"):
        dt.load(bundle, quarantine=Quarantine(tmp_path / "q", ChildLimits(0, 1 << 30)))


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a file away")
def test_a_note_of_somebody_else_counts_for_nothing(bundle: Path, tmp_path: Path) -> None:
    dt.load(bundle, quarantine=Quarantine(tmp_path / "q"))
    (note,) = (tmp_path / "q").iterdir()
    os.chown(note, 12345, -1)
    with pytest.raises(BundleError, match="takes more than 0 s"):
        dt.load(bundle, quarantine=Quarantine(tmp_path / "q", ChildLimits(0, 1 << 30)))


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
def test_a_note_in_a_folder_that_others_may_write_to_counts_for_nothing(bundle: Path, tmp_path: Path) -> None:
    """They could give any file of ours the note's name."""
    no_time = Quarantine(tmp_path / "q", ChildLimits(0, 1 << 30))
    dt.load(bundle, quarantine=Quarantine(tmp_path / "q"))
    dt.load(bundle, quarantine=no_time)
    (tmp_path / "q").chmod(0o777)
    with pytest.raises(BundleError, match="takes more than 0 s"):
        dt.load(bundle, quarantine=no_time)


def test_a_module_in_the_current_folder_is_not_taken_for_ours(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "numpy", "drivetrain"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    dt.load(bundle, quarantine=Quarantine(tmp_path / "q"))
    assert not (tmp_path / "ran").exists()


def test_maps_are_not_made_of_another_graph_under_the_same_id(bundle: Path) -> None:
    predictor = dt.load(bundle)
    edit_graph(bundle, lambda model: model.graph.node.append(node("Relu", "logits", out="more")))
    with pytest.raises(BundleError, match="holds another bundle now"):
        predictor.heatmaps()


# Files and zips


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("name", ["SHA256SUMS", "model.onnx", "golden/0.png"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    os.mkfifo(bundle / name)
    with pytest.raises(BundleError, match="it is a pipe, not a file"):
        dt.load(bundle)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_called_a_zip_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "b.zip")
    with pytest.raises(BundleError, match="it is a pipe, not a file"):
        dt.load(tmp_path / "b.zip")
    with pytest.raises(UsageError, match="is not a bundle"):
        check_out(tmp_path / "b.zip")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_not_read(path: str) -> None:
    with pytest.raises(BundleError, match="it is a device, not a file"):
        dt.load(path)


def bomb(bundle: Path, out: Path, method: int, size: int) -> Path:
    """A bundle's zip whose report is zeros, by a method that holds gigabytes of them in some kilobytes."""
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(bundle.rglob("*")):
            if path.is_file() and path.name != "report.html":
                archive.write(path, path.relative_to(bundle).as_posix())
        with archive.open(zipfile.ZipInfo("report.html"), "w") as _:
            pass
        archive.filelist.pop()
        archive.NameToInfo.pop("report.html")
        entry = zipfile.ZipInfo("report.html")
        entry.compress_type = method
        with archive.open(entry, "w", force_zip64=True) as file:
            for _ in range(size >> 20):
                file.write(bytes(1 << 20))
    return out


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_a_zip_by_a_method_that_cannot_be_read_in_pieces_is_refused(bundle: Path, tmp_path: Path, method: int) -> None:
    path = bomb(bundle, tmp_path / "b.zip", method, 64 << 20)
    with pytest.raises(ChecksumError, match=r"report\.html uses compression method .*; zip it with “deflate”"):
        read_files(path)


def test_a_zip_of_zeros_is_given_up_by_a_process_with_little_memory(kept: Path, bundle: Path, tmp_path: Path) -> None:
    path = bomb(bundle, tmp_path / "b.zip", zipfile.ZIP_DEFLATED, 512 << 20)
    assert path.stat().st_size < 1 << 20
    assert "unpacks to more than" in loaded_with_little_memory(kept, path, tmp_path)


def test_a_zip_of_a_million_members_is_refused_before_they_are_listed(kept: Path, bundle: Path, tmp_path: Path) -> None:
    path = zipped(bundle, tmp_path / "b.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x", b"")
        end = archive.start_dir
    entry = path.read_bytes()[-22 - 47 : -22]  # one more entry of the directory, as long as its name of one letter
    data = path.read_bytes()
    assert entry.startswith(b"PK\1\2")
    many = data[end:-22] + entry * 1_000_000
    sizes = (0xFFFF).to_bytes(2, "little") * 2 + len(many).to_bytes(4, "little") + end.to_bytes(4, "little")
    path.write_bytes(data[:end] + many + b"PK\5\6" + bytes(4) + sizes + bytes(2))
    assert zipfile.is_zipfile(path)
    assert "directory is far longer than a bundle's" in loaded_with_little_memory(kept, path, tmp_path)


def test_a_zip_that_holds_a_file_twice_is_refused(bundle: Path, tmp_path: Path) -> None:
    path = zipped(bundle, tmp_path / "b.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("manifest.json", b"{}")
    with pytest.raises(ChecksumError, match=r"'manifest\.json' twice, and readers differ in which they take"):
        dt.load(path)


def test_a_page_of_a_gigabyte_is_no_page(bundle: Path) -> None:
    with (bundle / "report.html").open("wb") as file:
        file.truncate(1 << 30)  # takes no room on disk
    with pytest.raises(ChecksumError, match=r"report\.html is larger than a bundle may be"):
        dt.load(bundle)


# What is parsed


@pytest.mark.parametrize("name", ["arrays.safetensors", "golden/expected.safetensors"])
@pytest.mark.parametrize("length", [1 << 20, 1 << 62, (1 << 64) - 1])
def test_a_header_that_says_it_is_longer_than_any_is_refused(bundle: Path, name: str, length: int) -> None:
    rewrite(bundle, name, length.to_bytes(8, "little") + b'{"a":' + b"[" * (1 << 21))
    with pytest.raises(SchemaError, match="malformed: a header of"):
        dt.load(bundle)


def test_a_manifest_of_ten_million_classes_is_refused(kept: Path, bundle: Path, tmp_path: Path) -> None:
    document = json.loads((bundle / "manifest.json").read_bytes())
    document["classes"] = ["@"]
    many = ",".join(f'"{number:x}"' for number in range(1_500_000))
    rewrite(bundle, "manifest.json", json.dumps(document).replace('"@"', many).encode())
    assert "SchemaError" in (line := loaded_with_little_memory(kept, bundle, tmp_path))
    assert "at most 8" in line


@pytest.mark.parametrize("name", ["manifest.json", "golden/golden.json"])
def test_json_nested_without_end_is_refused(bundle: Path, name: str) -> None:
    rewrite(bundle, name, b"[" * 500_000)
    with pytest.raises(SchemaError):
        dt.load(bundle)


def test_an_index_of_many_golden_images_is_refused(bundle: Path) -> None:
    def many(document: Any) -> None:
        document["images"] = document["images"] * 1000

    edit_json(bundle, "golden/golden.json", many)
    with pytest.raises(SchemaError, match="golden"):
        dt.load(bundle)


def test_a_golden_image_that_is_too_large_is_refused(bundle: Path) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
    rewrite(bundle, "golden/0.png", data + chunk(b"IEND", b""))
    with pytest.raises(SchemaError, match=r"golden image 0\.png cannot be used"):
        dt.load(bundle)


def test_weights_that_are_no_numbers_are_refused(bundle: Path) -> None:
    def spoil(model: onnx.ModelProto) -> None:
        head = next(tensor for tensor in model.graph.initializer if tensor.name == "head")
        head.CopyFrom(numpy_helper.from_array(np.full((4, 3), np.nan, np.float32), "head"))

    edit_graph(bundle, spoil)
    with pytest.raises(BundleError, match="golden image"):
        dt.load(bundle)
