"""Bundles that are replaced while they are served: bad ones are refused, good ones are taken, and nobody notices."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import onnx
import pytest
from crowd import Crowd, check_stored, predict, until
from onnx import helper, numpy_helper
from running import KEPT, jpeg, serving

from drivetrain.model.storage import SUMS, read_files, write_files

pytestmark = pytest.mark.processes

FIRST = "f4f315e1b8b3121f"
SECOND = "2" * 16
CLASSES = {FIRST: {"blau", "grün", "rot"}, SECOND: {"blue", "green", "red"}}


def english() -> dict[str, bytes]:
    """The files of the same model with other names for its classes, as a version of its own."""
    files = read_files(KEPT)
    for name in ("manifest.json", "golden/golden.json"):
        text = files[name].decode()
        for german, word in (("blau", "blue"), ("grün", "green"), ("rot", "red"), (FIRST, SECOND)):
            text = text.replace(f'"{german}"', f'"{word}"')
        files[name] = text.encode()
    return files


def cut(folder: Path) -> None:
    """A copy that was broken off."""
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-100])


def altered(folder: Path) -> None:
    """One bit."""
    path = folder / "arrays.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def without_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def without_sums(folder: Path) -> None:
    (folder / SUMS).unlink()


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def gone(folder: Path) -> None:
    shutil.rmtree(folder)


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"PK\3\4 and so on")


def golden_that_does_not_fit(folder: Path) -> None:
    """Every sum is right; only what the model answers is not what it answered where it was trained."""
    files = english()
    files["golden/golden.json"] = files["golden/golden.json"].replace(b'"red"', b'"blue"')
    write_files(files, folder)


def hostile_graph(folder: Path) -> None:
    """Every sum is right, and the graph is no graph."""
    write_files({**english(), "model.onnx": bytes(1000)}, folder)


def graph_without_bounds(folder: Path) -> None:
    """Every sum is right, and the graph asks for 16 GiB."""
    model = onnx.load_from_string(english()["model.onnx"])
    graph = model.graph
    source, graph.node[0].input[0] = graph.node[0].input[0], "with more"
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["made"]),
        helper.make_node("ReduceMax", ["made"], ["most"], keepdims=0),
        helper.make_node("Add", [source, "most"], ["with more"]),
    ]
    for place, node in enumerate(nodes):
        graph.node.insert(place, node)
    graph.initializer.append(numpy_helper.from_array(np.array([1 << 32]), "size"))
    write_files({**english(), "model.onnx": model.SerializeToString()}, folder)


BAD = [cut, altered, without_manifest, without_sums, empty, gone, a_file, golden_that_does_not_fit, hostile_graph]
BAD += [graph_without_bounds]


@dataclass
class Served:
    """A bundle on disk and the server of it."""

    address: str
    folder: Path
    client: httpx.Client

    def model(self) -> dict[str, Any]:
        (model,) = self.client.get(f"{self.address}/v1/models").json()["models"]
        return dict(model)

    def reload(self) -> dict[str, Any]:
        (model,) = self.client.post(f"{self.address}/v1/models/farben/reload").json()["models"]
        return dict(model)


def replace(new: Path, folder: Path) -> None:
    """Put in place at once, whatever stood there."""
    old = folder.with_name("old")
    if folder.exists():
        folder.rename(old)
    if new.exists():
        new.rename(folder)
    if old.is_dir():
        shutil.rmtree(old)
    elif old.exists():
        old.unlink()


def test_a_bad_bundle_is_refused_and_the_old_one_goes_on(tmp_path: Path) -> None:
    folder, new = tmp_path / "farben.bundle", tmp_path / "new"
    shutil.copytree(KEPT, folder)
    with (
        serving(
            folder, store=tmp_path / "store.db", log=tmp_path / "log", max_batch=1, allow_other_classes=True
        ) as running,
        httpx.Client(timeout=60) as client,
    ):
        served = Served(running.address, folder, client)
        assert served.model()["problem"] is None
        seeds = iter(range(1000))

        def spoil(how: Callable[[Path], None]) -> None:
            shutil.copytree(KEPT, new)
            how(new)
            replace(new, folder)

        for how in BAD:
            spoil(how)
            model = served.reload()
            assert model["version"] == FIRST, how.__name__
            assert model["problem"], how.__name__
            assert len(model["problem"].splitlines()) == 1
            told = predict(client, running.address, jpeg(next(seeds)))
            assert (told.status, told.body["bundle_id"]) == (200, FIRST), how.__name__
        assert client.get(f"{running.address}/v2/health/ready").status_code == 200
        assert "drivetrain_models_refused 1.0" in client.get(f"{running.address}/metrics").text

        # A good one is found without being asked for, and so is a bad one after it.
        write_files(english(), new)
        replace(new, folder)
        until(lambda: served.model()["version"] == SECOND, "the good one serves")
        assert served.model()["problem"] is None
        spoil(cut)
        until(lambda: served.model()["problem"], "the bad one is noticed")
        told = predict(client, running.address, jpeg(next(seeds)))
        assert (told.status, told.body["bundle_id"]) == (200, SECOND)

        # Copied over file by file, the sums first: refused until the last is there.
        for name, data in {SUMS: (KEPT / SUMS).read_bytes(), **read_files(KEPT)}.items():
            (folder / name).write_bytes(data)
        until(lambda: served.model()["version"] == FIRST, "what was copied over serves")
        assert served.model()["problem"] is None
    assert "Traceback" not in running.log.read_text()


def test_no_request_is_dropped_while_versions_change(tmp_path: Path) -> None:
    folder, place = tmp_path / "farben.bundle", tmp_path / "store.db"
    write_files(read_files(KEPT), folder)
    with serving(
        folder, store=place, log=tmp_path / "log", workers=2, max_batch=4, max_wait_ms=5, allow_other_classes=True
    ) as running:
        with Crowd(running.address, 4, images=3) as crowd, httpx.Client(timeout=60) as client:
            served = Served(running.address, folder, client)
            for files, version in [(english(), SECOND), (read_files(KEPT), FIRST)] * 4:
                write_files(files, folder)
                assert served.reload()["version"] == version
                seen = len(crowd.told)
                until(
                    lambda seen=seen, version=version: any(t.body["bundle_id"] == version for t in crowd.told[seen:]),
                    "the new version answers",
                )
        assert running.stop() == 0
    assert not crowd.broken
    assert {told.status for told in crowd.told} == {200}
    assert {told.body["bundle_id"] for told in crowd.told} == {FIRST, SECOND}
    for told in crowd.told:
        for answer in told.body["predictions"]:
            assert set(answer["probs"]) == CLASSES[told.body["bundle_id"]]
            assert answer["label"] in answer["probs"]
    check_stored(str(place), crowd.told)
    assert "Traceback" not in running.log.read_text()
