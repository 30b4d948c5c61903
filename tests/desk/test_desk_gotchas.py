"""What the desk tells of shortcuts and slices, and when."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sets import desk_of, ids, mark, opened, until
from starlette.testclient import TestClient

pytestmark = pytest.mark.trains


@pytest.fixture
def stored_otherwise(pictures: Path, tmp_path: Path) -> Iterator[TestClient]:
    """A desk over pictures of which the discs alone are PNG files, and every other one was taken at another site."""
    source = Path(shutil.copytree(pictures, tmp_path / "shapes"))
    for path in source.glob("discs/*.jpg"):
        with Image.open(path) as image:
            image.save(path.with_suffix(".png"))
        path.unlink()
    listed = sorted(path.relative_to(source).as_posix() for path in source.glob("*/*"))
    rows = [f"{name},{('north', 'south')[number % 2]}" for number, name in enumerate(listed)]
    (source / "metadata.csv").write_text("\n".join(["file_name,site", *rows]))
    found = opened(desk_of(source))
    until(found)
    yield found
    found.__exit__(None, None, None)


def asked(client: TestClient, **query: Any) -> dict[str, Any]:
    answer = client.get("/v1/desk/gotchas", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_shortcut_is_told_with_items_that_can_be_shown(stored_otherwise: TestClient) -> None:
    found = asked(stored_otherwise)
    assert (found["version"], found["note"], found["images"], found["subjects"]) == (1, None, 60, None)
    assert found["always_the_same"] == pytest.approx(1 / 3, abs=0.05)
    type_ = next(one for one in found["shortcuts"] if one["trait"] == "file-type")
    assert (type_["shortcut"], type_["of"]) == (True, "discs")
    assert type_["r_squared_low"] > 0.9
    shown = {one["name"]: one["id"] for one in type_["examples"]}
    assert shown
    assert shown.items() <= ids(stored_otherwise).items()
    assert stored_otherwise.get(f"/v1/desk/items/{next(iter(shown.values()))}/thumbnail").status_code == 200


def test_slices_by_a_column_stand_beside_the_others(stored_otherwise: TestClient) -> None:
    sites = {one["slice"]: one for one in asked(stored_otherwise)["slices"] if one["by"] == "column “site”"}
    assert set(sites) == {"north", "south"}
    for one in sites.values():
        assert (one["images"], one["standing"]) == (30, "no worse")
        assert one["right"]["low"] <= one["right"]["value"] <= one["right"]["high"]
    assert sites["north"]["others"] == sites["south"]["right"]["value"]


def test_subjects_are_measured_for_whoever_asks(stored_otherwise: TestClient) -> None:
    found = asked(stored_otherwise, subjects=True)
    assert found["subjects"] == "The subject's size was measured by heat maps of 60 of 60 images."
    small = [one for one in found["slices"] if one["by"] == "subject"]
    assert sorted(one["images"] for one in small) == [12, 12]
    assert not [one for one in asked(stored_otherwise)["slices"] if one["by"] == "subject"]


def test_it_is_about_the_labels_of_the_moment(stored_otherwise: TestClient) -> None:
    discs = [item for name, item in ids(stored_otherwise).items() if name.startswith("discs/")]
    assert mark(stored_otherwise, dict.fromkeys(discs, "remove")).status_code == 200
    version = until(stored_otherwise, version=2)["ranking"]["version"]
    found = asked(stored_otherwise)
    assert (found["version"], found["images"]) == (version, 40)
    assert "file-type" not in {one["trait"] for one in found["shortcuts"]}


def test_before_anything_is_known_somebody_has_to_wait(pictures: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(pictures / "discs", tmp_path / "shapes" / "discs")).parent
    client = opened(desk_of(source))
    try:
        until(client)
        found = asked(client)
        assert (found["model"], found["shortcuts"], found["slices"]) == (None, [], [])
        assert found["note"]
    finally:
        client.__exit__(None, None, None)
