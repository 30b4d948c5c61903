"""What steers or hides is seen, and all else stays as it is."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest

from drivetrain.core.visible import visible, visible_json

HIDDEN = [
    chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp")
]


def test_nothing_that_unicode_counts_as_control_or_format_is_left() -> None:
    assert len(HIDDEN) > 2000
    assert [character for character in HIDDEN if visible(character) == character] == []
    assert visible("".join(HIDDEN)).isascii()


@pytest.mark.parametrize("text", ["", "bär 熊 🐻", "a\u00a0b", "[red]x[/red]", "é", "ｆｕｌｌ", "\\x1b"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert visible(text) == text


def test_escapes_are_those_people_know() -> None:
    assert visible("a\x1b]0;x\x07b\u202ec\u200bd\n\te") == r"a\x1b]0;x\x07b\u202ec\u200bd\n\te"
    assert visible("a\tb\n", keep="\t") == "a\tb\\n"


def test_json_stays_the_same_document() -> None:
    # Two halves of a surrogate pair side by side are one character to any reader of JSON.
    document = {"name": " ".join(HIDDEN), "list": ["bär", 1]}
    text = visible_json(json.dumps(document, indent=2, ensure_ascii=False))
    assert json.loads(text) == document
    assert [character for character in HIDDEN if character in text] == ["\n"]
    assert "bär" in text
