"""``rollout.toml``: what is wrong in it is named, the starter says every field, and the published schema is the code's."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.errors import UsageError
from drivetrain.rollout.policy import Cases, Expanding, Parallel, Policy, Rollback, Scope, Spend, Supervised
from drivetrain.rollout.policy_file import check_fits, policy_of, policy_of_toml, read_policy
from drivetrain.rollout.policy_schema import policy_schema
from drivetrain.rollout.starter_file import starter_file

PUBLISHED = Path(__file__).parents[2] / "docs" / "rollout.schema.json"
NAMED = 'name = "line-3"\nmodel = "cells"\n'


def test_the_least_file_has_every_default() -> None:
    assert policy_of_toml(NAMED) == Policy(name="line-3", model="cells")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'rollout.toml: name is missing; write name = "NAME"; it is the rollout\'s own name, unique in its store'),
        ('name = "line-3"', 'model is missing; write model = "NAME"; it is the name the model is served under'),
        (
            "name = line-3",
            'is no TOML: Invalid value (at line 1, column 8); texts stand in quotes, such as name = "line-3"',
        ),
        (NAMED + "[parallel]\nmagin = 0.3", "parallel.magin is no field of a policy; did you mean parallel.margin?"),
        (NAMED + "margin = 0.3", "margin is no field of a policy; margin stands in [parallel]"),
        (NAMED + "max_error = 0.3", "max_error stands in [supervised] and [expanding] and [rollback]"),
        (NAMED + "colour = 3", "colour is no field of a policy; the policy has name, model, alpha,"),
        (
            NAMED + "[rollback]\ncolour = 3",
            "rollback.colour is no field of a policy; [rollback] has level, pause_level,",
        ),
        (NAMED + "[parallel]\nmargin = 3", "parallel.margin is 3; write a number above 0 and below 1"),
        (NAMED + '[parallel]\nmargin = "2 %"', 'parallel.margin is "2 %"; write a number above 0 and below 1'),
        (NAMED + "[parallel]\nmargin = nan", "parallel.margin is NaN; write a number above 0 and below 1"),
        (NAMED + "[parallel]\nmin_cases = 3.5", "parallel.min_cases is 3.5; write a whole number of 0 or more"),
        (NAMED + "parallel = 3", "parallel is 3; write a section of its own, with one name = value a line"),
        (NAMED + "alpha = true", "alpha is true; write a number above 0 and below 1"),
        (NAMED + "[spend]\nparallel = 0.9", "spend: the parts of alpha sum to 1.4, and may not be more than 1"),
        (NAMED + "[expanding]\nsteps = [0.5, 0.2]", "the steps of expanding must rise; received [0.5, 0.2]"),
        (NAMED + "[expanding]\nsteps = [0.5, 2]", "expanding.steps[1] is 2; write a number above 0 and at most 1"),
        (
            NAMED + "[expanding]\nsteps = 0.5",
            "expanding.steps is 0.5; write a list in brackets, such as [0.05, 0.25, 1.0],",
        ),
        (NAMED + '[rollback]\nscore = "halt"', 'rollback.score is "halt"; write one of "ignore", "pause", "rollback"'),
        (
            NAMED + "[supervised.scope]\nhours = [6]",
            "supervised.scope.hours is [6]; write a list of two, a whole number from",
        ),
        (
            NAMED + "[supervised.scope]\nhours = [6, 25]",
            "supervised.scope.hours[1] is 25; write a whole number from 1 to 24",
        ),
        (
            NAMED + '[supervised.scope.slices]\nsite = "north"',
            'slices.site is "north"; write a list in brackets, such as ["n',
        ),
        (NAMED + '[supervised.scope.slices]\n"" = ["north"]', "supervised.scope.slices has a name that is empty"),
        ('name = 2026-01-01\nmodel = "cells"', "name is 2026-01-01; write a text in quotes, not empty"),
        ('name = ""\nmodel = "cells"', 'name is ""; write a text in quotes, not empty'),
        (NAMED + "[supervised.scope]\nhours = [5, 5]", "hours from 5 to 5 are none; write [0, 24]"),
        (NAMED + "[rollback]\npause_level = 5000.0", "pause_level 5000 is above level 1000"),
        (
            NAMED + "[rollback]\nquiet_days = 1e300",
            "rollback.quiet_days is 1e+300; write a number above 0 and at most 36500",
        ),
        (
            NAMED + "[cases]\nunresolved_after_days = 1e6",
            "cases.unresolved_after_days is 1000000.0; write a number above 0 and",
        ),
        ('name = "a\\nb"\nmodel = "cells"', "cannot be said in a line"),
        ('name = " "\nmodel = "cells"', "name ' ' cannot be said in a line"),
        (f'name = "{"x" * 201}"\nmodel = "cells"', "use at most 200 letters"),
        (NAMED + "[parallel]\nmargin = 3\naudit = 0", "(1 more to mend in this file)"),
        (NAMED + "alpha = " + "9" * 6000, "is no policy: it holds a number or a list that is too long to be read"),
    ],
)
def test_errors_name_field_value_and_what_to_write(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        policy_of_toml(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"name = '\xff'", "is no policy: it is not text in UTF-8"),
        (b"#" * (1 << 20) + b"\n", "it is larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_text_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    file = tmp_path / "rollout.toml"
    file.write_bytes(data)
    with pytest.raises(UsageError, match=message) as caught:
        read_policy(file)
    assert str(caught.value).startswith(str(file))


def test_what_the_bundle_never_answers_is_refused() -> None:
    policy = Policy(name="a", model="m", supervised=Supervised(scope=Scope(labels=("crack", "blot"))))
    check_fits(policy, ("blot", "crack", "fine"))
    with pytest.raises(UsageError, match="names 'blot', which the bundle never answers; write some of crack, fine"):
        check_fits(policy, ("crack", "fine"))
    policy = Policy(name="a", model="m", supervised=Supervised(scope=Scope(slices={"site": ("north",)})))
    with pytest.raises(UsageError, match=r'write slices = \["site"\] in \[cases\]'):
        check_fits(policy, ())


NAMES = st.text(min_size=1, max_size=8)
SHARES = st.floats(0.001, 0.999)
POLICIES = st.builds(
    Policy,
    name=NAMES.filter(lambda name: name.isprintable() and name == name.strip()),
    model=NAMES,
    alpha=SHARES,
    spend=st.builds(Spend, parallel=st.floats(0, 0.3), supervised=st.floats(0, 0.3), expanding=st.floats(0, 0.3)),
    cases=st.builds(Cases, slices=st.lists(NAMES, max_size=2).map(tuple), undo_seconds=st.floats(0, 3600)),
    parallel=st.builds(Parallel, min_cases=st.integers(0, 10**6), margin=SHARES),
    supervised=st.builds(
        Supervised,
        scope=st.builds(
            Scope,
            slices=st.dictionaries(NAMES, st.lists(NAMES, min_size=1, max_size=2).map(tuple), max_size=2),
            labels=st.lists(NAMES, max_size=2).map(tuple),
            hours=st.none() | st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda two: two[0] != two[1]),
        ),
    ),
    expanding=st.builds(Expanding, steps=st.sets(SHARES, min_size=1, max_size=4).map(sorted).map(tuple)),
    rollback=st.builds(
        Rollback,
        level=st.floats(2, 1e17),
        pause_level=st.floats(1.5, 2),
        score=st.sampled_from(["ignore", "pause", "rollback"]),
    ),
)


@given(POLICIES)
def test_the_starter_file_is_read_as_the_policy_it_was_made_of(policy: Policy) -> None:
    assert policy_of_toml(starter_file(policy, labels=("a", 'b"\n'))) == policy


def test_the_starter_says_of_every_field_what_it_is_for() -> None:
    text = starter_file(Policy(name="line-3", model="cells"), labels=("crack", "fine"))
    assert max(map(len, text.splitlines())) <= 100
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            assert lines[number - 1].startswith("# ") or lines[number - 2].startswith("# "), line
    # An example that is put as a comment can be taken as it is.
    without = text.replace("# slices = [", "slices = [").replace("# slices = {", "slices = {")
    changed = policy_of_toml(without.replace("# labels =", "labels =").replace("# hours =", "hours ="))
    assert changed.cases.slices == ("site", "camera")
    assert changed.supervised.scope == Scope(slices={"site": ("north",)}, labels=("crack",), hours=(6, 18))


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert published == policy_schema(), "write it anew: drivetrain rollout schema > docs/rollout.schema.json"


def undescribed(node: Any, schema: dict[str, Any], name: str) -> list[str]:
    """Fields of a section that say nothing of themselves, nor does the section they hold."""
    found = []
    for field, one in node.get("properties", {}).items():
        section = schema["$defs"][one["$ref"].rpartition("/")[2]] if "$ref" in one else {}
        if "description" not in {**section, **one}:
            found.append(f"{name}{field}")
        found += undescribed(section, schema, f"{name}{field}.")
    return found


def test_the_schema_describes_every_field() -> None:
    assert undescribed(policy_schema(), policy_schema(), "") == []


def test_a_policy_survives_the_log() -> None:
    policy = Policy(name="a", model="m", supervised=Supervised(scope=Scope(hours=(22, 6))))
    assert policy_of(json.loads(json.dumps(policy.model_dump(mode="json")))) == policy
    assert tomllib.loads(starter_file(policy))["supervised"]["scope"]["hours"] == [22, 6]
