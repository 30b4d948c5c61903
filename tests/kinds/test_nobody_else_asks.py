"""Which kind of target a model has is asked in the folders of the kinds only: everybody else asks the kind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import drivetrain
from drivetrain.data.block.blocks import TargetBlock
from drivetrain.learn.kinds.registry import TARGETS as LEARNED
from drivetrain.learn.kinds.targets import Targets
from drivetrain.model.kinds.kind import Kind
from drivetrain.model.kinds.registry import KINDS
from drivetrain.model.kinds.tasks import TASKS

ROOT = Path(drivetrain.__file__).parent
ALLOWED = (ROOT / "learn" / "kinds", ROOT / "model" / "kinds")

# Checkpoints keep the names of objectives, some of which are those of tasks; a DataBlock has blocks unless others are given.
NAMED = {ROOT / "learn" / "deep" / "objective.py", ROOT / "data" / "block" / "datablock.py"}

NAMES = frozenset(TASKS)
BASES: tuple[type, ...] = (TargetBlock, Targets, Kind)


def below(base: type) -> Iterator[type]:
    for one in base.__subclasses__():
        yield one
        yield from below(one)


CONCRETE = {one.__name__ for base in BASES for one in below(base) if one.__module__.startswith("drivetrain.")}
# The manifests of a kind each, as they were once.
CLASSES = CONCRETE | {base.__name__ for base in BASES} | {"ClassManifest", "LabelManifest", "NumberManifest"}

# What the halves of kinds have; what every object has says nothing of kinds.
ATTRIBUTES = {
    name
    for half in (*KINDS.values(), *LEARNED.values())
    for name in (*dir(half), *getattr(half, "model_fields", ()))
    if not name.startswith(("_", "model_")) and name not in {"names", "values"}
}


def slugs() -> set[str]:
    """Slugs and names of figures, as the kinds make them."""
    found = set[str]()
    for folder in (ROOT / "learn" / "kinds", ROOT / "model" / "kinds"):
        for path in folder.glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(func=ast.Name(id="figure" | "row"), args=[*args]):
                        found |= {one.value for one in args[:2] if isinstance(one, ast.Constant) and one.value}
    return found


SLUGS = slugs()


def decisions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, what) of everything that decides on a kind."""
    passed = set(kept(tree))
    for node in ast.walk(tree):
        if node in passed:
            continue
        match node:
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, asked]) if named(asked) & CLASSES:
                yield node.lineno, ast.unparse(node)
            case ast.MatchClass(cls=asked) if named(asked) & CLASSES:
                yield node.lineno, f"case {ast.unparse(node)}"
            case ast.Call(func=ast.Name(id="hasattr" | "getattr"), args=[_, ast.Constant(value=name), *_]) if (
                name in ATTRIBUTES
            ):
                yield node.lineno, ast.unparse(node)
            case ast.Constant(value=str(text)) if text in NAMES:
                yield node.lineno, repr(text)
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in CONCRETE:
                yield node.lineno, name
            case ast.MatchValue(value=ast.Constant(value=str(text))) if text in SLUGS:
                yield node.lineno, f"case {text!r}"
            case ast.Compare(left=left, comparators=others) if any(decides(one) for one in (left, *others)):
                yield node.lineno, ast.unparse(node)
            case ast.Compare(left=left, comparators=others) if any(names_a_type(one) for one in (left, *others)):
                if not all(foreign(one) for one in (left, *others) if not names_a_type(one)):
                    yield node.lineno, ast.unparse(node)
            case ast.Match(subject=asked) if names_a_type(asked):
                yield node.lineno, f"match {ast.unparse(asked)}"
            case ast.Subscript(slice=asked) if names_a_type(asked):
                yield node.lineno, ast.unparse(node)
            case ast.Call(func=ast.Attribute(attr="get"), args=[asked, *_]) if names_a_type(asked):
                yield node.lineno, ast.unparse(node)


def kept(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that name a thing without deciding on it: annotations, and what a class is a kind of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                yield from ast.walk(base)
        for name in ("annotation", "returns"):
            if (said := getattr(node, name, None)) is not None:
                yield from ast.walk(said)


def decides(node: ast.AST) -> bool:
    """Whether something that is compared tells kinds apart: their classes, a figure's slug."""
    if isinstance(node, ast.Name | ast.Attribute) and named(node) & (CLASSES | {"FIRST"}):
        return True
    return any(isinstance(one, ast.Constant) and one.value in SLUGS for one in literals(node))


def foreign(node: ast.AST) -> bool:
    """Whether the name of a type is compared with that of another's class, which says nothing of kinds."""
    return isinstance(node, ast.Constant) and node.value not in CLASSES


def names_a_type(node: ast.AST) -> bool:
    """Whether an expression is ``type(x)``, ``x.__class__``, or the name of either."""
    match node:
        case ast.Attribute(value=ast.Call(func=ast.Name(id="type")), attr="__name__" | "__qualname__"):
            return True
        case ast.Attribute(value=ast.Attribute(attr="__class__"), attr="__name__" | "__qualname__"):
            return True
    return False


def named(node: ast.AST) -> set[str]:
    """Names of classes in an argument of isinstance or in a pattern."""
    return {
        one.id if isinstance(one, ast.Name) else one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Name | ast.Attribute)
    }


def literals(node: ast.AST) -> list[ast.AST]:
    return list(node.elts) if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]


def decisions_in(path: Path) -> Iterator[tuple[int, str]]:
    for line, what in decisions(ast.parse(path.read_text(encoding="utf-8"))):
        if not (path in NAMED and what.strip("'") in NAMES | CONCRETE):
            yield line, what


def test_no_other_module_decides_on_the_kind() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in sorted(ROOT.rglob("*.py"))
        if not any(path.is_relative_to(folder) for folder in ALLOWED)
        for line, what in decisions_in(path)
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "isinstance(targets, ClassTargets)",
        "isinstance(kind, (int, kinds.NumberKind))",
        "isinstance(block, OrdinalBlock)",
        "match targets:\n    case LabelTargets(): pass",
        "match task:\n    case 'regression': pass",
        "manifest.task != 'multi-label'",
        "type(kind) is LabelKind",
        "type(kind) in SAYINGS and kind == OrdinalKind",
        "type(kind).__name__ == 'LabelKind'",
        "kind.__class__.__name__ in ('LabelKind',)",
        "match type(kind).__name__:\n    case 'LabelKind': pass",
        "WORDS[type(kind).__name__]",
        "WORDS.get(type(kind).__qualname__, '')",
        "task in ('classification', 'regression')",
        "{'classification': 1, 'regression': 2}[task]",
        "{'regression': 1}.get(task)",
        "option(tasks=('multi-label',))",
        "SENSELESS = dict(accept=['regression'])",
        "NUMBERS = 'regression'",
        "task == tasks.FIRST",
        "hasattr(kind, 'thresholds')",
        "getattr(kind, 'half_widths', None)",
        "hasattr(targets, 'one_label')",
        "{ClassTargets: 'class'}[type(targets)]",
        "kinds.append(NumberTargets)",
        "figure.slug != 'baseline'",
        "row.slug in ('accuracy', 'auc')",
        "match self.measure:\n    case 'recall': pass",
        "measure == 'mean absolute error'",
    ],
)
def test_each_way_to_decide_is_seen(source: str) -> None:
    assert list(decisions(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "KINDS[task].takes",
        "isinstance(x, int)",
        "name == 'x'",
        "raise TypeError(type(x).__name__)",
        "hasattr(image, 'filename')",
        "type(error).__name__ == 'NoSuchOption'",
        "figures.find('accuracy')",
        "def f(targets: ClassTargets) -> LabelKind: pass",
        "from kinds import ClassTargets",
        "class Tags(CategoryBlock): pass",
    ],
)
def test_what_decides_nothing_is_let_pass(source: str) -> None:
    assert not list(decisions(ast.parse(source)))
