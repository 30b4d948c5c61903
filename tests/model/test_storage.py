"""Reading a bundle's files with suspicion, and writing them in one step."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tampering import reseal, zipped

from drivetrain.core.errors import BundleError, ChecksumError, UsageError
from drivetrain.model import publish, storage
from drivetrain.model.storage import SUMS, BundleLimits, check_out, parse_sums, read_files, write_files

DIGEST = "0" * 64


# Reading a folder


def test_every_named_file_is_read_and_no_other(bundle: Path) -> None:
    (bundle / "notes.txt").write_text("mine")
    files = read_files(bundle)
    assert set(storage.REQUIRED) < set(files)
    assert "notes.txt" not in files
    assert files["model.onnx"] == (bundle / "model.onnx").read_bytes()


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "arrays.safetensors", "golden/0.png", "card.md"])
def test_a_file_that_was_cut_short_is_named(bundle: Path, name: str) -> None:
    data = (bundle / name).read_bytes()
    (bundle / name).write_bytes(data[:-1])
    with pytest.raises(ChecksumError, match=f"{name} was altered or cut short .{len(data) - 1} bytes."):
        read_files(bundle)


def test_one_flipped_bit_is_found(bundle: Path) -> None:
    data = bytearray((bundle / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / "model.onnx").write_bytes(data)
    with pytest.raises(ChecksumError, match=r"model\.onnx was altered"):
        read_files(bundle)


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / "golden" / "1.png").unlink()
    with pytest.raises(ChecksumError, match=r"golden/1\.png is missing"):
        read_files(bundle)


def test_a_folder_in_the_place_of_a_file_is_a_missing_file(bundle: Path) -> None:
    (bundle / "card.md").unlink()
    (bundle / "card.md").mkdir()
    with pytest.raises(ChecksumError, match=r"card\.md is missing"):
        read_files(bundle)


def test_sums_that_leave_out_a_necessary_file_are_refused(bundle: Path) -> None:
    lines = (bundle / SUMS).read_text().splitlines(keepends=True)
    (bundle / SUMS).write_text("".join(line for line in lines if "model.onnx" not in line))
    with pytest.raises(ChecksumError, match=r"does not name model\.onnx"):
        read_files(bundle)


def test_a_folder_without_sums_is_not_a_bundle(bundle: Path) -> None:
    (bundle / SUMS).unlink()
    with pytest.raises(BundleError, match="is not a bundle: it has no SHA256SUMS"):
        read_files(bundle)


def test_what_does_not_exist_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not exist; train a bundle with"):
        read_files(tmp_path / "nothing")


def test_a_file_that_is_no_zip_is_not_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(BundleError, match="neither a bundle folder nor a zip of one"):
        read_files(tmp_path / "photo.jpg")


def test_a_name_too_long_for_the_file_system_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        read_files(tmp_path / ("x" * 5000))


def test_unicode_and_spaces_in_the_path(bundle: Path, tmp_path: Path) -> None:
    moved = bundle.rename(tmp_path / "Bären & Größe 熊 .bundle")
    assert "manifest.json" in read_files(moved)


def test_a_link_to_a_bundle_is_a_bundle(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(bundle)
    assert "manifest.json" in read_files(tmp_path / "current")


@pytest.mark.parametrize("name", ["card.md", "golden"])
def test_a_link_inside_a_bundle_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    moved = (bundle / name).rename(tmp_path / "elsewhere")
    (bundle / name).symlink_to(moved)
    with pytest.raises(ChecksumError, match="is a link; a bundle holds plain files only"):
        read_files(bundle)


def test_a_link_is_not_followed_even_to_see_whether_it_fits(bundle: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("do not open me")
    (bundle / "card.md").unlink()
    (bundle / "card.md").symlink_to(secret)
    reseal(bundle)
    opened: list[str] = []
    with _watching("open", lambda arguments: opened.append(str(arguments[0]))), pytest.raises(ChecksumError):
        read_files(bundle)
    assert any(path.endswith(SUMS) for path in opened)
    assert not any(path.endswith(("secret", "card.md")) for path in opened)


def test_files_beyond_the_bound_are_refused(bundle: Path) -> None:
    size = sum(map(len, read_files(bundle).values()))
    assert read_files(bundle, BundleLimits(total=size))
    with pytest.raises(ChecksumError, match="is larger than a bundle may be"):
        read_files(bundle, BundleLimits(total=size - 1))


# Sums


@pytest.mark.processes
def test_sums_are_those_of_coreutils(bundle: Path) -> None:
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum on this machine")
    done = subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=bundle, capture_output=True, check=False)
    assert done.returncode == 0
    text = subprocess.run(["sha256sum", "--binary", "card.md"], cwd=bundle, capture_output=True, check=True).stdout
    assert parse_sums(text) == {"card.md": hashlib.sha256((bundle / "card.md").read_bytes()).hexdigest()}


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "golden/../../x",
        "..",
        ".",
        "/etc/passwd",
        "golden\\x",
        "C:x",
        "C:\\x",
        "./card.md",
        "golden//x",
        "golden/",
        "a\tb",
        "a\x1b[2Jb",
        "a\x00b",
        "a/" * 200 + "b",
        SUMS,
    ],
)
def test_names_that_lead_out_or_have_a_second_spelling_are_refused(name: str) -> None:
    with pytest.raises(ChecksumError, match=r"line 2: .* is not a plain name inside the bundle"):
        parse_sums(f"{DIGEST}  card.md\n{DIGEST}  {name}\n".encode())


@pytest.mark.parametrize(
    "line", ["", "card.md", f"{DIGEST} card.md", f"{DIGEST[:-1]}  card.md", f"{'G' * 64}  card.md", f"{DIGEST}  "]
)
def test_malformed_lines_are_shown(line: str) -> None:
    with pytest.raises(ChecksumError, match="line 1: not a checksum"):
        parse_sums(f"{line}\n{DIGEST}  card.md\n".encode())


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ChecksumError, match=r"line 2: 'card\.md' is named twice"):
        parse_sums(f"{DIGEST}  card.md\n{DIGEST}  card.md\n".encode())


def test_sums_that_are_not_text_are_refused() -> None:
    with pytest.raises(ChecksumError, match="is not text"):
        parse_sums(b"\xff\xfe\x00")


def test_too_many_names_are_refused() -> None:
    lines = "".join(f"{DIGEST}  golden/{i}\n" for i in range(storage.MAX_FILES + 1))
    with pytest.raises(ChecksumError, match="names 1001 files"):
        parse_sums(lines.encode())


def test_the_folder_is_named_when_its_sums_are_bad(bundle: Path) -> None:
    (bundle / SUMS).write_text("nonsense\n")
    with pytest.raises(ChecksumError, match=r"colours\.bundle: SHA256SUMS, line 1"):
        read_files(bundle)


# Zips


@pytest.mark.parametrize("top", ["", "colours.bundle/", "a/b c/"])
def test_a_zip_reads_like_the_folder(bundle: Path, tmp_path: Path, top: str) -> None:
    assert read_files(zipped(bundle, tmp_path / "b.zip", top)) == read_files(bundle)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_a_zip_that_was_cut_short_is_refused(bundle: Path, tmp_path: Path, keep: float) -> None:
    whole = zipped(bundle, tmp_path / "b.zip")
    data = whole.read_bytes()
    whole.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ChecksumError, match=r"b\.zip"):
        read_files(whole)


def test_a_damaged_zip_gives_our_errors_or_the_right_bytes(bundle: Path, tmp_path: Path) -> None:
    whole, expected = zipped(bundle, tmp_path / "b.zip"), read_files(bundle)
    good, draw, refused = whole.read_bytes(), random.Random(0), 0
    for _ in range(300):
        data = bytearray(good)
        for _ in range(draw.choice((1, 4, 30))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        whole.write_bytes(data)
        try:
            assert read_files(whole) == expected  # a date, a comment or a permission was hit
        except BundleError:
            refused += 1
    assert refused > 200


def test_a_zip_of_several_bundles_asks_which(bundle: Path, tmp_path: Path) -> None:
    out = zipped(bundle, tmp_path / "b.zip", "first/")
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(f"second/{SUMS}", "")
    with pytest.raises(BundleError, match=r"holds several bundles \(first/, second/\)"):
        read_files(out)


def test_a_zip_without_a_bundle_is_not_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.jpg", b"")
    with pytest.raises(BundleError, match="is not a bundle"):
        read_files(tmp_path / "photos.zip")


def test_an_encrypted_zip_says_so(bundle: Path, tmp_path: Path) -> None:
    out = zipped(bundle, tmp_path / "b.zip")
    data = bytearray(out.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the bit that says encrypted, in both headers
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    out.write_bytes(data)
    with pytest.raises(ChecksumError, match="is encrypted; zip the bundle without a password"):
        read_files(out)


def test_a_zip_bomb_is_given_up_at_the_bound(bundle: Path, tmp_path: Path) -> None:
    (bundle / "model.onnx").write_bytes(bytes(64 << 20))
    reseal(bundle)
    bomb = zipped(bundle, tmp_path / "b.zip")
    assert bomb.stat().st_size < 100_000
    assert read_files(bomb)  # within what is free
    with pytest.raises(ChecksumError, match="unpacks to more than 1 MiB"):
        read_files(bomb, BundleLimits(zip_free=1 << 20))


def test_a_zip_member_that_understates_its_size_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "card.md").write_bytes(b"x" * 100_000)
    reseal(bundle)
    out = zipped(bundle, tmp_path / "b.zip")
    data = out.read_bytes()
    true, lie = struct.pack("<I", 100_000), struct.pack("<I", 10)
    assert data.count(true) == 2  # in the file's own header and in the directory
    out.write_bytes(data.replace(true, lie))
    with pytest.raises(ChecksumError):
        read_files(out)


# Writing


FILES = {"manifest.json": b"{}", "model.onnx": b"m", "arrays.safetensors": b"a", "golden/golden.json": b"g"}


@pytest.mark.parametrize("name", ["new.bundle", "a/b/new.bundle", "Bären und Größe 熊", "new.zip", "a b/NEW.ZIP"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    write_files(FILES, tmp_path / name)
    assert read_files(tmp_path / name) == FILES
    assert _litter(tmp_path) == []


def test_a_written_folder_can_be_read_by_others(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    write_files(FILES, tmp_path / "b")
    assert (tmp_path / "b").stat().st_mode == plain.stat().st_mode


def test_equal_bundles_give_equal_zips(tmp_path: Path) -> None:
    write_files(FILES, tmp_path / "a.zip")
    write_files(FILES, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize("name", ["b", "b.zip"])
def test_a_bundle_is_replaced_whole(tmp_path: Path, name: str) -> None:
    write_files({**FILES, "report.html": b"old"}, tmp_path / name)
    write_files({**FILES, "model.onnx": b"new"}, tmp_path / name)
    assert read_files(tmp_path / name) == {**FILES, "model.onnx": b"new"}
    assert _litter(tmp_path) == []


def test_a_bundle_behind_a_link_is_replaced_where_it_is(tmp_path: Path) -> None:
    write_files(FILES, tmp_path / "v1")
    (tmp_path / "current").symlink_to("v1")
    write_files({**FILES, "model.onnx": b"new"}, tmp_path / "current")
    assert (tmp_path / "current").is_symlink()
    assert read_files(tmp_path / "v1")["model.onnx"] == b"new"


def test_an_empty_folder_becomes_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    write_files(FILES, tmp_path / "b")
    assert read_files(tmp_path / "b") == FILES


@pytest.mark.parametrize("swap", [None, lambda _a, _b: False], ids=["one step", "two steps"])
def test_replacing_works_with_and_without_a_swap_in_one_step(
    tmp_path: Path, swap: Callable[[Path, Path], bool] | None
) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "new" / "1").write_text("new")
    (tmp_path / "target" / "1").write_text("old")
    publish.publish(tmp_path / "new", tmp_path / "target", swap)
    assert (tmp_path / "target" / "1").read_text() == "new"
    assert (tmp_path / ("old-0" if swap else "new") / "1").read_text() == "old"


def test_this_file_system_swaps_in_one_step(tmp_path: Path) -> None:
    if sys.platform not in ("linux", "darwin"):
        pytest.skip("only Linux and macOS can")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert publish.exchange(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "b").exists()
    with pytest.raises(FileNotFoundError):
        publish.exchange(tmp_path / "a", tmp_path / "nothing")


# What may not be overwritten


def test_another_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    for call in (lambda: check_out(tmp_path / "photos"), lambda: write_files(FILES, tmp_path / "photos")):
        with pytest.raises(UsageError, match=r"exists and is not a bundle; choose a new name, such as photos\.bundle"):
            call()
    assert (tmp_path / "photos" / "cat").is_dir()


def test_sums_alone_do_not_make_a_bundle(tmp_path: Path) -> None:
    (tmp_path / SUMS).write_text(f"{DIGEST}  debian.iso\n")
    (tmp_path / "debian.iso").touch()
    with pytest.raises(UsageError, match="is not a bundle"):
        check_out(tmp_path)


def test_a_bundle_with_something_of_ones_own_in_it_is_not_replaced(bundle: Path) -> None:
    (bundle / ".DS_Store").touch()
    check_out(bundle)
    (bundle / "my notes.txt").touch()
    with pytest.raises(UsageError, match=r"holds my notes\.txt beside the bundle, which would be lost"):
        check_out(bundle)


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        write_files(FILES, tmp_path / "model")
    assert (tmp_path / "model").read_text() == "mine"


def test_a_zip_of_something_else_is_never_overwritten(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("cat/1.jpg", b"x")
    (tmp_path / "broken.zip").write_bytes(b"half a download")
    for name in ("photos.zip", "broken.zip"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(UsageError, match="exists and is not a bundle"):
            write_files(FILES, tmp_path / name)
        assert (tmp_path / name).read_bytes() == before


def test_a_folder_called_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_out(tmp_path / "x.zip")


def test_the_current_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is the folder you are in"):
        check_out(Path())


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is a file, not a folder"):
        check_out(tmp_path / "file" / "b")


def test_impossible_names_are_errors_of_ours(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for out in (tmp_path / ("x" * 300), tmp_path / "loop" / "b"):
        with pytest.raises(UsageError, match="cannot write to"):
            check_out(out)


# Trouble on the disk


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"may not mount a small file system here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.processes
def test_a_folder_that_cannot_be_written_to_is_refused_before_the_work(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(UsageError, match="cannot write to"):
            check_out(tmp_path / "locked" / "b")
        return
    with _mounted(tmp_path / "disk", "ro"), pytest.raises(UsageError, match="cannot write to"):
        check_out(tmp_path / "disk" / "b")


@pytest.mark.processes
@pytest.mark.parametrize("name", ["b", "b.zip"])
def test_a_full_disk_leaves_the_old_bundle_and_no_litter(tmp_path: Path, name: str) -> None:
    with _mounted(tmp_path / "disk", "size=300k"):
        out = tmp_path / "disk" / name
        write_files(FILES, out)
        with pytest.raises(BundleError, match="No space left on device") as caught:
            write_files({**FILES, "model.onnx": os.urandom(1 << 20)}, out)
        assert "\n" not in str(caught.value)
        assert read_files(out) == FILES
        assert [path.name for path in (tmp_path / "disk").iterdir()] == [name]


WRITER = """
import sys
from pathlib import Path
from drivetrain.model.storage import write_files
fill, out = sys.argv[1], Path(sys.argv[2])
while True:
    data = fill.encode() * 200_000
    names = ("manifest.json", "model.onnx", "arrays.safetensors", "golden/golden.json")
    write_files({name: data for name in names}, out)
    print(end=".", flush=True)
"""


def _process(program: str, fill: str, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", program, fill, str(out)], stdout=subprocess.PIPE, bufsize=0)


def _kill(writer: subprocess.Popen[bytes]) -> None:
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    if writer.stdout is not None:
        writer.stdout.close()


@pytest.mark.processes
@pytest.mark.parametrize("name", ["b", "b.zip"])
def test_killed_at_any_moment_there_is_the_old_bundle_or_the_new_one(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    for round_ in range(6):
        writer = _process(WRITER, "xy"[round_ % 2], out)
        assert writer.stdout is not None
        writer.stdout.read(1 + round_)  # at least one is written, then it is somewhere within the next
        for _ in range(10):
            _assert_whole(out)
        _kill(writer)
        _assert_whole(out)


@pytest.mark.processes
def test_two_writers_of_one_bundle_leave_a_whole_one(tmp_path: Path) -> None:
    out = tmp_path / "b"
    writers = [_process(WRITER, fill, out) for fill in "xy"]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.read(5)
    seen = {_assert_whole(out) for _ in range(60)}
    for writer in writers:
        assert writer.poll() is None, "neither writer may fail because of the other"
        _kill(writer)
    assert seen | {_assert_whole(out)} <= {"x", "y"}


PUBLISHER = """
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from drivetrain.model.publish import publish
fill, out = sys.argv[1], Path(sys.argv[2])
while True:
    with TemporaryDirectory(dir=out.parent) as made:
        new = Path(made) / "new"
        new.mkdir()
        (new / "1").write_text(fill)
        publish(new, out, lambda *_: False)
    print(end=".", flush=True)
"""


@pytest.mark.processes
def test_two_publishers_get_through_without_a_swap_in_one_step(tmp_path: Path) -> None:
    out = tmp_path / "b"
    publishers = [_process(PUBLISHER, fill, out) for fill in "xy"]
    for process in publishers:
        assert process.stdout is not None
        assert len([process.stdout.read(1) for _ in range(100)]) == 100
    for process in publishers:
        assert process.poll() is None, "neither may fail because of the other"
        _kill(process)


def _assert_whole(out: Path) -> str:
    """Every file of one and the same writing; returns its letter."""
    contents = set(read_files(out).values())
    assert len(contents) == 1
    return contents.pop()[:1].decode()


def _litter(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


@contextmanager
def _watching(event: str, note: object) -> Iterator[None]:
    """Call ``note(arguments)`` at every audit event of this name. Audit hooks stay for good, so it is switched off after."""
    on = True

    def hook(name: str, arguments: tuple[object, ...]) -> None:
        if on and name == event:
            note(arguments)  # type: ignore[operator]

    sys.addaudithook(hook)
    try:
        yield
    finally:
        on = False
