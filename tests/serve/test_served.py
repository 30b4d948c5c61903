"""The shelf: names and versions, and how a new version takes the place of the old, or does not."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from fastapi.testclient import TestClient
from onnx import helper, numpy_helper
from resealing import new_version, reseal

from drivetrain.core.errors import BundleError, UsageError
from drivetrain.embed.quarantine import ChildLimits, Quarantine
from drivetrain.model.predictor import Predictor, load
from drivetrain.model.signature import make_key, sign
from drivetrain.serve.application import create_app
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.served import NoSuchModel, Shelf, parse_bundle, slug
from drivetrain.serve.start import build


class Loader:
    """Loads, and remembers what."""

    def __init__(self) -> None:
        self.loaded: list[Path] = []
        self.failure: Exception | None = None

    def __call__(self, path: Path) -> Predictor:
        self.loaded.append(path)
        if self.failure is not None:
            raise self.failure
        return load(path)


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def bundle(tmp_path: Path, kept: Path) -> Path:
    """A copy, to do with as one likes."""
    return Path(shutil.copytree(kept, tmp_path / "colours.bundle"))


def replaced(old: Path, new: Path) -> None:
    """As `train` puts a bundle in place: another folder under the same name."""
    shutil.rmtree(old)
    new.rename(old)


def version_of(bundle: Path) -> str:
    return str(json.loads((bundle / "manifest.json").read_bytes())["bundle_id"])


def test_the_first_bundle_answers_where_none_is_named(bundle: Path, kept: Path, loader: Loader) -> None:
    shelf = Shelf([("day", bundle), ("night", kept)], loader)
    assert shelf.find().name == "day"
    assert shelf.find("").name == "day"
    assert shelf.find("night").path == kept


def test_a_bundle_without_a_name_has_its_titles(kept: Path, loader: Loader) -> None:
    assert Shelf([(None, kept)], loader).find().name == "farben"


def test_versions_stand_side_by_side_and_the_last_answers(bundle: Path, kept: Path, loader: Loader) -> None:
    new = new_version(bundle)
    shelf = Shelf([("x", kept), ("x", bundle)], loader)
    assert shelf.find("x").version == new
    assert shelf.find("x", version_of(kept)).path == kept
    assert shelf.find(None, new).path == bundle


def test_what_is_not_there_is_named_with_what_is(bundle: Path, kept: Path, loader: Loader) -> None:
    shelf = Shelf([("day", bundle), ("night", kept)], loader)
    with pytest.raises(NoSuchModel, match="there is no model 'dusk'; served are day, night"):
        shelf.find("dusk")
    with pytest.raises(NoSuchModel, match=f"day has no version 'abc'; served are {version_of(kept)}"):
        shelf.find("day", "abc")
    with pytest.raises(NoSuchModel) as caught:
        shelf.find("x" * 100_000)
    assert len(str(caught.value)) < 200


def test_nothing_to_serve_and_the_same_twice_are_refused(kept: Path, loader: Loader) -> None:
    with pytest.raises(UsageError, match="no bundle to serve"):
        Shelf([], loader)
    with pytest.raises(UsageError, match="given twice as farben"):
        Shelf([(None, kept), ("farben", kept)], loader)
    Shelf([(None, kept), ("other", kept)], loader)


def test_a_new_version_takes_the_place_of_the_old(bundle: Path, kept: Path, tmp_path: Path, loader: Loader) -> None:
    shelf = Shelf([("first", kept), ("x", bundle)], loader)
    old, others = shelf.find("x"), shelf.find("first")
    new = Path(shutil.copytree(kept, tmp_path / "new"))
    new_id = new_version(new)
    replaced(bundle, new)
    lines = shelf.refresh()
    assert lines == [f"x: {new_id} serves in place of {old.version}"]
    assert shelf.find("x").version == new_id
    assert shelf.find("first") is others
    with pytest.raises(NoSuchModel):
        shelf.find("x", old.version)


def test_who_holds_the_old_version_keeps_it(bundle: Path, loader: Loader) -> None:
    shelf = Shelf([("x", bundle)], loader)
    held = shelf.find("x")
    image = next(bundle.glob("golden/*.png")).read_bytes()
    before = held.predictor.predict(image)
    new = new_version(bundle)
    assert shelf.refresh()
    shutil.rmtree(bundle)
    assert shelf.find("x").version == new
    assert held.predictor.predict(image) == before
    assert held.version == before.bundle_id


def test_what_has_not_changed_is_not_read_again(bundle: Path, loader: Loader) -> None:
    shelf = Shelf([("x", bundle)], loader)
    assert shelf.refresh() == []
    assert loader.loaded == [bundle]
    assert shelf.refresh(force=True) == [f"x: {shelf.find().version} was looked at again"]
    assert loader.loaded == [bundle, bundle]


def test_a_bundle_that_was_only_touched_stays_as_it_is(bundle: Path, loader: Loader) -> None:
    shelf = Shelf([("x", bundle)], loader)
    predictor = shelf.find().predictor
    os.utime(bundle / "SHA256SUMS", ns=(1, 1))
    shelf.refresh()
    assert len(loader.loaded) == 2
    assert shelf.find().predictor is predictor
    assert shelf.find().problem is None
    assert shelf.refresh() == []


def test_only_the_named_is_looked_at(bundle: Path, kept: Path, loader: Loader) -> None:
    shelf = Shelf([("x", bundle), ("y", kept)], loader)
    loader.loaded.clear()
    shelf.refresh("y", force=True)
    assert loader.loaded == [kept]


def damage(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"nonsense")


def cut(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes((bundle / "model.onnx").read_bytes()[:-10])


def wrong_answers(bundle: Path) -> None:
    """Sums fit, but the golden images are others."""
    first, second = sorted(bundle.glob("golden/*.png"))[:2]
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    reseal(bundle)


def of_tomorrow(bundle: Path) -> None:
    document = json.loads((bundle / "manifest.json").read_bytes())
    (bundle / "manifest.json").write_text(json.dumps({**document, "schema_version": 99}))
    reseal(bundle)


REFUSED = {
    "damaged": (damage, "altered"),
    "cut short": (cut, "altered|cut short"),
    "wrong answers": (wrong_answers, "golden"),
    "of tomorrow": (of_tomorrow, "version"),
    "gone": (shutil.rmtree, "does not exist"),
}


@pytest.mark.processes
@pytest.mark.parametrize(("spoil", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_leaves_the_old_one_serving_and_says_why(spoil, reason, bundle: Path, loader: Loader) -> None:  # type: ignore[no-untyped-def]
    shelf = Shelf([("x", bundle)], loader)
    old = shelf.find()
    image = next(bundle.glob("golden/*.png")).read_bytes()
    if spoil is not shutil.rmtree:
        new_version(bundle)
    spoil(bundle)
    (line,) = shelf.refresh()
    now = shelf.find()
    assert now.problem is not None
    assert re.search(reason, now.problem), now.problem
    assert now.problem in line
    assert (now.name, now.version, now.predictor) == ("x", old.version, old.predictor)
    assert now.predictor.predict(image).label is not None
    # Said once; it is not read again and again.
    assert shelf.refresh() == []


@pytest.mark.processes
def test_what_was_refused_is_taken_once_it_is_whole(bundle: Path, kept: Path, loader: Loader) -> None:
    shelf = Shelf([("x", bundle)], loader)
    shutil.rmtree(bundle)
    shelf.refresh()
    assert shelf.find().problem
    shutil.copytree(kept, bundle)
    new = new_version(bundle)
    shelf.refresh()
    assert (shelf.find().version, shelf.find().problem) == (new, None)


@pytest.mark.processes
def test_a_bundle_copied_over_file_by_file_is_taken_with_its_last_file(
    bundle: Path, kept: Path, tmp_path: Path, loader: Loader
) -> None:
    new = Path(shutil.copytree(kept, tmp_path / "new"))
    new_id = new_version(new)
    shelf = Shelf([("x", bundle)], loader)
    # The sums come first, as they do by name, and nothing that comes later touches them or the folder.
    for name in ("SHA256SUMS", "manifest.json"):
        assert shelf.find().version != new_id
        (bundle / name).write_bytes((new / name).read_bytes())
        shelf.refresh()
    assert (shelf.find().version, shelf.find().problem) == (new_id, None)


@pytest.mark.parametrize("failure", [BundleError("no"), PermissionError(13, "denied"), MemoryError()], ids=repr)
def test_whatever_loading_raises_the_old_one_goes_on(bundle: Path, loader: Loader, failure: Exception) -> None:
    shelf = Shelf([("x", bundle)], loader)
    loader.failure = failure
    shelf.refresh(force=True)
    assert shelf.find().problem
    loader.failure = None
    shelf.refresh(force=True)
    assert shelf.find().problem is None


def renamed(bundle: Path, names: dict[str, str]) -> str:
    """Other names for its classes, as a version of its own."""
    for file in ("manifest.json", "golden/golden.json"):
        text = (bundle / file).read_text(encoding="utf-8")
        for old, new in names.items():
            text = text.replace(f'"{old}"', f'"{new}"')
        (bundle / file).write_text(text, encoding="utf-8")
    return new_version(bundle)


@pytest.mark.processes
def test_other_classes_are_not_swapped_in_under_the_same_name(bundle: Path, loader: Loader) -> None:
    shelf = Shelf([("x", bundle)], loader)
    old = shelf.find()
    renamed(bundle, {"rot": "gelb"})
    (line,) = shelf.refresh()
    assert "it answers with other names (new gelb; gone rot); serve it under a name of its own" in line
    assert (shelf.find().version, shelf.find().predictor) == (old.version, old.predictor)
    assert "--allow-other-classes" in str(shelf.find().problem)
    renamed(bundle, {"gelb": "rot"})
    assert shelf.refresh()
    assert shelf.find().problem is None


@pytest.mark.processes
def test_other_classes_are_taken_where_that_is_allowed(bundle: Path, loader: Loader) -> None:
    shelf = Shelf([("x", bundle)], loader, allow_other_classes=True)
    new = renamed(bundle, {"rot": "gelb"})
    shelf.refresh()
    assert (shelf.find().version, shelf.find().problem) == (new, None)
    assert "gelb" in shelf.find().predictor.classes


@pytest.mark.processes
def test_a_new_version_that_is_not_signed_is_refused(bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="signatures need cryptography; pip install '.[sign]'")
    public = make_key(tmp_path / "key")
    sign(bundle, tmp_path / "key")
    shelf = Shelf([("x", bundle)], lambda path: load(path, signed_by=public))
    old = shelf.find()
    new = new_version(bundle)
    shelf.refresh()
    assert "its signature is not of the key" in str(shelf.find().problem)
    (bundle / "SHA256SUMS.sig").unlink()
    shelf.refresh()
    assert "it is not signed" in str(shelf.find().problem)
    assert shelf.find().predictor is old.predictor
    sign(bundle, tmp_path / "key")
    shelf.refresh()
    assert (shelf.find().version, shelf.find().problem) == (new, None)


@pytest.mark.processes
def test_the_old_version_answers_while_the_new_one_is_tried(bundle: Path, tmp_path: Path) -> None:
    limits = Quarantine(tmp_path / "passed", ChildLimits(5, 1 << 30))
    shelf = Shelf([("x", bundle)], lambda path: load(path, quarantine=limits))
    old, image = shelf.find(), next(bundle.glob("golden/*.png")).read_bytes()
    model = onnx.load(bundle / "model.onnx")
    graph, last = model.graph, 3000
    source, graph.node[0].input[0] = graph.node[0].input[0], "with more"
    nodes = [helper.make_node("ConstantOfShape", ["size"], ["m"])]
    nodes += [helper.make_node("ReduceSum", [source], ["s"], keepdims=0), helper.make_node("Add", ["m", "s"], ["m0"])]
    nodes += [helper.make_node("MatMul", [f"m{i}", "m"], [f"m{i + 1}"]) for i in range(last)]
    nodes += [helper.make_node("ReduceMax", [f"m{last}"], ["most"], keepdims=0)]
    for place, node in enumerate([*nodes, helper.make_node("Add", [source, "most"], ["with more"])]):
        graph.node.insert(place, node)
    graph.initializer.append(numpy_helper.from_array(np.array([2000, 2000]), "size"))
    (bundle / "model.onnx").write_bytes(model.SerializeToString())
    new_version(bundle)
    looking = threading.Thread(target=shelf.refresh)
    looking.start()
    answered = 0
    while looking.is_alive():
        assert shelf.find().predictor.predict(image).label is not None
        answered += 1
    assert answered > 10
    assert shelf.find().predictor is old.predictor
    assert "takes more than 5 s, so it was refused" in str(shelf.find().problem)


class Blocking(Loader):
    """Loads, but what stands at ``slow`` only once it is let go."""

    def __init__(self, slow: Path) -> None:
        super().__init__()
        self.slow: Path | None = None
        self.begun, self.go = threading.Event(), threading.Event()
        self._path = slow

    def arm(self) -> None:
        self.slow = self._path

    def __call__(self, path: Path) -> Predictor:
        predictor = super().__call__(path)
        if path == self.slow:
            self.begun.set()
            assert self.go.wait(60)
        return predictor


@pytest.mark.processes
def test_a_version_that_is_tried_for_long_holds_up_no_other_model(bundle: Path, kept: Path, tmp_path: Path) -> None:
    quick = Path(shutil.copytree(kept, tmp_path / "quick.bundle"))
    loader = Blocking(bundle)
    shelf = Shelf([("slow", bundle), ("quick", quick)], loader)
    old, new_slow, new_quick = shelf.find("slow"), new_version(bundle), new_version(quick)
    loader.arm()
    looking = threading.Thread(target=shelf.refresh, args=("slow",))
    looking.start()
    try:
        assert loader.begun.wait(60)
        other = threading.Thread(target=shelf.refresh, args=("quick",), daemon=True)
        other.start()
        other.join(30)
        assert not other.is_alive()
        assert shelf.find("quick").version == new_quick
        assert shelf.find("slow") is old
    finally:
        loader.go.set()
        looking.join()
    assert (shelf.find("slow").version, shelf.find("quick").version) == (new_slow, new_quick)


@pytest.mark.processes
def test_the_server_goes_on_looking_at_the_others(bundle: Path, kept: Path, tmp_path: Path) -> None:
    quick = Path(shutil.copytree(kept, tmp_path / "quick.bundle"))
    named = (f"slow={bundle}", f"quick={quick}")
    loader = Blocking(bundle)
    shelf = Shelf([parse_bundle(text) for text in named], loader)
    server = build(ServeOptions(named, store=str(tmp_path / "store.db"), watch_s=0.02, max_batch=1))
    with TestClient(create_app(replace(server, shelf=shelf)), base_url="http://localhost"):
        loader.arm()
        new_slow = new_version(bundle)
        try:
            assert loader.begun.wait(60)
            for _ in range(2):  # and not only once
                new_quick = new_version(quick)
                assert came(lambda new=new_quick: shelf.find("quick").version == new)
            assert shelf.find("slow").version != new_slow
        finally:
            loader.go.set()
        assert came(lambda: shelf.find("slow").version == new_slow)


def came(what: Callable[[], bool]) -> bool:
    """Whether it came to that within a minute."""
    for _ in range(6000):
        if what():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.processes
def test_two_looks_at_one_model_at_once_end_with_the_newest(bundle: Path) -> None:
    loader = Blocking(bundle)
    shelf = Shelf([("x", bundle)], loader)
    new_version(bundle)
    loader.arm()
    looks = [threading.Thread(target=shelf.refresh), threading.Thread(target=shelf.refresh, kwargs={"force": True})]
    looks[0].start()
    try:
        assert loader.begun.wait(60)
        newest = new_version(bundle)  # while the one before it is being loaded
        looks[1].start()
    finally:
        loader.go.set()
    for look in looks:
        look.join()
    assert (shelf.find().version, shelf.find().problem) == (newest, None)
    assert len(loader.loaded) == 3


def other_rule(bundle: Path) -> None:
    document = json.loads((bundle / "manifest.json").read_bytes())
    document["accept"]["confidence"] = 0.5 + document["accept"]["confidence"] / 4
    (bundle / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    reseal(bundle)


def other_weights(bundle: Path) -> None:
    model = onnx.load(bundle / "model.onnx")
    model.graph.doc_string = "other bytes, which say that it is another network"
    (bundle / "model.onnx").write_bytes(model.SerializeToString())
    reseal(bundle)


@pytest.mark.processes
@pytest.mark.parametrize("change", [other_rule, other_weights])
def test_another_model_under_the_id_of_the_one_served_is_refused(change, bundle: Path, loader: Loader) -> None:  # type: ignore[no-untyped-def]
    shelf = Shelf([("x", bundle)], loader)
    old = shelf.find()
    change(bundle)
    (line,) = shelf.refresh()
    problem = str(shelf.find().problem)
    assert problem in line
    assert f"it is another model under the id of this one ({old.version}); train or export it anew" in problem
    assert shelf.find().predictor is old.predictor
    assert shelf.refresh() == []
    new = new_version(bundle)  # under an id of its own it may come in
    shelf.refresh()
    assert (shelf.find().version, shelf.find().problem) == (new, None)


def test_a_mere_copy_stays_as_it_is(bundle: Path, tmp_path: Path, loader: Loader) -> None:
    shelf = Shelf([("x", bundle)], loader)
    predictor = shelf.find().predictor
    replaced(bundle, Path(shutil.copytree(bundle, tmp_path / "copy")))
    (line,) = shelf.refresh()
    assert "was looked at again" in line
    assert (shelf.find().predictor, shelf.find().problem) == (predictor, None)


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("bears.bundle", None, "bears.bundle"),
        ("night=bears.bundle", "night", "bears.bundle"),
        ("night=/srv/a=b", "night", "/srv/a=b"),
        ("/srv/a=b", None, "/srv/a=b"),
        ("./a=b", None, "./a=b"),
        ("v1.2_x-y=b", "v1.2_x-y", "b"),
    ],
)
def test_a_bundle_may_be_named(text: str, name: str | None, path: str) -> None:
    assert parse_bundle(text) == (name, Path(path))


@pytest.mark.parametrize("text", ["Night=b", "=b", "a b=c", "ä=b", "-a=b", "a" * 81 + "=b", "..=b", "a%2f=b"])
def test_a_name_must_fit_into_an_address(text: str) -> None:
    with pytest.raises(UsageError, match="cannot name a model"):
        parse_bundle(text)


def test_a_path_that_is_there_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a=b").mkdir()
    assert parse_bundle("a=b") == (None, Path("a=b"))


@pytest.mark.parametrize(
    "title", ["Solar cells", "Bären", "熊", "", "  ", "../../etc", "a/b?c#d", "x" * 500, "%00", "-._"]
)
def test_every_title_gives_a_name_that_fits_into_an_address(title: str) -> None:
    name, _ = parse_bundle(f"{slug(title)}=b")
    assert name == slug(title)
