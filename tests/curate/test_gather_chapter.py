"""`download_images` and `search_images_ddg`, as the book's second chapter uses them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gathering import files, lines

from drivetrain.core.errors import SourceError, UsageError
from picture_services import ddgs
from web_host import Reply, Web, photo, web_host

pytestmark = pytest.mark.deep  # drivetrain.vision imports torch

HERE = "127.0.0.1"


@pytest.fixture
def web() -> Iterator[Web]:
    with web_host() as host:
        yield host


def test_pictures_are_numbered_by_their_addresses(web: Web, tmp_path: Path) -> None:
    from drivetrain.vision import download_images, get_image_files, verify_images

    urls = [web.add(f"/bear%20{n}.png", Reply(photo(n)), HERE) for n in range(5)]
    urls[2] = web.url("/gone.jpg", HERE)
    assert download_images(tmp_path / "grizzly", urls=urls, allow_private=True) is None
    assert files(tmp_path / "grizzly") == [f"{n:08d}.jpg" for n in (0, 1, 3, 4)]
    assert len(lines(tmp_path / "grizzly")) == 4
    assert verify_images(get_image_files(tmp_path / "grizzly")) == []
    download_images(tmp_path / "grizzly", urls=urls, allow_private=True)
    assert max(web.count(f"/bear%20{n}.png") for n in (0, 1, 3, 4)) == 1


def test_a_file_of_addresses_names_that_are_kept_and_a_most(web: Web, tmp_path: Path) -> None:
    from drivetrain.vision import download_images

    urls = [web.add(path, Reply(photo(n)), HERE) for n, path in enumerate(["/a/bear%201.jpg", "/b/bear%201.jpg", "/"])]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    download_images(tmp_path / "all", tmp_path / "urls.txt", preserve_filename=True, n_workers=1, allow_private=True)
    assert files(tmp_path / "all") == ["00000002.jpg", "bear 1 (2).jpg", "bear 1.jpg"]
    download_images(tmp_path / "few", tmp_path / "urls.txt", max_pics=2, timeout=1, allow_private=True)
    assert files(tmp_path / "few") == ["00000000.jpg", "00000001.jpg"]


def test_wrong_use_is_said(tmp_path: Path) -> None:
    from drivetrain.vision import download_images

    with pytest.raises(UsageError, match="either url_file or urls"):
        download_images(tmp_path)
    with pytest.raises(UsageError, match="received one text"):
        download_images(tmp_path, urls="https://example.org/a.jpg")
    with pytest.raises(SourceError, match="cannot be read"):
        download_images(tmp_path, tmp_path / "nothing.txt")


def test_search_gives_addresses(web: Web, tmp_path: Path) -> None:
    from drivetrain.vision import search_images_ddg

    with ddgs(web, 150, tmp_path) as service:
        found = search_images_ddg("grizzly bear", max_images=120, source=service.source)
        assert len(found) == len(set(found)) == 120
        assert found[0].startswith("http://photos.test")
        assert len(service.requests) == 2
