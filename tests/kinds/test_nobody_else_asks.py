"""Which kind of target a model has is asked in the folders of the kinds only: everybody else asks the kind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import drivetrain
from drivetrain.data.block.blocks import CategoryBlock, MultiCategoryBlock, RegressionBlock
from drivetrain.learn.kinds.registry import KINDS as LEARNED
from drivetrain.learn.kinds.targets import Targets
from drivetrain.model.kinds.kind import Kind
from drivetrain.model.kinds.registry import KINDS

ROOT = Path(drivetrain.__file__).parent
ALLOWED = (ROOT / "learn" / "kinds", ROOT / "model" / "kinds")

TASKS = frozenset(LEARNED) | frozenset(KINDS)
BLOCKS: tuple[type, ...] = (CategoryBlock, MultiCategoryBlock, RegressionBlock)
HALVES: tuple[type, ...] = (Targets, Kind, *LEARNED.values(), *KINDS.values())
# The manifests of a kind each, as they were once.
OLD = {"ClassManifest", "LabelManifest", "NumberManifest"}
CLASSES = OLD | {one.__name__ for one in (*BLOCKS, *HALVES)}


def decisions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, what) of everything that decides on a kind."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, asked]) if named(asked) & CLASSES:
                yield node.lineno, ast.unparse(node)
            case ast.MatchClass(cls=asked) if named(asked) & CLASSES:
                yield node.lineno, f"case {ast.unparse(node)}"
            case ast.MatchValue(value=ast.Constant(value=str(text))) if text in TASKS:
                yield node.lineno, f"case {text!r}"
            case ast.Compare(left=left, comparators=others) if any(
                tasks(one) or (isinstance(one, ast.Name | ast.Attribute) and named(one) & CLASSES)
                for one in (left, *others)
            ):
                yield node.lineno, ast.unparse(node)
            case ast.Dict(keys=keys) if len([key for key in keys if key is not None and tasks(key)]) > 1:
                yield node.lineno, ast.unparse(node)


def named(node: ast.AST) -> set[str]:
    """Names of classes in an argument of isinstance or in a pattern."""
    return {
        one.id if isinstance(one, ast.Name) else one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Name | ast.Attribute)
    }


def tasks(node: ast.AST) -> bool:
    """Whether a literal is the name of a task, or holds one."""
    return any(
        isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value in TASKS for one in literals(node)
    )


def literals(node: ast.AST) -> list[ast.AST]:
    return list(node.elts) if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]


def test_no_other_module_decides_on_the_kind() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in sorted(ROOT.rglob("*.py"))
        if not any(path.is_relative_to(folder) for folder in ALLOWED)
        for line, what in decisions(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "isinstance(targets, ClassTargets)",
        "isinstance(kind, (int, kinds.NumberKind))",
        "match targets:\n    case LabelTargets(): pass",
        "match task:\n    case 'regression': pass",
        "manifest.task != 'multi-label'",
        "type(kind) is LabelKind",
        "task in ('classification', 'regression')",
        "{'classification': 1, 'regression': 2}[task]",
    ],
)
def test_each_way_to_decide_is_seen(source: str) -> None:
    assert list(decisions(ast.parse(source)))


def test_what_decides_nothing_is_let_pass() -> None:
    assert not list(decisions(ast.parse("KINDS[task].takes; isinstance(x, int); {'classification': 1}; name == 'x'")))
