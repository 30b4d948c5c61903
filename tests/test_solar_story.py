"""The story of solar cells as the docs tell it: its policy is one, and its figures are those of the run that is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drivetrain.rollout.policy_file import read_policy

ROOT = Path(__file__).resolve().parent.parent
POLICY = ROOT / "benchmarks" / "solar_story.toml"
TOLD = (ROOT / "docs" / "solar-story.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / "solar_story.json").read_text("utf-8"))
    return found["result"]


def test_the_policy_is_the_one_that_the_docs_state() -> None:
    policy = read_policy(POLICY)
    assert policy.parallel.margin == 0.03
    assert (policy.supervised.max_error, policy.expanding.max_error) == (0.1, 0.1)
    assert policy.expanding.steps == (0.25, 0.5, 1.0)
    assert (policy.rollback.max_error, policy.rollback.level) == (0.02, 1000.0)


def test_the_docs_tell_the_run_that_is_kept(result: dict[str, Any]) -> None:
    assert result["reached"]
    ways = [(stage["stage"], stage["share"]) for stage in result["stages"]]
    assert ways == [("parallel", None), ("supervised", None), *(("expanding", share) for share in (0.25, 0.5, 1.0))]
    for stage in result["stages"]:
        assert f"{stage['cases']:,} cases" in TOLD, stage["stage"]
    shift = result["shift"]
    assert shift["stopped"]
    assert shift["acted_afterwards"] == 0
    for figure in (f"{shift['poly_cases']} poly cells", f"{shift['acted_wrong']} of them wrong"):
        assert figure in TOLD
