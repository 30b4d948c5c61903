"""``drivetrain predict``, ``inspect``, ``report``, ``trace`` and ``cache``: a bundle at the command line."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import CommandLine, OwnProcess, TrainedByCommand
from PIL import Image

from tiny_backbone import TINY

RED, GREEN, BLUE = (220, 30, 20), (20, 190, 60), (30, 40, 210)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder as people have them: two colours, a broken file, a text, names of all kinds."""
    folder = tmp_path / "Fotos 2026"
    (folder / "mehr").mkdir(parents=True)
    Image.new("RGB", (30, 20), RED).save(folder / "b rot.PNG")
    Image.new("RGB", (30, 20), GREEN).save(folder / "a grün.jpg")
    Image.new("RGB", (30, 20), BLUE).save(folder / "mehr" / "青.webp")
    (folder / "c broken.jpg").write_bytes(b"\xff\xd8\xff cut")
    (folder / "notes.txt").write_text("not an image, and not called one")
    return folder


# Predict


def test_answers_come_in_the_order_given(drivetrain: CommandLine, kept: Path, photos: Path) -> None:
    red, green, broken = photos / "b rot.PNG", photos / "a grün.jpg", photos / "c broken.jpg"
    missing = photos / "gone.jpg"
    done = drivetrain("predict", kept, red, missing, green, red, broken, photos, photos / "*.*", "--json")
    assert done.code == 0
    in_folder = [green, red, broken, photos / "mehr" / "青.webp"]
    by_pattern = [green, red, broken, photos / "notes.txt"]
    wanted = [red, missing, green, red, broken, *in_folder, *by_pattern]
    assert [answer["path"] for answer in done.document] == list(map(str, wanted))
    labels = {red: "rot", green: "grün", photos / "mehr" / "青.webp": "blau"}
    assert [answer["label"] for answer in done.document] == [labels.get(path) for path in wanted]


def test_json_is_as_documented(drivetrain: CommandLine, kept: Path, photos: Path) -> None:
    done = drivetrain("predict", kept, photos, "--json")
    for answer in done.document:
        fields = {
            "path",
            "label",
            "confidence",
            "probs",
            "labels",
            "values",
            "verdict",
            "p_in_domain",
            "reasons",
            "error",
        }
        assert set(answer) == fields
        assert answer["p_in_domain"] is None, "the bundle has no gate"
        assert bool(answer["reasons"]) == (answer["verdict"] != "accept")
        assert answer["verdict"] in ("accept", "review", "unreadable")
    good, broken = done.document[0], done.document[2]
    assert good["label"] == "grün"
    assert good["verdict"] == "accept"
    assert good["confidence"] == good["probs"]["grün"]
    assert sum(good["probs"].values()) == pytest.approx(1)
    assert good["error"] is None
    assert broken["label"] is None
    assert broken["confidence"] == 0
    assert broken["probs"] == {}
    assert broken["verdict"] == "unreadable"
    assert broken["error"]
    assert broken["reasons"] == [{"code": "unreadable", "text": broken["error"]}]
    warning, tally = done.err.splitlines()
    assert warning == "warning: 1 of 4 files cannot be read; they are marked “unreadable”"
    assert tally == (
        f"3 answered (3 accept, 0 review), 1 cannot be read, 1 passed over (a text file; first: {photos / 'notes.txt'}); "
        "grün 1, rot 1, blau 1"
    )


def test_one_file_needs_no_tally(drivetrain: CommandLine, kept: Path, photos: Path) -> None:
    assert drivetrain("predict", kept, photos / "a grün.jpg").err == ""
    assert drivetrain("predict", kept, photos / "a grün.jpg", photos / "b rot.PNG").err == (
        "2 answered (2 accept, 0 review); grün 1, rot 1\n"
    )


def test_what_is_in_a_folder_and_cannot_be_answered_is_counted(
    drivetrain: CommandLine, kept: Path, photos: Path
) -> None:
    (photos / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(40))
    (photos / "mehr" / "film.mov").write_bytes(b"\0\0\0\x18ftypqt  " + bytes(40))
    (photos / "mehr" / "gone.jpg").symlink_to(photos / "nowhere")
    (photos / "mehr" / "again").symlink_to(photos)
    tally = drivetrain("predict", kept, photos).err.splitlines()[-1]
    assert "5 passed over (2 × a video, " in tally
    assert "a link to a file that does not exist" in tally


def test_a_folder_that_may_not_be_read_is_named(drivetrain_process: OwnProcess, kept: Path, photos: Path) -> None:
    command = drivetrain_process.command("predict", kept, photos)
    if os.getuid() == 0:  # who may read everything, unless without this power
        if shutil.which("setpriv") is None:
            pytest.skip("root may read everything, and there is no setpriv to take that away")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    (photos / "mehr").chmod(0)
    try:
        done = subprocess.run(
            command, env=drivetrain_process.environment, capture_output=True, check=False, text=True, encoding="utf-8"
        )
    finally:
        (photos / "mehr").chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert "cannot read the folder: Permission denied" in done.stderr.splitlines()[-1]
    assert len(done.stdout.splitlines()) == 3


def test_a_pipe_gets_one_line_an_image_in_columns(drivetrain: CommandLine, kept: Path, photos: Path) -> None:
    (photos / "tab\there.jpg").write_bytes((photos / "a grün.jpg").read_bytes())
    done = drivetrain("predict", kept, photos)
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert [len(row) for row in rows] == [4, 4, 5, 4, 4]
    assert rows[0] == [str(photos / "a grün.jpg"), "grün", "0.996", "accept"]
    assert rows[2][1:4] == ["-", "-", "unreadable"]
    assert rows[4][0] == str(photos / r"tab\there.jpg")


def test_an_option_may_stand_between_the_files(drivetrain: CommandLine, kept: Path, photos: Path) -> None:
    done = drivetrain("predict", "--no-golden", kept, photos / "b rot.PNG", "--json", photos / "a grün.jpg")
    assert [answer["label"] for answer in done.document] == ["rot", "grün"]


def test_a_recursive_pattern_gives_each_file_once(drivetrain: CommandLine, kept: Path, photos: Path) -> None:
    done = drivetrain("predict", kept, f"{photos}/**", "--json")
    paths = [answer["path"] for answer in done.document]
    assert len(paths) == len(set(paths)) == 5


def test_a_name_with_brackets_is_a_name_if_it_exists(drivetrain: CommandLine, kept: Path, photos: Path) -> None:
    odd = (photos / "b rot.PNG").rename(photos / "rot[1].png")
    done = drivetrain("predict", kept, odd, "--json")
    assert [answer["label"] for answer in done.document] == ["rot"]


def test_names_that_are_not_utf_8_are_no_obstacle(drivetrain_process: OwnProcess, kept: Path, photos: Path) -> None:
    odd = os.fsencode(photos) + b"/\xff\xfe.png"
    try:
        shutil.copy(photos / "b rot.PNG", odd)
    except OSError:
        pytest.skip("this file system knows only UTF-8 names")
    done = drivetrain_process("predict", kept, os.fsdecode(odd), "--json")
    assert done.code == 0
    assert [os.fsencode(answer["path"]) for answer in done.document] == [odd]
    assert drivetrain_process("predict", kept, os.fsdecode(odd)).code == 0


def test_a_terminal_of_an_old_encoding_is_no_obstacle(drivetrain_process: OwnProcess, kept: Path, photos: Path) -> None:
    old = {"encoding": "cp1252", "PYTHONIOENCODING": "cp1252"}
    smiling = photos / "😀 é.webp"
    shutil.copy(photos / "mehr" / "青.webp", smiling)
    done = drivetrain_process("predict", kept, photos, "--json", **old)
    assert done.code == 0
    assert [answer["path"] for answer in done.document][3:] == [str(photos / "mehr" / "青.webp"), str(smiling)]
    assert "8×8" in drivetrain_process("inspect", kept, **old).out


def test_when_nothing_can_be_read_the_answer_is_no(drivetrain: CommandLine, kept: Path, photos: Path) -> None:
    done = drivetrain("predict", kept, photos / "c broken.jpg", photos / "gone.jpg", "x" * 5000, "--json")
    assert done.code == 1
    assert done.err == "error: none of the 3 files can be read\n"
    assert [answer["verdict"] for answer in done.document] == ["unreadable"] * 3


@pytest.mark.parametrize(
    ("paths", "message"), [(("{}/*.tiff",), "no file matches"), (("{}/nothing here",), "found no images")]
)
def test_a_pattern_or_folder_without_images_is_a_slip(
    drivetrain: CommandLine, kept: Path, photos: Path, paths: tuple[str, ...], message: str
) -> None:
    (photos / "nothing here").mkdir()
    done = drivetrain("predict", kept, *(path.format(photos) for path in paths))
    assert done.code == 2
    assert message in done.error


def test_on_a_terminal_the_bar_leaves_stdout_alone(drivetrain_process: OwnProcess, kept: Path, photos: Path) -> None:
    leader, follower = pty.openpty()
    files = [str(photos / "a grün.jpg")] * 40
    with (
        ThreadPoolExecutor(1) as reader,
        subprocess.Popen(
            drivetrain_process.command("predict", kept, *files, "--json"),
            env=drivetrain_process.environment,
            stdout=subprocess.PIPE,
            stderr=follower,
        ) as process,
    ):
        os.close(follower)
        seen = reader.submit(_drain, leader)
        assert process.stdout is not None
        out = process.stdout.read()
    assert len(json.loads(out)) == 40
    assert b"40/40" in seen.result()
    assert b"label" not in seen.result()


def test_on_a_terminal_the_columns_are_aligned(drivetrain_process: OwnProcess, kept: Path, photos: Path) -> None:
    leader, follower = pty.openpty()
    with subprocess.Popen(
        drivetrain_process.command("predict", kept, "."),
        env=drivetrain_process.environment,
        cwd=photos,
        stdout=follower,
        stderr=follower,
    ):
        os.close(follower)
        lines = _drain(leader).decode().splitlines()
    assert lines[:2] == ["a grün.jpg    grün  0.996  accept", "b rot.PNG     rot   0.996  accept"]
    # Why has no room beside it.
    assert lines[2] == "c broken.jpg  -         -  unreadable"
    assert lines[3].startswith("    damaged: ")
    # A sign of two columns' width in the name.
    assert lines[4] == "mehr/青.webp  blau  0.996  accept"
    assert lines[5].startswith("warning: 1 of 4")


BUNDLES = Path(__file__).resolve().parents[1] / "bundles"


@pytest.mark.processes
@pytest.mark.parametrize(
    ("bundle", "width", "wanted"),
    [
        ("v2-numbers", 80, [r"a.png  size [\d.]+ \(.+\), light [\d.]+ \(.+\)      -  review", "    no-accept-rule"]),
        ("v2-classes", 80, [r"a.png  \w+ +0\.\d{3}  review  low-confidence"]),
        ("v2-classes", 40, [r"a.png  \w+ +0\.\d{3}  review", "    low-confidence"]),
    ],
)
def test_a_terminal_shows_the_whole_answer_and_why_it_is_not_accepted(
    drivetrain_process: OwnProcess, tmp_path: Path, bundle: str, width: int, wanted: list[str]
) -> None:
    Image.new("RGB", (40, 40), (90, 120, 30)).save(tmp_path / "a.png")
    leader, follower = pty.openpty()
    with subprocess.Popen(
        drivetrain_process.command("predict", BUNDLES / bundle, "a.png"),
        env=drivetrain_process.environment | {"COLUMNS": str(width)},
        cwd=tmp_path,
        stdout=follower,
        stderr=follower,
    ):
        os.close(follower)
        lines = _drain(leader).decode().splitlines()
    assert len(lines) == len(wanted), lines
    for line, pattern in zip(lines, wanted, strict=True):
        assert re.fullmatch(pattern, line), line


def _drain(leader: int) -> bytes:
    """All that comes out of a pseudo-terminal until the other end is closed."""
    seen = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # how Linux says that the other end is closed
            piece = b""
        if not piece:
            os.close(leader)
            return seen
        seen += piece


@pytest.mark.parametrize("arguments", [("predict", "{}", "{}/golden"), ("inspect", "{}"), ("--help",)])
def test_a_reader_that_has_left_is_no_error(
    drivetrain_process: OwnProcess, kept: Path, arguments: tuple[str, ...]
) -> None:
    process = subprocess.Popen(
        drivetrain_process.command(*(argument.format(kept) for argument in arguments)),
        env=drivetrain_process.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_a_full_disk_behind_stdout_is_an_error(drivetrain_process: OwnProcess, kept: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            drivetrain_process.command("inspect", kept),
            env=drivetrain_process.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == b"error: No space left on device\n"


# A bundle that cannot be trusted


@pytest.mark.parametrize("command", ["predict", "evaluate", "inspect", "report", "trace"])
def test_every_command_refuses_a_damaged_bundle_in_one_line(
    drivetrain: CommandLine, kept: Path, photos: Path, tmp_path: Path, command: str
) -> None:
    bundle = Path(shutil.copytree(kept, tmp_path / "b"))
    (bundle / "manifest.json").write_bytes((kept / "manifest.json").read_bytes()[:-10])
    arguments = {
        "predict": (bundle, photos),
        "evaluate": (bundle, photos),
        "trace": (photos / "b rot.PNG", "--bundle", bundle),
    }.get(command, (bundle,))
    done = drivetrain(command, *arguments)
    assert done.code == 2
    assert "manifest.json was altered or cut short" in done.error


def test_what_is_no_bundle_says_so(drivetrain: CommandLine, photos: Path, tmp_path: Path) -> None:
    for bundle, message in (
        (tmp_path / "nothing", "does not exist; train a bundle with: drivetrain train"),
        (photos, "is not a bundle: it has no SHA256SUMS"),
        (photos / "b rot.PNG", "is neither a bundle folder nor a zip of one"),
    ):
        done = drivetrain("predict", bundle, photos)
        assert done.code == 2
        assert message in done.error


# Inspect, report, trace, cache


def test_inspect_shows_and_prints_the_manifest(drivetrain: CommandLine, trained: TrainedByCommand) -> None:
    document = drivetrain("inspect", trained.bundle, "--json").document
    manifest = json.loads((trained.bundle / "manifest.json").read_text())
    assert document.pop("parity") == {"images": 5, "max_pixel": 0.0, "max_probability": 0.0}
    assert document.pop("preprocess") == manifest["input"]["preprocess"]
    assert document.pop("metrics")["accuracy"]["value"] == manifest["figures"][0]["value"]
    assert document == manifest
    assert drivetrain("inspect", trained.bundle, "--json", "--no-golden").document["parity"] is None
    shown = drivetrain("inspect", trained.bundle)
    assert shown.err == ""
    for text in ("discs (20), squares (20), stripes (20)", manifest["bundle_id"], "squish to 48×48", "to the last bit"):
        assert text in shown.out


def test_report_names_copies_and_extracts(
    drivetrain: CommandLine, trained: TrainedByCommand, kept: Path, tmp_path: Path
) -> None:
    page = (trained.bundle / "report.html").read_bytes()
    assert drivetrain("report", trained.bundle).out == f"{trained.bundle / 'report.html'}\n"
    out = tmp_path / "new folder" / "page.html"
    assert drivetrain("report", trained.bundle, "--out", out, "--json").document == {"report": str(out)}
    assert out.read_bytes() == page
    shutil.make_archive(str(tmp_path / "packed"), "zip", kept)
    assert drivetrain("report", tmp_path / "packed.zip", cwd=tmp_path).out == "packed-report.html\n"
    assert (tmp_path / "packed-report.html").read_bytes() == (kept / "report.html").read_bytes()
    done = drivetrain("report", trained.bundle, "--out", tmp_path)
    assert done.code == 2
    assert "it is a folder, not a file" in done.error


def test_trace_follows_an_image_through_every_stage(drivetrain: CommandLine, trained: TrainedByCommand) -> None:
    image = trained.source / "discs" / "00.jpg"
    steps = drivetrain("trace", image, "--bundle", trained.bundle, "--json").document
    assert [step["name"] for step in steps] == [
        *("read", "decode", "resize", "normalise", "network", "head", "calibrate", "judge")
    ]
    for step in steps:
        assert set(step) == {"name", "kind", "shape", "range", "milliseconds", "note"}
        assert step["milliseconds"] is None if step["name"] == "head" else step["milliseconds"] >= 0
    by_name = {step["name"]: step for step in steps}
    assert by_name["decode"]["shape"] == "80×96×3"
    assert by_name["normalise"]["shape"] == "3×48×48"
    assert by_name["calibrate"]["shape"] == "3"
    answer = drivetrain("predict", trained.bundle, image, "--json").document[0]
    assert by_name["judge"]["note"] == f"{answer['verdict']}: {answer['label']} {answer['confidence']:.3f}"
    table = drivetrain("trace", image, "-b", trained.bundle).out.splitlines()
    assert len(table) == len(steps) + 1
    assert max(map(len, table)) <= 80


@pytest.mark.parametrize(("name", "message"), [("gone.jpg", "missing: "), ("notes.txt", "not an image: ")])
def test_trace_says_why_an_image_cannot_be_used(
    drivetrain: CommandLine, kept: Path, photos: Path, name: str, message: str
) -> None:
    done = drivetrain("trace", photos / name, "--bundle", kept)
    assert done.code == 2
    assert f"{message}{photos / name}" in done.error


def test_the_cache_can_be_looked_at_and_emptied(drivetrain: CommandLine, pictures: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    few = tmp_path / "few"
    for kind in ("discs", "stripes"):
        (few / kind).mkdir(parents=True)
        for file in sorted((pictures / kind).iterdir())[:3]:
            shutil.copy(file, few / kind)
    assert drivetrain("train", few, "--out", tmp_path / "b", "--backbone", TINY, "--cache", cache).code == 0
    info = drivetrain("cache", "info", "--cache", cache, "--json").document
    assert {"path", "bytes", "images", "embeddings"} <= set(info)
    assert info["images"] >= 6
    assert info["embeddings"] >= 6
    assert info["path"].startswith(str(cache))
    assert f"{info['images']} images" in drivetrain("cache", "info", "--cache", cache).out
    kept = drivetrain("cache", "prune", "--cache", cache, "--json").document
    assert kept["forgotten"] == 0
    pruned = drivetrain("cache", "prune", "--unused-days", "0", "--cache", cache, "--json").document
    assert pruned["forgotten"] >= info["images"] + info["embeddings"]
    assert pruned["bytes"] < info["bytes"]
    assert drivetrain("cache", "info", "--cache", cache, "--json").document["images"] == 0


def test_a_cache_that_is_not_there_is_empty_and_stays_away(drivetrain: CommandLine, tmp_path: Path) -> None:
    document = drivetrain("cache", "info", "--cache", tmp_path / "none", "--json").document
    assert document == {"path": str(tmp_path / "none" / "embeddings.sqlite"), "bytes": 0, "images": 0, "embeddings": 0}
    assert drivetrain("cache", "prune", "--cache", tmp_path / "none", "--json").document["forgotten"] == 0
    assert not (tmp_path / "none").exists()


def test_a_cache_that_is_none_is_a_slip(drivetrain: CommandLine, photos: Path) -> None:
    for command in ("info", "prune"):
        done = drivetrain("cache", command, "--cache", photos / "notes.txt")
        assert done.code == 2
        assert "notes.txt is not usable as a cache" in done.error
