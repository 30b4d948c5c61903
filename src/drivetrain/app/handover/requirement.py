"""What the receiver installs: drivetrain, and its direct dependencies in the versions the bundle was checked with."""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from ..._version import __version__
from ...core.errors import UsageError

PACKAGE = "drivetrain"

# A wheel's METADATA is a few kilobytes; a wheel without built networks is a few megabytes.
MAX_METADATA_BYTES = 1 << 20
MAX_WHEEL_BYTES = 64 << 20

_WHEEL_NAME = re.compile(r"drivetrain-([0-9][0-9A-Za-z.+!_]*)(-[0-9]\w*)?-py3-none-any\.whl")
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?[^;]*(?:;(.*))?")
_EXTRA = re.compile(r"""\s*\(?\s*extra\s*==\s*["']([^"']+)["']\s*\)?\s*""")


@dataclass(frozen=True)
class Wheel:
    """A wheel of drivetrain that travels along, for a version that no package index has."""

    name: str
    """Of the file; pip takes nothing else for a wheel."""
    version: str
    data: bytes
    requires: tuple[str, ...]
    """As its METADATA says, such as ``fastapi>=0.115; extra == 'serve'``."""


def read_wheel(path: Path) -> Wheel:
    """A wheel of drivetrain, looked through without installing it.

    Raises:
        UsageError: there is none, it is of something else, or it is damaged.
    """
    match = _WHEEL_NAME.fullmatch(path.name)
    if not match:
        raise UsageError(
            f"{path} is not a wheel of drivetrain (drivetrain-VERSION-py3-none-any.whl); build one: pip wheel"
        )
    try:
        size = path.stat().st_size
        if size > MAX_WHEEL_BYTES:
            raise UsageError(f"{path} has {size >> 20} MiB; a wheel of drivetrain has at most {MAX_WHEEL_BYTES >> 20}")
        data = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(f"{PACKAGE}-{match[1]}.dist-info/METADATA")
            with archive.open(entry) as file:
                text = file.read(MAX_METADATA_BYTES).decode("utf-8")
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        # All that zipfile raises for bytes that are cut, altered, encrypted or packed in a way it does not know.
        raise UsageError(f"{path} is damaged ({' '.join(str(error).split())}); build it again") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error})") from None
    fields = HeaderParser().parsestr(text)
    if fields["Name"] != PACKAGE:
        raise UsageError(f"{path} holds {fields['Name']}, not {PACKAGE}; build it again")
    return Wheel(path.name, str(fields["Version"]), data, tuple(fields.get_all("Requires-Dist") or ()))


def requirements(extra: str | None, wheel: Wheel | None, left_out: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Lines of ``requirements.txt``: drivetrain with ``extra``, then its direct dependencies as installed here.

    A dependency that is not installed here is left to drivetrain's own range, and so are those in ``left_out``.

    Raises:
        UsageError: the wheel, or what is installed here, has no such extra.
    """
    stated = wheel.requires if wheel else _installed_requires()
    parsed = [one for line in stated if (one := _parse(line)) is not None]
    if extra is not None and all(one.extra != extra for one in parsed):
        what = f"{wheel.name} is of a drivetrain" if wheel else "what is installed here is a drivetrain"
        raise UsageError(f"{what} without the extra {extra!r}; {'build the wheel' if wheel else 'install it'} again")
    bracket = f"[{extra}]" if extra else ""
    first = f"./wheels/{wheel.name}{bracket}" if wheel else f"{PACKAGE}{bracket}=={__version__}"
    pinned = {}
    for one in parsed:
        if one.extra in (None, extra) and one.key not in left_out and (found := _installed(one.name)):
            pinned[one.key] = f"{one.name}{one.extras}=={found}{one.marker}"
    return (first, *(pinned[key] for key in sorted(pinned)))


@dataclass(frozen=True)
class _Requirement:
    name: str
    extras: str
    """Such as ``[binary]``."""
    marker: str
    """For which systems, such as ``; sys_platform != 'win32'``; what it says of an extra is taken out."""
    extra: str | None

    @property
    def key(self) -> str:
        """The name as indexes compare it."""
        return re.sub(r"[-_.]+", "-", self.name).lower()


def _parse(line: str) -> _Requirement | None:
    match = _REQUIREMENT.fullmatch(line)
    if not match:
        return None
    name, extras, marker = match[1], match[2] or "", match[3] or ""
    extra = _EXTRA.search(marker)
    rest = re.sub(r"^and\b|\band$", "", _EXTRA.sub("", marker).strip()).strip()
    if rest.startswith("(") and rest.endswith(")"):
        rest = rest[1:-1]
    return _Requirement(name, extras, f"; {rest}" if rest else "", extra[1] if extra else None)


def _installed_requires() -> tuple[str, ...]:
    try:
        return tuple(requires(PACKAGE) or ())
    except PackageNotFoundError:
        raise UsageError(
            "drivetrain is not installed here, only on the path; install it, or give --wheel FILE"
        ) from None


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
