"""Loading a bundle (parse, audit, construct) and asking it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tampering import edit_arrays, edit_graph, edit_json, rewrite, zipped

import drivetrain as dt
from drivetrain.core.errors import BundleError, ChecksumError, SchemaError, UsageError
from drivetrain.embed.embedder import available_cores
from drivetrain.embed.session import Session
from drivetrain.model.graph_audit import audit_graph

# Loading


def test_folder_and_zip_give_the_same_predictor(bundle: Path, tmp_path: Path) -> None:
    image = (bundle / "golden" / "3.jpg").read_bytes()
    packed = dt.load(zipped(bundle, tmp_path / "b.zip", "colours.bundle/"))
    assert packed.predict(image) == dt.load(bundle).predict(image)
    assert packed.manifest == dt.load(str(bundle)).manifest


def test_a_predictor_shows_itself_in_a_few_words(kept: Path) -> None:
    assert repr(dt.load(kept)) == "<Predictor 'Farben' (f4f315e1b8b3121f), classification, 3 outputs>"


def test_the_report_travels_with_the_predictor(kept: Path) -> None:
    predictor = dt.load(kept)
    assert predictor.file("report.html") == (kept / "report.html").read_bytes()
    assert predictor.file("nothing") is None


def test_a_damaged_bundle_is_never_half_loaded(bundle: Path) -> None:
    (bundle / "report.html").write_bytes(b"other")  # read by nobody on loading, and yet
    with pytest.raises(ChecksumError, match=r"report\.html was altered"):
        dt.load(bundle)


PROBE = """
import sys
calls = []
def hook(event, arguments):
    if event in ("pickle.find_class", "exec", "compile", "import", "open", "subprocess.Popen", "os.system", "ctypes.dlopen"):
        calls.append((event, str(arguments[0])[:200]))
import drivetrain as dt
warm = dt.load(sys.argv[1])  # everything that is imported on first use
warm.predict(sys.argv[2])
import io, pickle
sys.addaudithook(hook)
predictor = dt.load(sys.argv[1])
predictor.predict(sys.argv[2])
predictor.arrays()
seen = list(calls)
class Odd:
    def __reduce__(self):
        return (print, ())
pickle.loads(pickle.dumps(Odd()))
assert any(event == "pickle.find_class" for event, _ in calls[len(seen):]), "the hook does not see pickles"
import json
json.dump({"calls": seen, "modules": sorted(sys.modules)}, sys.stdout)
"""


@pytest.mark.processes
def test_nothing_from_disk_is_executed_or_unpickled(kept: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(kept), str(kept / "golden" / "0.png")],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.strip().removeprefix("\n"))
    assert [call for call in found["calls"] if call[0] != "open"] == []
    opened = [path for event, path in found["calls"] if event == "open"]
    assert opened, "the hook does not see files"
    assert all(path.startswith(str(kept)) for path in opened)
    assert not {"torch", "torchvision", "timm", "onnx", "sklearn", "scipy"} & set(found["modules"])


# A graph that cannot be trusted


def _external(model: onnx.ModelProto, location: str) -> onnx.TensorProto:
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "head")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", location
    return weight


@pytest.mark.parametrize("location", ["/etc/passwd", "../outside.bin", "inside.bin", "golden/0.png"])
def test_weights_in_another_file_are_refused_before_a_runtime_could_open_it(
    bundle: Path, tmp_path: Path, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = np.zeros((4, 3), np.float32).tobytes()
    (tmp_path / "outside.bin").write_bytes(numbers)
    (bundle / "inside.bin").write_bytes(numbers)
    monkeypatch.chdir(bundle)  # where ONNX Runtime would look
    edit_graph(bundle, lambda model: _external(model, location))
    with pytest.raises(BundleError, match="keeps weights in another file"):
        dt.load(bundle)


def _in_attribute(model: onnx.ModelProto) -> None:
    node = model.graph.node.add()
    node.op_type = "Constant"
    node.output.append("c")
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(_external(model, "x"))


def _in_body(model: onnx.ModelProto) -> None:
    body = onnx.GraphProto(name="body")
    body.initializer.add().CopyFrom(_external(model, "x"))
    inner = model.graph.node.add(op_type="If")
    inner.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH).g.CopyFrom(body)


def _in_sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add().values.CopyFrom(_external(model, "x"))


def _in_sparse_attribute(model: onnx.ModelProto) -> None:
    node = model.graph.node.add(op_type="Constant")
    attribute = node.attribute.add(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR)
    attribute.sparse_tensor.indices.CopyFrom(_external(model, "x"))


def _in_function(model: onnx.ModelProto) -> None:
    node = model.functions.add(name="f").node.add(op_type="Constant")
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(_external(model, "x"))


def _in_training(model: onnx.ModelProto) -> None:
    model.training_info.add().algorithm.initializer.add().CopyFrom(_external(model, "x"))


@pytest.mark.parametrize(
    "place", [_in_attribute, _in_body, _in_sparse, _in_sparse_attribute, _in_function, _in_training]
)
def test_weights_in_another_file_are_found_wherever_they_stand(kept: Path, place: object) -> None:
    model = onnx.load_from_string((kept / "model.onnx").read_bytes())
    audit_graph(model.SerializeToString())
    place(model)  # type: ignore[operator]
    # Only the copy is left, in its far corner.
    head = next(tensor for tensor in model.graph.initializer if tensor.name == "head")
    head.CopyFrom(numpy_helper.from_array(np.zeros((4, 3), np.float32), "head"))
    with pytest.raises(BundleError, match="keeps weights in another file"):
        audit_graph(model.SerializeToString())


def test_operators_from_elsewhere_are_refused(bundle: Path) -> None:
    def add(model: onnx.ModelProto) -> None:
        model.opset_import.add(domain="com.example.evil", version=1)
        model.graph.node.add(op_type="Run", domain="com.example.evil", input=["logits"], output=["x"])

    edit_graph(bundle, add)
    with pytest.raises(BundleError, match=r"needs operators of “com\.example\.evil”"):
        dt.load(bundle)


@pytest.mark.processes
@pytest.mark.parametrize("data", [b"", b"\xff" * 50, b"not a graph at all", b"\x3a\xff\xff\xff\xff\x0f"])
def test_what_is_no_graph_is_refused(bundle: Path, data: bytes) -> None:
    rewrite(bundle, "model.onnx", data)
    with pytest.raises(BundleError, match=r"colours\.bundle: "):
        dt.load(bundle)


def test_a_field_that_other_readers_would_take_for_the_graph_is_refused(kept: Path) -> None:
    model = onnx.load_from_string((kept / "model.onnx").read_bytes())
    _external(model, "x")
    graph = model.graph.SerializeToString()
    # C++ cuts a field's tag to 32 bits, so that this one becomes field 7 there, and something unknown elsewhere.
    with pytest.raises(BundleError, match="not an ONNX file"):
        audit_graph(_varint(1 << 32 | 0x3A) + _varint(len(graph)) + graph)


def test_a_graph_nested_without_end_is_refused() -> None:
    message = b""
    for _ in range(5000):  # node, attribute and graph within each other
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            message = tag + _varint(len(message)) + message
    with pytest.raises(BundleError, match="nested more than 100 deep"):
        audit_graph(b"\x3a" + _varint(len(message)) + message)


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def test_every_prefix_of_a_graph_is_refused(bundle: Path) -> None:
    whole = (bundle / "model.onnx").read_bytes()
    for end in range(1, len(whole), 29):
        rewrite(bundle, "model.onnx", whole[:end])
        with pytest.raises(BundleError):
            dt.load(bundle)
    graph_ends = whole.rindex(b"\x42")  # the operator set stands last
    for end in range(20, graph_ends, 7):
        with pytest.raises(BundleError, match="cut short"):
            audit_graph(whole[:end])


# A graph that does not fit the manifest


def _rename_output(model: onnx.ModelProto) -> None:
    model.graph.output[1].name = "probabilities"
    model.graph.node[-1].output[0] = "probabilities"


def _one_output(model: onnx.ModelProto) -> None:
    del model.graph.output[0]


def _second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def _another_size(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 9


def _whole_numbers(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    model.graph.node.insert(0, helper.make_node("Cast", ["pixels"], ["as_float"], to=TensorProto.FLOAT))
    model.graph.node[1].input[0] = "as_float"


def _free_width(model: onnx.ModelProto) -> None:
    """Declared as it should be, until it is run: the logits stand twice."""
    model.graph.node[-1].output[0] = "once"
    model.graph.node.append(helper.make_node("Concat", ["once", "once"], ["logits"], axis=1))
    model.graph.output[1].type.tensor_type.shape.dim[1].dim_value = 3


def _half_precision(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "full"
    model.graph.node.append(helper.make_node("Cast", ["full"], ["logits"], to=TensorProto.FLOAT16))
    model.graph.output[1].type.tensor_type.elem_type = TensorProto.FLOAT16


@pytest.mark.processes
@pytest.mark.parametrize(
    "edit", [_rename_output, _one_output, _second_input, _another_size, _whole_numbers, _free_width, _half_precision]
)
def test_a_graph_that_does_not_fit_is_refused(bundle: Path, edit: object) -> None:
    edit_graph(bundle, edit)  # type: ignore[arg-type]
    with pytest.raises(BundleError, match="the graph"):
        dt.load(bundle)
    with pytest.raises(BundleError, match="the graph"):
        dt.load(bundle, golden=False)


def test_a_manifest_that_names_another_width_or_class_is_refused(bundle: Path) -> None:
    edit_json(bundle, "manifest.json", lambda d: d.update(embedding_width=5))
    with pytest.raises(
        SchemaError, match=r"arrays\.safetensors: embeddings_ND is float16 \(4, 4\), not float16 \(4, 5\)"
    ):
        dt.load(bundle)
    edit_json(bundle, "manifest.json", lambda d: d.update(embedding_width=4, classes=["a", "b"]))
    with pytest.raises(SchemaError, match=r"unseen_logits_MC is float32 \(4, 3\)"):
        dt.load(bundle)


def test_arrays_are_checked_on_loading(bundle: Path) -> None:
    name = "arrays.safetensors"
    before = (bundle / name).read_bytes()

    def drop(arrays: dict[str, np.ndarray]) -> None:
        del arrays["groups_N"]

    def unknown_label(arrays: dict[str, np.ndarray]) -> None:
        arrays["labels_N"][0] = 3

    def shorter(arrays: dict[str, np.ndarray]) -> None:
        arrays["groups_N"] = arrays["groups_N"][:2]

    def no_axis(arrays: dict[str, np.ndarray]) -> None:
        arrays["labels_N"] = np.zeros((), np.int64)

    def doubles(arrays: dict[str, np.ndarray]) -> None:
        arrays["oof_logits_NC"] = arrays["oof_logits_NC"].astype(np.float64)

    for edit, message in (
        (drop, "malformed: groups_N is missing"),
        (unknown_label, "labels outside 0–2"),
        (shorter, r"groups_N is int64 \(2,\)"),
        (no_axis, "arrays.safetensors"),
        (doubles, "unseen_logits_MC is float64"),
    ):
        rewrite(bundle, name, before)
        edit_arrays(bundle, name, edit)
        with pytest.raises(SchemaError, match=message):
            dt.load(bundle)
    for data in (b"", b"\x00" * 100, before[:-1], before[:50]):
        rewrite(bundle, name, data)
        with pytest.raises(SchemaError, match=r"arrays\.safetensors is malformed"):
            dt.load(bundle)


# Predicting


def test_every_way_to_give_an_image_gives_the_same_answer(predictor: dt.Predictor, pictures: Path) -> None:
    path = pictures / "discs" / "03.jpg"
    by_path = predictor.predict(path)
    by_text = predictor.predict(str(path))
    by_bytes = predictor.predict(path.read_bytes())
    with Image.open(path) as image:
        by_image = predictor.predict(image)
    assert by_path == by_text
    assert by_path.path == str(path)
    assert by_bytes.path == by_image.path == ""
    assert by_path.probs == by_bytes.probs == by_image.probs
    assert by_path.label == "discs"


def test_a_turned_photo_is_turned_upright_however_it_is_given(predictor: dt.Predictor) -> None:
    upright = Image.effect_noise((60, 90), 80).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(buffer, "PNG", exif=exif)
    with Image.open(buffer) as turned:
        answers = [predictor.predict(source).probs for source in (upright, buffer.getvalue(), turned)]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F", "RGB"])
def test_any_mode_of_image_is_taken(predictor: dt.Predictor, mode: str) -> None:
    answer = predictor.predict(Image.new(mode, (40, 30)))
    assert answer.error is None
    assert answer.label in predictor.classes


def test_an_answer_is_whole(predictor: dt.Predictor, pictures: Path) -> None:
    for path in sorted(pictures.rglob("*.jpg"))[::7]:
        answer = predictor.predict(path)
        assert tuple(answer.probs) == predictor.classes
        assert sum(answer.probs.values()) == pytest.approx(1, abs=1e-9)
        assert answer.label is not None
        assert answer.confidence == max(answer.probs.values()) == answer.probs[answer.label]
        p, gate = answer.p_in_domain, predictor.manifest.gate
        assert p is not None
        assert gate is not None
        in_domain = "accept" if answer.confidence >= 0.9 else "review"
        assert answer.verdict == (in_domain if p > gate.level else "out_of_domain")
        assert answer.bundle_id == predictor.manifest.bundle_id
        assert answer.error is None


def test_the_accept_threshold_is_the_manifests(bundle: Path) -> None:
    image = Image.new("RGB", (9, 9), (128, 128, 130))
    assert dt.load(bundle).predict(image).verdict is dt.Verdict.REVIEW
    edit_json(bundle, "manifest.json", lambda d: d["accept"].update(confidence=0.6))
    assert dt.load(bundle).predict(image).verdict is dt.Verdict.ACCEPT


def _unusable(folder: Path) -> Iterator[tuple[object, str]]:
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("hello")
    Image.effect_noise((64, 64), 50).save(folder / "whole.png")
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:1500])
    yield folder / "nothing.jpg", "missing: no such file"
    yield folder / "empty.jpg", "empty"
    yield folder / "text.jpg", "not an image"
    yield folder / "cut.png", ""
    yield str(folder), "unreadable"
    yield "x" * 5000, "unreadable"
    yield "a\0b", "unreadable"
    yield "", "missing: a path is empty"
    yield b"", "empty"
    yield b"GIF89a", ""
    yield Image.new("RGB", (0, 5)), "damaged"
    yield Image.fromarray(np.full((4, 4), np.nan, np.float32)), "damaged"
    with Image.open(folder / "cut.png") as lazy:
        yield lazy, "damaged"


def test_what_cannot_be_read_is_answered_not_raised(predictor: dt.Predictor, tmp_path: Path) -> None:
    for source, reason in _unusable(tmp_path):
        answer = predictor.predict(source)  # type: ignore[arg-type]
        assert answer.verdict is dt.Verdict.UNREADABLE
        assert answer.error is not None
        assert answer.error.startswith(reason)
        assert (answer.label, answer.confidence, dict(answer.probs)) == (None, 0.0, {})
        assert answer.bundle_id == predictor.manifest.bundle_id


@pytest.mark.parametrize("source", [None, 3, ["a.jpg"], np.zeros((4, 4, 3), np.uint8)])
def test_what_is_no_image_at_all_is_a_wrong_call(predictor: dt.Predictor, source: object) -> None:
    with pytest.raises(UsageError, match="received one of type"):
        predictor.predict(source)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 9000)])
def test_odd_shapes_are_answered(predictor: dt.Predictor, size: tuple[int, int]) -> None:
    assert predictor.predict(Image.new("RGB", size)).error is None


# Many


def test_many_come_back_in_order_with_broken_ones_among_them(predictor: dt.Predictor, pictures: Path) -> None:
    files = [*sorted(pictures.rglob("*.jpg"))[::3], pictures / "nothing.jpg"] * 3
    answers = list(predictor.predict_many(files))
    assert [answer.path for answer in answers] == [str(file) for file in files]
    assert [answer.label for answer in answers[: len(files) // 3]] == [
        predictor.predict(file).label for file in files[: len(files) // 3]
    ]
    assert [answer.error is not None for answer in answers] == [file.name == "nothing.jpg" for file in files]


@pytest.mark.parametrize("workers", [1, 3, None])
def test_the_source_is_read_only_a_few_ahead(predictor: dt.Predictor, pictures: Path, workers: int | None) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield pictures / "discs" / "00.jpg"

    most = 4 * (workers or available_cores() + 1)
    answers = predictor.predict_many(endless(), workers)
    assert taken == 0, "nothing is read before it is asked for"
    for count in range(1, 8):
        next(answers)
        assert taken <= most + count
    answers.close()  # type: ignore[attr-defined]
    assert not any(thread.name.startswith("predict") for thread in threading.enumerate())


def test_no_images_give_no_answers(predictor: dt.Predictor) -> None:
    assert list(predictor.predict_many([])) == []


def test_one_image_given_as_many_is_a_wrong_call(predictor: dt.Predictor) -> None:
    for single in ("a.jpg", Path("a.jpg"), b"bytes", Image.new("RGB", (2, 2))):
        with pytest.raises(UsageError, match="takes several images, received one"):
            predictor.predict_many(single)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at least one worker, received 0"):
        predictor.predict_many([], workers=0)


def test_several_threads_may_ask_at_once(predictor: dt.Predictor, pictures: Path) -> None:
    files = sorted(pictures.rglob("*.jpg"))[::4]
    alone = [predictor.predict(file) for file in files]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(predictor.predict, files * 4))
    assert together == alone * 4


def test_a_batch_through_the_graph_gives_what_its_images_give_alone(trained: Path, predictor: dt.Predictor) -> None:
    session = Session((trained / "model.onnx").read_bytes())
    height, width = predictor.manifest.input.preprocess.resize.size
    tensors_NKHW = np.random.default_rng(0).normal(size=(3, 3, height, width)).astype(np.float32)
    logits_NC, embedding_ND = session.run(tensors_NKHW, ["logits", "embedding"])
    for row, tensor in enumerate(tensors_NKHW):
        logits_C, embedding_D = predictor.run_tensor(tensor)
        np.testing.assert_allclose(logits_NC[row], logits_C, atol=1e-4)
        np.testing.assert_allclose(embedding_ND[row], embedding_D, atol=1e-5)
