"""The rooms of the house, beside the contract of `make layers`: no circles, no module too long, and `app` only wires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp
import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "drivetrain"

# Circles that are being taken apart; each goes with the change that ends it, and none is added.
CIRCLES: set[frozenset[str]] = set()

MOST_LINES = 450
MOST_LINES_OF_APP = 600


def circles(imports: Mapping[str, set[str]]) -> Iterator[frozenset[str]]:
    """Modules that import each other, directly or by way of others: the strongly connected components of two and more.

    They are found with two searches in depth (Kosaraju): once along the imports, once against them in the order of leaving.
    """

    def visit(start: str, edges: Mapping[str, set[str]], seen: set[str]) -> list[str]:
        left, stack = [], [(start, iter(sorted(edges[start])))]
        seen.add(start)
        while stack:
            module, following = stack[-1]
            fresh = next((one for one in following if one not in seen), None)
            if fresh is None:
                left.append(module)
                stack.pop()
            else:
                seen.add(fresh)
                stack.append((fresh, iter(sorted(edges[fresh]))))
        return left

    backwards: dict[str, set[str]] = {module: set() for module in imports}
    for module, imported in imports.items():
        for one in imported:
            backwards[one].add(module)
    seen: set[str] = set()
    left = [module for start in sorted(imports) if start not in seen for module in visit(start, imports, seen)]
    seen = set()
    for start in reversed(left):
        if start not in seen:
            found = visit(start, backwards, seen)
            if len(found) > 1:
                yield frozenset(found)


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("drivetrain", cache_dir=None)
    found = set(circles({module: graph.find_modules_directly_imported_by(module) for module in graph.modules}))
    assert found - CIRCLES == set(), "import circles"
    assert CIRCLES - found == set(), "these circles are gone; take them off the list"


def test_circles_are_found() -> None:
    imports = {
        "a": {"b"},
        "b": {"c"},
        "c": {"a", "d"},
        "d": set(),
        "e": {"f", "a"},
        "f": {"e"},
        "g": {"g2"},
        "g2": set(),
    }
    assert set(circles(imports)) == {frozenset("abc"), frozenset("ef")}


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_app_only_wires() -> None:
    assert sum(map(lines, (PACKAGE / "app").glob("*.py"))) <= MOST_LINES_OF_APP


@pytest.mark.parametrize("room", sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()))
def test_no_module_is_too_long(room: str) -> None:
    long = {path.name: lines(path) for path in (PACKAGE / room).rglob("*.py") if lines(path) > MOST_LINES}
    assert long == {}
