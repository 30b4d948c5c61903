"""Files are moved aside, never deleted or overwritten, and can be put back."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from drivetrain.core.errors import DataError, UsageError
from drivetrain.data.block.getters import get_image_files
from drivetrain.data.image.verify import verify_images
from drivetrain.data.sources.aside import move_aside


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("black/cut.jpg", "teddy/cut.jpg", "teddy/good.jpg"):
        path = tmp_path / "bears" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_each_keeps_the_path_it_had(here: Path) -> None:
    before = texts(here)
    moved = move_aside([Path("bears/black/cut.jpg"), str(here / "bears/teddy/cut.jpg")])
    assert moved.files == {
        Path("bears/black/cut.jpg"): Path("not-images/bears/black/cut.jpg"),
        here / "bears/teddy/cut.jpg": Path("not-images/bears/teddy/cut.jpg"),
    }
    assert repr(moved).startswith("2 files moved to not-images, none deleted\n  bears/black/cut.jpg → not-images/")
    after = texts(here)
    record = after.pop("not-images/moved-aside.jsonl").splitlines()
    assert sorted(after.values()) == sorted(before.values())
    assert json.loads(record[0]) == {
        "from": str(here / "bears/black/cut.jpg"),
        "to": str(here / "not-images/bears/black/cut.jpg"),
    }
    assert moved.put_back() == list(moved.files)
    back = texts(here)
    del back["not-images/moved-aside.jsonl"]
    assert back == before


def test_nothing_is_overwritten_on_either_way(here: Path) -> None:
    file = here / "bears/black/cut.jpg"
    first = move_aside([file])
    file.write_text("another")
    second = move_aside([file])
    assert second.files == {file: Path("not-images/bears/black/cut (2).jpg")}
    file.write_text("a third")
    assert first.put_back() == []
    assert file.read_text() == "a third"
    assert (here / "not-images/bears/black/cut.jpg").read_text() == "black/cut.jpg"
    assert (here / "not-images/bears/black/cut (2).jpg").read_text() == "another"


def test_what_was_moved_is_not_read_as_a_class(here: Path) -> None:
    os.chdir(here / "bears")
    move_aside([Path("black/cut.jpg")])
    assert get_image_files(".") == [Path("teddy/cut.jpg"), Path("teddy/good.jpg")]


def test_files_elsewhere_keep_their_whole_path(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("elsewhere") / "cut.jpg"
    other.write_text("elsewhere")
    link = here / "bears/link.jpg"
    link.symlink_to(other)
    moved = move_aside([other, link], here / "aside")
    assert moved.files[other] == here / "aside" / other.relative_to("/")
    assert moved.files[link].is_symlink()
    assert not link.exists()


def test_a_file_that_is_not_there_is_an_error_and_the_rest_stay(here: Path) -> None:
    with pytest.raises(DataError, match=r"cannot move bears/none\.jpg to not-images/bears/none\.jpg: No such file"):
        move_aside(["bears/black/cut.jpg", "bears/none.jpg", "bears/teddy/cut.jpg"])
    assert (here / "not-images/bears/black/cut.jpg").exists()
    assert (here / "bears/teddy/cut.jpg").exists()


@pytest.mark.usefixtures("here")
def test_a_single_name_is_refused() -> None:
    with pytest.raises(UsageError, match="several files"):
        move_aside("bears/black/cut.jpg")
    assert repr(move_aside([])) == "nothing to move aside"


def test_folders_stay_where_they_are(here: Path) -> None:
    with pytest.raises(UsageError, match="files, not folders; received the folder 'bears'"):
        move_aside(["bears/black/cut.jpg", "bears"])
    assert (here / "bears/black/cut.jpg").exists()
    with pytest.raises(UsageError, match="verify_images takes several files, received one name"):
        verify_images("./bears")
    with pytest.raises(UsageError, match="get_image_files"):
        verify_images(Path("bears"))


def test_a_move_that_was_interrupted_just_after_it_was_made_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = shutil.move

    def interrupted(old: Path, new: Path) -> None:
        move(old, new)
        raise KeyboardInterrupt

    (tmp_path / "a.jpg").write_bytes(b"a")
    monkeypatch.setattr(shutil, "move", interrupted)
    with pytest.raises(KeyboardInterrupt):
        move_aside([tmp_path / "a.jpg"], tmp_path / "aside", below=tmp_path)
    (line,) = (tmp_path / "aside" / "moved-aside.jsonl").read_text().splitlines()
    assert json.loads(line) == {"from": str(tmp_path / "a.jpg"), "to": str(tmp_path / "aside" / "a.jpg")}
    assert (tmp_path / "aside" / "a.jpg").read_bytes() == b"a"


def test_of_a_read_only_folder_nothing_is_moved_or_copied(tmp_path: Path) -> None:
    for name in ("free", "locked"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(b"a")
    (tmp_path / "locked").chmod(0o500)
    if os.access(tmp_path / "locked", os.W_OK):
        pytest.skip("this user may write wherever it likes, as root may")
    with pytest.raises(DataError, match="locked: it is read-only; nothing was moved"):
        move_aside([tmp_path / "free" / "a.jpg", tmp_path / "locked" / "a.jpg"], tmp_path / "aside", below=tmp_path)
    assert (tmp_path / "free" / "a.jpg").exists()
    assert not (tmp_path / "aside").exists()
