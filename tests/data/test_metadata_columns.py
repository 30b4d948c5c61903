"""What is known of pictures besides their labels: from a table, from tables in a folder, and from the record of their origin."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from drivetrain.data.image.files import IMAGES
from drivetrain.data.sources.metadata_columns import metadata_columns
from drivetrain.data.sources.opening import open_source


@pytest.fixture
def source(pictures: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pictures, tmp_path / "set"))


def names(source: Path) -> list[str]:
    return sorted(path.relative_to(source).as_posix() for path in source.glob("*/*.jpg"))


def test_the_columns_of_a_table(source: Path) -> None:
    rows = [f"{name},{name.split('/')[0]},{'AB'[n % 2]},{n},same" for n, name in enumerate(names(source))]
    table = source / "listed.csv"
    table.write_text("\n".join(["path,label,site,number,constant", *rows]))
    found = metadata_columns(table, IMAGES)
    assert list(found) == ["site"]
    assert set(found["site"]) == {item.name for item in open_source(table).items}


def test_the_columns_of_a_table_on_top_of_a_folder(source: Path) -> None:
    rows = [f"{name},{name.split('/')[0]},{'AB'[n % 2]}" for n, name in enumerate(names(source))]
    (source / "labels.csv").write_text("\n".join(["path,label,site", *rows]))
    assert list(metadata_columns(source, IMAGES)) == ["site"]


@pytest.mark.parametrize("folder", ["", "discs"])
def test_the_columns_of_metadata_in_a_folder(source: Path, folder: str) -> None:
    start = f"{folder}/" if folder else ""
    below = [name.removeprefix(start) for name in names(source) if name.startswith(start)]
    rows = [f"{name},{['day', 'night'][n % 2]}" for n, name in enumerate(below)]
    (source / folder / "metadata.csv").write_text("\n".join(["file_name,light", *rows]))
    found = metadata_columns(source, IMAGES)
    assert list(found) == ["light"]
    assert set(found["light"]) == {start + name for name in below}
    assert set(found["light"]) <= {item.name for item in open_source(source).items}


def test_the_nearest_table_counts(source: Path) -> None:
    rows = [f"{name},{'AB'[n % 2]}" for n, name in enumerate(names(source))]
    (source / "metadata.csv").write_text("\n".join(["file_name,site", *rows]))
    (source / "discs" / "metadata.csv").write_text("file_name,site\n00.jpg,C\n")
    assert metadata_columns(source, IMAGES)["site"]["discs/00.jpg"] == "C"


def test_where_items_came_from_and_where_they_are_now(source: Path) -> None:
    lines = [
        {
            "name": name,
            "sha256": "0f",
            "source": ("openverse", "inaturalist")[n % 2],
            "author": f"person {n}",
            "query": name.split("/")[0],
            "at": "2026-01-02T03:04:05+00:00",
        }
        for n, name in enumerate(names(source))
    ]
    (source / "provenance.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = metadata_columns(source, IMAGES)
    assert list(found) == ["source"]  # nobody took several pictures
    assert set(found["source"]) == set(names(source))


def test_a_table_that_cannot_be_read_is_told_of_elsewhere(source: Path) -> None:
    (source / "metadata.csv").write_bytes(b"\xff\xfe\x00")
    (source / "provenance.jsonl").write_text("no line\n")
    assert metadata_columns(source, IMAGES) == {}
