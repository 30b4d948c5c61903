"""Certifying by the right answers that people told a server: from a store, made here, to a certificate."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coloured import draw_field
from drivetrain.app.certify import certify
from drivetrain.certification.asked import Asked
from drivetrain.certification.reading import Reading
from drivetrain.certification.told import told_items
from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.records import Context, Entry, Record, StoredInput, Timings, ToldHow, Truth
from drivetrain.core.stored_reference import StoredReference
from drivetrain.core.types import Prediction, Verdict
from drivetrain.model import storage
from drivetrain.model.predictor import load
from drivetrain.store.sql_store import open_store

KEPT = Path(__file__).parent.parent / "bundles" / "v1"
EACH = 40
AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
NOTHING_SAID = Context()
BLIND, ASSISTED = ToldHow.BLIND, ToldHow.ASSISTED


@dataclass(frozen=True)
class Told:
    """One picture that was answered, and what people told of it, oldest first."""

    picture: Path
    truths: Sequence[tuple[str, ToldHow]]
    context: Context = NOTHING_SAID
    is_kept: bool = True


def stored(place: Path, told: Sequence[Told]) -> Path:
    """A store with these predictions; the bundle that made them is another one."""
    store = open_store(place)
    for number, one in enumerate(told):
        data = one.picture.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        answer = Prediction(
            one.picture.name, "rot", 0.6, {"rot": 0.6, "blau": 0.4}, Verdict.REVIEW, "of another bundle"
        )
        at = AT + timedelta(seconds=number)
        record = Record(
            f"{number:032x}", f"{number:032x}", at, "field", answer, Timings(0, 0, 0, 0), sha256, {}, one.context
        )
        kept = StoredInput(sha256, data, "image/png") if one.is_kept else None
        store.append([Entry(record, kept)])
        for place_in, (label, how) in enumerate(one.truths):
            moment = at + timedelta(days=1 + place_in)
            store.add_truth(Truth(f"{number:028x}{place_in:04x}", record.id, moment, "ada", how, label))
    store.close()
    return place


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_field(tmp_path_factory.mktemp("field"), EACH)


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    return Reading(cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def told(field: Path) -> list[Told]:
    pictures = sorted(field.glob("*/[0-9]*.png"))
    return [
        Told(path, [(path.parent.name, BLIND)], Context(camera="north" if n % 2 else "south", extra={"lens": n % 3}))
        for n, path in enumerate(pictures)
    ]


def test_a_store_certifies_as_the_same_pictures_in_folders_do(
    field: Path, told: list[Told], reading: Reading, tmp_path: Path
) -> None:
    store = stored(tmp_path / "store.sqlite", told)
    asked = Asked.of(max_error=0.2, by=["camera", "lens", "class"])
    found = certify(KEPT, str(store), asked, out=tmp_path / "new", reading=reading)
    in_folders = certify(KEPT, field, Asked.of(max_error=0.2), reading=reading)
    assert found.certified
    assert found.remarks == in_folders.remarks == ()
    document, other = found.to_json(), in_folders.to_json()
    assert list(document) == list(other)
    assert document["n"] == 3 * EACH
    assert document["independent"] == other["independent"]
    slices = [one["slice"] for one in document["by"]]
    assert slices[:5] == ["camera=north", "camera=south", "lens=0", "lens=1", "lens=2"]
    assert sum(one["independent"] for one in document["by"][:2]) == document["independent"]
    made = load(tmp_path / "new").manifest.accept
    assert made is not None
    assert made.certificate is not None
    assert made.certificate.source == "store.sqlite"
    assert "camera=north" in (tmp_path / "new" / storage.REPORT).read_text("utf-8")


def test_only_what_was_told_without_the_models_answer_in_sight_counts_and_the_latest_of_it(
    told: list[Told], tmp_path: Path
) -> None:
    first, second, third, fourth, fifth = told[:5]
    group = Context(group="video 7", site="Köln")
    store = stored(
        tmp_path / "store.sqlite",
        [
            replace(first, truths=[("rot", BLIND), ("blau", ToldHow.ADJUDICATED), ("grün", ASSISTED)], context=group),
            replace(second, truths=[("rot", ASSISTED)]),
            replace(third, is_kept=False),
            replace(fourth, truths=[("rot", BLIND)]),
            # The same bytes once more, told later.
            replace(fourth, truths=[("grün", BLIND)]),
            replace(fifth, truths=[]),
        ],
    )
    opened = open_store(store)
    found = told_items(opened, load(KEPT).manifest)
    items = found.dataset.items
    assert [(item.label, item.group) for item in items] == [("blau", "video 7"), ("grün", None)]
    assert [item.reference.read_bytes() for item in items] == [
        first.picture.read_bytes(),
        fourth.picture.read_bytes(),
    ]
    assert found.columns["site"] == {items[0].name: "Köln"}
    assert set(found.columns["camera"]) == {items[1].name}
    assisted, not_kept = found.remarks
    assert assisted.startswith("2 right answers were told with the model's answer in sight (assisted) and left out")
    assert not_kept.startswith("1 input is not kept in the store")
    with pytest.raises(FileNotFoundError, match="keeps it no longer"):
        StoredReference("0" * 64, opened).read_bytes()
    opened.close()
    with pytest.raises(OSError, match="has been closed"):
        items[0].reference.read_bytes()


def test_what_was_left_out_is_said_with_the_certificate(told: list[Told], reading: Reading, tmp_path: Path) -> None:
    some = [replace(one, truths=[("rot", ASSISTED)]) if n < 3 else one for n, one in enumerate(told)]
    found = certify(KEPT, stored(tmp_path / "store.sqlite", some), Asked.of(max_error=0.3), reading=reading)
    assert found.certificate.images == 3 * EACH - 3
    assert "3 right answers were told with the model's answer in sight" in dict(found.lines())["!"]


def test_frames_of_one_group_are_one_case(told: list[Told], reading: Reading, tmp_path: Path) -> None:
    frames = [replace(one, context=Context(group=f"video {n // 2}")) for n, one in enumerate(told)]
    found = certify(KEPT, stored(tmp_path / "store.sqlite", frames), Asked.of(max_error=0.3), reading=reading)
    assert found.certificate.images == 3 * EACH
    assert found.bound.independent + found.tuned_on == 3 * EACH // 2


def test_a_store_with_nothing_to_certify_by_says_why(told: list[Told], reading: Reading, tmp_path: Path) -> None:
    empty = stored(tmp_path / "empty.sqlite", [])
    with pytest.raises(DataError, match="nobody has told one yet"):
        certify(KEPT, empty, Asked.of(), reading=reading)
    assisted = stored(tmp_path / "assisted.sqlite", [replace(told[0], truths=[("rot", ASSISTED)])])
    with pytest.raises(DataError, match="1 right answer was told with the model's answer in sight"):
        certify(KEPT, assisted, Asked.of(), reading=reading)
    some = stored(tmp_path / "some.sqlite", told[:6])
    with pytest.raises(
        UsageError, match=r"by \(--by\) is 'weather', which no input has; there are camera, site, lens, class"
    ):
        certify(KEPT, some, Asked.of(by=["weather"]), reading=reading)
    with pytest.raises(UsageError, match="a store has neither splits nor"):
        certify(KEPT, some, Asked.of(), reading=replace(reading, split="test"))


def test_several_labels_come_as_they_were_told(told: list[Told], tmp_path: Path) -> None:
    place = stored(tmp_path / "store.sqlite", [replace(told[0], truths=[("rot", BLIND)]), replace(told[1], truths=[])])
    store = open_store(place)
    bundle = load(KEPT.parent / "v4-labels")
    labels = bundle.manifest.outputs[:2]
    for number, said in enumerate((labels, ())):
        truth = Truth(f"{number + 1:032x}", f"{number:032x}", AT + timedelta(days=9), "ada", BLIND, labels=said)
        store.add_truth(truth)
    found = told_items(store, bundle.manifest)
    store.close()
    assert [item.labels for item in found.dataset.items] == [labels, ()]
    assert all(item.label is not None for item in found.dataset.items), "or they would pass for unlabelled"
    assert found.remarks == ("1 right answer was of another form than the bundle's answers and left out",)
