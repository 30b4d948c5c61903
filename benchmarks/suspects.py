"""Suspicion of labels: people's own mistakes, planted ones, and pictures that are known to be wrong; and how long a list takes.

    python -m benchmarks.suspects --out benchmarks/results/suspects.json

CIFAR-10N: 2,000 small photos, each labelled by three people; a label is wrong where it differs from CIFAR-10's. ``misses``: the
share of wrong labels that are not among the first as many as there are wrong ones. Planted: 5 % of the labels flipped, to any
other class (``uniform``) or to those that the model mixes up (``confused``, in proportion), three draws each; ``precision`` among
the first as many as were flipped. Features are those that ``drivetrain suspects`` takes. The order (odds between the label and
the likeliest other class) was chosen on planted mistakes of ``clothing/train`` (seeds 0 and 1) and on the labels random2 and
random3 of CIFAR-10N; the margin stands beside it.
"""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from drivetrain.core.ports import Silent
from drivetrain.core.scratch import Scratch
from drivetrain.core.types import Dataset, Item
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.learn.reading import Source
from drivetrain.learn.suspicion import Suspicion
from drivetrain.stats import confident
from drivetrain.training.options import TrainOptions
from drivetrain.workbench.survey import Survey, fit_survey, survey
from drivetrain.workbench.suspecting import examine

from .record import data_root, parser, record

RATE = 0.05
SEEDS = (10, 11, 12)
TARGETS = {"aggregate": (0.90, 0.47), "random1": (0.915, 0.34), "worst": (0.90, 0.21)}
PLANTED = {"clothing/train": 0.6, "clothing/validation": 0.6, "clothing": 0.6, "bears": 0.8}

# Found by looking at every picture. The notes on the data place book cover, phone case and toys in `bears`; they are in
# `bears_lowres`, and `bears` has others.
KNOWN = {
    "bears": {
        "an empty placeholder": "grizzly/poziki_grizzly_00000064.jpg",
        "a carved bear": "black/jeffridgeway_black_00000112.jpg",
        "a dog": "teddy/leoyoung_teddy_00000135.jpg",
        "another dog": "teddy/poziki_teddy_00000135.jpg",
        "a third dog": "teddy/leoyoung_teddy_00000088.jpg",
        "a fourth dog": "teddy/ajay_teddy_00000134.jpg",
        "a fifth dog": "teddy/leoyoung_teddy_00000098.jpg",
        "a grizzly in black and white": "black/ajay_black_00000119.jpg",
        "a grizzly": "black/arnoldcheng_black_00000142.jpg",
    },
    "bears_lowres": {
        "a book cover": "grizzly/actionmichael_lowres_grizzly_00000156.jpg",
        "a phone case": "teddy/actionmichael_lowres_teddy_00000095.jpg",
        "a toy": "black/actionmichael_lowres_black_00000063.jpg",
        "another toy": "black/actionmichael_lowres_black_00000132.jpg",
        "a toy of a polar bear": "black/actionmichael_lowres_black_00000173.jpg",
    },
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--cache", type=Path)
    arguments.add_argument(
        "--only", choices=("people's mistakes", "planted", "known", "seconds"), help="one part of it"
    )
    options = arguments.parse_args()
    root = data_root()
    with tempfile.TemporaryDirectory() as folder:
        cache = EmbeddingCache(options.cache or Path(folder))
        parts: dict[str, Callable[[], Any]] = {
            "people's mistakes": lambda: _cifar(root, cache),
            "planted": lambda: {name: _planted(_look(root / name, cache), least) for name, least in PLANTED.items()},
            "known": lambda: {name: _known(_look(root / name, cache), known) for name, known in KNOWN.items()},
            "seconds": lambda: _seconds(_look(root / "bears", cache)),
        }
        result = {name: part() for name, part in parts.items() if options.only in (None, name)}
        cache.close()
        record(result, options.out)


def _look(source: Source, cache: EmbeddingCache) -> Survey:
    return survey(source, TrainOptions(), cache, Silent(), Scratch())


def _cifar(root: Path, cache: EmbeddingCache) -> dict[str, Any]:
    with (root / "cifar10n" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    true_N = np.asarray([row["clean"] for row in rows])
    table: dict[str, Any] = {}
    for column in ("aggregate", "random1", "worst", "random2", "random3"):
        items = tuple(Item(root / "cifar10n" / row["path"], row["path"], row[column]) for row in rows)
        looked = _look(Dataset("cifar10n", items), cache)
        assert len(looked.sample) == len(rows)
        wrong_N = np.asarray([row[column] for row in rows]) != true_N
        found = _scored(looked, wrong_N)
        if column in TARGETS:
            least, most = TARGETS[column]
            found["target"] = {"auroc": least, "misses": most}
            found["reached"] = found["auroc"] >= least and found["misses"] <= most
            found["other folds"] = [_scored(_refit(looked, seed), wrong_N) for seed in (1, 2)]
        table[column] = {"features": looked.chosen.features.name, "wrong": int(wrong_N.sum()), **found}
    return table


def _refit(looked: Survey, seed: int) -> Survey:
    return fit_survey(replace(looked, options=replace(looked.options, seed=seed)))


def _scored(looked: Survey, wrong_N: np.ndarray) -> dict[str, Any]:
    suspicion, margins_N = _suspicion(looked)
    flagged = int(suspicion.flagged_N.sum())
    return {
        "auroc": round(_auroc(suspicion.score_N, wrong_N), 4),
        "misses": round(1 - _precision(suspicion.score_N, wrong_N), 4),
        "by margin": {
            "auroc": round(_auroc(-margins_N, wrong_N), 4),
            "misses": round(1 - _precision(-margins_N, wrong_N), 4),
        },
        "flagged": {"items": flagged, "precision": round(float(wrong_N[suspicion.flagged_N].mean()), 4)},
        "as cleanlab": _as_cleanlab(looked, suspicion),
    }


def _suspicion(looked: Survey) -> tuple[Suspicion, np.ndarray]:
    assert looked.judged is not None
    labels_N, probs_NC = looked.sample.targets.values, looked.judged.answers_JO
    return looked.judged.suspicion(), confident.margins(labels_N, probs_NC)


def _as_cleanlab(looked: Survey, suspicion: Suspicion) -> bool:
    from cleanlab.filter import find_label_issues

    assert looked.judged is not None
    labels_N, probs_NC = looked.sample.targets.values, looked.judged.answers_JO
    theirs_N = find_label_issues(labels_N, probs_NC, filter_by="confident_learning", n_jobs=1)
    return bool((theirs_N == suspicion.flagged_N).all())


def _auroc(scores_N: np.ndarray, wrong_N: np.ndarray) -> float:
    ranks_N, positives = rankdata(scores_N), int(wrong_N.sum())
    return float((ranks_N[wrong_N].sum() - positives * (positives + 1) / 2) / (positives * (len(wrong_N) - positives)))


def _precision(scores_N: np.ndarray, wrong_N: np.ndarray) -> float:
    first = np.argsort(-scores_N, kind="stable")[: int(wrong_N.sum())]
    return float(wrong_N[first].mean())


def _planted(looked: Survey, least: float) -> dict[str, Any]:
    assert looked.judged is not None
    labels_N, probs_NC = looked.sample.targets.values, looked.judged.answers_JO
    confusion_CC = np.stack([probs_NC[labels_N == c].mean(axis=0) for c in range(probs_NC.shape[1])])
    uniform_CC = np.ones_like(confusion_CC)
    found: dict[str, Any] = {}
    for name, weights_CC in (("uniform", uniform_CC), ("confused", confusion_CC)):
        runs = [_planted_run(looked, weights_CC, seed) for seed in SEEDS]
        mean = float(np.mean([run["precision"] for run in runs]))
        found[name] = {"precision": round(mean, 4), "runs": runs, "target": least, "reached": mean >= least}
    return {"features": looked.chosen.features.name, "items": len(labels_N), **found}


def _planted_run(looked: Survey, weights_CC: np.ndarray, seed: int) -> dict[str, float]:
    rng, targets = np.random.default_rng(seed), looked.sample.targets
    values = targets.values.copy()
    rows = rng.permutation(len(values))[: round(RATE * len(values))]
    for row in rows:
        weights_C = weights_CC[values[row]].copy()
        weights_C[values[row]] = 0
        values[row] = rng.choice(len(weights_C), p=weights_C / weights_C.sum())
    wrong_N = values != targets.values
    flipped = replace(looked, sample=replace(looked.sample, targets=targets.with_values(values)))
    suspicion, margins_N = _suspicion(fit_survey(flipped))
    return {
        "precision": round(_precision(suspicion.score_N, wrong_N), 4),
        "by margin": round(_precision(-margins_N, wrong_N), 4),
        "auroc": round(_auroc(suspicion.score_N, wrong_N), 4),
    }


def _known(looked: Survey, known: dict[str, str]) -> dict[str, Any]:
    names, n = [one.name for one in examine(looked).suspects], len(looked.sample)
    ranks = {what: names.index(name) + 1 if name in names else None for what, name in known.items()}
    within = sum(rank is not None and rank <= 0.03 * n for rank in ranks.values())
    return {"items": n, "suspects": len(names), "rank": ranks, "within the first 3 %": f"{within} of {len(known)}"}


def _seconds(looked: Survey) -> dict[str, Any]:
    """Seconds of a list that is made anew after an edit; see the desk's benchmark for its refit with a warm start."""
    times = []
    for _ in range(5):
        start_s = time.perf_counter()
        examine(looked)
        times.append(time.perf_counter() - start_s)
    start_s = time.perf_counter()
    fit_survey(looked)
    return {
        "items": len(looked.sample),
        "list, median of 5": round(float(np.median(times)), 4),
        "head from nothing": round(time.perf_counter() - start_s, 3),
    }


if __name__ == "__main__":
    main()
