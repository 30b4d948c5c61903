"""Archives: what is refused, what is bounded, and that a folder appears whole or not at all."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from drivetrain.core.errors import SourceError
from drivetrain.data.image.files import IMAGES
from drivetrain.data.sources.archive import is_archive, top_folder, unpack
from drivetrain.data.sources.opening import open_source
from drivetrain.data.sources.unpacked import LIMITS, UnpackLimits

TINY = UnpackLimits(total_bytes=64 << 10, free_bytes=8 << 10, ratio=4, members=20)


def jpeg(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def make_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def tar_with(path: Path, **fields: object) -> Path:
    """A tar of one good file and one member with the given header fields."""
    with tarfile.open(path, "w") as archive:
        good = tarfile.TarInfo("cat/1.jpg")
        good.size = len(jpeg())
        archive.addfile(good, io.BytesIO(jpeg()))
        bad = tarfile.TarInfo()
        for field, value in fields.items():
            setattr(bad, field, value)
        archive.addfile(bad, io.BytesIO(b"x" * bad.size))
    return path


PETS = {"cat/1.jpg": jpeg("red"), "cat/2.jpg": jpeg("blue"), "dog/1.jpg": jpeg("green")}


def refused(archive: Path, match: str, limits: UnpackLimits = LIMITS) -> None:
    """Refused, with one line that names the matter, and nothing left behind."""
    into = archive.parent / "unpacked"
    with pytest.raises(SourceError, match=match) as caught:
        unpack(archive, into, limits)
    assert "\n" not in str(caught.value)
    assert list(into.iterdir()) == []
    assert sorted(path.name for path in archive.parent.iterdir()) == sorted({archive.name, "unpacked"})


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_each_kind_is_read_as_the_folder_it_holds(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pets.{suffix}"
    if suffix == "zip":
        make_zip(path, PETS)
    else:
        make_tar(path, PETS, "w:" + suffix.partition(".")[2])
    dataset = open_source(path, unpack_dir=tmp_path / "unpacked")
    assert [item.name for item in dataset.items] == ["cat/1.jpg", "cat/2.jpg", "dog/1.jpg"]
    assert [item.label for item in dataset.items] == ["cat", "cat", "dog"]
    assert [item.path.read_bytes() for item in dataset.items] == list(PETS.values())
    assert dataset.source == str(path)
    assert dataset.skipped == ()


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    make_zip(tmp_path / "download", PETS)
    assert is_archive(tmp_path / "download")
    assert len(open_source(tmp_path / "download").items) == 3
    make_tar(tmp_path / "other", PETS, "w:gz")
    assert len(open_source(tmp_path / "other").items) == 3


def test_a_second_opening_unpacks_nothing(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "pets.zip", PETS)
    folder = unpack(archive, tmp_path / "unpacked")
    before = (folder / "cat/1.jpg").stat().st_mtime_ns
    assert unpack(archive, tmp_path / "unpacked") == folder
    assert (folder / "cat/1.jpg").stat().st_mtime_ns == before
    make_zip(archive, {**PETS, "dog/2.jpg": jpeg("white")})
    assert unpack(archive, tmp_path / "unpacked") != folder, "another content has another folder"


def test_beside_the_archive_when_no_place_is_given(tmp_path: Path) -> None:
    dataset = open_source(make_zip(tmp_path / "pets.zip", PETS))
    assert all(item.path.is_relative_to(tmp_path / ".drivetrain-unpacked") for item in dataset.items)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["pets/cat/1.jpg", "pets/dog/1.jpg"], ["cat/1.jpg", "dog/1.jpg"]),
        (["pets/README.md", "pets/cat/1.jpg", "LICENSE", "pets/dog/1.jpg"], ["cat/1.jpg", "dog/1.jpg"]),
        (["a/b/cat/1.jpg", "a/b/dog/1.jpg"], ["cat/1.jpg", "dog/1.jpg"]),
        (["train/cat/1.jpg", "train/dog/1.jpg"], ["train/cat/1.jpg", "train/dog/1.jpg"]),
        (["cat/1.jpg"], ["cat/1.jpg"]),
    ],
)
def test_a_single_top_folder_is_passed_but_not_a_split_or_a_class(
    tmp_path: Path, names: list[str], expected: list[str]
) -> None:
    archive = make_zip(tmp_path / "pets.zip", {name: jpeg() for name in names})
    assert [item.name for item in open_source(archive).items] == expected


def test_top_folder_of_an_empty_archive_is_itself(tmp_path: Path) -> None:
    assert top_folder(tmp_path, IMAGES) == tmp_path
    with pytest.raises(SourceError, match=r"found no images in .*empty\.zip \(no files at all\)"):
        open_source(make_zip(tmp_path / "empty.zip", {}))


def test_system_files_are_not_unpacked(tmp_path: Path) -> None:
    litter = {"__MACOSX/cat/._1.jpg": b"x", "cat/.DS_Store": b"x", "cat/Thumbs.db": b"x", ".git/config": b"x"}
    folder = unpack(make_zip(tmp_path / "pets.zip", {**PETS, **litter}), tmp_path / "unpacked")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == sorted(PETS)


CLIMBING = [
    "../evil.jpg",
    "cat/../../evil.jpg",
    "/tmp/evil.jpg",
    "C:/evil.jpg",
    "c:evil.jpg",
    "cat/C:/evil.jpg",
    "cat\\..\\..\\evil.jpg",
    "..\\evil.jpg",
    "\\evil.jpg",
    "C:\\evil.jpg",
    "cat\\C:\\evil.jpg",
    "cat/..\\../evil.jpg",
    "cat\\.. \\..\\evil.jpg",
    "\\\\?\\C:\\evil.jpg",
]


@pytest.mark.parametrize("name", [*CLIMBING, "\\\\host\\share\\evil.jpg", "cat/.. /evil.jpg", "../.hidden", "..."])
def test_no_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "zip").mkdir()
    (tmp_path / "tar").mkdir()
    refused(make_zip(tmp_path / "zip" / "evil.zip", {**PETS, name: b"x"}), "could leave its folder")
    refused(make_tar(tmp_path / "tar" / "evil.tar", {**PETS, name: b"x"}), "could leave its folder|refused")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tar", "zip"]


def test_a_zero_byte_in_a_zip_name_hides_nothing(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "evil.zip", {"cat/1.jpg": jpeg()})
    archive.write_bytes(archive.read_bytes().replace(b"cat/1.jpg", b"\0at/1.jpg"))
    refused(archive, "could leave its folder")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"name": "cat/link.jpg", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "symbolic links"),
        ({"name": "cat", "type": tarfile.SYMTYPE, "linkname": ".."}, "symbolic links"),
        ({"name": "cat/hard.jpg", "type": tarfile.LNKTYPE, "linkname": "cat/1.jpg"}, "hard links"),
        ({"name": "cat/null", "type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, "devices"),
        ({"name": "cat/disk", "type": tarfile.BLKTYPE}, "devices"),
        ({"name": "cat/pipe", "type": tarfile.FIFOTYPE}, "pipes"),
        ({"name": ".hidden", "type": tarfile.SYMTYPE, "linkname": "x"}, "symbolic links"),
    ],
)
def test_tar_links_and_devices_are_refused_by_name(tmp_path: Path, fields: dict[str, object], what: str) -> None:
    refused(tar_with(tmp_path / "evil.tar", **fields), rf"{fields['name']!r} is not a plain file.*{what}")


@pytest.mark.parametrize(("kind", "what"), [(stat.S_IFLNK, "symbolic links"), (stat.S_IFCHR, "devices")])
def test_zip_links_and_devices_are_refused_by_name(tmp_path: Path, kind: int, what: str) -> None:
    info = zipfile.ZipInfo("cat/link.jpg")
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    refused(tmp_path / "evil.zip", rf"'cat/link\.jpg' is not a plain file.*{what}")


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("cat/1.jpg")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,1",
        "GNU.sparse.size": "9",
    }
    info.size = 1
    with tarfile.open(tmp_path / "sparse.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"x"))
    refused(tmp_path / "sparse.tar", "sparse files")


@pytest.mark.parametrize("suffix", ["zip", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_bomb_is_refused_before_it_is_written(tmp_path: Path, suffix: str) -> None:
    path, files = tmp_path / f"bomb.{suffix}", {"cat/1.jpg": bytes(32 << 10)}
    if suffix == "zip":
        make_zip(path, files)
    else:
        make_tar(path, files, "w:" + suffix.partition(".")[2])
    refused(path, "would unpack to more than", TINY)
    unpack(path, tmp_path / "trusting")


def test_many_small_files_add_up(tmp_path: Path) -> None:
    refused(make_zip(tmp_path / "bomb.zip", {f"cat/{n}.jpg": bytes(1000) for n in range(9)}), "unpack to more", TINY)


def test_a_tar_is_charged_for_what_is_passed_over_and_for_headers(tmp_path: Path) -> None:
    hidden = make_tar(tmp_path / "bomb.tgz", {f".hidden/{n}": bytes(1000) for n in range(9)}, "w:gz")
    refused(hidden, "would unpack to more than", TINY)


def test_the_total_binds_even_where_the_ratio_is_kept(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "big.zip", {"cat/1.jpg": os.urandom(20_000)}, zipfile.ZIP_STORED)
    refused(archive, "would unpack to more than", UnpackLimits(total_bytes=10_000))


@pytest.mark.parametrize("suffix", ["zip", "tar"])
def test_too_many_members(tmp_path: Path, suffix: str) -> None:
    make: Callable[[Path, dict[str, bytes]], Path] = make_zip if suffix == "zip" else make_tar
    archive = make(tmp_path / f"many.{suffix}", {f"cat/{n}.jpg": b"" for n in range(21)})
    refused(archive, "more than 20 members", UnpackLimits(members=20))


def patch_sizes(path: Path, size: int) -> None:
    """Change the uncompressed size that a zip's only member declares, in both of its headers."""
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        position = data.index(mark) + offset
        data[position : position + 4] = struct.pack("<I", size)
    path.write_bytes(data)


@pytest.mark.parametrize("declared", [10, 100_000])
def test_a_member_that_lies_about_its_size_is_stopped(tmp_path: Path, declared: int) -> None:
    archive = make_zip(tmp_path / "liar.zip", {"cat/1.jpg": bytes(50_000)})
    patch_sizes(archive, declared)
    refused(archive, "damaged or cut short|than the .* bytes it declares")


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "secret.zip", {"cat/1.jpg": jpeg()})
    data = bytearray(archive.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    archive.write_bytes(data)
    refused(archive, r"'cat/1\.jpg' is encrypted; unpack it with its password")


def test_methods_that_cannot_be_bounded_are_refused(tmp_path: Path) -> None:
    refused(make_zip(tmp_path / "odd.zip", {"cat/1.jpg": jpeg()}, zipfile.ZIP_BZIP2), "compression method 12")


def test_a_huge_header_is_not_read_into_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    (tmp_path / "evil.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    refused(tmp_path / "evil.tar", "damaged|no tar archive")


@pytest.mark.parametrize("size", ["-512", "-1536", "9" * 30])
def test_a_size_in_an_extended_header_is_not_believed(tmp_path: Path, size: str) -> None:
    info = tarfile.TarInfo("cat/1.jpg")
    info.pax_headers = {"size": size}
    with tarfile.open(tmp_path / "evil.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    refused(tmp_path / "evil.tar", "damaged or cut short|would unpack to more")


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tar.xz"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
def test_a_cut_archive_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path, files = tmp_path / f"cut.{suffix}", {f"cat/{n}.jpg": os.urandom(3000) for n in range(20)}
    if suffix == "zip":
        make_zip(path, files)
    else:
        make_tar(path, files, "w:" + suffix.partition(".")[2])
    used = path.read_bytes().rstrip(b"\0")  # a tar is padded with zeros
    path.write_bytes(used[: int(len(used) * share)])
    refused(path, "damaged or cut short")


def test_a_tar_cut_exactly_between_two_members_is_refused(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "cut.tar", {f"cat/{n}.jpg": bytes(512) for n in range(4)})
    path.write_bytes(path.read_bytes()[: 2 * 1024])
    refused(path, "damaged or cut short")


def test_a_damaged_header_in_the_middle_of_a_tar_is_not_taken_for_its_end(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "bad.tar", {f"cat/{n}.jpg": bytes(512) for n in range(4)})
    data = bytearray(path.read_bytes())
    data[2 * 1024] ^= 0xFF
    path.write_bytes(data)
    refused(path, "damaged or cut short")


@pytest.mark.parametrize("pair", [("cat/1.jpg", "cat/1.jpg"), ("cat", "cat/1.jpg"), ("./cat/1.jpg", "cat//1.jpg")])
def test_a_name_that_comes_twice_is_refused(tmp_path: Path, pair: tuple[str, str]) -> None:
    with tarfile.open(tmp_path / "twice.tar", "w") as archive:
        for name in pair:
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"x"))
    refused(tmp_path / "twice.tar", "twice")


def test_modes_of_the_archive_are_not_kept(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "modes.tar", "w") as archive:
        folder = tarfile.TarInfo("cat")
        folder.type, folder.mode = tarfile.DIRTYPE, 0
        archive.addfile(folder)
        info = tarfile.TarInfo("cat/1.jpg")
        info.mode, info.size = 0o4777, len(jpeg())
        archive.addfile(info, io.BytesIO(jpeg()))
    item = open_source(tmp_path / "modes.tar").items[0]
    assert not item.path.stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)
    assert item.path.parent.stat().st_mode & stat.S_IRWXU == stat.S_IRWXU


def test_unicode_names_survive(tmp_path: Path) -> None:
    names = ["café/1 😀.jpg", unicodedata.normalize("NFD", "café") + "/2.jpg", "медведь/3.jpg"]
    files = {name: jpeg() for name in names}
    for archive in (make_zip(tmp_path / "u.zip", files), make_tar(tmp_path / "u.tar", files)):
        dataset = open_source(archive)
        assert sorted(item.name for item in dataset.items) == sorted(names)
        assert dataset.classes == ("café", "медведь")


def test_utf8_names_of_a_zip_that_does_not_say_so(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "mac.zip", {"café/1.jpg": jpeg()})
    data = bytearray(archive.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = data.index(mark) + offset
        data[position : position + 2] = b"\0\0"
    archive.write_bytes(data)
    assert open_source(archive).classes == ("café",)


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse names that are not UTF-8")
def test_names_that_are_not_utf8_can_be_shown(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "latin.tar", {"b\udce4r/1.jpg": jpeg(), "cat/2.jpg": jpeg()})
    dataset = open_source(archive)
    assert [item.name for item in dataset.items] == ["b\ufffdr/1.jpg", "cat/2.jpg"]
    assert all(item.path.is_file() and item.name.encode() for item in dataset.items)


def test_threads_at_once(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "pets.zip", {f"cat/{n}.jpg": jpeg() for n in range(200)})
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: unpack(archive, tmp_path / "unpacked"), range(8)))
    assert len(set(folders)) == 1
    assert len(list(folders[0].rglob("*.jpg"))) == 200
    assert list((tmp_path / "unpacked").iterdir()) == [folders[0]]


@pytest.mark.processes
def test_processes_at_once(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "pets.tar", {f"cat/{n}.jpg": jpeg() for n in range(200)})
    code = "import sys; from pathlib import Path; from drivetrain.data.sources.archive import unpack; "
    code += "sys.stdin.readline(); print(unpack(Path(sys.argv[1]), Path(sys.argv[2])))"
    command = [sys.executable, "-c", code, str(archive), str(tmp_path / "unpacked")]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = {process.communicate("go\n")[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    (folder,) = folders
    assert len(list(Path(folder).rglob("*.jpg"))) == 200


def test_what_a_killed_process_left_is_not_taken_for_complete(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "pets.zip", PETS)
    partial = tmp_path / "unpacked" / ".unpacking-abc123" / "content" / "cat"
    partial.mkdir(parents=True)
    (partial / "1.jpg").write_bytes(b"half")
    folder = unpack(archive, tmp_path / "unpacked")
    assert (folder / "cat/1.jpg").read_bytes() == PETS["cat/1.jpg"]
    assert len(list(folder.rglob("*.jpg"))) == 3


@pytest.mark.processes
def test_a_process_killed_while_it_unpacks(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "pets.zip", {f"cat/{n}.jpg": jpeg() for n in range(50)})
    code = "import os, sys; from pathlib import Path; from drivetrain.data.sources.archive import unpack; "
    # The audit hook ends the process, without any clean-up, when it opens the 30th image for writing.
    code += "seen = []; sys.addaudithook(lambda event, args: event == 'open' and str(args[0]).endswith('.jpg') "
    code += "and (seen.append(1), len(seen) == 30 and os._exit(9))); unpack(Path(sys.argv[1]), Path(sys.argv[2]))"
    into = tmp_path / "unpacked"
    assert subprocess.run([sys.executable, "-c", code, str(archive), str(into)], check=False).returncode == 9
    (left,) = into.iterdir()
    assert left.name.startswith(".unpacking-")
    assert len(list(unpack(archive, into).rglob("*.jpg"))) == 50


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SourceError, match=r"cannot unpack .* into .*taken"):
        unpack(make_zip(tmp_path / "pets.zip", PETS), tmp_path / "taken")


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
def test_not_an_archive_at_all(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"this is a text" * 100)
    refused(tmp_path / name, "damaged or cut short")


def test_an_office_document_is_not_taken_for_an_archive(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="save the sheet as “CSV UTF-8”"):
        open_source(make_zip(tmp_path / "labels.xlsx", {"xl/workbook.xml": b"<x/>"}))


def test_a_table_in_an_archive_is_read(tmp_path: Path) -> None:
    rows = b"path,label,video\nimages/1.jpg,cat,v1\nimages/2.jpg,dog,v2\n"
    files = {"data/labels.csv": rows, "data/images/1.jpg": jpeg(), "data/images/2.jpg": jpeg()}
    dataset = open_source(make_zip(tmp_path / "pets.zip", files))
    assert [(item.name, item.label, item.group) for item in dataset.items] == [
        ("images/1.jpg", "cat", "v1"),
        ("images/2.jpg", "dog", "v2"),
    ]


@pytest.mark.parametrize("listed", ["/etc/hosts", "../../../../etc/hosts", "..\\..\\hosts", "C:/hosts", "\\\\host\\x"])
@pytest.mark.parametrize("name", ["labels.csv", "metadata.csv"])
def test_a_table_in_an_archive_names_no_file_outside(tmp_path: Path, name: str, listed: str) -> None:
    rows = f"file_name,label\n1.jpg,cat\n{listed},dog\n".encode()
    with pytest.raises(SourceError, match=rf"{name}, line 3: .* points outside the data"):
        open_source(make_zip(tmp_path / "evil.zip", {name: rows, "1.jpg": jpeg()}))


# Names as other systems write them


def with_names(path: Path, names: list[bytes], system: int = 0, extra: dict[int, bytes] | None = None) -> Path:
    """A zip whose members have exactly these names, of eleven bytes or more, and no mark that they are UTF-8."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            info = zipfile.ZipInfo(chr(65 + number) * len(name))
            info.create_system, info.extra = system, (extra or {}).get(number, b"")
            archive.writestr(info, jpeg())
    data = path.read_bytes()
    for number, name in enumerate(names):
        data = data.replace(bytes([65 + number]) * len(name), name)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("system", [0, 3, 10])
def test_backslashes_stand_between_folders(tmp_path: Path, system: int) -> None:
    names = [b"pets\\cat\\big\\1.jpg", b"pets\\cat\\b/2.jpg", b"pets\\dog\\1.jpg", b".\\pets\\dog\\2.jpg"]
    dataset = open_source(with_names(tmp_path / "windows.zip", names, system))
    assert [(item.name, item.label) for item in dataset.items] == [
        ("cat/b/2.jpg", "cat"),
        ("cat/big/1.jpg", "cat"),
        ("dog/1.jpg", "dog"),
        ("dog/2.jpg", "dog"),
    ]


def test_an_empty_folder_with_a_backslash_is_a_folder(tmp_path: Path) -> None:
    files = {
        "pets\\": b"",
        "pets\\cat\\": b"",
        "pets\\cat\\1.jpg": jpeg(),
        "pets\\dog\\": b"",
        "pets\\eel\\1.jpg": jpeg(),
    }
    dataset = open_source(make_zip(tmp_path / "windows.zip", files))
    assert dataset.classes == ("cat", "eel")
    assert [(one.name, one.reason) for one in dataset.skipped] == [("dog", "no images")]


def test_backslashes_in_a_tar(tmp_path: Path) -> None:
    dataset = open_source(make_tar(tmp_path / "windows.tar", {"cat\\1.jpg": jpeg(), "dog\\1.jpg": jpeg("blue")}))
    assert dataset.classes == ("cat", "dog")


def test_two_spellings_of_one_name_are_one_name(tmp_path: Path) -> None:
    refused(make_zip(tmp_path / "twice.zip", {"cat/1.jpg": jpeg(), "cat\\1.jpg": jpeg()}), "twice")


@pytest.mark.parametrize("word", ["Bären", "été", "niño", "Öl", "garçon", "Ängström"])
@pytest.mark.parametrize("page", ["cp437", "cp850"])
def test_western_names_of_windows_are_read(tmp_path: Path, word: str, page: str) -> None:
    names = [f"pictures/{word}/1.jpg".encode(page), b"pictures/other/1.jpg"]
    assert open_source(with_names(tmp_path / "windows.zip", names)).classes == tuple(sorted((word, "other")))


@pytest.mark.parametrize(
    ("word", "page"),
    [
        ("黒い熊", "cp932"),
        ("猫", "cp932"),
        ("黑熊", "gbk"),
        ("медведь", "cp866"),
        ("медведь", "cp1251"),
        ("곰", "cp949"),
    ],
)
def test_a_class_in_an_encoding_nobody_knows_is_refused(tmp_path: Path, word: str, page: str) -> None:
    names = [f"pictures/{word}/1.jpg".encode(page), b"pictures/other/1.jpg"]
    refused(with_names(tmp_path / "old.zip", names), "in an encoding that the archive does not tell; pack it again")


def test_a_files_name_in_an_encoding_nobody_knows_does_no_harm(tmp_path: Path) -> None:
    names = ["pictures/bear/黒.jpg".encode("cp932"), b"pictures/other/1.jpg"]
    dataset = open_source(with_names(tmp_path / "old.zip", names))
    assert dataset.classes == ("bear", "other")


@pytest.mark.parametrize("right", [True, False])
def test_the_unicode_path_field_counts_where_it_belongs_to_the_name(tmp_path: Path, right: bool) -> None:
    raw, meant = "pictures/黒い熊/1.jpg".encode("cp932"), "pictures/黒い熊/1.jpg".encode()
    body = struct.pack("<BI", 1, zlib.crc32(raw) ^ (not right)) + meant
    extra = {0: struct.pack("<HH", 0x7075, len(body)) + body}
    archive = with_names(tmp_path / "winrar.zip", [raw, b"pictures/other/1.jpg"], extra=extra)
    if right:
        assert open_source(archive).classes == ("other", "黒い熊")
    else:
        refused(archive, "in an encoding that the archive does not tell")


def test_the_unicode_path_field_leads_nowhere_else(tmp_path: Path) -> None:
    raw = "pictures/黒/1.jpg".encode("cp932")
    body = struct.pack("<BI", 1, zlib.crc32(raw)) + b"../../evil.jpg"
    extra = {0: struct.pack("<HH", 0x7075, len(body)) + body}
    refused(with_names(tmp_path / "evil.zip", [raw], extra=extra), "could leave its folder")


# Archives that are not quite one


@pytest.mark.parametrize("tail", [b"x", b"\0" * 1000, b"PK and more" * 50])
def test_what_follows_a_zip_is_no_matter(tmp_path: Path, tail: bytes) -> None:
    archive = make_zip(tmp_path / "pets.zip", PETS)
    archive.write_bytes(archive.read_bytes() + tail)
    assert len(open_source(archive).items) == 3


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_what_follows_a_tar_is_no_matter(tmp_path: Path, suffix: str) -> None:
    archive = make_tar(tmp_path / f"pets.{suffix}", PETS, "w:" + suffix.partition(".")[2])
    archive.write_bytes(archive.read_bytes() + bytes(2000))
    assert len(open_source(archive).items) == 3


def test_what_stands_before_a_zip_is_no_matter(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "pets.zip", PETS)
    archive.write_bytes(b"#!/bin/sh\n" + archive.read_bytes())
    assert len(open_source(archive).items) == 3


def test_a_zip_with_sizes_of_64_bits(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "large.zip", "w") as archive:
        for name, data in PETS.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    assert len(open_source(tmp_path / "large.zip").items) == 3


@pytest.mark.parametrize("name", ["pets.z01", "pets.zip.001", "pets.7z.002", "pets.part1.rar", "pets.tar.gz.001"])
def test_a_part_of_an_archive_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(make_zip(tmp_path / "whole.zip", PETS).read_bytes()[:1000])
    with pytest.raises(SourceError, match="one part of an archive that was cut into several files"):
        open_source(tmp_path / name)


def test_the_last_part_of_a_zip_is_named(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "pets.zip", PETS)
    data = bytearray(archive.read_bytes())
    data[data.rindex(b"PK\5\6") + 4] = 1
    archive.write_bytes(data)
    refused(archive, "one part of an archive that was cut into several files")


def test_an_archive_in_an_archive_is_named(tmp_path: Path) -> None:
    inner = make_zip(tmp_path / "train.zip", PETS).read_bytes()
    with pytest.raises(SourceError, match=r"archives within are not opened: unpack train\.zip, or give"):
        open_source(make_zip(tmp_path / "outer.zip", {"train.zip": inner, "readme.txt": b"text"}))


def test_one_compressed_file_is_no_tar(tmp_path: Path) -> None:
    (tmp_path / "labels.csv.gz").write_bytes(gzip.compress(b"path,label\n"))
    with pytest.raises(SourceError, match="is one compressed file and no tar; unpack it"):
        open_source(tmp_path / "labels.csv.gz")


def test_the_zip_of_windows_powershell(data_root: Path) -> None:
    archive = data_root.parent / "field" / "zip" / "powershell5-backslashes.zip"
    if not archive.is_file():
        pytest.skip(f"there is no {archive}")
    with tempfile.TemporaryDirectory() as into:
        dataset = open_source(archive, unpack_dir=Path(into))
    assert dataset.classes == ("black", "grizzly", "teddy")
    assert len(dataset.items) == 36
