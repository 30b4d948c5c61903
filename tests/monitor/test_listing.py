"""The images a watch is told of: which camera took each, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from drivetrain.core.errors import SourceError, UsageError
from drivetrain.core.scratch import Scratch
from drivetrain.data.image.taken_at import taken_at
from drivetrain.model.manifest import parse_manifest
from drivetrain.monitor.listing import Listed, list_images

BUNDLE = Path(__file__).parents[1] / "bundles" / "v1"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def picture(path: Path, at: str | None = None, offset: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if at is not None:
        ifd = exif.get_ifd(ExifTags.IFD.Exif)
        ifd[ExifTags.Base.DateTimeOriginal] = at
        if offset is not None:
            ifd[ExifTags.Base.OffsetTimeOriginal] = offset
    Image.new("RGB", (8, 8)).save(path, exif=exif.tobytes())
    return path


def listed(place: Path, by: str | None = None) -> Listed:
    return list_images(str(place), parse_manifest((BUNDLE / "manifest.json").read_bytes()).input, Scratch(), by)


def names(found: Listed) -> list[str]:
    return [one.name for one in found.images]


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff"])
def test_a_camera_says_when_it_took_a_picture(tmp_path: Path, ending: str) -> None:
    assert taken_at(picture(tmp_path / f"a.{ending}", "2026:05:01 12:00:00")) == NOON
    east = taken_at(picture(tmp_path / f"b.{ending}", "2026:05:01 12:00:00", "+02:00"))
    assert east == datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert taken_at(picture(tmp_path / f"c.{ending}")) is None


@pytest.mark.parametrize("text", ["0000:00:00 00:00:00", "yesterday", "2026:13:01 00:00:00"])
def test_a_time_that_is_none_is_no_time(tmp_path: Path, text: str) -> None:
    assert taken_at(picture(tmp_path / "a.jpg", text)) is None
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    assert taken_at(tmp_path / "b.jpg") is None


def test_images_with_times_are_taken_in_their_order(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg", "2026:05:01 12:00:00")
    picture(tmp_path / "b.jpg", "2026:05:01 09:00:00")
    found = listed(tmp_path)
    assert (found.order, names(found)) == ("time", ["b.jpg", "a.jpg"])
    picture(tmp_path / "aa.jpg")
    assert (listed(tmp_path).order, names(listed(tmp_path))) == ("name", ["a.jpg", "aa.jpg", "b.jpg"])


def test_folders_of_classes_are_shuffled_the_same_every_time(tmp_path: Path) -> None:
    for number in range(12):
        picture(tmp_path / ("cat" if number < 6 else "dog") / f"{number:02}.jpg")
    found = listed(tmp_path)
    assert found.order == "shuffled"
    assert names(found) != sorted(names(found)) == sorted(names(listed(tmp_path)))
    assert names(found) == names(listed(tmp_path))


def test_the_first_folder_may_be_the_camera(tmp_path: Path) -> None:
    for camera in ("north", "south"):
        picture(tmp_path / camera / "may" / "1.jpg")
    picture(tmp_path / "2.jpg")
    found = listed(tmp_path, "folder")
    assert {one.name: one.source for one in found.images} == {
        "north/may/1.jpg": "north",
        "south/may/1.jpg": "south",
        "2.jpg": "",
    }


def test_a_table_says_camera_and_time(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / f"{name}.jpg")
    rows = ["file,Camera,taken_at,ranger", "a.jpg,north,2026-05-01T12:00,ann", "b.jpg,south,2026-05-01T09:00+02:00,ann"]
    (tmp_path / "list.csv").write_text(
        "\n".join([*rows, "gone.jpg,north,2026-05-01,bo", "c.jpg,,2026-05-01 08:00,bo\n"])
    )
    found = listed(tmp_path / "list.csv")
    assert found.order == "time"
    assert [(one.name, one.source) for one in found.images] == [("b.jpg", "south"), ("c.jpg", ""), ("a.jpg", "north")]
    assert found.images[2].at == NOON
    assert [one.source for one in listed(tmp_path / "list.csv", "ranger").images] == ["ann", "bo", "ann"]


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "list.csv").write_text("file,camera\na.jpg,north\n")
    with pytest.raises(SourceError, match=r"list\.csv has no column 'cam'; its columns are file, camera"):
        listed(tmp_path / "list.csv", "cam")
    with pytest.raises(UsageError, match=r"--by camera names a column, and .* is no table"):
        listed(tmp_path, "camera")
