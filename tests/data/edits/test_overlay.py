"""Edits laid over what is read: in training, evaluation, surveys and a DataBlock's loaders, and no file is touched."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from drivetrain.core.errors import DataError, SourceError, StepError
from drivetrain.core.types import Dataset, ItemId
from drivetrain.data.block.blocks import CategoryBlock, ImageBlock, MultiCategoryBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.block.getters import get_image_files
from drivetrain.data.block.labellers import parent_label
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.log import EditLog
from drivetrain.data.edits.moves import MOVED, MOVES, Journal
from drivetrain.data.edits.overlay import edited
from drivetrain.data.edits.places import log_place
from drivetrain.data.sources.opening import open_source
from drivetrain.learn.reading import Read, read
from drivetrain.learn.target_options import TargetOptions

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
REMOVED = Standing("black", Fate.REMOVED)


def draw(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (24, 24), (number * 7 % 256, number * 31 % 256, number * 53 % 256)).save(path)


@pytest.fixture
def bears(tmp_path: Path) -> Path:
    root = tmp_path / "bears"
    for place, label in enumerate(("black", "grizzly")):
        for number in range(4):
            draw(root / label / f"{number}.png", 10 * place + number)
    return root


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def edit(root: Path, name: str, to: Standing, before: Standing | None = None, sha: str | None = None) -> None:
    digest = sha256(root / name) if sha is None else sha
    change = Change(ItemId(name, digest or None), to)
    EditLog.open(log_place(root)).record([change], "ada", NOW, lambda _: before or Standing(name.split("/")[0]))


def read_options(root: Path, options: TargetOptions | None = None, block: DataBlock | None = None) -> Read:
    return read(root, options or TargetOptions(), block, root / "unpacked")


def labelled(found: Dataset) -> dict[str, str | None]:
    return {item.name: item.label for item in found.items}


def test_labels_and_items_are_as_people_edited_them_and_a_note_says_so(bears: Path) -> None:
    edit(bears, "black/0.png", Standing("grizzly"))
    edit(bears, "black/1.png", REMOVED)
    edit(bears, "black/2.png", Standing("black", Fate.KEPT))
    found = read_options(bears).dataset
    assert labelled(found)["black/0.png"] == "grizzly"
    assert "black/1.png" not in labelled(found)
    assert len(found.items) == 7
    assert found.notes == ("edits.jsonl: 1 relabelled, 1 removed, 1 kept",)
    as_they_lie = read_options(bears, TargetOptions(edits=False)).dataset
    assert len(as_they_lie.items) == 8
    assert as_they_lie.notes == ()
    assert labelled(as_they_lie)["black/0.png"] == "black"


def test_the_log_and_the_record_of_origins_are_no_tables_nor_classes(bears: Path) -> None:
    before = labelled(open_source(bears))
    edit(bears, "black/0.png", Standing("black", Fate.KEPT))
    (bears / "provenance.jsonl").write_text("", encoding="utf-8")
    (bears / "black" / "provenance.jsonl").write_text("", encoding="utf-8")
    (bears / "labels.csv.edits.jsonl").write_text('{"file_name": "black/0.png", "label": "x"}\n', encoding="utf-8")
    found = open_source(bears)
    assert labelled(found) == before
    assert found.skipped == ()
    assert found.notes == ()
    for name in ("edits.jsonl", "provenance.jsonl", "labels.csv.edits.jsonl"):
        with pytest.raises(SourceError, match="is a record about the data beside it, and no table"):
            open_source(bears / name)


def test_a_file_that_was_moved_is_found_again_by_its_content(bears: Path) -> None:
    edit(bears, "black/0.png", Standing("grizzly"))
    edit(bears, "black/1.png", REMOVED)
    (bears / "black" / "0.png").rename(bears / "black" / "renamed.png")
    (bears / "black" / "1.png").rename(bears / "grizzly" / "renamed.png")
    found = read_options(bears).dataset
    assert labelled(found)["black/renamed.png"] == "grizzly"
    assert "grizzly/renamed.png" not in labelled(found)
    assert found.notes == ("edits.jsonl: 1 relabelled, 1 removed",)


def test_a_file_that_was_replaced_is_not_edited_and_two_that_changed_places_are(bears: Path) -> None:
    edit(bears, "black/0.png", Standing("grizzly"))
    edit(bears, "black/1.png", REMOVED)
    draw(bears / "black" / "0.png", 200)
    (bears / "black" / "1.png").rename(bears / "black" / "x.png")
    (bears / "black" / "2.png").rename(bears / "black" / "1.png")
    (bears / "black" / "x.png").rename(bears / "black" / "2.png")
    found = read_options(bears).dataset
    assert labelled(found)["black/0.png"] == "black"
    assert "black/1.png" in labelled(found)
    assert "black/2.png" not in labelled(found)
    assert found.notes == (
        "edits.jsonl: 1 removed, 1 not applied: black/0.png is another file now, and no file has the content that was edited",
    )


def test_a_file_that_is_gone_is_reported_where_that_matters(bears: Path) -> None:
    edit(bears, "black/0.png", Standing("grizzly"))
    edit(bears, "black/1.png", REMOVED)
    for number in (0, 1):
        (bears / "black" / f"{number}.png").unlink()
    found = read_options(bears).dataset
    assert found.notes == ("edits.jsonl: 1 not applied: black/0.png is gone, and no file has its content",)


def test_of_two_names_with_equal_bytes_each_has_its_own_edit(bears: Path) -> None:
    shutil.copy(bears / "black" / "0.png", bears / "black" / "copy.png")
    edit(bears, "black/0.png", Standing("grizzly"))
    edit(bears, "black/copy.png", REMOVED)
    found = read_options(bears).dataset
    assert labelled(found)["black/0.png"] == "grizzly"
    assert "black/copy.png" not in labelled(found)


def test_content_that_several_files_have_now_is_reported_and_not_guessed(bears: Path) -> None:
    edit(bears, "black/0.png", Standing("grizzly"))
    shutil.copy(bears / "black" / "0.png", bears / "black" / "a.png")
    (bears / "black" / "0.png").rename(bears / "black" / "b.png")
    assert read_options(bears).dataset.notes == (
        "edits.jsonl: 1 not applied: black/0.png is gone, and several files have its content now (black/a.png, black/b.png)",
    )


def test_an_edit_without_a_hash_goes_by_the_name(bears: Path) -> None:
    edit(bears, "black/0.png", Standing("grizzly"), sha="")
    draw(bears / "black" / "0.png", 201)
    assert labelled(read_options(bears).dataset)["black/0.png"] == "grizzly"


@pytest.mark.parametrize("name", ["black/ö ✓\n.png", "black/\udcff.png", "black/'; --.png", "black/\u202egpj.png"])
def test_odd_names_are_edited_like_others(bears: Path, name: str) -> None:
    draw(bears / name, 77)
    found = {item.path: item for item in open_source(bears).items}[bears / name]
    edit(bears, found.name, Standing("grizzly"), Standing("black"), sha=sha256(bears / name))
    after = {item.path: item.label for item in read_options(bears).dataset.items}
    assert after[bears / name] == "grizzly"


def test_two_names_that_look_alike_are_told_apart_by_their_bytes(bears: Path) -> None:
    for number, odd in enumerate(("\udcfe", "\udcff")):
        draw(bears / "black" / f"{odd}.png", 90 + number)
    edit(bears, "black/\ufffd.png", REMOVED, Standing("black"), sha=sha256(bears / "black" / "\udcff.png"))
    left = [item.path for item in read_options(bears).dataset.items if "\ufffd" in item.name]
    assert left == [bears / "black" / "\udcfe.png"]


def test_a_table_has_its_log_beside_it(bears: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = [f"bears/{label}/{number}.png,{label}" for label in ("black", "grizzly") for number in range(4)]
    table.write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    change = Change(ItemId("bears/black/0.png", sha256(bears / "black" / "0.png")), Standing("grizzly"))
    EditLog.open(log_place(table)).record([change], "ada", NOW, lambda _: Standing("black"))
    found = read(table, TargetOptions(), None, tmp_path / "unpacked").dataset
    assert labelled(found)["bears/black/0.png"] == "grizzly"
    assert found.notes[-1] == "labels.csv.edits.jsonl: 1 relabelled"


def test_lists_of_labels_are_edited_one_by_one(tmp_path: Path) -> None:
    lines = []
    for number in range(6):
        draw(tmp_path / f"{number}.png", number)
        lines.append(json.dumps({"path": f"{number}.png", "label": ["sea", "sky"] if number % 2 else ["sea"]}))
    table = tmp_path / "labels.jsonl"
    table.write_text("\n".join(lines), encoding="utf-8")
    change = Change(ItemId("0.png", sha256(tmp_path / "0.png")), Standing("boat;sea", labels=("boat", "sea")))
    EditLog.open(log_place(table)).record([change], "ada", NOW, lambda _: Standing("sea", labels=("sea",)))
    found = read(table, TargetOptions("multi-label"), None, tmp_path / "unpacked")
    assert found.targets.names == ("boat", "sea", "sky")
    assert found.targets.values[0].tolist() == [1, 1, 0]


def alternately(items: Sequence[object]) -> tuple[range, range]:
    return range(0, len(items), 2), range(1, len(items), 2)


def chapter(**changes: object) -> DataBlock:
    parts: dict[str, object] = {
        "blocks": (ImageBlock, CategoryBlock),
        "get_items": get_image_files,
        "get_y": parent_label,
        "splitter": alternately,
    }
    return DataBlock(**{**parts, **changes})  # type: ignore[arg-type]  # parts by their names


def targets(block: DataBlock, root: Path, *, edits: bool = True) -> dict[str, object]:
    found = block.datasets(root, edits=edits)
    return {one.name: one.target for view in (found.train, found.valid) for one in view.samples}


@pytest.mark.parametrize("get_items", [get_image_files, open_source])
def test_a_block_that_reads_labels_from_folders_shows_edits_too(bears: Path, get_items: object) -> None:
    edit(bears, "black/0.png", Standing("grizzly"))
    edit(bears, "black/1.png", REMOVED)
    block = chapter(get_items=get_items)
    assert targets(block, bears)["black/0.png"] == "grizzly"
    assert "black/1.png" not in targets(block, bears)
    assert targets(block, bears, edits=False)["black/0.png"] == "black"
    assert block.datasets(bears).notes[0] == "edits.jsonl: 1 relabelled, 1 removed"
    assert "1 relabelled" in repr(block.dataloaders(bears, bs=2).datasets)
    assert "relabelled" not in repr(block.dataloaders(bears, bs=2, edits=False).datasets)
    found = read_options(bears, block=block)
    assert labelled(found.dataset)["black/0.png"] == "grizzly"
    assert found.dataset.notes == ("edits.jsonl: 1 relabelled, 1 removed",)
    assert [item.name for item in found.dataset.items] == sorted(labelled(found.dataset))


def test_a_label_that_a_block_cannot_read_says_which(bears: Path) -> None:
    def letters(path: Path) -> Sequence[str]:
        return [path.parent.name]

    edit(bears, "black/0.png", Standing("grizzly"))
    block = chapter(blocks=(ImageBlock, MultiCategoryBlock), get_y=letters)
    with pytest.raises(StepError, match=r"MultiCategoryBlock failed on the label that edits give black/0\.png"):
        block.datasets(bears)
    edit(bears, "black/0.png", Standing("grizzly", labels=("grizzly",)))
    assert targets(block, bears)["black/0.png"] == ("grizzly",)


def test_pictures_that_nobody_had_labelled_are_read_by_the_labels_people_gave(tmp_path: Path) -> None:
    for number in range(6):
        draw(tmp_path / "new" / f"{number}.png", number)
    new = tmp_path / "new"
    with pytest.raises(SourceError, match="no class folders"):
        read_options(new)
    for number in range(4):
        edit(new, f"{number}.png", Standing("cat" if number % 2 else "dog"), Standing(None))
    found = read_options(new).dataset
    assert labelled(found) == {"0.png": "dog", "1.png": "cat", "2.png": "dog", "3.png": "cat"}
    assert [(one.name, one.reason) for one in found.skipped] == [("4.png", "no label"), ("5.png", "no label")]
    with pytest.raises(SourceError, match="no class folders"):
        read_options(new, TargetOptions(edits=False))


def test_a_broken_log_stops_reading_and_says_how_to_go_on(bears: Path) -> None:
    (bears / "edits.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 1 is no edit \(it has no kind\).*--no-edits"):
        read_options(bears)
    assert len(read_options(bears, TargetOptions(edits=False)).dataset.items) == 8


def test_a_log_that_comes_with_a_strangers_data_brings_no_file_from_outside(bears: Path, tmp_path: Path) -> None:
    outside = tmp_path / "private"
    draw(outside / "0.png", 77)
    log = EditLog.open(log_place(bears))
    with log.alone() as alone:  # as it is after edits were applied
        alone.write(MOVES, Journal("1", NOW, "eve").to_line())
        alone.write(MOVED, {"of": "1"})
    names = (str(outside / "0.png"), "../private/0.png", "x" * 5000, "a/\0", "\ud800")
    log.record(
        [Change(ItemId(name, None), Standing("black")) for name in names], "eve", NOW, lambda _: Standing("grizzly")
    )
    found = edited(open_source(bears), bears)
    assert [item.name for item in found.items] == [item.name for item in open_source(bears).items]


def test_what_is_no_path_has_no_log(bears: Path) -> None:
    edit(bears, "black/0.png", REMOVED)
    dataset = open_source(bears)
    assert edited(dataset, dataset) is dataset
    assert len(read(dataset, TargetOptions(), None, bears).dataset.items) == 8


ORIGIN = {"sha256": "", "source": "video", "at": "2026-01-02T03:04:05+00:00"}


def test_frames_of_one_video_are_one_group(bears: Path) -> None:
    lines = [{"name": f"{number}.png", "group": "video 7"} for number in range(2)] + [{"name": "2.png", "group": None}]
    text = "".join(json.dumps({**ORIGIN, **line}) + "\n" for line in lines)
    (bears / "black" / "provenance.jsonl").write_text(text + '{"name": "3.png", "gro', encoding="utf-8")
    found = open_source(bears)
    groups = {item.name: item.group for item in found.items if item.group}
    assert groups == {"black/0.png": "black/video 7", "black/1.png": "black/video 7"}
    assert found.notes == ("provenance.jsonl: 2 images are in groups by where they came from",)
    (bears / "provenance.jsonl").write_text(
        json.dumps({**ORIGIN, "name": "black/0.png", "group": "v"}) + "\n", encoding="utf-8"
    )
    groups = {one.name: one.group for one in chapter().datasets(bears).train.samples if one.group}
    assert groups == {"black/0.png": "black/video 7"}
    for line in (
        '{"nam',
        '{"name": ["black/0.png"]}',
        '{"name": ["black/0.png"], "group": "v"}',
        '{"name": {}, "group": 1}',
    ):
        (bears / "provenance.jsonl").write_text(line + "\n", encoding="utf-8")
        with pytest.raises(SourceError, match="line 1, is no provenance"):
            open_source(bears)
