"""The whole way of a model: past decisions, parallel, supervised, expanding, and a shift of the field that stops it by itself.

Commands, server, store and Chromium are the real ones. The committed bundle answers colours; people err at a stated rate; then a
camera is wired wrongly, red for blue, and the model is as sure as before.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx2 as httpx
import pytest
from reviewed import Rolling, bearer, press, sitting
from rolled import NAME, admin, answer, following, reviewers, send, sender
from running import KEPT, serving
from typer.testing import CliRunner
from waiting import LONG_S

from browsing import expect
from drivetrain.cli.main import app
from drivetrain.core.canonical_json import canonical_json
from drivetrain.core.rollout_records import line_hash
from field_rollout import picture

pytestmark = pytest.mark.processes

COLOURS = ("blau", "grün", "rot")
SWAPPED = {"blau": "rot", "rot": "blau", "grün": "grün"}
PEOPLE_ERROR = 0.04

POLICY = """
name = "farben-1"
model = "farben"

[cases]
undo_seconds = 0

[parallel]
margin = 0.1
min_cases = 40
min_days = 0
adjudicate_twice = 0      # whoever adjudicates here makes no errors
decide_twice = 0

[supervised]
min_cases = 40
min_days = 0
blind = 0.5
max_error = 0.15
max_override = 0.2
seeded = 0.1

[expanding]
steps = [0.5, 1.0]
min_cases = 20
min_days = 0
max_error = 0.15
audit_early = 0.5
audit = 0.5
new_audits = 10

[rollback]
confidence = "ignore"     # another mix of colours may have another of confidences: here audits are to find what is wrong
"""


@dataclass
class Story:
    """The field of a server: cases with their truths, and people who decide them."""

    here: Rolling
    rng: Random
    truths: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    """Of all cases, in the order in which they came."""

    def come(self, n: int, *, swapped: bool = False, seeded: bool = False) -> None:
        """Let cases come in, each of a part of its own."""
        for _ in range(n):
            number = len(self.keys)
            colour = self.rng.choice(("blau", "rot") if swapped else COLOURS)
            key, seen = f"part-{number}", SWAPPED[colour] if swapped else colour
            self.truths[str(number)] = colour
            self.keys.append(key)
            known = {"known": colour} if seeded else {}
            send(
                self.here.client,
                key,
                self.here.sender,
                picture(seen, number),
                group=key,
                metadata={"part": str(number)},
                **known,
            )

    def opinion(self, part: str, kind: str) -> str:
        """A person's label: wrong now and then, but for adjudicators."""
        truth = self.truths[part]
        wrong = kind != "adjudicate" and self.rng.random() < PEOPLE_ERROR
        return self.rng.choice([one for one in COLOURS if one != truth]) if wrong else truth

    def work(self) -> None:
        """Do all that waits: Ada decides and confirms, Bo adjudicates."""
        for secret, kinds in ((self.here.ada, ("decide", "confirm")), (self.here.bo, ("adjudicate",))):
            for kind in kinds:
                while (review := following(self.here.client, bearer(secret), kind=kind)) is not None:
                    label = self.opinion(review["case"]["metadata"]["part"], kind)
                    answer(self.here.client, bearer(secret), review, label, seconds=2.0)

    def settled(self, key: str) -> dict[str, Any] | None:
        """The decision about a case."""
        found: dict[str, Any] = self.here.client.get(f"/v1/cases?key={key}", headers=self.here.sender).json()
        return found["decision"]

    def until_it_may_advance(self, most: int) -> dict[str, Any]:
        """Let cases come and be decided, in handfuls, until the gates let it advance."""
        for _ in range(0, most, 20):
            self.come(20)
            self.work()
            status = self.here.status()
            if status["may_advance"]:
                return status
        pytest.fail(f"{most} cases were not enough: {status['refusals']}")


def run(folder: Path, *words: str, status: int = 0) -> dict[str, Any]:
    """Run a command with ``--json``; its document."""
    environment = {**os.environ, "DRIVETRAIN_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "drivetrain", *words, "--json"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == status, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def write_past(folder: Path, n: int) -> None:
    """Write ``past.csv``: what people decided before there was a model, with what turned out, and its pictures."""
    rng = Random(5)
    (folder / "past").mkdir()
    with (folder / "past.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("key", "at", "path", "decided", "decided_by", "outcome"))
        for number in range(n):
            colour = rng.choice(COLOURS)
            said = rng.choice(COLOURS) if rng.random() < PEOPLE_ERROR else colour
            (folder / "past" / f"{number}.png").write_bytes(picture(colour, 9000 + number))
            at = datetime.now(UTC) - timedelta(minutes=10 * (n - number))
            rows.writerow((f"past-{number}", at.isoformat(), f"past/{number}.png", said, "Ada", colour))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rollout.toml").write_text(POLICY, encoding="utf-8")
    return tmp_path


@pytest.fixture
def story(folder: Path) -> Iterator[Story]:
    """The rollout is opened, with a salt that is the same each time, and served."""
    store, policy = folder / "store.db", str(folder / "rollout.toml")
    with pytest.MonkeyPatch.context() as patch:
        # The check of the assignment alone holds one rollout in a thousand by chance, and each stage anew.
        patch.setattr("secrets.token_bytes", lambda size: b"s" * size)
        words = ["rollout", "open", policy, "--bundle", str(KEPT), "--store", str(store), "--by", "Eve"]
        opened = CliRunner().invoke(app, words)
    assert opened.exit_code == 0, opened.output
    who, boss = sender(store), admin(store)["Authorization"].removeprefix("Bearer ")
    ada, bo = (key["Authorization"].removeprefix("Bearer ") for key in reviewers(store, "Ada", "Bo"))
    with (
        serving(f"farben={KEPT}", store=store, log=folder / "log", max_batch=1) as server,
        httpx.Client(base_url=server.address, timeout=60) as client,
    ):
        here = Rolling(server.address, client, who, ada, bo, boss)
        end_s = time.monotonic() + LONG_S
        while not client.get("/v1/whoami", headers=bearer(ada)).json()["blind"]:
            assert time.monotonic() < end_s
            time.sleep(0.05)
        time.sleep(3.5)  # one that was opened a moment ago takes no case before every process knows of it
        yield Story(here, Random(16))


def decide_by_key(browser: Any, story: Story, heading: str, n: int) -> None:
    """Let Ada decide cases on the page, by keys."""
    with sitting(browser, story.here, story.here.ada, "review?kind=" + heading.lower()) as page:
        for done in range(n):
            page.get_by_role("heading", name=heading, exact=True).wait_for()
            part = page.get_by_role("region", name="The case").locator("dd").last.inner_text()
            press(page, str(COLOURS.index(story.truths[part]) + 1))
            page.wait_for_function(
                "part => document.querySelector('section[aria-label=\"The case\"] dd')?.innerText !== part", arg=part
            )
            assert done < n


def advance_by_button(page: Any, to: str) -> None:
    """Advance on the page Rollout, with a reason."""
    button = page.get_by_role("button", name=f"Advance to {to}")
    button.click()
    dialog = page.get_by_role("dialog", name=f"Advance to {to}")
    dialog.get_by_label("Reason").fill("the gates let it")
    dialog.get_by_role("button", name="Advance", exact=True).click()
    dialog.wait_for(state="detached")


def test_a_model_earns_its_way_and_is_stopped_when_the_field_shifts(browser: Any, folder: Path, story: Story) -> None:
    here = story.here

    # Past decisions first, by the very policy.
    write_past(folder, 400)
    tried = run(folder, "backtest", "rollout.toml", "--bundle", str(KEPT), "--log", "past.csv")
    (past,) = tried["trials"]
    ways = [(one["stage"], one["step"]) for one in past["runs"][0]["reached"]]
    assert ways[:2] == [("parallel", 0), ("supervised", 0)]

    # Parallel: people decide every case, and nothing of the model shows.
    story.come(3)
    decide_by_key(browser, story, "Decide", 3)
    status = story.until_it_may_advance(400)
    assert status["stage"] == "parallel"
    assert status["counts"]["acted"] == status["counts"]["assisted"] == 0
    with sitting(browser, here, here.boss, "rollout") as page:
        advance_by_button(page, "supervised")
    assert here.status()["stage"] == "supervised"

    # Supervised: the model proposes, a person confirms.
    story.come(8, seeded=True)
    story.work()
    status = story.until_it_may_advance(600)
    assert status["counts"]["assisted"] > 20
    assert status["counts"]["acted"] == 0
    with sitting(browser, here, here.boss, "rollout") as page:
        advance_by_button(page, "expanding, step 1")
    assert here.status()["share"] == 0.5

    # Expanding: it acts, half at first.
    status = story.until_it_may_advance(600)
    assert status["counts"]["acted"] > 0
    with sitting(browser, here, here.boss, "rollout") as page:
        advance_by_button(page, "expanding, step 2")
        assert here.status()["share"] == 1.0
        story.come(20)
        story.work()
        assert here.status()["stage"] == "expanding"

        # The shift: the model is as sure as before, and wrong. Audits find it; nobody turns anything.
        first = len(story.keys)
        for _ in range(30):
            story.come(2, swapped=True)
            story.work()
            if (status := here.status())["stage"] == "rolled-back":
                break
        else:
            pytest.fail(f"60 wrong cases did not stop it: {status['stage']}, {status['holds']}")
        banner = page.get_by_role("region", name="Rolled back", exact=True)
        banner.wait_for()
        # The rollout's own count and the monitor's alarm look at the same audits; which of them is first is a matter of moments.
        why = banner.inner_text()
        assert "errors among audited cases have reached level" in why or "alarm audited-error" in why
        expect(banner).to_contain_text("by the evidence itself", use_inner_text=True)
    # An alarm that comes after it holds it as well, until that is cleared, too.
    stopped = next(turn for turn in reversed(status["turns"]) if turn["stage"] == "rolled-back")
    assert (stopped["turn"], stopped["by"]) == ("rolled-back", None)
    harm = [story.settled(key) for key in story.keys[first:]]
    assert sum(one is not None and one["how"] == "model" for one in harm) <= 40

    # From then on it decides nothing, and cannot go on without a person.
    story.come(4)
    assert [story.settled(key) for key in story.keys[-4:]] == [None] * 4
    story.work()
    assert {story.settled(key)["how"] for key in story.keys[-4:]} == {"blind"}
    headers = bearer(here.boss)
    refused = here.client.post(f"/v1/rollouts/{NAME}/advance", headers=headers, json={"reason": "I want it"})
    assert refused.status_code == 409

    # The log tells the way, and each line vouches for the one before.
    before, turns = "0" * 64, []
    for number, text in enumerate(
        here.client.get(f"/v1/rollouts/{NAME}/log.jsonl", headers=headers).text.splitlines(), 1
    ):
        line = json.loads(text)
        before = line_hash(before, number, canonical_json(line["event"]))
        assert line["hash"] == before
        if line["event"]["event"] == "turned":
            turns.append((line["event"]["turn"], line["event"]["stage"], line["event"]["step"]))
    advanced = [turn[1:] for turn in turns if turn[0] == "advanced"]
    assert advanced == [("supervised", 0), ("expanding", 0), ("expanding", 1)]
    assert turns[-1][1] == "rolled-back"
    assert next(turn for turn, stage, _ in turns if stage == "rolled-back") == "rolled-back"
