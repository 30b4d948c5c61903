"""The monitor: false alarms, delays, updates a second, memory, on simulated streams and on clothing that was held out.

    python -m benchmarks.monitor --out benchmarks/results/monitor.json
    python -m benchmarks.monitor --clothing --runs 30 --out benchmarks/results/monitor_clothing.json

Limits: false alarms of any monitor within 20,000 votes at most α + 1 % (of R runs as many as a method exactly there passes with
99 %), delays at most 1.2 times those planned (90 votes at 20 % contamination, 358 at 10 %, whenever the change comes), 10,000
updates a second on one core, memory that does not grow with votes. ``--peers-python`` names an environment with ``ville`` and
``online-cp``, which are held against the jumper, the Shiryaev–Roberts sums and the e-CUSUM. About five minutes each.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.stats import binom

import drivetrain
from drivetrain.core.types import Prediction
from drivetrain.core.verdict import Verdict
from drivetrain.monitor.observation import Observation
from drivetrain.monitor.reference import ConfidenceReference, GateReference, Reference
from drivetrain.monitor.runs import Runs
from drivetrain.monitor.settings import Settings
from drivetrain.monitor.watch import Watch
from drivetrain.stats import e_cusum, jumper, shiryaev_roberts

from .record import data_root, parser, record

SEED = 14
HORIZON = 20_000
START = datetime(2026, 5, 1, tzinfo=UTC)
PLANNED = {0.2: 90, 0.1: 358}
CHANGES = (0, 1_000, 5_000)

Answer = tuple[float, float, str]
"""p-value, confidence, label."""
Draw = Callable[[np.random.Generator, bool, int], Answer]
"""Draws an answer by day or by night, at one of several cameras."""


def made_up(rng: np.random.Generator, night: bool, _camera: int) -> Answer:
    """An in-domain answer of a gate at exactly its nominal rate; nights are harder."""
    return float(rng.random()), float(rng.beta(3 if night else 6, 1)), "abc"[int(rng.integers(3))]


def votes(draw: Draw, rng: np.random.Generator, cameras: int, blocks: bool, bursts: bool) -> Iterator[Observation]:
    """An endless stream, a vote a minute; of a burst there are up to twenty frames within the minute."""
    number, stream = 0, int(rng.integers(1 << 62))
    for minute in range(1 << 30):
        at, camera = START + timedelta(minutes=minute), minute % cameras
        night = blocks and minute // 720 % 2 == 1
        p, confidence, label = draw(rng, night, camera)
        for frame in range(int(rng.integers(1, 21)) if bursts else 1):
            verdict = Verdict.OUT_OF_DOMAIN if p <= 0.05 else Verdict.ACCEPT
            moment = at + timedelta(seconds=2 * frame)
            yield Observation(f"{stream:016x}{number:016x}", moment, f"camera {camera}", p, confidence, verdict, label)
            number += 1


def false_alarms(reference: Reference, draw: Draw, runs: int, **how: Any) -> dict[str, Any]:
    """Runs with an alarm of any monitor within the horizon, and how many may have one."""
    found = 0
    for seed in range(runs):
        watch = Watch.of(reference)
        for one in votes(draw, np.random.default_rng([SEED, seed]), **how):
            if watch.update(one):
                found += 1
                break
            if watch.number >= HORIZON:
                break
    return {**how, "runs": runs, "alarmed": found, "pass_count": int(binom.ppf(0.99, runs, Settings().alpha + 0.01))}


def delays(runs: int) -> list[dict[str, Any]]:
    """The delays of the rate's own recursion, for a gate of 500 scores that refuses exactly 5 %."""
    gate, rows = GateReference(0.05, 500), []
    for contamination in (0.2, 0.1, 0.05):
        for change in CHANGES:
            many = Runs(gate, Settings(), 1, 500, runs, SEED)
            many._rate_R[:] = 0.05
            for _ in range(change):
                many.vote()
            early = int((many.alarm_R > 0).sum())
            for _ in range(HORIZON):
                if many.alarm_R.all():
                    break
                many.vote(contamination)
            found = many.delays(change)[0]
            median, p90 = (float(np.quantile(found, q)) for q in (0.5, 0.9))
            limit = 1.2 * PLANNED[contamination] if contamination in PLANNED else None
            rows.append(
                {
                    "contamination": contamination,
                    "change_after": change,
                    "median": median if np.isfinite(median) else None,
                    "p90": p90 if np.isfinite(p90) else None,
                    "planned": PLANNED.get(contamination),
                    "within_limit": None if limit is None else median <= limit,
                    "alarmed_before": early,
                    "runs": runs,
                }
            )
    return rows


def watch_delays(
    reference: Reference, draw: Draw, strange: Draw, runs: int, contamination: float
) -> list[dict[str, Any]]:
    """The delays of a whole watch on one camera, of which images of ``strange`` become a share."""
    rows = []
    for change in CHANGES:
        found = []
        for seed in range(runs):
            rng = np.random.default_rng([SEED, seed, change])
            clean = votes(draw, rng, cameras=1, blocks=False, bursts=False)
            mixed = votes(
                lambda rng, night, camera: (strange if rng.random() < contamination else draw)(rng, night, camera),
                rng,
                cameras=1,
                blocks=False,
                bursts=False,
            )
            watch = Watch.of(reference)
            for _ in range(change):
                watch.update(next(clean))
            if watch.standing:
                continue
            for one in mixed:
                moved = Observation(f"c{one.id}", one.at + timedelta(minutes=change), *[getattr(one, n) for n in _REST])
                if watch.update(moved) or watch.number - change >= HORIZON:
                    break
            found.append(watch.number - change)
        rows.append(
            {
                "contamination": contamination,
                "change_after": change,
                "median": float(np.median(found)),
                "p90": float(np.quantile(found, 0.9)),
                "runs": len(found),
            }
        )
    return rows


_REST = ("source", "p_in_domain", "confidence", "verdict", "label")


def speed(reference: Reference, count: int = 100_000) -> dict[str, Any]:
    """Updates a second on one core, and what a watch takes in memory after a tenth of them and after all."""
    rng = np.random.default_rng(SEED)
    stream = votes(made_up, rng, cameras=8, blocks=True, bursts=False)
    seen = [next(stream) for _ in range(count)]
    watch = Watch.of(reference)
    start = time.process_time()
    for one in seen:
        watch.update(one)
    seconds = time.process_time() - start
    tracemalloc.start()
    small, sizes, states = Watch.of(reference), [], []
    for number, one in enumerate(seen, 1):
        small.update(one)
        if number in (count // 10, count):
            states.append(len(small.to_json()))
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    return {
        "updates_per_s": count / seconds,
        "limit": 10_000,
        "state_bytes": states,
        "memory_bytes": sizes,
        "after_votes": [count // 10, count],
    }


def clothing(root: Path, folder: Path) -> tuple[Reference, Draw, Draw, Draw, dict[str, Any]]:
    """A bundle of three fifths of clothing; draws of answers to the rest, where dark pictures are the nights', to the rest
    shuffled, and to other photos; and what became of them."""
    rng = np.random.default_rng(SEED)
    files = sorted(path for part in ("train", "validation") for path in (root / "clothing" / part).rglob("*.jpg"))
    chosen = rng.permutation(len(files))
    cut = len(files) * 3 // 5
    train = [(str(files[n]), files[n].parent.name) for n in chosen[:cut]]
    held_out = [files[n] for n in chosen[cut:]]
    result = drivetrain.train(train, out=folder / "clothing.bundle", backbone="efficientnet-lite0")
    predictor = drivetrain.load(folder / "clothing.bundle")
    answers = list(predictor.predict_many(held_out))
    grey = np.asarray([np.asarray(Image.open(file).convert("L").resize((32, 32))).mean() for file in held_out])
    halves = [np.flatnonzero(grey >= np.median(grey)), np.flatnonzero(grey < np.median(grey))]
    others = [
        answer for answer in predictor.predict_many(sorted((root / "ood" / "photos").iterdir())) if not answer.error
    ]

    def shuffled(rng: np.random.Generator, _night: bool, _camera: int) -> Answer:
        return _told(answers[int(rng.integers(len(answers)))])

    def by_day(rng: np.random.Generator, night: bool, _camera: int) -> Answer:
        return _told(answers[int(rng.choice(halves[night]))])

    def strange(rng: np.random.Generator, _night: bool, _camera: int) -> Answer:
        return _told(others[int(rng.integers(len(others)))])

    p = np.asarray([answer.p_in_domain for answer in answers], float)
    gate = predictor.manifest.gate
    assert gate is not None
    about = {
        "trained_on": result.images_used,
        "held_out": len(answers),
        "refused_of_held_out": float((p <= gate.level).mean()),
        "refused_by_day_and_night": [float((p[half] <= gate.level).mean()) for half in halves],
        "refused_of_other_photos": float(np.mean([(answer.p_in_domain or 0) <= gate.level for answer in others])),
        "in_domain_at_most": Watch.of(Reference.of(predictor)).highest_rate,
    }
    return Reference.of(predictor), by_day, shuffled, strange, about


def _told(answer: Prediction) -> Answer:
    return float(answer.p_in_domain or 0.0), answer.confidence, answer.label or ""


def peers(python: Path) -> dict[str, Any]:
    """Hold the statistics against independent implementations, in an environment of theirs."""
    rng = np.random.default_rng(SEED)
    p_values = rng.beta(1, 1.3, 2_000).tolist()
    hits = (rng.random(2_000) < 0.08).astype(int).tolist()
    by = shiryaev_roberts.factors(0.05, (2.0,))
    ratios = [(by.hit if hit else by.miss)[0] for hit in hits]
    ours: dict[str, list[float]] = {"jumper": [], "restarted_jumper": [], "shiryaev_roberts": [], "cusum": []}
    weights, log_capital, restarted = jumper.START, 0.0, [0.0]
    for p in p_values:
        weights, factor = jumper.step(weights, p)
        log_capital += float(np.log(factor))
        restarted = shiryaev_roberts.step(restarted, (factor,))
        ours["jumper"].append(log_capital)
        ours["restarted_jumper"].append(restarted[0])
    sums, cusum = [0.0], 0.0
    for ratio in ratios:
        sums, cusum = shiryaev_roberts.step(sums, (ratio,)), e_cusum.step(cusum, ratio)
        ours["shiryaev_roberts"].append(sums[0])
        ours["cusum"].append(max(cusum, 1.0))  # theirs counts the process that is about to begin
    ours["likelihood_ratio"] = np.cumsum(np.log(ratios)).tolist()
    given = json.dumps({"p": p_values, "ratios": ratios, "hits": hits, "bound": 0.05, "rate": 0.1})
    program = Path(__file__).with_name("monitor_peers.py")
    done = subprocess.run([str(python), str(program)], input=given, capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)
    gaps = {
        name: float(np.max(np.abs(np.asarray(mine) - theirs[name]) / np.maximum(1, np.abs(theirs[name]))))
        for name, mine in ours.items()
    }
    return {"versions": theirs["versions"], "steps": len(hits), "largest_relative_gap": gaps}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--peers-python", type=Path, help="a Python with ville and online-cp")
    arguments.add_argument("--runs", type=int, default=100, help="streams of 20,000 votes of each kind")
    arguments.add_argument(
        "--clothing", action="store_true", help="real answers to clothing that was held out, instead"
    )
    chosen = arguments.parse_args()
    result = on_clothing(chosen.runs) if chosen.clothing else on_simulated(chosen.runs)
    if chosen.peers_python:
        result["peers"] = peers(chosen.peers_python)
    record(result, chosen.out)


KINDS = ({"cameras": 1, "blocks": False, "bursts": False}, {"cameras": 3, "blocks": True, "bursts": False})
"""Streams without a change: shuffled, and three cameras by day and by night."""
BURSTS = {"cameras": 2, "blocks": True, "bursts": True}


def on_simulated(runs: int) -> dict[str, Any]:
    """Everything that needs no picture."""
    reference = Reference(
        "0" * 16,
        GateReference(0.05, 500),
        ConfidenceReference.of(np.random.default_rng(0).beta(6, 1, 600)),
        dict.fromkeys("abc", 1 / 3),
        0.86,
        600,
    )
    return {
        "seed": SEED,
        "speed": speed(reference),
        "delays": delays(1_000),
        "null_streams": [
            *(false_alarms(reference, made_up, runs, **how) for how in KINDS),
            false_alarms(reference, made_up, max(5, runs // 10), **BURSTS),
        ],
    }


def on_clothing(runs: int) -> dict[str, Any]:
    """Answers of a real bundle to pictures it has not seen."""
    with tempfile.TemporaryDirectory() as folder:
        reference, by_day, shuffled, strange, about = clothing(data_root(), Path(folder))
    return {
        "seed": SEED,
        **about,
        "null_streams": [
            *(false_alarms(reference, by_day if how["blocks"] else shuffled, runs, **how) for how in KINDS),
            false_alarms(reference, by_day, max(5, runs // 10), **BURSTS),
        ],
        "delays_with_other_photos": [
            row for share in (0.2, 0.1) for row in watch_delays(reference, shuffled, strange, 20, share)
        ],
    }


if __name__ == "__main__":
    main()
