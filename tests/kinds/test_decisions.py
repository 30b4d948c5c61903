"""Who asks which kind it is has missed what the kind could answer: nobody does outside the folders of kinds."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import drivetrain
from drivetrain.model.kinds.registry import KINDS

SOURCE = Path(drivetrain.__file__).parent
HOMES = (SOURCE / "model" / "kinds", SOURCE / "learn" / "kinds")
# The rooms that have been cleared.
ROOMS = ("model", "serve", "notebook", "handover", "store", "cli/bundles.py", "app/trace.py")
OLD = {"ClassManifest", "LabelManifest", "NumberManifest"}
NAMES = {kind.__name__ for kind in KINDS.values()} | OLD


def decisions(tree: ast.AST) -> list[int]:
    """Lines that decide on a kind: by its class, or by what its task is called."""
    found = []
    for node in ast.walk(tree):
        asked: list[ast.AST] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "type"):
            asked = list(node.args)
        elif isinstance(node, ast.MatchClass):
            asked = [node.cls]
        elif isinstance(node, ast.Compare):
            asked = [node.left, *node.comparators]
            if any(isinstance(part, ast.Constant) and part.value in KINDS for part in asked):
                found.append(node.lineno)
        elif isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            found += [node.lineno] if len(keys & set(KINDS)) > 1 else []
        names = {part.id for one in asked for part in ast.walk(one) if isinstance(part, ast.Name)}
        found += [node.lineno] if names & NAMES else []  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_nobody_decides_on_the_kind(room: str) -> None:
    place = SOURCE / room
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    files = [file for file in files if not any(home in file.parents for home in HOMES)]
    assert files
    found = {str(file.relative_to(SOURCE)): decisions(ast.parse(file.read_text("utf-8"))) for file in files}
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_the_check_finds_decisions() -> None:
    for text in (
        "isinstance(m, ClassKind)",
        "isinstance(m.kind, LabelKind | NumberKind)",
        "match m:\n case NumberKind(): pass",
        "m.task == 'regression'",
        "{'classification': 1, 'multi-label': 2}[m.task]",
    ):
        assert decisions(ast.parse(text)) != []
    assert decisions(ast.parse("isinstance(m, str) and m == 'x'")) == []
