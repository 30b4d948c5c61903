"""One line of what a package needs, as wheels state it (``Requires-Dist``)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?([^;]*)(?:;(.*))?")
_EXTRA = re.compile(r"""\s*\(?\s*extra\s*==\s*["']([^"']+)["']\s*\)?\s*""")


@dataclass(frozen=True)
class Dependency:
    """A package that another needs, always or for one of its extras."""

    name: str
    extras: tuple[str, ...]
    """Extras of the needed package itself, such as ``binary`` of psycopg."""
    versions: str
    """The versions that will do, such as ``>=0.54,<1``; empty where all will."""
    marker: str
    """The condition on the system, such as ``sys_platform != 'win32'``, without the part that names an extra."""
    extra: str | None
    """The extra that needs this package; None: it is always needed."""

    @property
    def key(self) -> str:
        """The name as indexes compare it."""
        return re.sub(r"[-_.]+", "-", self.name).lower()

    def line(self, versions: str | None = None) -> str:
        """Write the dependency as requirements.txt and pip take it, with ``versions`` or its own."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        marker = f"; {self.marker}" if self.marker else ""
        return f"{self.name}{extras}{self.versions if versions is None else versions}{marker}"


def parse_dependency(text: str) -> Dependency | None:
    """Parse the dependency that a line states; None where the line states none.

    >>> parse_dependency("uvloop>=0.20; (sys_platform != 'win32') and extra == 'serve'").line("==0.23")
    "uvloop==0.23; sys_platform != 'win32'"
    """
    match = _LINE.fullmatch(text)
    if not match:
        return None
    name, extras, versions, marker = match[1], match[2] or "", match[3], match[4] or ""
    extra = _EXTRA.search(marker)
    rest = re.sub(r"^and\b|\band$", "", _EXTRA.sub("", marker).strip()).strip()
    if rest.startswith("(") and rest.endswith(")"):
        rest = rest[1:-1]
    names = tuple(one.strip() for one in extras.strip("[]").split(",") if one.strip())
    return Dependency(name, names, "".join(versions.split()).strip("()"), rest, extra[1] if extra else None)
