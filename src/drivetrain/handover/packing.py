"""A wheel of the running drivetrain, for the receiver of a bundle: no package index need have this version.

Made from the package's own files and the metadata of its installation, so that a checkout and an installation without
sources give the same, and no build backend is needed. What runs here is what travels, with local changes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from .._version import __version__
from ..core.errors import UsageError
from ..core.installation import PACKAGE, PACKAGE_FOLDER, checkout

WHEEL_NAME = f"{PACKAGE}-{__version__}-py3-none-any.whl"

# The first of the console's pages: where this file is there, all of them are.
PAGES = "serve/static/index.html"

# A fixed date makes equal files give equal wheels; zip knows no earlier one.
EPOCH = (1980, 1, 1, 0, 0, 0)

_WHEEL = "Wheel-Version: 1.0\nGenerator: drivetrain\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def pack_wheel() -> bytes:
    """Pack the package that runs here as a wheel, byte for byte the same each time.

    Raises:
        UsageError: drivetrain is not installed here, only on the path, or in another version.
    """
    info = f"{PACKAGE}-{__version__}.dist-info"
    files = {f"{PACKAGE}/{name}": data for name, data in package_files(PACKAGE_FOLDER).items()}
    files |= {f"{info}/{name}": data for name, data in _installed_metadata().items()}
    files[f"{info}/WHEEL"] = _WHEEL.encode()
    record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return packed.getvalue()


def package_files(folder: Path) -> Mapping[str, bytes]:
    """Read all files of the package, by their paths inside, but for compiled and hidden ones."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.suffix not in (".pyc", ".pyo")
        and not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
    }


def build_pages(tell: Callable[[str], None]) -> None:
    """Build the console's pages where a checkout has none yet: a container without them would show people nothing.

    ``tell`` is told before it begins, as it takes a while.

    Raises:
        UsageError: they cannot be built, or this installation has neither pages nor their sources.
    """
    if (PACKAGE_FOLDER / PAGES).is_file():
        return
    root = checkout()
    if root is None:
        raise UsageError(
            "the drivetrain installed here was built without the console's pages; build one with them: make web in a "
            "checkout, then pip install it"
        )
    tell("building the console's pages, which takes half a minute, once")
    command = [sys.executable, str(root / "web" / "build.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1].removeprefix("error: ")
        raise UsageError(f"the console's pages could not be built ({last}); mend that and run it again, or: make web")


def _installed_metadata() -> dict[str, bytes]:
    """Read METADATA, entry points and licence of the installed drivetrain."""
    try:
        installed = distribution(PACKAGE)
    except PackageNotFoundError:
        raise UsageError(
            "drivetrain is not installed here, only on the path; install it, or give --wheel FILE"
        ) from None
    if installed.version != __version__:
        raise UsageError(
            f"drivetrain {__version__} runs here, and {installed.version} is what was installed; install it again"
        )
    licences = [str(file) for file in installed.files or () if "/licenses/" in file.as_posix()]
    names = ["METADATA", "entry_points.txt", *(f"licenses/{name.rpartition('/licenses/')[2]}" for name in licences)]
    return {name: text.encode() for name in names if (text := installed.read_text(name)) is not None}


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
