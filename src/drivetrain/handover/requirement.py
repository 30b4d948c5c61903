"""The receiver's requirements: drivetrain, from the wheel that travels along, and its direct dependencies in the versions
the bundle was checked with.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..core.dependency import parse_dependency
from ..core.errors import UsageError
from ..core.installation import PACKAGE
from ..core.plain_file import read_plain
from .packing import WHEEL_NAME, pack_wheel

WHEELS = "wheels"
"""The folder of the app that holds the wheel."""

# A wheel's METADATA is a few kilobytes; a wheel without built networks is a few megabytes.
MAX_METADATA_BYTES = 1 << 20
MAX_WHEEL_BYTES = 64 << 20

_NAME = re.compile(r"drivetrain-([0-9][0-9A-Za-z.+!_]*)(-[0-9]\w*)?-py3-none-any\.whl")


@dataclass(frozen=True)
class Wheel:
    """A wheel of drivetrain that travels along, as no package index need have this version, or this package at all."""

    name: str
    """The file's name, which pip needs to take the file for a wheel."""
    version: str
    data: bytes
    requires: tuple[str, ...]
    """The requirements in the wheel's METADATA, such as ``fastapi>=0.115; extra == 'serve'``."""


def wheel_of_this() -> Wheel:
    """Pack the drivetrain that runs here.

    Raises:
        UsageError: it is not installed here, only on the path.
    """
    return _open(WHEEL_NAME, pack_wheel(), WHEEL_NAME)


def read_wheel(path: Path) -> Wheel:
    """Read a wheel of drivetrain without installing it.

    Raises:
        UsageError: there is none, it is of something else, or it is damaged.
    """
    if not _NAME.fullmatch(path.name):
        raise UsageError(
            f"{path} is not a wheel of drivetrain (drivetrain-VERSION-py3-none-any.whl); leave --wheel out to hand over "
            "the drivetrain that runs here"
        )
    try:
        data = read_plain(path, MAX_WHEEL_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error})") from None
    if len(data) > MAX_WHEEL_BYTES:
        raise UsageError(f"{path} has more than {MAX_WHEEL_BYTES >> 20} MiB, which no wheel of drivetrain has")
    return _open(path.name, data, str(path))


def _open(name: str, data: bytes, where: str) -> Wheel:
    match = _NAME.fullmatch(name)
    assert match, name
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entry = archive.getinfo(f"{PACKAGE}-{match[1]}.dist-info/METADATA")
            with archive.open(entry) as file:
                text = file.read(MAX_METADATA_BYTES).decode("utf-8")
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        # These are all that zipfile raises for bytes that are cut, altered, encrypted or packed in a way it does not know.
        raise UsageError(f"{where} is damaged ({' '.join(str(error).split())}); build it again") from None
    fields = HeaderParser().parsestr(text)
    if fields["Name"] != PACKAGE:
        raise UsageError(f"{where} holds {fields['Name']}, not {PACKAGE}; build it again")
    return Wheel(name, str(fields["Version"]), data, tuple(fields.get_all("Requires-Dist") or ()))


def requirements(
    extra: str | None, wheel: Wheel, left_open: Mapping[str, str | None] | None = None, *, by_path: bool = True
) -> tuple[str, ...]:
    """Write the lines of ``requirements.txt``: the wheel with ``extra``, then its direct dependencies as installed here.

    A dependency that is not installed here is left to drivetrain's own range, and so are those in ``left_open``, unless it
    gives another range for them. Without ``by_path`` the wheel is not among the lines, and the ranges that it would have
    brought are.

    Raises:
        UsageError: the wheel has no such extra.
    """
    stated = [one for line in wheel.requires if (one := parse_dependency(line)) is not None]
    if extra is not None and all(one.extra != extra for one in stated):
        raise UsageError(f"{wheel.name} is of a drivetrain without the extra {extra!r}; build the wheel again")
    lines, left_open = {}, left_open or {}
    for one in stated:
        if one.extra not in (None, extra):
            continue
        found = None if one.key in left_open else _installed(one.name)
        if found is not None:
            lines[one.key] = one.line(f"=={found}")
        elif not by_path:
            lines[one.key] = one.line(left_open.get(one.key))
    first = [f"./{WHEELS}/{wheel.name}{f'[{extra}]' if extra else ''}"] if by_path else []
    return (*first, *(lines[key] for key in sorted(lines)))


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
