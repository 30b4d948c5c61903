"""The story of `docs/solar-story.md`: a model of monocrystalline solar cells is rolled out over HTTP beside simulated inspectors,
from a backtest of their past decisions to acting by itself; then polycrystalline modules arrive, and it has to stop by itself.

    python -m benchmarks.solar_story --out benchmarks/results/solar_story.json --pictures docs

The photos are those of the package ``elpv-dataset`` (the extra ``demo``). Runs of 60 mono cells stand in for modules and stay
together: two of three are trained on, the third is the field. Cases are drawn from the field with replacement, so a cell comes
again, as it was; each case is told as a module of its own. People are simulated from the set's labels with stated error rates.
Commands, server, store, pages and browser are the real ones: some decisions of each stage are made by key on the page Review, and
every advance by the button on the page Rollout. Exit code 1 where it is not stopped after the shift.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import httpx2 as httpx

from drivetrain.app.demo import LICENCE_NOTICE, demo_dataset
from drivetrain.app.run import train
from drivetrain.cli.console import ConsoleProgress
from drivetrain.core.types import Dataset, Item
from drivetrain.training.options import TrainOptions

from .record import parser, record

POLICY = Path(__file__).with_suffix(".toml")
NAME = "cells-1"
LABELS = ("defective", "functional")
CELLS_PER_RUN = 60
INSPECTORS, ADJUDICATORS = ("ines", "ivo"), ("ada", "alan")
INSPECTOR_ERROR, ADJUDICATOR_ERROR = 0.03, 0.05
PAST, BATCH, SEEDED, BY_KEY = 1500, 40, 12, 3
MOST = {"parallel": 3000, "supervised": 4000, "expanding": 5000}
MOST_POLY = 400
WAIT_S = 120.0


@dataclass(frozen=True)
class Cell:
    """A photo of a cell, and what it is."""

    path: Path
    label: str
    kind: str
    run: int
    """The run of 60 cells of its kind."""


def cells() -> list[Cell]:
    """Every cell of the set, mono and poly."""
    spec = find_spec("elpv_dataset")
    items = demo_dataset().items
    root = Path(next(iter(spec.submodule_search_locations or ()))) / "data" if spec else Path()
    with (root / "labels.csv").open(encoding="utf-8", newline="") as file:
        kinds = [row[2] for row in csv.reader(file, delimiter=" ", skipinitialspace=True) if row]
    seen: Counter[str] = Counter()
    found = []
    for item, kind in zip(items, kinds, strict=True):
        found.append(Cell(item.path, str(item.label), kind, seen[kind] // CELLS_PER_RUN))
        seen[kind] += 1
    return found


def in_field(cell: Cell) -> bool:
    """True of every third run, which nothing is trained on."""
    return cell.run % 3 == 2


def train_mono(everything: Sequence[Cell], out: Path, backbone: str, cache: Path | None) -> None:
    """Train a bundle on mono cells that are not of the field."""
    chosen = [cell for cell in everything if cell.kind == "mono" and not in_field(cell)]
    items = tuple(Item(cell.path, cell.path.name, cell.label, group=f"mono {cell.run}") for cell in chosen)
    options = TrainOptions(backbone=backbone, cache=cache, name="Mono cells")
    train(Dataset("mono cells of elpv-dataset", items), out, options, ConsoleProgress())


# The field


@dataclass
class Field:
    """Cases as they come, over HTTP, and people who decide them."""

    client: httpx.Client
    keys: dict[str, str]
    seed: int
    truths: dict[str, Cell] = field(default_factory=dict)
    reviews: Counter[str] = field(default_factory=Counter)

    def ask(self, who: str, method: str, path: str, **more: Any) -> Any:
        """Ask until there is an answer that is not “ask again”; its JSON."""
        headers = {"Authorization": f"Bearer {self.keys[who]}", **more.pop("headers", {})}
        end_s = time.monotonic() + WAIT_S
        while True:
            said = self.client.request(method, path, headers=headers, **more)
            if said.status_code not in (429, 503) or time.monotonic() > end_s:
                break
            time.sleep(0.2)
        if said.status_code == 409 and "/reviews/" in path:
            return None
        if said.status_code != 200:
            raise SystemExit(f"{method} {path}: {said.status_code} {said.text[:500]}")
        return said.json()

    def send(self, drawn: Sequence[Cell], *, seeded: bool = False) -> list[str]:
        """Let cases come in; their keys."""
        keys = []
        for cell in drawn:
            keys.append(f"module-{len(self.truths):05}")
            self.truths[keys[-1]] = cell
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda key: self._send(key, seeded), keys))
        return keys

    def _send(self, key: str, seeded: bool) -> None:
        cell = self.truths[key]
        case: dict[str, Any] = {"group": key, "metadata": {"module": key}}
        if seeded:
            case["known"] = cell.label
        files = [("images", ("cell.png", cell.path.read_bytes(), "image/png"))]
        self.ask(
            "line", "POST", "/v1/cases", headers={"Idempotency-Key": key}, files=files, data={"case": json.dumps(case)}
        )

    def opinion(self, who: str, key: str) -> str:
        """A person's label of a case: always the same, and wrong as often as stated."""
        truth = self.truths[key].label
        error = ADJUDICATOR_ERROR if who in ADJUDICATORS else INSPECTOR_ERROR
        wrong = Random(f"{self.seed} {who} {key}").random() < error
        return LABELS[1 - LABELS.index(truth)] if wrong else truth

    def work(self) -> None:
        """Everybody does what waits, until nothing does."""
        for people, kinds in ((INSPECTORS, ("decide", "confirm")), (ADJUDICATORS, ("adjudicate",))):
            with ThreadPoolExecutor(len(people)) as pool:
                list(pool.map(lambda who, kinds=kinds: self._work(who, kinds), people))

    def _work(self, who: str, kinds: Sequence[str]) -> None:
        for kind in kinds:
            while (review := self.ask(who, "GET", f"/v1/reviews/next?kind={kind}")["review"]) is not None:
                label = self.opinion(who, review["case"]["metadata"]["module"])
                if self.ask(who, "POST", f"/v1/reviews/{review['id']}", json={"label": label, "seconds": 3.0}):
                    self.reviews[kind] += 1

    def status(self) -> dict[str, Any]:
        """Where the rollout stands."""
        found: dict[str, Any] = self.ask("eve", "GET", f"/v1/rollouts/{NAME}")
        return found

    def decision(self, key: str) -> dict[str, Any] | None:
        """The decision that took effect."""
        found: dict[str, Any] | None = self.ask("line", "GET", f"/v1/cases?key={key}")["decision"]
        return found

    def acted(self, keys: Sequence[str]) -> tuple[int, int]:
        """Cases that the model decided, and those that it decided wrongly."""
        told = [(key, self.decision(key)) for key in keys]
        own = [(key, one["label"]) for key, one in told if one is not None and one["how"] == "model"]
        return len(own), sum(label != self.truths[key].label for key, label in own)


# Pages


@dataclass(frozen=True)
class Pages:
    """The console in Chromium."""

    browser: Any
    address: str
    keys: dict[str, str]
    pictures: Path | None

    @contextmanager
    def of(self, who: str, page: str) -> Iterator[Any]:
        """A page, with somebody's key."""
        context = self.browser.new_context(viewport={"width": 1200, "height": 820})
        opened = context.new_page()
        opened.set_default_timeout(WAIT_S * 1000)
        opened.goto(f"{self.address}/#/{page}")
        opened.get_by_label("Your key").fill(self.keys[who])
        opened.get_by_role("button", name="Use this key").click()
        yield opened
        context.close()

    def decide(self, field_: Field, who: str, kind: str, n: int, name: str | None = None) -> int:
        """Decide by key what the page shows; how many were."""
        done = 0
        with self.of(who, f"review?kind={kind}") as page:
            ready = page.locator("[data-answer][aria-keyshortcuts=c]:not(:disabled)")
            nothing = page.get_by_text("Nothing waits for you")
            while done < n:
                ready.or_(nothing).first.wait_for()
                if nothing.count():
                    break
                key = page.get_by_role("region", name="The case").locator("dd").last.inner_text()
                page.wait_for_timeout(400)
                if done == 0 and name:
                    self.shot(page, name)
                page.keyboard.press(self._key(page, kind, field_.opinion(who, key)))
                page.get_by_text(key, exact=True).wait_for(state="detached")
                done += 1
        return done

    def _key(self, page: Any, kind: str, label: str) -> str:
        if kind == "decide":
            return str(LABELS.index(label) + 1)
        button = page.locator("[data-answer]").filter(has_text=label).first
        key = str(button.get_attribute("aria-keyshortcuts")).split()[0]
        return key.lower() if len(key) == 1 else key

    def advance(self, name: str | None = None) -> None:
        """Advance on the page Rollout, by its button, as eve."""
        with self.of("eve", "rollout") as page:
            button = page.get_by_role("button", name="Advance to")
            button.wait_for()
            if name:
                self.shot(page, name)
            button.click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_label("Reason").fill("the gates let it, and nobody objects")
            dialog.get_by_role("button", name="Advance", exact=True).click()
            dialog.wait_for(state="detached")

    def stopped(self, name: str) -> str:
        """What the page Rollout says of the stop."""
        with self.of("eve", "rollout") as page:
            banner = page.get_by_role("region", name="Rolled back", exact=True).or_(
                page.get_by_role("region", name="Paused", exact=True)
            )
            banner.first.wait_for()
            self.shot(page, name)
            return " ".join(banner.first.inner_text().split())

    def shot(self, page: Any, name: str) -> None:
        """Keep a picture of a page."""
        if self.pictures is not None:
            page.screenshot(path=str(self.pictures / f"{name}.png"))


# The story


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument("--bundle", type=Path, help="a bundle that was made by this before, instead of training")
    arguments.add_argument("--keep", type=Path, help="a folder to work in and to leave; a temporary one unless given")
    arguments.add_argument("--pictures", type=Path, help="a folder for pictures of the pages")
    arguments.add_argument("--backbone", default="efficientnet-lite0")
    arguments.add_argument("--cache", type=Path)
    arguments.add_argument("--seed", type=int, default=16)
    options = arguments.parse_args()
    print(LICENCE_NOTICE, file=sys.stderr)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = told(folder, options)
    record(found, options.out)
    return 0 if found["reached"] else 1


def told(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The story, from training to the stop."""
    everything, rng = cells(), Random(options.seed)
    mono = [cell for cell in everything if cell.kind == "mono" and in_field(cell)]
    poly = [cell for cell in everything if cell.kind == "poly"]
    bundle = options.bundle or folder / "cells.bundle"
    if options.bundle is None:
        train_mono(everything, bundle, options.backbone, options.cache)
    found: dict[str, Any] = {
        "seed": options.seed,
        "inspectors_err": INSPECTOR_ERROR,
        "adjudicators_err": ADJUDICATOR_ERROR,
        "field": {"mono": len(mono), "poly": len(poly)},
        "backtest": backtested(folder, bundle, mono, rng),
    }
    store = folder / "store.sqlite"
    run("rollout", "open", POLICY, "--bundle", bundle, "--store", store, "--by", "eve")
    roles = {"line": "predict", "eve": "admin", **dict.fromkeys((*INSPECTORS, *ADJUDICATORS), "review")}
    keys = {who: run("keys", "add", who, "--role", role, "--store", store)["secret"] for who, role in roles.items()}
    with (
        served(bundle, store, folder / "log") as address,
        chromium() as browser,
        httpx.Client(base_url=address, timeout=WAIT_S) as client,
    ):
        field_ = Field(client, keys, options.seed)
        pages = Pages(browser, address, keys, options.pictures)
        found["stages"] = [staged(field_, pages, mono, rng) for _ in range(5)]
        found["shift"] = shifted(field_, pages, poly, rng)
        found["reviews"] = dict(field_.reviews)
        log = client.get(f"/v1/rollouts/{NAME}/log.jsonl", headers={"Authorization": f"Bearer {keys['eve']}"}).text
        (folder / "log.jsonl").write_text(log, encoding="utf-8")
    found["log"] = run("rollout", "verify", folder / "log.jsonl")
    found["reached"] = found["shift"]["stopped"] and not found["shift"]["acted_afterwards"]
    return found


def backtested(folder: Path, bundle: Path, mono: Sequence[Cell], rng: Random) -> dict[str, Any]:
    """Past decisions of an inspector on mono cells of the field, tried with the policy; figures of the backtest."""
    ines = Field(httpx.Client(), {}, 0)
    start = datetime(2026, 9, 1, 6, tzinfo=UTC)
    with (folder / "past.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("key", "at", "path", "group", "decided", "decided_by", "outcome"))
        for number in range(PAST):
            cell, key = rng.choice(mono), f"past-{number:05}"
            ines.truths[key] = cell
            at = (start + timedelta(minutes=30 * number)).isoformat()
            rows.writerow((key, at, cell.path, key, ines.opinion("ines", key), "ines", cell.label))
    said = run(
        "backtest", POLICY, "--bundle", bundle, "--log", folder / "past.csv", "--trained-until", "2026-08-31",
        "--report", folder / "backtest.html",
    )  # fmt: skip
    (trial,) = said["trials"]
    one = trial["runs"][0]
    return {
        "cases": trial["cases"], "discordant": trial["discordant"], "reached": one["reached"], "stage": one["stage"],
        "refusals": one["refusals"], "account": one["account"], "beside": trial["beside"], "remarks": trial["remarks"],
    }  # fmt: skip


def staged(field_: Field, pages: Pages, mono: Sequence[Cell], rng: Random) -> dict[str, Any]:
    """Let mono cells come until the gates let the rollout advance, and advance it; the last step only runs for a while."""
    status, began = field_.status(), len(field_.truths)
    stage, share, by_key = status["stage"], status["share"], 0
    if stage == "supervised":
        field_.send([rng.choice(mono) for _ in range(SEEDED)], seeded=True)
    last = status["next"] is None
    while not (last and len(field_.truths) - began >= 200):
        field_.send([rng.choice(mono) for _ in range(BATCH)])
        if not by_key:
            kind = "confirm" if stage == "supervised" else "decide"
            by_key = pages.decide(
                field_, INSPECTORS[0], kind, BY_KEY, f"solar-{stage}" if stage == "parallel" else None
            )
        field_.work()
        status = field_.status()
        sent = len(field_.truths) - began
        say(f"{stage} {share or ''}: {sent} cases; {'; '.join(status['refusals'])[:300]}")
        if status["paused"] or status["stage"] != stage:
            raise SystemExit(f"stopped too early: {status['stage']} {status['holds']} {status['turns'][:1]}")
        if status["may_advance"] and not last:
            break
        if sent > MOST[stage]:
            raise SystemExit(f"{sent} cases were not enough in {stage}: {status['refusals']}")
    acted, wrong = field_.acted(list(field_.truths)[began:]) if stage == "expanding" else (0, 0)
    found = {
        "stage": stage, "share": share, "cases": len(field_.truths) - began, "decided_by_key": by_key, "acted": acted,
        "acted_wrong": wrong, "changed": status["changed"], "counts": status["counts"], "people": status["people"],
        "readings": [{name: one[name] for name in ("gate", "value", "bound", "threshold", "n", "verdict")}
                     for one in status["readings"]],
    }  # fmt: skip
    if not last:
        pages.advance(f"solar-{stage}" if stage == "supervised" else None)
    return found


def shifted(field_: Field, pages: Pages, poly: Sequence[Cell], rng: Random) -> dict[str, Any]:
    """Let poly cells come, in handfuls, until the rollout stops by itself; then some more."""
    keys: list[str] = []
    while len(keys) < MOST_POLY:
        keys += field_.send([rng.choice(poly) for _ in range(5)])
        field_.work()
        time.sleep(1.0)  # the monitor looks once a second
        status = field_.status()
        say(f"poly: {len(keys)} cases; {status['stage']} {status['holds']}")
        if status["paused"] or status["stage"] == "rolled-back":
            break
    stopped = status["paused"] or status["stage"] == "rolled-back"
    acted, wrong = field_.acted(keys)
    words = pages.stopped("solar-stopped") if stopped else ""
    after = field_.send([rng.choice(poly) for _ in range(40)])
    return {
        "stopped": stopped, "poly_cases": len(keys), "acted": acted, "acted_wrong": wrong, "stage": status["stage"],
        "holds": status["holds"], "turn": status["turns"][0], "page_says": words,
        "out_of_domain": status["counts"]["out_of_domain"], "acted_afterwards": field_.acted(after)[0],
    }  # fmt: skip


# Processes


def say(words: str) -> None:
    """Tell how far it is."""
    print(f"{datetime.now(UTC):%H:%M:%S} {words}", file=sys.stderr, flush=True)


def run(*words: object) -> Any:
    """Run a command of drivetrain; its document."""
    command = [sys.executable, "-m", "drivetrain", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[2:])}: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


@contextmanager
def served(bundle: Path, store: Path, log: Path) -> Iterator[str]:
    """A server on a free port; its address."""
    command = [
        sys.executable,
        "-m",
        "drivetrain",
        "serve",
        f"cells={bundle}",
        "--store",
        str(store),
        "--port",
        "0",
        "--json",
    ]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    assert process.stdout is not None
    text = ""
    while line := process.stdout.readline():
        text += line
        try:
            address = json.loads(text)["address"]
            break
        except ValueError:
            continue
    else:
        raise SystemExit(f"the server did not start: {log.read_text()[-2000:]}")
    time.sleep(5)  # a rollout that was opened a moment ago takes no case yet
    try:
        yield address
    finally:
        process.terminate()
        process.wait(WAIT_S)


@contextmanager
def chromium() -> Iterator[Any]:
    """Chromium as the system has it."""
    from playwright.sync_api import sync_playwright

    place = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=place, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


if __name__ == "__main__":
    sys.exit(main())
