"""Docstrings and comments begin with a subject or a verb, so that a stranger can read each by itself.

A fragment such as “What a child may take”, “Of its bytes” or “Whether it is slow” can only be read by somebody who already
knows what it is about. “The limits of a child”, “SHA-256 of the bytes”, “Tells whether the body is slow” can be read by all.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "drivetrain"

# A relative clause, or a preposition or pronoun whose noun stands somewhere else.
FRAGMENT = re.compile(r"(Who|Whom|Whose|Whoever|What|Whatever|Whether|Which|Why|How|Of|As|It|Its|They|Them|Those)\b")

# Texts that people see, which the OpenAPI document, Python's help and pages take as they are: by file and beginning.
SEEN = {
    ("core/role.py", "What a key may do; each"),
    ("core/verdict.py", "What to do with an answer."),
    ("serve/routes/whoami.py", "What the caller may do."),
    ("serve/http/uploads.py", "What the caller says of an image."),
}


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of every docstring, those of attributes included."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for part in body if isinstance(body, list) else ():
            if (
                isinstance(part, ast.Expr)
                and isinstance(part.value, ast.Constant)
                and isinstance(part.value.value, str)
            ):
                yield part.lineno, part.value.value


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of every first line of a comment that stands by itself."""
    last = -1
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT and token.line.lstrip().startswith("#"):
                if token.start[0] != last + 1:
                    yield token.start[0], token.string.lstrip("# ")
                last = token.start[0]


def fragments(path: Path, root: Path = PACKAGE) -> list[str]:
    """List the docstrings and comments of a file that begin with a fragment."""
    file = path.relative_to(root).as_posix()
    texts = [*docstrings(ast.parse(path.read_text(encoding="utf-8"))), *comments(path)]
    return [
        f"{file}:{line}: {text.splitlines()[0]}"
        for line, text in texts
        if FRAGMENT.match(text) and not any(file == where and text.startswith(seen) for where, seen in SEEN)
    ]


# The routes' docstrings and those of their answers are the API's own description.
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "routes" not in path.relative_to(PACKAGE).parts)


def test_docstrings_and_comments_begin_with_a_subject_or_a_verb() -> None:
    found = [fragment for path in FILES for fragment in fragments(path)]
    assert found == [], "begin with a noun or a verb:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        '"""Who takes again is done with what it took before."""',
        'size = 1\n"""Of its bytes."""',
        'def slow():\n    """Whether it is slow."""',
        "# What is looked for.\nsize = 1",
    ],
)
def test_a_fragment_is_found(source: str, tmp_path: Path) -> None:
    path = tmp_path / "room.py"
    path.write_text(f"{source}\n", encoding="utf-8")
    assert len(fragments(path, tmp_path)) == 1


def test_every_exception_is_still_needed() -> None:
    for file, beginning in SEEN:
        text = (PACKAGE / file).read_text(encoding="utf-8")
        assert f'"""{beginning}' in text, f"{file} no longer has “{beginning}”"
    assert len(SEEN) <= 10
