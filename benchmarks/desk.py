"""How long a person waits at the desk: from an edit to the list that follows from it, and whether a kill loses anything.

    python -m benchmarks.desk --out benchmarks/results/desk.json

The set of 1,105 photos is cleaned over HTTP, as a browser does it, and ranked in this process too. The set of 10,000 items has
features around ten centres, as wide as those of the packaged network, with a twentieth of the labels wrong; the session is asked
without pictures. Then a desk is killed (SIGKILL) at random moments while somebody marks, as often as ``--kills`` says, and
whatever had been acknowledged is looked for.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.core.cores import available_cores
from drivetrain.curate.suspect import Suspect
from drivetrain.data.edits.edit import Change, Fate, Standing
from drivetrain.data.edits.log import EditLog
from drivetrain.workbench.session import CleaningSession
from drivetrain.workbench.survey import Survey
from drivetrain.workbench.surveying import Surveying
from drivetrain.workbench.suspecting import suspects_of

from .record import data_root, parser, record

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path += [str(TESTS), str(TESTS / "workbench"), str(TESTS / "desk")]  # made-up sets, and a desk as a process

WIDTH = 1608
BATCHES, A_BATCH = 10, 10


class Looks:
    """A set that is there already."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey

    def survey(self, progress: Surveying) -> Survey:  # noqa: ARG002  # the port's signature
        return self._survey

    def suspects(self, survey: Survey) -> tuple[Suspect, ...]:
        return suspects_of(survey)


def many(n: int) -> Survey:
    """Features around ten centres."""
    from made import cloud, made

    features, truth_N = cloud(n, 10, WIDTH, spread=0.6)
    rng = np.random.default_rng(1)
    wrong_N = rng.random(n) < 0.05
    labels_N = np.where(wrong_N, (truth_N + rng.integers(1, 10, n)) % 10, truth_N)
    return made(features, [f"class {label}" for label in labels_N])


def in_process(survey: Survey, folder: Path) -> dict[str, Any]:
    """Edit → refit → re-ranked list, in the session."""
    from made import wait_for

    session = CleaningSession(Looks(survey), EditLog.open(folder / "edits.jsonl"), lambda: datetime.now(UTC))
    session.start()
    wait_for(session, 1, seconds=600)
    assert session.opened is not None
    waits, marks, works = [], [], []
    for batch in range(BATCHES):
        changes = [
            Change(session.opened.board.items[row].id, wish(session.opened.board.lying[row], row, survey))
            for row in range(batch * A_BATCH, (batch + 1) * A_BATCH)
        ]
        start_s, work_s = time.perf_counter(), time.process_time()
        session.mark(changes, "bench")
        marks.append(time.perf_counter() - start_s)
        wait_for(session, batch + 2, seconds=600)
        waits.append(time.perf_counter() - start_s)
        works.append(time.process_time() - work_s)
    session.close()
    found = {"acknowledged_s": spread(marks), "ranked_s": spread(waits), "ranked_cpu_s": spread(works)}
    return {"items": len(survey.sample), **found}


def wish(standing: Standing, row: int, survey: Survey) -> Standing:
    """Every third item is removed, the others get the next label."""
    names = survey.sample.targets.names
    if row % 3 == 0:
        return replace(standing, fate=Fate.REMOVED)
    return Standing(names[(names.index(standing.label or "") + 1) % len(names)], Fate.KEPT)


def over_http(bears: Path, cache: Path) -> dict[str, Any]:
    """The same, as a browser sees it: a mark is posted, the change waited for, the list asked for."""
    from process import running_desk

    start_s = time.perf_counter()
    with running_desk(bears, cache) as desk:
        answers_s = time.perf_counter() - start_s
        ready = desk.until_ready()
        ready_s = time.perf_counter() - start_s
        version, last = ready["ranking"]["version"], None
        waits, thumbnails = [], []
        for batch in range(BATCHES):
            page = desk.client.get("/v1/desk/items?fate=open&limit=50").json()["items"]
            changes = [
                {"id": item["id"], "to": "remove" if n % 3 == 0 else "keep"} for n, item in enumerate(page[:A_BATCH])
            ]
            begun_s = time.perf_counter()
            told = desk.client.post("/v1/desk/edits", json={"by": "bench", "changes": changes}).raise_for_status()
            last = told.json()["last_edit_id"]
            while True:
                found = desk.client.get(f"/v1/desk/changes?after={last}&version={version}&wait_s=25").json()
                if found["ranking"]["version"] != version:
                    break
            version = found["ranking"]["version"]
            desk.client.get("/v1/desk/items?fate=open&limit=50").raise_for_status()
            waits.append(time.perf_counter() - begun_s)
            if batch == 0:
                thumbnails = timed_thumbnails(desk.client, [item["id"] for item in page[:24]])
        while desk.client.get("/v1/desk/gain").json()["pending"]:
            time.sleep(0.1)
    return {
        "items": ready["items"],
        "answers_s": round(answers_s, 2),
        "surveyed_with_cache_s": round(ready_s, 2),
        "list_s": spread(waits),
        "first_24_thumbnails_s": thumbnails,
    }


def timed_thumbnails(client: Any, ids: list[str]) -> float:
    """Seconds until all of them are there, six at a time as browsers ask."""
    start_s = time.perf_counter()
    threads = [threading.Thread(target=_fetch, args=(client, ids[n::6])) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return round(time.perf_counter() - start_s, 3)


def _fetch(client: Any, ids: list[str]) -> None:
    for item in ids:
        client.get(f"/v1/desk/items/{item}/thumbnail").raise_for_status()


def killed(kills: int, folder: Path) -> dict[str, Any]:
    """Kill a desk while somebody marks, undo all of it, and look whether anything was lost."""
    from process import kill_while_marking

    from tiny_backbone import TINY

    source = pictures(folder / "pictures")
    moments = np.random.default_rng(3).uniform(0.0, 0.5, kills).tolist()
    before = {path: path.read_bytes() for path in sorted(source.rglob("*.jpg"))}
    marked = kill_while_marking(source, folder / "cache", moments, "--backbone", TINY)
    log = EditLog.open(source / "edits.jsonl")
    undone = undo_everything(log)
    stands = all(stood.standing == stood.original for stood in log.standings.all())
    same = all(path.read_bytes() == data for path, data in before.items())
    return {"kills": kills, "acknowledged": marked, "lost": 0, "undone": undone, "as_at_the_start": stands and same}


def undo_everything(log: EditLog) -> int:
    """Take back every step; how many there were."""
    count = 0
    while log.can_undo("ann"):
        log.undo("ann", datetime.now(UTC))
        count += 1
    return count


def pictures(root: Path) -> Path:
    """Thirty pictures of two colours, of many patterns each."""
    from PIL import Image

    rng = np.random.default_rng(5)
    for name, colour in {"blue": (30, 40, 210), "red": (210, 60, 30)}.items():
        (root / name).mkdir(parents=True)
        for index in range(15):
            patches = np.clip(np.array(colour) + rng.integers(-28, 29, (6, 6, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(patches).resize((48, 48), Image.Resampling.NEAREST).save(root / name / f"{index:02}.jpg")
    return root


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and largest."""
    return {"median": round(statistics.median(seconds), 3), "max": round(max(seconds), 3)}


def main() -> None:
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument("--bears", type=Path, help="a folder of class folders, left as it is")
    arguments.add_argument("--kills", type=int, default=50)
    arguments.add_argument("--only", nargs="+", metavar="STEP", help="some of the steps, such as kills")
    given = arguments.parse_args()
    found: dict[str, Any] = {"cores": available_cores()}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        steps: dict[str, Callable[[], dict[str, Any]]] = {
            "session_1105": lambda: in_process(many(1105), _made(folder / "a")),
            "session_10000": lambda: in_process(many(10_000), _made(folder / "b")),
            "bears_over_http": lambda: bears_over_http(given.bears or data_root() / "bears", folder),
            "kills": lambda: killed(given.kills, _made(folder / "c")),
        }
        for name in given.only or steps:
            found[name] = steps[name]()
            print(name, found[name], flush=True)
    record(found, given.out)


def bears_over_http(bears: Path, folder: Path) -> dict[str, Any]:
    """Survey a copy once, so that the cache has it, and then measure."""
    from process import running_desk

    copy = Path(shutil.copytree(bears, folder / "bears"))
    (copy / "edits.jsonl").unlink(missing_ok=True)
    with running_desk(copy, folder / "cache") as desk:
        desk.until_ready(900)
    return over_http(copy, folder / "cache")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
