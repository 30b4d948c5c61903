"""A table of past decisions: read as it is meant, and refused in one line that says where and what to write."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from past_world import World

from drivetrain.core.errors import DataError
from drivetrain.core.told_how import ToldHow
from drivetrain.model.manifest import Manifest, parse_manifest
from drivetrain.rollout.backtest.recorded import recorded_answers
from drivetrain.rollout.backtest.table import read_table
from drivetrain.rollout.events import ReviewKind

BUNDLE = Path(__file__).parents[1] / "bundles" / "v4-classes"


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return parse_manifest((BUNDLE / "manifest.json").read_bytes())


def table(folder: Path, text: str) -> Path:
    path = folder / "cases.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "key,at,decided,decided_by,decided_at,outcome,outcome_at,group,site,note\n"
        "b,2026-05-02T10:00:00+02:00,good,anna,2026-05-02T09:00:00Z,crack,2026-06-01T00:00:00Z,m1,north,wet\n"
        "a,2026-05-01T10:00:00,crack,,,,,,,\n",
    )
    past = read_table(path, ["site"])
    first, second = past.cases
    assert (first.case.key, second.case.key) == ("a", "b")
    assert first.case.at == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert second.case.at == datetime(2026, 5, 2, 8, tzinfo=UTC)
    assert dict(second.case.slices) == {"site": "north"}
    assert dict(first.case.slices) == {"site": "(none)"}
    assert dict(second.case.metadata) == {"note": "wet"}
    assert second.case.group == "m1"
    assert first.case.unit == "a"
    (said,) = second.said
    assert (said.by, said.label, said.review, said.how) == ("anna", "good", ReviewKind.DECIDE, ToldHow.BLIND)
    assert (second.people, second.truth) == ("good", "crack")
    assert (first.people, first.truth) == ("crack", None)
    orders = [first.order, first.said[0].order, second.order, said.order, second.outcomes[0].order]
    assert orders == sorted(orders)
    assert len(first.case.id) == 32
    assert first.case.id < second.case.id
    assert any("without an offset" in remark for remark in past.remarks)


def test_who_adjudicated_is_never_who_decided(tmp_path: Path) -> None:
    path = table(
        tmp_path, "key,at,decided,decided_by,adjudicated\na,2026-05-01,good,adjudicator,crack\nb,2026-05-01,good,,?\n"
    )
    one, other = read_table(path).cases
    assert one.truth == "crack"
    assert len({said.by for said in one.said}) == 2
    assert other.truth is None
    assert [said.label for said in other.said] == ["good", None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("key,at\na,2026-05-01\n", "cases.csv has no column 'decided'; its columns are key, at"),
        ("key,at,decided\n", "cases.csv has no row; give one for each past case"),
        (
            "key,at,decided\na,2026-05-01,good\na,2026-05-02,good\n",
            "cases.csv, line 3: the key 'a' stands in cases.csv, line 2",
        ),
        (
            "key,at,decided\na,31.5.2026,good\n",
            "cases.csv, line 2: at is '31.5.2026'; write moments as ISO 8601 has them",
        ),
        ("key,at,decided\n,2026-05-01,good\n", "cases.csv, line 2: key is empty; every case needs one"),
        (
            "key,at,decided,decided_at\na,2026-05-02,good,2026-05-01\n",
            "cases.csv, line 2: decided_at is 2026-05-01T00:00:00+00:00, before 2026-05-02T00:00:00+00:00",
        ),
    ],
)
def test_a_table_that_says_too_little_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError) as refused:
        read_table(table(tmp_path, text))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_slices_of_the_policy_must_be_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'camera', by which the policy cuts cases into slices"):
        read_table(table(tmp_path, "key,at,decided\na,2026-05-01,good\n"), ["camera"])


def test_answers_that_were_recorded_are_certified_by_the_bundles_own_threshold(
    tmp_path: Path, manifest: Manifest
) -> None:
    path = World(cases=50).write(tmp_path / "cases.csv")
    past = read_table(path, ["site"])
    answers, remarks = recorded_answers(path, past, manifest)
    assert manifest.accept is not None
    assert manifest.accept.confidence is not None
    assert len(answers) == 50
    for answer in answers.values():
        assert answer.certified is ((answer.confidence or 0) >= manifest.accept.confidence)
        assert answer.label in manifest.outputs
        assert answer.second in manifest.outputs
        assert answer.second != answer.label
        assert answer.bundle_id == manifest.bundle_id
    assert len(remarks) == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("cat,0.9,true", "answer is 'cat', which the bundle never answers; its labels are bright, dark, dim"),
        ("dark,90,true", "confidence is 90; it must be 0 to 1"),
        ("dark,high,true", "confidence is 'high'; give a number"),
        ("dark,0.9,perhaps", "in_domain is 'perhaps'; write true or false"),
    ],
)
def test_answers_that_cannot_be_are_refused(tmp_path: Path, manifest: Manifest, row: str, said: str) -> None:
    path = table(tmp_path, f"key,at,decided,answer,confidence,in_domain\na,2026-05-01,dark,{row}\n")
    with pytest.raises(DataError) as refused:
        recorded_answers(path, read_table(path), manifest)
    assert str(refused.value) == f"cases.csv, line 2: {said}"


def test_out_of_domain_is_never_certified(tmp_path: Path, manifest: Manifest) -> None:
    path = table(tmp_path, "key,at,decided,answer,certified,in_domain\na,2026-05-01,dark,dark,true,false\n")
    answers, _ = recorded_answers(path, read_table(path), manifest)
    (answer,) = answers.values()
    assert not answer.certified
    assert answer.confidence is None
