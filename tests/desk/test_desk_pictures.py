"""The pictures of a desk: small, kept within a bound, and asked for again only where they have changed."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from sets import WRONG, ids, mark
from starlette.testclient import TestClient

from drivetrain.data.edits.applying import apply_edits, take_back
from drivetrain.data.edits.log import EditLog
from drivetrain.desk.pictures import LARGEST_SIDE, SIDE, Thumbnails

pytestmark = pytest.mark.trains


def test_a_thumbnail_is_a_small_jpeg_that_a_browser_may_keep(client: TestClient) -> None:
    address = f"/v1/desk/items/{ids(client)['stripes/06.jpg']}/thumbnail"
    found = client.get(address)
    assert found.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(found.content)).size == (96, 80)
    assert "sandbox" in found.headers["content-security-policy"]
    assert found.headers["cache-control"] == "private, no-cache"
    assert client.get(f"{address}?v=abc").headers["cache-control"] == "private, no-cache"
    item = next(
        one for one in client.get("/v1/desk/items?limit=500").json()["items"] if one["name"] == "stripes/06.jpg"
    )
    for what in ("thumbnail", "image"):
        at = f"/v1/desk/items/{item['id']}/{what}?v={item['content']}"
        assert "immutable" in client.get(at).headers["cache-control"]
    again = client.get(address, headers={"if-none-match": found.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(address, headers={"if-none-match": '"another"'}).status_code == 200


def test_a_picture_is_sent_as_it_is_or_as_one_that_browsers_show(client: TestClient, source: Path) -> None:
    item = ids(client)["stripes/06.jpg"]
    found = client.get(f"/v1/desk/items/{item}/image")
    assert (found.headers["content-type"], found.content) == ("image/jpeg", (source / "stripes/06.jpg").read_bytes())
    Image.new("RGB", (3000, 1000), "red").save(source / "stripes/06.jpg", "TIFF")
    shown = client.get(f"/v1/desk/items/{item}/image")
    assert shown.headers["content-type"] == "image/jpeg"
    assert max(Image.open(io.BytesIO(shown.content)).size) == LARGEST_SIDE


def test_a_file_that_is_gone_or_broken_is_said_to_be(client: TestClient, source: Path) -> None:
    known = ids(client)
    (source / "stripes/06.jpg").unlink()
    (source / "stripes/07.jpg").write_bytes(b"no picture")
    for name in ("stripes/06.jpg", "stripes/07.jpg"):
        for what in ("thumbnail", "image"):
            answer = client.get(f"/v1/desk/items/{known[name]}/{what}")
            assert answer.status_code == 404
            assert answer.json()["detail"].startswith(f"{name} cannot be shown: ")
    assert client.get("/v1/desk/items/nothing/thumbnail").status_code == 404


def test_a_file_that_was_overwritten_is_shown_and_never_kept(client: TestClient, source: Path) -> None:
    item = next(
        one for one in client.get("/v1/desk/items?limit=500").json()["items"] if one["name"] == "stripes/06.jpg"
    )
    at = f"/v1/desk/items/{item['id']}/thumbnail?v={item['content']}"
    before = (source / "stripes/06.jpg").read_bytes()
    Image.new("RGB", (50, 20), "red").save(source / "stripes/06.jpg")
    shown = client.get(at)
    assert Image.open(io.BytesIO(shown.content)).size == (50, 20)
    assert shown.headers["cache-control"] == "no-store"
    assert "etag" not in shown.headers
    (source / "stripes/06.jpg").write_bytes(before)
    found = client.get(at)
    assert Image.open(io.BytesIO(found.content)).size == (96, 80)
    assert "immutable" in found.headers["cache-control"]


def test_files_that_applying_moved_are_found_and_so_they_are_when_it_is_undone(
    client: TestClient, source: Path
) -> None:
    known = ids(client)
    wishes = {known[WRONG[0]]: {"label": "discs"}, known[WRONG[1]]: "remove"}
    bytes_of = {name: (source / name).read_bytes() for name in WRONG[:2]}
    assert mark(client, wishes).status_code == 200
    log = source / "edits.jsonl"
    assert apply_edits(source, "ann", datetime.now(UTC)).journal is not None
    assert not any((source / name).exists() for name in WRONG[:2])
    for name in WRONG[:2]:
        for what in ("thumbnail", "image"):
            found = client.get(f"/v1/desk/items/{known[name]}/{what}")
            assert found.status_code == 200, found.text
        assert found.content == bytes_of[name]
    opened = EditLog.open(log)
    take_back(opened, opened.standings.applied[-1].journal, "ann", datetime.now(UTC))
    for name in WRONG[:2]:
        assert client.get(f"/v1/desk/items/{known[name]}/image").content == bytes_of[name]


def test_those_asked_for_last_are_kept_within_the_bound(drawn: Path) -> None:
    paths = sorted((drawn / "stripes").glob("*.jpg"))
    assert len(paths) == 24
    one = len(Thumbnails().of(paths[0], "0"))
    thumbnails = Thumbnails(most_bytes=4 * one)
    for number, path in enumerate(paths):
        thumbnails.of(path, str(number))
        thumbnails.of(paths[0], "0")
    assert thumbnails.held_bytes <= 4 * one
    assert thumbnails.kept("0") is not None
    assert thumbnails.kept("1") is None


def test_large_pictures_become_small(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.effect_noise((3000, 2000), 90).convert("RGB").save(path)
    found = Image.open(io.BytesIO(Thumbnails().of(path, "x")))
    assert found.size == (SIDE, 213)
