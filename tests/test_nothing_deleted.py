"""Neither examples nor documentation nor what is handed over deletes or overwrites a reader's files."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "drivetrain"
DELETES = re.compile(
    r"\.unlink\(|\brmtree\b|\bos\.remove\b|\bos\.unlink\b|\bos\.rmdir\b|\.rmdir\(|\bremovedirs\b|send2trash"
    r"|(?:^|[\s;&|`!])(?:rm|rmdir|del|shred|unlink)\s+[-\w./*~$\"]|-delete\b|\bgit clean\b|Remove-Item|\bmv -f\b",
    re.MULTILINE,
)
# Calls in the product that delete, by module: each is of a file that the product itself has made a moment before, or keeps.
OWN_FILES = {
    "learn/deep/checkpoint.py": {"unlink"},  # half of a checkpoint that it could not write
    "model/signature.py": {"unlink"},  # the half of a pair of keys, where the other could not be written
    "training/tuning.py": {"rmtree"},  # checkpoints of a run that has ended
    "store/table_file.py": {"unlink"},  # the unfinished export
    "rollout/sending/journal.py": {"unlink"},  # its own record of what was sent
    "embed/cache.py": {"unlink"},  # the cache's own files
    "curate/gather/writer.py": {"unlink"},  # half a picture that a run which was killed has left
    "data/edits/moving.py": {"unlink", "rmdir"},  # a folder that it has made and emptied again, and the mark in it
}
NAMES = {"unlink", "rmtree", "remove", "rmdir", "removedirs"}


def documents() -> Iterator[tuple[str, str]]:
    """Every text that a reader copies commands from."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(SOURCE.rglob("*.jinja*"))):
        yield path.relative_to(ROOT).as_posix(), path.read_text()
    for path in sorted((ROOT / "examples").rglob("*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            yield path.relative_to(ROOT).as_posix(), "".join(cell["source"])
    for path in sorted((SOURCE / "handover").rglob("*")):
        if path.is_file() and path.suffix not in (".pyc", ".png"):
            yield path.relative_to(ROOT).as_posix(), path.read_text()


def test_no_example_deletes() -> None:
    found = [f"{name}: {match[0].strip()}" for name, text in documents() for match in DELETES.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "    file.unlink()",
        "shutil.rmtree(path)",
        "os.remove(path)",
        "!rm -r bears",
        "$ rm bears/cut.jpg",
        "find . -name '*.heic' -delete",
        "del broken.jpg",
    ],
)
def test_what_deletes_is_found(line: str) -> None:
    assert DELETES.search(line)


@pytest.mark.parametrize("line", ["nothing is deleted", "the farm and", "model.delta = 1", "--rm ", "alarm bells"])
def test_other_words_are_not(line: str) -> None:
    assert not DELETES.search(line)


def test_the_product_deletes_only_what_it_made_itself() -> None:
    found: dict[str, set[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in NAMES
                and (node.func.attr != "remove" or ast.unparse(node.func.value) == "os")
            ):
                found.setdefault(path.relative_to(SOURCE).as_posix(), set()).add(node.func.attr)
    assert found == OWN_FILES
