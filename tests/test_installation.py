"""What a user is told to type for what is missing: right for a checkout, a wheel, a repository and a copy nobody can find."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from drivetrain.core.dependency import parse_dependency
from drivetrain.core.installation import checkout, from_checkout, from_installed, install_command

ROOT = Path(__file__).resolve().parent.parent
REQUIRES = (
    "numpy>=2.0",
    "fastapi>=0.115; extra == 'serve'",
    "uvloop>=0.20; (sys_platform != 'win32') and extra == 'serve'",
    "drivetrain[serve]; extra == 'postgres'",
    "psycopg[binary]>=3.2; extra == 'postgres'",
)


def installed(folder: Path, origin: Any = None) -> Distribution:
    """As pip leaves it: metadata, and where it came from unless that was an index."""
    info = folder / "drivetrain-0.1.0.dist-info"
    info.mkdir()
    lines = [
        "Metadata-Version: 2.4",
        "Name: drivetrain",
        "Version: 0.1.0",
        *(f"Requires-Dist: {one}" for one in REQUIRES),
    ]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    if origin is not None:
        (info / "direct_url.json").write_text(origin if isinstance(origin, str) else json.dumps(origin))
    return Distribution.at(info)


def test_a_checkout_is_installed_from_where_it_is() -> None:
    assert checkout() == ROOT
    assert from_checkout("serve", ROOT, ROOT) == "pip install --editable '.[serve]'"
    elsewhere = from_checkout("serve", Path("/home/ada/my clone"), ROOT)
    assert shlex.split(elsewhere) == ["pip", "install", "--editable", "/home/ada/my clone[serve]"]


def test_a_wheel_or_a_folder_that_is_still_there(tmp_path: Path) -> None:
    place = tmp_path / "my wheels" / "drivetrain-0.1.0-py3-none-any.whl"
    place.parent.mkdir()
    place.touch()
    command = from_installed("serve", installed(tmp_path, {"url": place.as_uri(), "archive_info": {}}))
    assert shlex.split(command) == ["pip", "install", f"{place}[serve]"]


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        (
            {"url": "https://example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "0f" * 20}},
            f"drivetrain[serve] @ git+https://example.org/a.git@{'0f' * 20}",
        ),
        ({"url": "https://example.org/a.whl", "archive_info": {}}, "drivetrain[serve] @ https://example.org/a.whl"),
    ],
)
def test_a_repository_or_an_address(tmp_path: Path, origin: Any, wanted: str) -> None:
    assert shlex.split(from_installed("serve", installed(tmp_path, origin))) == ["pip", "install", wanted]


@pytest.mark.parametrize("origin", [None, {"url": "file:///gone/drivetrain.whl"}, "no JSON", "[]", "{}"])
def test_otherwise_the_packages_themselves_are_named(tmp_path: Path, origin: Any) -> None:
    """Never this package by its bare name: in an index that may be somebody else's."""
    found = installed(tmp_path, origin)
    assert shlex.split(from_installed("serve", found)) == [
        "pip",
        "install",
        "fastapi>=0.115",
        "uvloop>=0.20; sys_platform != 'win32'",
    ]
    assert shlex.split(from_installed("postgres", found))[2:] == [
        "fastapi>=0.115",
        "uvloop>=0.20; sys_platform != 'win32'",
        "psycopg[binary]>=3.2",
    ]


def test_what_is_named_is_what_pip_understands(tmp_path: Path) -> None:
    requirements = pytest.importorskip("packaging.requirements")
    for line in shlex.split(from_installed("postgres", installed(tmp_path)))[2:]:
        assert str(requirements.Requirement(line).specifier)
    assert parse_dependency("") is None


def test_every_extra_that_a_message_names_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    named = {name for text in texts for name in re.findall(r"install_command\([\"']([a-z]+)[\"']\)", text)}
    assert {"serve", "deep", "parquet", "hub", "demo", "notebook"} <= named
    assert named <= set(extras)


def test_no_text_sends_anybody_to_an_index_for_this_package() -> None:
    """``pip install drivetrain`` may bring anything; from a checkout it is ``pip install '.[serve]'``."""
    places = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "examples").iterdir(),
    ]
    places += [path for path in (ROOT / "src").rglob("*") if path.suffix in (".py", ".j2", ".html", ".md")]
    places += [path for path in (ROOT / "web" / "src").rglob("*") if path.is_file()]
    wrong = re.compile(r"pip3? install\s+(?:-\S+\s+)*['\"]?drivetrain\b(?!\[[^\]]*\] @)")
    assert [str(path) for path in places if wrong.search(path.read_text(encoding="utf-8"))] == []


def test_the_command_of_this_installation_is_one_a_shell_takes() -> None:
    assert shlex.split(install_command("serve"))[:2] == ["pip", "install"]
