"""Paths that are none, and bundles that are none: one line that says which argument, and what was probably meant."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest
from command_line import CommandLine
from PIL import Image

import drivetrain as dt
from drivetrain.core.errors import SourceError, UsageError
from drivetrain.core.local_path import local_path
from drivetrain.core.plain_file import write_plain
from drivetrain.embed.registry import resolve
from drivetrain.store.sql_store import open_store


@pytest.fixture
def place(tmp_path: Path, kept: Path) -> Path:
    """A folder with ``bears.bundle``, its zip ``bears.zip``, ``photos/rot/1.png``, and other things."""
    shutil.copytree(kept, tmp_path / "bears.bundle")
    shutil.make_archive(str(tmp_path / "bears"), "zip", kept)
    (tmp_path / "photos" / "rot").mkdir(parents=True)
    Image.new("RGB", (30, 20), (220, 30, 20)).save(tmp_path / "photos" / "rot" / "1.png")
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7 and more")
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.write(tmp_path / "photos" / "rot" / "1.png", "rot/1.png")
    return tmp_path


ADDRESS = "https://example.org//a/b.bundle?x=1/"
COMMANDS = {
    "predict, image": ("predict", "bears.bundle", "{}"),
    "predict, bundle": ("predict", "{}", "photos"),
    "evaluate, source": ("evaluate", "bears.bundle", "{}"),
    "evaluate, bundle": ("evaluate", "{}", "photos"),
    "evaluate, report": ("evaluate", "bears.bundle", "photos", "--report", "{}"),
    "train": ("train", "{}", "--out", "new.bundle"),
    "train, out": ("train", "photos", "--out", "{}"),
    "train, cache": ("train", "photos", "--out", "new.bundle", "--cache", "{}"),
    "report": ("report", "{}"),
    "inspect": ("inspect", "{}"),
    "trace, image": ("trace", "{}", "--bundle", "bears.bundle"),
    "trace, bundle": ("trace", "photos/rot/1.png", "--bundle", "{}"),
    "app": ("app", "{}", "--to", "docker", "--out", "new"),
    "serve": ("serve", "{}"),
    "serve, named": ("serve", "night={}"),
    "serve, samples": ("serve", "bears.bundle", "--samples", "{}"),
    "demo": ("demo", "--out", "{}"),
    "gather, into": ("gather", "bear", "--into", "{}"),
    "gather, urls": ("gather", "--urls", "{}", "--into", "new"),
    "provenance": ("provenance", "{}"),
    "provenance, attribution": ("provenance", "photos", "--attribution", "{}"),
    "export": ("store", "export", "{}"),
    "labels": ("store", "labels", "{}"),
    "cache": ("cache", "info", "--cache", "{}"),
}


@pytest.mark.parametrize("where", COMMANDS)
def test_an_address_is_shown_as_it_was_given(drivetrain: CommandLine, place: Path, where: str) -> None:
    before = sorted(place.rglob("*"))
    done = drivetrain(*(part.format(ADDRESS) for part in COMMANDS[where]), cwd=place)
    assert done.code == 2
    assert f"{ADDRESS} is a web address; download it and give its path" in done.error
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://bucket/key.jpg", "s3://bucket/key.jpg is an address of cloud storage; download it (aws s3 cp)"),
        ("hf://datasets/x/y", "hf://datasets/x/y is an address on the Hugging Face hub; download it (hf download)"),
        ("FTP://host/a", "FTP://host/a is a web address"),
        ("smb://host/share", "smb://host/share is an address; fetch it"),
        ("file:///home/me/a%20b.jpg", "give its path: /home/me/a b.jpg"),
        ("file://localhost/home/me", "give its path: /home/me"),
        ("-", "would mean standard input"),
        ("", "a path is empty"),
    ],
)
def test_what_is_no_path_says_what_it_is(drivetrain: CommandLine, place: Path, address: str, said: str) -> None:
    for arguments in (("predict", "bears.bundle", address), ("inspect", address), ("trace", address, "-b", "x")):
        done = drivetrain(*arguments, cwd=place)
        assert done.code == 2
        assert said in done.error


def test_an_address_that_became_a_path_is_shown_whole(place: Path) -> None:
    for call in (dt.load, lambda path: dt.evaluate(place / "bears.bundle", path)):
        with pytest.raises((UsageError, SourceError), match=r"^https://example\.org/x is a web address"):
            call(Path("https://example.org/x"))
    answer = dt.load(place / "bears.bundle").predict("https://example.org/x.jpg")
    assert answer.path == "https://example.org/x.jpg"
    assert "missing: https://example.org/x.jpg is a web address; download it" in (answer.error or "")


def test_a_table_that_lists_addresses_says_so(drivetrain: CommandLine, place: Path) -> None:
    (place / "table.csv").write_text(f"path,label\nhttps://a.org/1.jpg,rot\n{place}/photos/rot/1.png,rot\n")
    document = drivetrain("evaluate", "bears.bundle", "table.csv", "--json", "--keep-leaks", cwd=place).document
    assert document["skipped_files"][0]["name"] == "https://a.org/1.jpg"
    assert "https://a.org/1.jpg is a web address; download it" in document["skipped_files"][0]["detail"]


def test_paths_that_look_odd_are_paths(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.chdir(place)
    assert local_path("~/photos") == place / "photos"
    assert local_path("C:/photos") == Path("C:/photos")
    assert local_path("a:b") == Path("a:b")
    assert local_path("./-") == Path("-")
    (place / "~").mkdir()
    assert local_path("~") == Path("~")
    (place / "http:" / "x").mkdir(parents=True)
    assert local_path("http:/x") == Path("http:/x")


def test_a_home_in_a_pattern_is_found(drivetrain: CommandLine, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place))
    done = drivetrain("predict", "~/bears.bundle", "~/photos/*/*.png", "~/photos/", "--json")
    assert [answer["label"] for answer in done.document] == ["rot", "rot"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("predict", "photos", "bears.bundle"),
            "the first argument, photos, is no bundle, but bears.bundle is one; did you mean: drivetrain predict bears",
        ),
        (("predict", "photos/rot/1.png", "bears.zip"), "did you mean: drivetrain predict bears.zip photos/rot/1.png"),
        (
            ("predict", "photos/rot/1.png", "photos", "bears.bundle"),
            "did you mean: drivetrain predict bears.bundle photos/rot/1.png photos",
        ),
        (("evaluate", "photos", "bears.bundle"), "did you mean: drivetrain evaluate bears.bundle photos"),
        (("evaluate", "no such thing", "bears.bundle"), "drivetrain evaluate bears.bundle 'no such thing'"),
        (
            ("trace", "bears.bundle", "-b", "photos/rot/1.png"),
            "did you mean: drivetrain trace photos/rot/1.png --bundle bears.bundle",
        ),
        (("evaluate", "bears.bundle", "bears.bundle"), "is a bundle, a trained model; give the images to look at"),
        (("predict", "bears.bundle", "bears.bundle"), "is a bundle, a trained model; give the images to look at"),
        (("train", "bears.bundle", "--out", "new"), "is a bundle, a trained model; give the images to look at"),
    ],
)
def test_arguments_that_changed_places_are_put_right(
    drivetrain: CommandLine, place: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = drivetrain(*arguments, cwd=place)
    assert done.code == 2
    assert said in done.error


WRONG = {
    "bears.bundel": "bears.bundel does not exist; train a bundle with: drivetrain train FOLDER --out bears.bundel; did you "
    "mean bears.bundle?",
    "photos": "photos is not a bundle: it has no SHA256SUMS; it is a folder of images, and a bundle is what train makes of "
    "one: drivetrain train photos --out photos.bundle",
    "photos/rot/1.png": "is neither a bundle folder nor a zip of one; it is an image",
    "paper.pdf": "is neither a bundle folder nor a zip of one; it is a PDF",
    "bears.bundle/report.html": "it is a part of a bundle; did you mean bears.bundle?",
    "bears.bundle/golden": "it is a part of a bundle; did you mean bears.bundle?",
    "bears.bundle/model.onnx": "it is a part of a bundle; did you mean bears.bundle?",
    ".": "there are bundles in it; did you mean bears.bundle, bears.zip?",
    "empty": "it has no SHA256SUMS; it is empty",
    "photos.zip": "it is a zip with images: drivetrain train photos.zip --out photos.bundle makes a bundle of them",
}


@pytest.mark.parametrize("command", ["predict", "evaluate", "inspect", "report", "trace", "app"])
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_bundle_is_named(drivetrain: CommandLine, place: Path, command: str, wrong: str) -> None:
    more = {
        "predict": ("photos",),
        "evaluate": ("photos",),
        "app": ("--to", "docker", "--out", "../new"),
        "trace": ("--bundle", wrong),
    }
    first = "photos/rot/1.png" if command == "trace" else wrong
    done = drivetrain(command, first, *more.get(command, ()), cwd=place)
    assert done.code == 2
    assert WRONG[wrong] in done.error


def test_a_suggested_command_takes_names_with_spaces(drivetrain: CommandLine, place: Path) -> None:
    (place / "photos").rename(place / "my photos")
    (place / "photos.zip").rename(place / "my photos.zip")
    for wrong, said in (
        ("my photos", "drivetrain train 'my photos' --out 'my photos.bundle'"),
        ("my photos.zip", "drivetrain train 'my photos.zip' --out 'my photos.bundle'"),
        ("my bundel", "drivetrain train FOLDER --out 'my bundel'"),
    ):
        assert said in drivetrain("inspect", wrong, cwd=place).error
    signed = drivetrain("sign", "bears.bundle", "--key", "my key", "--new-key", cwd=place)
    assert "drivetrain verify bears.bundle --key 'my key.pub'" in signed.out


def test_trace_takes_a_bundle_and_an_image_in_either_order(drivetrain: CommandLine, place: Path) -> None:
    image = "photos/rot/1.png"
    orders = (("bears.bundle", image), (image, "bears.bundle"), (image, "--bundle", "bears.bundle"))
    stages = [[step["name"] for step in drivetrain("trace", *one, "--json", cwd=place).document] for one in orders]
    assert stages[0][0] == "read"
    assert stages[0] == stages[1] == stages[2]
    assert "drivetrain trace BUNDLE photos/rot/1.png" in drivetrain("trace", image, cwd=place).error
    assert "drivetrain trace bears.bundle IMAGE" in drivetrain("trace", "bears.bundle", cwd=place).error


def test_a_link_that_leads_nowhere_is_called_one(drivetrain: CommandLine, place: Path) -> None:
    (place / "loop").symlink_to("loop")
    (place / "gone").symlink_to("what was")
    for name in ("loop", "gone"):
        assert f"{name} is a link that leads nowhere" in drivetrain("evaluate", "bears.bundle", name, cwd=place).error


def test_a_table_of_one_file_that_is_not_there(drivetrain: CommandLine, place: Path) -> None:
    (place / "one.csv").write_text("path,label\nnone.png,rot\n")
    said = drivetrain("evaluate", "bears.bundle", "one.csv", cwd=place).error
    assert "the one file listed in one.csv does not exist, " in said


def test_a_damaged_bundle_stays_a_damaged_bundle(drivetrain: CommandLine, place: Path) -> None:
    (place / "bears.bundle" / "model.onnx").write_bytes(b"cut")
    assert "model.onnx was altered or cut short" in drivetrain("inspect", "bears.bundle", cwd=place).error
    assert "did you mean" not in drivetrain("inspect", "bears.bundle", cwd=place).error


def test_a_report_is_not_written_through_a_link_to_itself(drivetrain: CommandLine, place: Path) -> None:
    (place / "loop").symlink_to("loop")
    done = drivetrain("report", "bears.bundle", "--out", "loop", cwd=place)
    assert (done.code, "Traceback" in done.err) == (2, False)


WRITTEN = {
    "report": ("report", "bears.bundle", "--out"),
    "evaluate": ("evaluate", "bears.bundle", "photos", "--report"),
    "export": ("store", "export", "--store", "store.db"),
    "labels": ("store", "labels", "--store", "store.db"),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("command", WRITTEN)
def test_a_pipe_is_no_place_to_write_to(drivetrain: CommandLine, place: Path, command: str) -> None:
    (place / "photos" / "rot" / "1.png").unlink()  # what is said of the place comes before any look at the images
    open_store(place / "store.db").close()
    os.mkfifo(place / "out.csv")
    (place / "link.csv").symlink_to("out.csv")
    for name in ("out.csv", "link.csv"):
        done = drivetrain(*WRITTEN[command], name, cwd=place)
        assert done.code == 2
        assert "it is a pipe, not a file" in done.error
        assert name in done.error
    assert (place / "out.csv").is_fifo()


@pytest.mark.parametrize(
    ("command", "name", "content"),
    [
        ("report", "1.jpg", b"\xff\xd8\xff a photo"),
        ("evaluate", "labels.csv", b"path,label\n1.png,rot\n"),
        ("export", "labels.csv", b"path,label\n1.png,rot\n"),
        ("labels", "labels.csv", b"path,label\n1.png,rot\n"),
        ("labels", "out.csv", b"id,request_id,at\n"),
        ("export", "labels.parquet", b"PAR1 a table of somebody's own PAR1"),
    ],
)
def test_somebodys_own_file_is_not_written_over(
    drivetrain: CommandLine, place: Path, command: str, name: str, content: bytes
) -> None:
    open_store(place / "store.db").close()
    (place / name).write_bytes(content)
    done = drivetrain(*WRITTEN[command], name, cwd=place)
    assert done.code == 2
    assert "another file stands there and would be lost" in done.err
    assert (place / name).read_bytes() == content


def test_what_was_written_before_may_be_written_again(drivetrain: CommandLine, place: Path) -> None:
    open_store(place / "store.db").close()
    for command, name in (
        ("report", "page.html"),
        ("export", "out.csv"),
        ("export", "out.parquet"),
        ("labels", "told.csv"),
    ):
        (place / name).touch()
        for _ in range(2):
            done = drivetrain(*WRITTEN[command], name, cwd=place)
            assert done.code == 0, done.err
        assert (place / name).stat().st_size


def test_a_file_that_is_written_over_is_as_long_as_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    for data in (b"a long page", b"short"):
        write_plain(path, data)
        assert path.read_bytes() == data
    assert not path.stat().st_mode & 0o111
    for other in (tmp_path, Path(os.devnull)):
        with pytest.raises(OSError, match="not a file"):
            write_plain(other, b"x")


def test_the_address_of_a_network_is_shown_as_it_was_given() -> None:
    with pytest.raises(UsageError, match=r"^https://example\.org//m\.onnx is a web address"):
        resolve("https://example.org//m.onnx")
