"""Environments with what an app asks for, made once for all runs of the tests.

What an index has to give for the same lines of ``requirements.txt`` is installed when they are first seen and kept in the
user's cache folder for two weeks (``DRIVETRAIN_TEST_CACHE``: elsewhere). The drivetrain that is tested is put into it anew
each time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

CACHE = "DRIVETRAIN_TEST_CACHE"
KEPT_DAYS = 14

# Goes up where what is kept has to be made anew.
RECIPE = 1


def cache_folder() -> Path:
    """Where environments are kept between runs."""
    given = os.environ.get(CACHE)
    return Path(given) if given else platformdirs.user_cache_path("drivetrain-tests", appauthor=False)


@contextmanager
def kept_environment(app: Path) -> Iterator[Path]:
    """The environment that the app in this folder asks for; others wait meanwhile."""
    root = cache_folder() / "environments"
    root.mkdir(parents=True, exist_ok=True)
    place = root / _key(app)
    with (root / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _forget_the_old(root)
        if not (place / "complete").is_file():
            shutil.rmtree(place, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
            _pip(place, app, "--no-compile", "-r", "requirements.txt")
            (place / "complete").touch()
        for wheel in _wheels_named(app):
            _pip(place, app, "--no-compile", "--no-deps", "--no-index", "--force-reinstall", wheel)
        yield place


def _pip(place: Path, app: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--python", place / "bin" / "python", "install", "--quiet", *arguments]
    done = subprocess.run(command, cwd=app, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _wheels_named(app: Path) -> list[str]:
    """Paths of wheels in ``requirements.txt``, without the extras that stand behind them."""
    lines = (app / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [re.sub(r"\[[^]]*\]", "", line).strip() for line in lines if line.startswith("./")]


def _key(app: Path) -> str:
    """Equal for apps that ask the index for the same, whatever the code in their wheels."""
    lines = (app / "requirements.txt").read_text(encoding="utf-8").splitlines()
    asked = [str(RECIPE), sys.version, sys.base_prefix, *(line for line in lines if not line.startswith("#"))]
    for name in _wheels_named(app):
        with zipfile.ZipFile(app / name) as archive:
            asked += [archive.read(file).decode() for file in archive.namelist() if file.endswith("/METADATA")]
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()[:16]


def _forget_the_old(root: Path) -> None:
    oldest_s = time.time() - KEPT_DAYS * 86400
    for complete in root.glob("*/complete"):
        if complete.stat().st_mtime < oldest_s:
            shutil.rmtree(complete.parent, ignore_errors=True)
