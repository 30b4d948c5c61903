"""Findings: one table of codes, a page each, and leaving some of them out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drivetrain.core.errors import UsageError
from drivetrain.learn.findings import RULES, check_codes, finding, without

PAGES = Path(__file__).parent.parent / "docs" / "findings"


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} - {"README"} == set(RULES)


@pytest.mark.parametrize("code", RULES)
def test_a_page_says_what_to_do_and_how_to_ignore_it(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {RULES[code].title}\n\n`{code}`\n")
    for words in ("**How it is found.**", "**What to do.**", "**When to ignore it.**", f"--ignore {code}"):
        assert words in text


def test_the_index_has_every_code_with_its_title_and_severity() -> None:
    text = (PAGES / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"\| \[`(.+)`\]\((.+)\.md\) \| (.+) \| (.+) \|", text)
    assert {code: (title, severity) for code, _, title, severity in found} == {
        code: (rule.title, rule.severity) for code, rule in RULES.items()
    }
    assert all(code == page for code, page, _, _ in found)


def test_codes_that_are_ignored_are_left_out_and_named() -> None:
    found = [finding("few-folds", "one"), finding("split-leaks", "two"), finding("few-folds", "three")]
    left, ignored = without(found, check_codes(["few-folds", "few-folds", "cache-differs"]))
    assert [one.sentence for one in left] == ["two"]
    assert ignored == ("few-folds",)


def test_an_unknown_code_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no finding 'leaky'; the codes are split-leaks, .*files-not-judged"):
        check_codes(["leaky"])


def test_one_code_without_a_list_is_refused_as_what_it_is() -> None:
    with pytest.raises(
        UsageError, match=r"ignore is the text 'few-folds'; give a list of names, such as \['few-folds'\]"
    ):
        check_codes("few-folds")
