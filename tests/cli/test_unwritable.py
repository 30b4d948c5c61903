"""Places that cannot be written: every message names the option that gives another, and `--no-cache` needs none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import CommandLine, Done
from test_unpacking import archive, parquet

from tiny_backbone import TINY

pytestmark = pytest.mark.processes

Run = Callable[..., Done]


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody may write to."""
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


@pytest.fixture
def run(closed: Path, tmp_path: Path) -> Run:
    """``drivetrain`` without the powers of root, whose home may not be written to."""
    prefix: list[str] = []
    if not hasattr(os, "geteuid"):
        pytest.skip("folders are closed in another way here")
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root may write everywhere, and there is no setpriv to give that up")
        prefix = [setpriv, "--bounding-set=-all", "--inh-caps=-all", "--"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DRIVETRAIN_", "XDG_"))}

    def run(*arguments: str | Path, **more: str) -> Done:
        command = [*prefix, sys.executable, "-m", "drivetrain", *map(str, arguments)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**environment, "HOME": str(closed), **more},
            timeout=300,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(params=["pictures.parquet", "pictures.zip"])
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    make = parquet if request.param.endswith("parquet") else archive
    return make(tmp_path / request.param)


def test_what_has_to_be_unpacked_names_the_cache(run: Run, kept: Path, packed: Path, closed: Path) -> None:
    for command in (("train", packed, "--out", "b"), ("evaluate", kept, packed), ("predict", kept, packed)):
        for more in ((), ("--cache", closed / "c")):
            error = run(*command, *more).error
            assert "Permission denied; give a folder that can be written and has room with --cache" in error
        assert run(*command, DRIVETRAIN_CACHE=str(closed / "x")).error.count("$DRIVETRAIN_CACHE") == 1


def test_without_a_cache_nothing_has_to_be_written(run: Run, kept: Path, packed: Path, closed: Path) -> None:
    for command in (("evaluate", kept, packed), ("predict", kept, packed)):
        done = run(*command, "--no-cache", "--json")
        assert done.code == 0, done.err
        assert "cannot" not in done.err
    assert list(closed.iterdir()) == []


@pytest.mark.trains
def test_train_without_a_cache(run: Run, packed: Path, closed: Path, tmp_path: Path) -> None:
    done = run("train", packed, "--out", tmp_path / "b", "--backbone", TINY, "--no-cache")
    assert done.code == 0, done.err
    assert "cannot" not in done.err
    assert list(closed.iterdir()) == []


def test_embeddings_go_without_a_cache_and_say_how_to_have_one(
    run: Run, kept: Path, closed: Path, tmp_path: Path
) -> None:
    shutil.unpack_archive(archive(tmp_path / "x.zip"), tmp_path / "folder")
    done = run("evaluate", kept, tmp_path / "folder")
    said = f"{closed}/.cache/drivetrain cannot be made (Permission denied); name another folder with --cache or $DRIVETRAIN"
    assert said in done.err


def test_the_cache_command_names_its_option(drivetrain: CommandLine, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for command in ("info", "prune"):
        error = drivetrain("cache", command, "--cache", tmp_path / "file").error
        assert "is not usable as a cache" in error
        assert error.endswith("name another folder with --cache or $DRIVETRAIN_CACHE")
        assert run("cache", command).code == 0, "one that is not there is empty"


def test_the_store_names_its_option(run: Run, kept: Path, closed: Path, tmp_path: Path) -> None:
    for command in (("serve", kept, "--port", "0"), ("keys", "add", "x")):
        for more in ((), ("--store", closed / "s.db")):
            assert "give a file in a folder of your own with --store" in run(*command, *more).error
    assert "give the path of another with --store" in run("store", "info").error
    store = tmp_path / "made" / "s.db"
    assert run("keys", "add", "x", "--store", store).code == 0
    for path in (store, store.parent):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        for command in (("serve", kept, "--port", "0", "--store", store), ("store", "info", store)):
            assert "with --store or $DRIVETRAIN_STORE" in run(*command).error
    finally:
        store.parent.chmod(0o755)


def test_what_is_written_names_its_option_before_the_work(run: Run, kept: Path, pictures: Path, closed: Path) -> None:
    assert run("train", pictures, "--out", closed / "b").error.endswith("with --out")
    assert run("report", kept, "--out", closed / "r.html").error.endswith("name another file with --out")
    error = run("evaluate", kept, pictures, "--report", closed / "r.html").error
    assert error.endswith("cannot be written (Permission denied); name another file with --report")


@pytest.mark.deep
def test_a_run_is_worth_more_than_its_checkpoints(run: Run, pictures: Path, closed: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    done = run(
        "train", pictures, "--out", tmp_path / "b", "--deep", "--epochs", "1", "--stages", "1", "--cache", closed / "c"
    )
    assert done.code == 0, done.err
    assert done.err.count("no checkpoint can be kept in") == 1
    assert "name another folder with --cache" in done.err


def test_no_room_for_temporary_files(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from drivetrain.core.errors import SourceError
    from drivetrain.core.scratch import Scratch
    from drivetrain.data.sources.opening import open_source

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(
        SourceError, match=r"No space left on device; make room there, name another folder with \$TMPDIR"
    ):
        open_source(packed, unpack_dir=Scratch())
    with pytest.raises(SourceError, match=r"No space left on device; give a folder .* has room with --cache"):
        open_source(packed, unpack_dir=packed.parent / "cache")
