"""The installation: how drivetrain came onto this machine, and the command that adds what it lacks.

No index is taken for granted: a package of this name there may be somebody else's.
"""

from __future__ import annotations

import json
import shlex
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .dependency import parse_dependency

PACKAGE = "drivetrain"
PACKAGE_FOLDER = Path(__file__).resolve().parents[1]


def checkout(package: Path = PACKAGE_FOLDER) -> Path | None:
    """The folder of the source tree that this package is run from; None where it was installed away from one."""
    root = package.parents[1]
    return root if package.parent.name == "src" and (root / "pyproject.toml").is_file() else None


def install_command(extra: str) -> str:
    """The command that installs what an extra of drivetrain needs, in the form that fits this very installation."""
    root = checkout()
    if root is not None:
        return from_checkout(extra, root, Path.cwd())
    try:
        return from_installed(extra, distribution(PACKAGE))
    except PackageNotFoundError:
        return f"install drivetrain from its source tree, with the extra {extra!r}"


def from_checkout(extra: str, root: Path, here: Path) -> str:
    """The command for a source tree at ``root``, to be typed in the folder ``here``.

    >>> print(from_checkout("serve", Path("/src/drivetrain"), Path("/src/drivetrain")))
    pip install --editable '.[serve]'
    """
    place = "." if root == here.resolve() else str(root)
    return f"pip install --editable {shlex.quote(f'{place}[{extra}]')}"


def from_installed(extra: str, installed: Distribution) -> str:
    """The command that installs from the same place again, if that is still there; else the packages the extra stands for."""
    try:
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
        url = str(origin.get("url", ""))
    except (ValueError, AttributeError):
        origin, url = {}, ""
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        if path.exists():
            return f"pip install {shlex.quote(f'{path}[{extra}]')}"
    elif url:
        system = origin.get("vcs_info")
        where = f"{system['vcs']}+{url}@{system['commit_id']}" if system else url
        return f"pip install {shlex.quote(f'{PACKAGE}[{extra}] @ {where}')}"
    return f"pip install {' '.join(map(shlex.quote, needs(extra, installed)))}"


def needs(extra: str, installed: Distribution) -> tuple[str, ...]:
    """The requirements that an extra adds, such as ``torch>=2.6``, and those of the extras it refers to."""
    found: list[str] = []
    for dependency in map(parse_dependency, installed.requires or ()):
        if dependency is None or dependency.extra != extra:
            continue
        if dependency.key == PACKAGE:
            found += [line for inner in dependency.extras for line in needs(inner, installed)]
        else:
            found.append(dependency.line())
    return tuple(dict.fromkeys(found))
