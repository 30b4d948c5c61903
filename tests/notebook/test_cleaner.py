"""The cleaner's widgets, driven as a page drives them, on a copy of some pictures; and the book's two loops over its marks."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from drivetrain.core.errors import UsageError
from drivetrain.core.installation import install_command
from drivetrain.core.types import Item, ItemId
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.log import EditLog
from drivetrain.data.sources.opening import open_source
from drivetrain.learn.reading import read
from drivetrain.learn.target_options import TargetOptions
from drivetrain.notebook.doubted import LEFT_OUT, TRAIN, VALID, Doubted, Doubts

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed; make install")

from drivetrain.notebook.cleaner import ALL, Cleaner, Look
from drivetrain.notebook.marks import DELETE, KEEP

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
CLASSES = ("discs", "squares", "stripes")

Make = Callable[..., Cleaner]


@pytest.fixture
def path(pictures: Path, tmp_path: Path) -> Path:
    """Six pictures of each class."""
    for folder in CLASSES:
        (tmp_path / "shapes" / folder).mkdir(parents=True)
        for file in sorted((pictures / folder).iterdir())[:6]:
            shutil.copy(file, tmp_path / "shapes" / folder)
    return tmp_path / "shapes"


@pytest.fixture
def make(path: Path) -> Make:
    """Makes cleaners of items whose loss grows with their number; the last two of each class are for validation."""

    def made(max_n: int = 30, by: str = "Ada", opts: tuple[str, ...] = (), **changes: Any) -> Cleaner:
        items = [
            Doubted(item, VALID if item.name[-5] in "45" else TRAIN, float(item.name[-5]), "discs 90 %")
            for item in open_source(path).items
        ]
        doubts = Doubts(path, tuple(items), CLASSES, {TRAIN: "by heads", VALID: "by the learner"})
        return Cleaner(doubts, opts, Look(max_n=max_n, **changes), by, lambda: MOMENT)

    return made


def names(cleaner: Cleaner) -> list[str]:
    """The items on the page, by their names in words."""
    shown = [card for card in cleaner._cards if card.view in cleaner.page.children]
    return [card.words.value.split("<br>")[0].split(">")[-1] for card in shown]


def choose(cleaner: Cleaner, name: str, choice: str) -> Any:
    """Choose in the menu of an item on the page, as a person does."""
    card = cleaner._cards[names(cleaner).index(name)]
    card.menu.value = choice
    return card.menu


def status(cleaner: Cleaner) -> str:
    return str(cleaner.status.value)


def edits_of(path: Path) -> list[tuple[str, str | None, Fate]]:
    log = EditLog.open(path / "edits.jsonl")
    return [(edit.by, edit.after.label, edit.after.fate) for edit in log.edits]


def test_the_most_doubtful_of_a_class_and_side_come_first(make: Make) -> None:
    cleaner = make()
    assert (cleaner.class_menu.value, cleaner.side_menu.value) == ("discs", TRAIN)
    assert names(cleaner) == [f"discs/0{n}.jpg" for n in (3, 2, 1, 0)]
    assert "by heads" in cleaner.how.value
    cleaner.side_menu.value = VALID
    cleaner.class_menu.value = "stripes"
    assert names(cleaner) == ["stripes/05.jpg", "stripes/04.jpg"]
    assert "by the learner" in cleaner.how.value
    cleaner.class_menu.value = ALL
    assert names(cleaner) == [f"{name}/0{n}.jpg" for n in (5, 4) for name in CLASSES]
    assert "loss 5.00" in cleaner._cards[0].words.value
    assert tuple(cleaner._cards[0].menu.options) == (KEEP, DELETE, *CLASSES)
    assert tuple(make(opts=("rings",))._cards[0].menu.options) == (KEEP, DELETE, *CLASSES, "rings")


def test_the_loops_of_the_book_run_unchanged(make: Make, path: Path) -> None:
    cleaner = make()
    choose(cleaner, "discs/01.jpg", DELETE)
    choose(cleaner, "discs/03.jpg", "stripes")
    cleaner.class_menu.value = "squares"
    cleaner.side_menu.value = VALID
    choose(cleaner, "squares/05.jpg", "discs")
    assert [(cleaner.fns[idx], idx) for idx in cleaner.delete()] == [(path / "discs/01.jpg", 1)]
    assert {(cleaner.fns[idx], cat) for idx, cat in cleaner.change()} == {
        (path / "discs/03.jpg", "stripes"),
        (path / "squares/05.jpg", "discs"),
    }
    moved = (path / "discs/03.jpg").read_bytes()
    for name in ("stripes/03.jpg", "discs/05.jpg"):  # shutil.move refuses names that are taken
        (path / name).unlink()

    for idx in cleaner.delete():
        cleaner.fns[idx].unlink()
    for idx, cat in cleaner.change():
        shutil.move(str(cleaner.fns[idx]), path / cat)

    assert not (path / "discs/01.jpg").exists()
    assert (path / "stripes/03.jpg").read_bytes() == moved
    assert (cleaner.delete(), cleaner.change()) == ([], [])
    cleaner.class_menu.value = "discs"
    cleaner.side_menu.value = TRAIN
    assert names(cleaner) == ["discs/02.jpg", "discs/00.jpg"]
    assert "2 moved or deleted since" in status(cleaner)
    assert "0 to delete, 0 to change" in status(cleaner)
    # Whatever reads the folder now finds it as the person wanted it.
    found = read(str(path), TargetOptions(), None, path.parent / "unpacked").dataset
    labels = {item.name: item.label for item in found.items}
    assert labels == {item.name: item.name.split("/")[0] for item in open_source(path).items}
    assert not any("not applied" in note for note in found.notes), found.notes


def test_marks_outlive_menus_and_a_new_cleaner(make: Make, path: Path) -> None:
    cleaner = make()
    choose(cleaner, "discs/01.jpg", DELETE)
    choose(cleaner, "discs/02.jpg", "stripes")
    for label in ("stripes", ALL, "squares", "discs"):
        cleaner.class_menu.value = label
        for side in (VALID, TRAIN):
            cleaner.side_menu.value = side
    for one in (cleaner, make(by="Grace")):
        assert (one.delete(), one.change()) == ([1], [(2, "stripes")])
        menus = dict(zip(names(one), (card.menu.value for card in one._cards), strict=False))
        assert menus == {
            "discs/03.jpg": KEEP,
            "discs/02.jpg": "stripes",
            "discs/01.jpg": DELETE,
            "discs/00.jpg": KEEP,
        }
        assert "1 to delete, 1 to change" in status(one)
    assert edits_of(path) == [("Ada", "discs", Fate.REMOVED), ("Ada", "stripes", Fate.KEPT)]


def test_keep_takes_a_mark_back_by_another_edit(make: Make, path: Path) -> None:
    cleaner = make()
    choose(cleaner, "discs/01.jpg", DELETE)
    choose(cleaner, "discs/01.jpg", "stripes")
    choose(cleaner, "discs/01.jpg", KEEP)
    assert (cleaner.delete(), cleaner.change()) == ([], [])
    assert [fate for _, _, fate in edits_of(path)] == [Fate.REMOVED, Fate.KEPT, Fate.OPEN]
    assert edits_of(path)[-1] == ("Ada", "discs", Fate.OPEN)
    assert len(read(str(path), TargetOptions(), None, path.parent / "unpacked").dataset.items) == 18


def test_an_items_own_class_is_the_same_as_keeping_it(make: Make, path: Path) -> None:
    cleaner = make()
    assert choose(cleaner, "discs/01.jpg", "discs").value == KEEP
    assert not (path / "edits.jsonl").exists()
    choose(cleaner, "discs/01.jpg", "stripes")
    assert choose(cleaner, "discs/01.jpg", "discs").value == KEEP
    assert cleaner.change() == []


def test_what_somebody_vouched_for_is_vouched_for_again_when_a_mark_is_taken_back(make: Make, path: Path) -> None:
    log = EditLog.open(path / "edits.jsonl")
    item = ItemId("discs/01.jpg", None)
    log.record([Change(item, Standing("discs", Fate.KEPT))], "Grace", MOMENT, lambda _item: Standing("discs"))
    cleaner = make()
    choose(cleaner, "discs/01.jpg", DELETE)
    choose(cleaner, "discs/01.jpg", KEEP)
    assert edits_of(path)[-1] == ("Ada", "discs", Fate.KEPT)


def test_two_cleaners_at_one_log_see_each_other_and_tell_whom_they_overtook(make: Make) -> None:
    ada, grace = make(), make(by="Grace")
    choose(ada, "discs/01.jpg", DELETE)
    choose(grace, "discs/01.jpg", "stripes")
    assert "overtook what Ada had marked" in status(grace)
    assert (ada.delete(), ada.change()) == ([], [(1, "stripes")])
    ada._repr_mimebundle_()
    assert ada._cards[2].menu.value == "stripes"


def test_pages_show_all_of_a_class_and_no_card_is_made_anew(make: Make) -> None:
    cleaner = make(max_n=3)
    cards = list(cleaner._cards)
    assert names(cleaner) == [f"discs/0{n}.jpg" for n in (3, 2, 1)]
    assert "4 items · page 1 of 2" in status(cleaner)
    assert (cleaner.previous.disabled, cleaner.next.disabled) == (True, False)
    choose(cleaner, "discs/01.jpg", DELETE)
    cleaner.next.click()
    assert names(cleaner) == ["discs/00.jpg"]
    assert cleaner._cards[0].menu.value == KEEP
    assert (cleaner.previous.disabled, cleaner.next.disabled) == (False, True)
    choose(cleaner, "discs/00.jpg", "squares")
    cleaner.previous.click()
    assert [card.menu.value for card in cleaner._cards] == [KEEP, KEEP, DELETE]
    assert (cleaner.delete(), cleaner.change()) == ([1], [(0, "squares")])
    cleaner.next.click()
    cleaner.class_menu.value = "stripes"
    assert names(cleaner) == [f"stripes/0{n}.jpg" for n in (3, 2, 1)]
    assert cleaner._cards == cards


def test_a_mark_that_cannot_be_written_is_not_shown(make: Make, path: Path) -> None:
    cleaner = make()
    (path / "edits.jsonl").mkdir()
    assert choose(cleaner, "discs/01.jpg", DELETE).value == KEEP
    assert "Not marked" in status(cleaner)
    (path / "edits.jsonl").rmdir()
    assert choose(cleaner, "discs/01.jpg", DELETE).value == DELETE
    assert cleaner.delete() == [1]


def test_thumbnails_stand_upright_fit_their_box_and_say_nothing_of_the_camera(make: Make, path: Path) -> None:
    wide = Image.new("RGB", (1200, 400), (220, 30, 20))
    wide.paste((20, 30, 220), (0, 0, 600, 400))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"  # turned by a quarter
    wide.save(path / "discs/03.jpg", exif=exif, quality=95)
    (path / "discs/02.jpg").write_bytes(b"no picture")
    cleaner = make(height=90, width=100)
    first, second = cleaner._cards[:2]
    with Image.open(io.BytesIO(first.image.value)) as shown:
        assert (shown.format, shown.size) == ("JPEG", (30, 90))
        assert not shown.getexif()
        top = shown.convert("RGB").getpixel((15, 10))
    assert isinstance(top, tuple)
    assert top[2] > 200 > top[0]
    assert second.image.layout.display == "none"
    assert "cannot be read: not an image" in second.words.value
    choose(cleaner, "discs/02.jpg", DELETE)
    assert cleaner.delete() == [2]


def test_a_copy_that_stays_is_not_taken_for_the_one_deleted(make: Make, path: Path) -> None:
    shutil.copy(path / "discs/01.jpg", path / "discs/00.jpg")
    cleaner = make()
    choose(cleaner, "discs/01.jpg", DELETE)
    for idx in cleaner.delete():
        cleaner.fns[idx].unlink()
    found = read(str(path), TargetOptions(), None, path.parent / "unpacked").dataset
    assert "discs/00.jpg" in {item.name for item in found.items}
    assert make().delete() == []


def test_a_marked_file_that_was_renamed_keeps_its_mark(make: Make, path: Path) -> None:
    choose(make(), "discs/01.jpg", DELETE)
    (path / "discs/01.jpg").rename(path / "discs/90.jpg")
    cleaner = make()
    assert [cleaner.fns[idx].name for idx in cleaner.delete()] == ["90.jpg"]


def test_items_left_out_of_the_split_have_a_side_of_their_own(path: Path) -> None:
    items = tuple(Doubted(item, LEFT_OUT if item.name == "discs/00.jpg" else TRAIN) for item in open_source(path).items)
    cleaner = Cleaner(Doubts(path, items, CLASSES, {}), (), Look(), "Ada", lambda: MOMENT)
    assert tuple(cleaner.side_menu.options) == (TRAIN, LEFT_OUT)
    cleaner.side_menu.value = LEFT_OUT
    assert names(cleaner) == ["discs/00.jpg"]
    assert "no answer" in cleaner._cards[0].words.value


def test_names_of_files_are_text(path: Path) -> None:
    bad = "discs/<img src=x onerror=alert(1)>.jpg"
    (path / "discs/00.jpg").rename(path / bad)
    item = Item(path / bad, bad, "discs")
    cleaner = Cleaner(Doubts(path, (Doubted(item, TRAIN),), CLASSES, {}), (), Look(), "Ada", lambda: MOMENT)
    assert "<img" not in cleaner._cards[0].words.value


@pytest.mark.parametrize("wrong", [{"max_n": 0}, {"height": 1.5}, {"width": True}])
def test_sizes_that_are_none_are_refused(make: Make, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="give a whole number of at least 1"):
        make(**wrong)


def test_marks_need_a_name(make: Make) -> None:
    with pytest.raises(UsageError, match="give by=NAME"):
        make(by=" ")


@pytest.mark.processes
def test_without_ipywidgets_the_cleaner_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['ipywidgets'] = None\n"
        "from drivetrain.notebook.cleaner import widgets_module\n"
        "try: widgets_module()\nexcept Exception as error: print(type(error).__name__, error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.startswith(UsageError.__name__)
    assert install_command("notebook") in found.stdout
