"""``drivetrain suspects``: the list on a terminal, as a document and as a table, and audits with their answers."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from drivetrain.core.told_how import ToldHow
from drivetrain.core.types import ItemId
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.log import EditLog
from drivetrain.workbench.audit import latest
from tiny_backbone import TINY

pytestmark = pytest.mark.trains
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "json.md"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    root = tmp_path_factory.mktemp("suspects") / "pictures"
    shutil.copytree(pictures, root)
    for index in range(4):
        (root / "discs" / f"{index:02}.jpg").rename(root / "stripes" / f"wrong-{index}.jpg")
    shutil.copy(root / "discs" / "10.jpg", root / "discs" / "copy.jpg")
    (root / "discs" / "broken.jpg").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    return "--backbone", TINY, "--cache", str(tmp_path_factory.mktemp("cache"))


def fields(document: Any, before: str = "") -> Iterator[str]:
    match document:
        case dict() if document:
            for name, value in document.items():
                yield from fields(value, f"{before}.{name}".lstrip("."))
        case [dict() as first, *_]:
            yield from fields(first, f"{before}[]")
        case _:
            yield before


def documented() -> set[str]:
    section = DOCUMENTATION.read_text(encoding="utf-8").split("## `drivetrain suspects")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall("`([^`]+)`", row)}


def test_the_list_is_readable(drivetrain: CommandLine, source: Path, cached: tuple[str, ...]) -> None:
    done = drivetrain("suspects", source, "--top", "3", *cached)
    assert done.code == 0, done.err
    listed, figures, step = done.out.rstrip().split("\n\n")
    names = [line for line in listed.splitlines() if not line.startswith("  ")]
    assert len(names) == 3
    assert all(re.fullmatch(r"\S+/\S+\.jpg  \w+( → \w+)?", name) for name in names)
    assert listed.splitlines()[1].startswith(("  it looks", "  by"))
    assert step.splitlines()[-1] == f"  drivetrain clean {source}"
    rest = figures.splitlines()
    assert re.match(r"Suspects +\d+ of 61 items \(\d+ label", rest[0])
    assert any(line.startswith("Not shown") for line in rest)
    assert any(line.startswith("Unusable   1 files, such as discs/broken.jpg") for line in rest)
    assert "embed: " in done.err


def test_the_document_has_the_fields_that_are_documented(
    drivetrain: CommandLine, source: Path, cached: tuple[str, ...]
) -> None:
    document = drivetrain("suspects", source, "--json", *cached).document
    assert {name for name in fields(document) if not name.startswith("audit")} <= documented()
    scores = [one["score"] for one in document["suspects"]]
    assert scores == sorted(scores, reverse=True)
    assert set(document["suspects"][0]) == {"path", "label", "suggested", "score", "reasons", "neighbours"}
    wrong = [one for one in document["suspects"] if one["path"].startswith("stripes/wrong")]
    assert len(wrong) >= 3
    assert sum(document["counts"].values()) >= len(document["suspects"])
    assert document["unfit"] is None
    assert len(drivetrain("suspects", source, "--json", "--top", "2", *cached).document["suspects"]) == 2


def test_the_table_has_a_row_a_suspect(
    drivetrain: CommandLine, source: Path, cached: tuple[str, ...], tmp_path: Path
) -> None:
    done = drivetrain("suspects", source, "--csv", tmp_path / "list.csv", *cached)
    assert done.code == 0
    with (tmp_path / "list.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    document = drivetrain("suspects", source, "--json", *cached).document
    assert [row["path"] for row in rows] == [one["path"] for one in document["suspects"]]
    assert list(rows[0]) == ["path", "label", "suggested", "score", "reasons", "text", "neighbours"]
    refused = drivetrain("suspects", source, "--csv", tmp_path / "none" / "list.csv", *cached)
    assert refused.code == 2
    assert "cannot be written" in refused.err.splitlines()[-1]


def test_nothing_is_written_beside_the_source_without_an_audit(
    drivetrain: CommandLine, source: Path, cached: tuple[str, ...]
) -> None:
    before = sorted(path.name for path in source.rglob("*"))
    drivetrain("suspects", source, *cached)
    assert sorted(path.name for path in source.rglob("*")) == before


def test_a_set_of_one_class_is_looked_through(
    drivetrain: CommandLine, pictures: Path, tmp_path: Path, cached: tuple[str, ...]
) -> None:
    shutil.copytree(pictures / "discs", tmp_path / "one" / "discs")
    shutil.copy(tmp_path / "one" / "discs" / "03.jpg", tmp_path / "one" / "discs" / "copy.jpg")
    done = drivetrain("suspects", tmp_path / "one", *cached)
    assert done.code == 0, done.err
    assert re.search(r"^Labels +not judged: fewer than two classes", done.out, re.MULTILINE)
    assert "has the same pixels as" in done.out


def answer(source: Path, wrong: set[str]) -> None:
    """Answer the audit of a source blind, as somebody who looks at each."""
    log = EditLog.open(source / "edits.jsonl")
    audit = latest(log)
    assert audit is not None
    for one in audit.items:
        label = "discs" if one.item.name in wrong else one.label
        change = Change(one.item, Standing(label, Fate.KEPT), how=ToldHow.BLIND)
        log.record([change], "ann", datetime.now(UTC), standing_of)


def standing_of(item: ItemId) -> Standing:
    return Standing(item.name.split("/")[0])


def test_an_audit_is_drawn_answered_and_reckoned_up(
    drivetrain: CommandLine, source: Path, tmp_path: Path, cached: tuple[str, ...]
) -> None:
    root = tmp_path / "pictures"
    shutil.copytree(source, root)
    drawn = drivetrain("suspects", root, "--audit", "30", "--json", "--csv", tmp_path / "audit.csv", *cached)
    assert drawn.code == 0, drawn.err
    document = drawn.document
    assert set(fields(document)) <= documented()
    shown = document["audit"]["open"]
    assert all(set(one) == {"path", "label"} for one in shown)
    assert document["audit"]["answered"] == 0
    assert (tmp_path / "audit.csv").read_text(encoding="utf-8").splitlines()[0] == "path,label"
    assert "suspected" not in json.dumps(shown)

    again = drivetrain("suspects", root, "--audit", "30", *cached)
    assert [line.split()[0] for line in again.out.splitlines()[: len(shown)]] == [one["path"] for one in shown]
    assert f"drivetrain clean {root}" in again.out

    answer(root, {f"stripes/wrong-{index}.jpg" for index in range(4)})
    done = drivetrain("suspects", root, "--json", *cached).document
    audit = done["audit"]
    assert set(fields(done)) <= documented()
    assert audit["answered"] == audit["drawn"] == len(shown)
    assert 0 <= audit["error_rate"]["low"] <= audit["error_rate"]["value"] <= audit["error_rate"]["high"] <= 1
    assert done["looked_at"] == len(shown)
    assert not {one["path"] for one in shown} & {one["path"] for one in done["suspects"]}
    told = drivetrain("suspects", root, *cached).out
    assert re.search(
        r"^Audit +\d+ of \d+ items of the audit are answered: about .* of the labels are wrong", told, re.MULTILINE
    )
    assert re.search(r"^ +(go on|stop here): ", told, re.MULTILINE)


def test_an_audit_of_what_no_log_can_lie_beside_is_refused(
    drivetrain: CommandLine, tmp_path: Path, cached: tuple[str, ...]
) -> None:
    done = drivetrain("suspects", tmp_path / "nothing", "--audit", "10", *cached)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "nothing.edits.jsonl").exists()


@pytest.mark.parametrize(
    ("task", "labels"),
    [("multi-label", "disc;round"), ("regression", "3.5"), ("ordinal", "2")],
)
def test_every_task_has_a_list(
    drivetrain: CommandLine, pictures: Path, tmp_path: Path, cached: tuple[str, ...], task: str, labels: str
) -> None:
    others = {"multi-label": ["square;edged", "disc;edged"], "regression": ["9", "27.25"], "ordinal": ["5", "10"]}[task]
    table = tmp_path / "table.csv"
    kinds = dict(zip(("discs", "squares", "stripes"), (labels, *others), strict=True))
    lines = [f"{pictures / kind / f'{index:02}.jpg'},{label}" for kind, label in kinds.items() for index in range(20)]
    lines[0] = f"{lines[0].rpartition(',')[0]},{others[0]}"
    table.write_text("\n".join(["path,label", *lines]), encoding="utf-8")
    done = drivetrain("suspects", table, "--json", "--task", task, *cached)
    assert done.code == 0, done.err
    assert done.document["items"] == 60
    assert done.document["unfit"] is None
    assert all(one["reasons"] for one in done.document["suspects"])
