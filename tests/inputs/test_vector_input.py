"""An input that this package does not know goes all the way, from files to a server, without an edit outside its own module."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file
from vector_input import BACKBONE, LENGTH, VectorBlock, VectorInput, VectorPreparation, as_npy, load, vector_items

import drivetrain as dt
from drivetrain.core.errors import BundleError, ParityError, SourceError, UsageError
from drivetrain.core.records import RecordFilter
from drivetrain.core.types import FloatArray, Item, ItemId
from drivetrain.core.verdict import Verdict
from drivetrain.data.block.blocks import CategoryBlock, ImageBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.embed import registry as backbones
from drivetrain.model.inputs import registry as inputs
from drivetrain.model.inputs.image import ImageInput
from drivetrain.store.sql_store import open_store

pytestmark = pytest.mark.processes

HERE = Path(__file__).parent
CLASSES = ("low", "middle", "high")
BLOCK = DataBlock((VectorBlock, CategoryBlock), get_items=vector_items)


def numbers(number: int, index: int) -> FloatArray:
    """One of a class; classes lie apart."""
    rng = np.random.default_rng(100 * number + index)
    centre = np.linspace(-1, 1, LENGTH) * (number - 1) * 6 + (number == 1) * 4
    return (centre + rng.standard_normal(LENGTH)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``<class>/NN.npy``, two of them with the same numbers, one of them no vector."""
    root = tmp_path_factory.mktemp("vectors")
    for number, name in enumerate(CLASSES):
        (root / name).mkdir()
        for index in range(16):
            (root / name / f"{index:02}.npy").write_bytes(as_npy(numbers(number, index)))
    # The same numbers in another type: other bytes, equal content.
    (root / "low" / "copy.npy").write_bytes(as_npy(numbers(0, 3).astype(np.float64)))
    (root / "low" / "broken.npy").write_bytes(b"not numbers")
    return root


@pytest.fixture(scope="module")
def trained(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> dt.TrainResult:
    folder = tmp_path_factory.mktemp("trained")
    return dt.train(vectors, folder / "vectors.bundle", block=BLOCK, cache=folder / "cache", name="Vectors")


def test_training_knows_copies_by_their_content_and_says_what_cannot_be_read(trained: dt.TrainResult) -> None:
    assert trained.images_used == 49
    assert [(one.name, one.reason) for one in trained.skipped] == [("low/broken.npy", "not a vector")]
    assert trained.groups_duplicates == 1
    assert trained.accuracy > 0.9
    assert trained.report is not None
    assert BACKBONE in trained.features


def test_the_card_speaks_of_vectors(trained: dt.TrainResult) -> None:
    (limits,) = [part for part in (trained.bundle / "card.md").read_text().split("\n## ") if part.startswith("Limits")]
    assert "The figures hold for vectors like those it was trained on. Of any other vector" in limits
    assert not re.search("photo|picture|image", limits)


def test_the_gate_is_tried_on_what_the_input_makes_and_no_pictures(trained: dt.TrainResult) -> None:
    gate = json.loads((trained.bundle / "manifest.json").read_bytes())["gate"]
    *classes, far = [one["name"] for one in gate["tried"]]
    assert sorted(classes) == sorted(f"Class “{name}”, left out" for name in CLASSES)
    assert far == "Made to be like nothing"
    assert trained.report is not None
    page = trained.report.read_text(encoding="utf-8")
    assert "Training vectors, out of fold" in page
    assert "Spoiled copies" not in page
    assert "Training images that it would refuse" not in page


def test_the_bundle_says_what_it_is_asked_with_and_is_loaded_after_a_replay(trained: dt.TrainResult) -> None:
    document = json.loads((trained.bundle / "manifest.json").read_bytes())
    assert document["input"] == {"type": "vector", "preprocess": {"length": LENGTH, "scale": 2.0}}
    predictor = dt.load(trained.bundle)  # tried by another process first, with the module that knows the input
    assert isinstance(predictor.manifest.input, VectorInput)
    assert predictor.parity is not None
    assert (predictor.parity.images, predictor.parity.max_pixel) == (5, 0.0)
    assert {path.suffix for path in (trained.bundle / "golden").iterdir()} == {".npy", ".json", ".safetensors"}
    arrays = predictor.arrays()
    assert (len(arrays.pixels_sha256_T32), len(arrays.frequencies_TKK)) == (49, 0)


def test_it_is_asked_by_path_bytes_or_object(trained: dt.TrainResult, vectors: Path) -> None:
    predictor, path = dt.load(trained.bundle), vectors / "high" / "05.npy"
    by_path = predictor.predict(path)
    assert (by_path.label, by_path.verdict) == ("high", Verdict.ACCEPT)
    for source in (path.read_bytes(), numbers(2, 5)):
        assert predictor.predict(source).probs == by_path.probs
    assert [one.label for one in predictor.predict_many([path, vectors / "low" / "01.npy"])] == ["high", "low"]
    unread = predictor.predict(vectors / "low" / "broken.npy")
    assert unread.verdict is Verdict.UNREADABLE
    assert (unread.error or "").startswith("not a vector: ")
    assert predictor.predict(vectors / "gone.npy").error == "missing: no such file"
    with pytest.raises(UsageError, match="a vector is a path"):
        predictor.predict(7)
    with pytest.raises(UsageError, match="takes several vectors, received one"):
        predictor.predict_many(path)  # type: ignore[arg-type]  # a path is no list of them


def test_it_is_evaluated_and_copies_of_training_are_left_out(trained: dt.TrainResult, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    for number, name in enumerate(CLASSES):
        (fresh / name).mkdir(parents=True)
        for index in range(20, 24):
            (fresh / name / f"{index}.npy").write_bytes(as_npy(numbers(number, index)))
    (fresh / "low" / "seen.npy").write_bytes(as_npy(numbers(0, 3).astype(np.float64) + 0))
    found = dt.evaluate(trained.bundle, fresh, block=BLOCK, cache=tmp_path / "cache")
    assert (len(found.items), found.near_duplicates_of_training) == (12, 1)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve vectors in class folders, and beside them what is none: the others' files are passed over."""
    root = tmp_path_factory.mktemp("fresh") / "new"
    for number, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for index in range(20, 24):
            (root / name / f"{index}.npy").write_bytes(as_npy(numbers(number, index)))
    Image.new("RGB", (8, 8)).save(root / "low" / "picture.png")
    return root


def test_without_a_block_a_source_is_read_as_the_bundle_s_input_is(
    trained: dt.TrainResult, fresh: Path, tmp_path: Path
) -> None:
    found = dt.evaluate(trained.bundle, fresh, cache=tmp_path / "cache")
    assert (len(found.items), found.accuracy.value) == (12, 1.0)
    assert [(one.name, one.reason) for one in found.skipped] == [("low/picture.png", "not a vector")]
    read = {item.name: hashlib.sha256((fresh / item.name).read_bytes()).hexdigest() for item in found.items}
    assert [item.id for item in found.items] == [ItemId(name, sha256) for name, sha256 in read.items()]
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        SourceError, match=r"found no vectors in .*each class.s vectors .* e\.g\. empty/cat/1\.npy, or give a CSV"
    ):
        dt.evaluate(trained.bundle, tmp_path / "empty", cache=tmp_path / "cache")


def cli(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command line, in a process that knows the input."""
    code = "import vector_input; from drivetrain.cli.main import run; run()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(HERE)})


def test_the_command_line_takes_folders_of_them(trained: dt.TrainResult, fresh: Path, tmp_path: Path) -> None:
    predicted = cli("predict", trained.bundle, fresh, fresh / "low" / "*.npy")
    assert predicted.returncode == 0, predicted.stderr
    lines = [line.split("\t") for line in predicted.stdout.splitlines()]
    assert len(lines) == 16
    assert all(Path(path).parent.name == label for path, label, *_ in lines)
    evaluated = cli("evaluate", trained.bundle, fresh, "--cache", tmp_path / "cache", "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["accuracy"]["value"] == 1.0
    nothing = cli("predict", trained.bundle, tmp_path)
    assert nothing.returncode != 0
    assert "found no vectors in" in nothing.stderr
    assert "give a folder with vectors, one vector, or a pattern such as data/*.npy" in nothing.stderr


def test_other_golden_vectors_are_noticed(trained: dt.TrainResult, tmp_path: Path) -> None:
    bundle = tmp_path / "b"
    shutil.copytree(trained.bundle, bundle)
    expected = load_file(bundle / "golden" / "expected.safetensors")
    save_file({**expected, "tensors_G": expected["tensors_G"] + 0.5}, bundle / "golden" / "expected.safetensors")
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(bundle).as_posix()}\n"
        for file in sorted(bundle.rglob("*"))
        if file.is_file() and file.name != "SHA256SUMS"
    ]
    (bundle / "SHA256SUMS").write_text("".join(lines))
    with pytest.raises(ParityError, match=r"golden vector 0\.npy: values differ by 0\.5"):
        dt.load(bundle)


def test_who_does_not_know_the_input_says_so(trained: dt.TrainResult) -> None:
    code = "import sys, drivetrain; drivetrain.load(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(trained.bundle)], capture_output=True, text=True)
    assert "input.type: 'vector' is none of image" in done.stderr


@dataclass(frozen=True)
class Kept:
    """Bytes that lie in no file: what an object in a bucket would be."""

    name: str
    data: bytes

    def read_bytes(self) -> bytes:
        if not self.data:
            raise FileNotFoundError(self.name)
        return self.data


def test_items_need_no_files(trained: dt.TrainResult, vectors: Path, tmp_path: Path) -> None:
    items = [
        Item(Kept(item.path.name, item.path.read_bytes()), item.name, item.label) for item in vector_items(vectors)
    ]
    items.append(Item(Kept("gone.npy", b""), "low/gone.npy", "low"))
    block = DataBlock((VectorBlock, CategoryBlock), get_items=list)
    again = dt.train(items, tmp_path / "b", block=block, cache=tmp_path / "cache", name="Vectors")
    assert [(one.name, one.reason) for one in again.skipped] == [
        ("low/broken.npy", "not a vector"),
        ("low/gone.npy", "missing"),
    ]
    for name in ("model.onnx", "arrays.safetensors", "golden/golden.json", "golden/0.npy"):
        assert (again.bundle / name).read_bytes() == (trained.bundle / name).read_bytes()


def test_networks_and_blocks_that_do_not_fit_are_refused(vectors: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="need a network that takes them"):
        dt.train(vectors, tmp_path / "b", block=BLOCK, backbone="efficientnet-lite0", use_cache=False)
    pictures = DataBlock((ImageBlock, CategoryBlock), get_items=vector_items)
    with pytest.raises(UsageError, match="for networks that take images"):
        dt.train(vectors, tmp_path / "b", block=pictures, backbone=BACKBONE, use_cache=False)
    with pytest.raises(UsageError, match="only networks that take images are fine-tuned"):
        dt.train(vectors, tmp_path / "b", block=BLOCK, deep=True, use_cache=False)
    with pytest.raises(UsageError, match="this DataBlock reads VectorBlock"):
        BLOCK.new(splitter=None).datasets(vectors)


def test_a_type_is_registered_once() -> None:
    class Other(VectorInput):
        """Another class of that type."""

    with pytest.raises(ValueError, match="that of VectorInput"):
        inputs.register(Other)
    inputs.register(VectorInput)
    with pytest.raises(ValueError, match="already"):
        backbones.register(BACKBONE, lambda side=None: load(side), takes="vector")
    assert inputs.INPUTS["image"] is ImageInput
    assert BACKBONE not in backbones.packaged("image")
    assert VectorPreparation().shape == (LENGTH,)


@pytest.fixture(scope="module")
def address(trained: dt.TrainResult, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A real server, started as from the command line but for one import, and its store."""
    folder = tmp_path_factory.mktemp("serving")
    code = "import vector_input; from drivetrain.cli.main import run; run()"
    command = [sys.executable, "-c", code, "serve", str(trained.bundle), "--port", "0", "--json"]
    process = subprocess.Popen(
        [*command, "--store", str(folder / "store.sqlite"), "--target-ms", "100"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    try:
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if line.rstrip() == "}":
                break
        yield json.loads(text)["address"], folder / "store.sqlite"
    finally:
        process.terminate()
        process.wait(30)


def test_a_server_answers_for_a_posted_file(address: tuple[str, Path], trained: dt.TrainResult, vectors: Path) -> None:
    path = vectors / "middle" / "07.npy"
    data, expected = path.read_bytes(), dt.load(trained.bundle).predict(path)
    with httpx.Client(base_url=address[0], timeout=30) as client:
        answer = client.post("/v1/predict", files=[("images", ("07.npy", data)), ("images", ("x.npy", b"x"))]).json()
        read, unread = answer["predictions"]
        assert (read["label"], read["probs"]) == ("middle", dict(expected.probs))
        assert (unread["verdict"], unread["error"][:12]) == ("unreadable", "not a vector")
        encoded = base64.b64encode(data).decode()
        assert client.post("/v1/predict", json={"images": [encoded]}).json()["predictions"][0]["label"] == "middle"

        entry = client.get(f"/v1/predictions/{read['id']}").json()
        assert entry["facts"] == {"length": LENGTH, "largest": pytest.approx(float(numbers(1, 7).max()), abs=1e-3)}
        assert entry["input_sha256"] == hashlib.sha256(data).hexdigest()
        kept = client.get(entry["input"])
        assert (kept.content, kept.headers["content-type"]) == (data, "application/octet-stream")
        assert client.get(f"/v1/predictions/{unread['id']}").json()["facts"] == {}

        (model,) = client.get("/v1/models").json()["models"]
        assert model["input"] == {"type": "vector", "shape": [LENGTH], "media_types": ["application/x-npy"]}
        explained = client.post("/v1/explain", files={"image": ("07.npy", data)}).json()
        assert explained["heatmap"] is None
        assert {one["label"] for one in explained["similar"]} <= set(CLASSES)
    store = open_store(address[1], create=False)
    (stored,) = [
        record for record in store.iterate(RecordFilter(input_sha256=entry["input_sha256"])) if record.id == read["id"]
    ]
    assert dict(stored.facts) == entry["facts"]
    store.close()


def test_a_server_speaks_the_open_inference_protocol(address: tuple[str, Path], vectors: Path) -> None:
    data = (vectors / "low" / "02.npy").read_bytes()
    values = (numbers(0, 2) / np.float32(2.0)).tolist()
    with httpx.Client(base_url=address[0], timeout=30) as client:
        described = client.get("/v2/models/vectors").json()["inputs"]
        assert described == [
            {"name": "vector", "datatype": "BYTES", "shape": [-1]},
            {"name": "values", "datatype": "FP32", "shape": [-1, LENGTH]},
        ]
        sent = (
            {"name": "vector", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(data).decode()]},
            {"name": "values", "datatype": "FP32", "shape": [1, LENGTH], "data": values},
        )
        by_file, by_values = (client.post("/v2/models/vectors/infer", json={"inputs": [one]}).json() for one in sent)
        assert by_file["outputs"] == by_values["outputs"]
        assert by_file["outputs"][1]["data"] == ["low"]
        for name, shape in (("pixels", [1, LENGTH]), ("values", [1, 3])):
            refused = client.post(
                "/v2/models/vectors/infer",
                json={"inputs": [{"name": name, "datatype": "FP32", "shape": shape, "data": values[: shape[1]]}]},
            )
            assert refused.status_code == 422, name


def test_a_graph_of_another_shape_is_refused(trained: dt.TrainResult, tmp_path: Path) -> None:
    bundle = tmp_path / "b"
    shutil.copytree(trained.bundle, bundle)
    place = bundle / "manifest.json"
    place.write_text(place.read_text().replace('"length": 5', '"length": 6'))
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(bundle).as_posix()}\n"
        for file in sorted(bundle.rglob("*"))
        if file.is_file() and file.name != "SHA256SUMS"
    ]
    (bundle / "SHA256SUMS").write_text("".join(lines))
    with pytest.raises(BundleError, match=r"the manifest says pixels \(6,\)"):
        dt.load(bundle)
