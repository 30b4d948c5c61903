"""The accept threshold keeps to its error: 1,000 simulated and resampled calibration sets, groups, and peers.

    python -m benchmarks.accept --oracle-python PYTHON --out benchmarks/results/accept.json

Simulated: confidences c of Beta(3, 0.3) (spread) or Beta(3, 0.12) (sharp), each answer right with probability c, so that the
true error above a threshold is known in closed form.
Resampled: calibration sets drawn with replacement from the out-of-fold answers to the clothing photos, all of which are the
truth. Cross-fitted: a head trained on 800 of these photos, its threshold from their out-of-fold answers, judged on the others.
Of 1,000 runs a method that fails in exactly 5 % fails in at most 66, of 100 in at most 11, with a probability of 99 %.

The peers run in ``--oracle-python``, an environment with ``zugzwang==1.1.0`` and ``mapie``, on the first 200 of the same
simulated sets; at most 18 of these may fail.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc
from scipy.stats import binom

import drivetrain as dt
from drivetrain.learn.kinds.classes import ClassTargets
from drivetrain.stats.learn_then_test import learn_then_test, one_of_each

from .record import data_root, parser, record

SEED, RUNS, DELTA = 0, 1000, 0.05
PEER_RUNS = 200
SHAPES = {"spread": (3.0, 0.3), "sharp": (3.0, 0.12)}
SIZES = (300, 500, 1000)
TARGET = 0.02

# Where this fails, nothing is accepted: zugzwang raises, MAPIE has no best threshold.
PEERS = """
import json, sys, warnings
import numpy as np
warnings.filterwarnings("ignore")
from mapie.risk_control import BinaryClassificationController
from zugzwang import certify_threshold

data, target, delta = np.load(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
found = {"zugzwang, sgr": [], "MAPIE, Bonferroni-Holm": [], "MAPIE, fixed sequence": []}
for confidence, wrong in zip(data["confidence"], data["wrong"]):
    try:
        said = certify_threshold(confidence, wrong.astype(int), target, delta, method="sgr")
        found["zugzwang, sgr"].append(float(said.threshold))
    except Exception as error:
        if "ncertifiable" not in type(error).__name__:
            raise
        found["zugzwang, sgr"].append(None)
    for name, method in (("Bonferroni-Holm", "bonferroni_holm"), ("fixed sequence", "fixed_sequence")):
        grid = np.linspace(0, 0.99, 100)
        controller = BinaryClassificationController(
            lambda x: np.stack([1 - x[:, 0], x[:, 0]], axis=1), "precision", 1 - target, 1 - delta,
            list_predict_params=grid if method != "fixed_sequence" else grid[::-1], fwer_method=method,
        )
        controller.calibrate(confidence[:, None], (~wrong).astype(int))
        best = controller.best_predict_param
        found[f"MAPIE, {name}"].append(None if best is None else float(best))
print(json.dumps(found))
"""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--oracle-python", type=Path)
    options = arguments.parse_args()
    population = _clothing()
    result: dict[str, object] = {
        "violations allowed": {
            "of 1000": int(binom.ppf(0.99, RUNS, DELTA)),
            "of 100": int(binom.ppf(0.99, 100, DELTA)),
            "of 200": int(binom.ppf(0.99, PEER_RUNS, DELTA)),
        },
        "simulated": {
            f"{shape}, n = {n}": _simulated(shape, n, options.oracle_python) for shape in SHAPES for n in SIZES
        },
        "groups": {str(copies): _grouped(copies) for copies in (3, 10)},
        "resampled": {
            f"{target:.0%}, n = {n}": _resampled(population, n, target) for target in (0.02, 0.05) for n in SIZES
        },
        "cross-fitted": _cross_fitted(population),
    }
    record(result, options.out)


def _true_error(least: float, shape: str) -> float:
    a, b = SHAPES[shape]
    return float(1 - a / (a + b) * (1 - betainc(a + 1, b, least)) / (1 - betainc(a, b, least)))


def _true_coverage(least: float, shape: str) -> float:
    return float(1 - betainc(*SHAPES[shape], least))


def _simulated(shape: str, n: int, python: Path | None) -> dict[str, object]:
    rng = np.random.default_rng([SEED, n, len(shape)])
    confidence_RN = rng.beta(*SHAPES[shape], (RUNS, n))
    wrong_RN = rng.random((RUNS, n)) > confidence_RN
    found: dict[str, list[float | None]] = {
        "drivetrain": [
            learn_then_test(c, w, TARGET, DELTA).threshold for c, w in zip(confidence_RN, wrong_RN, strict=True)
        ]
    }
    if python is not None:
        with tempfile.TemporaryDirectory() as folder:
            data, script = Path(folder) / "sets.npz", Path(folder) / "peers.py"
            np.savez(data, confidence=confidence_RN[:PEER_RUNS], wrong=wrong_RN[:PEER_RUNS])
            script.write_text(PEERS)
            said = subprocess.run(
                [python, script, data, str(TARGET), str(DELTA)], check=True, capture_output=True, text=True
            ).stdout
        found |= json.loads(said)
    return {name: _tally(thresholds, shape) for name, thresholds in found.items()}


def _tally(thresholds: list[float | None], shape: str) -> dict[str, float]:
    there = [one for one in thresholds if one is not None and one < 1]
    return {
        "runs": len(thresholds),
        "violations": sum(_true_error(one, shape) > TARGET for one in there),
        "coverage": round(sum(_true_coverage(one, shape) for one in there) / len(thresholds), 3),
        "certified": len(there),
    }


def _grouped(copies: int) -> dict[str, int]:
    """400 groups of copies: with one of each counted, and with all of them."""
    rng = np.random.default_rng([SEED, copies])
    violations = {"one of each": 0, "all": 0}
    for seed in range(RUNS):
        confidence_G = rng.beta(*SHAPES["spread"], 400)
        wrong_G = rng.random(400) > confidence_G
        groups_N = np.repeat(np.arange(400), copies)
        for name, rows in (("one of each", one_of_each(groups_N, seed)), ("all", np.arange(len(groups_N)))):
            found = learn_then_test(confidence_G[groups_N[rows]], wrong_G[groups_N[rows]], TARGET, DELTA)
            violations[name] += found.threshold is not None and _true_error(found.threshold, "spread") > TARGET
    return violations


class Population:
    """The out-of-fold answers to the clothing photos, and what heads are trained on."""

    def __init__(self, predictor: dt.Predictor) -> None:
        arrays, kind = predictor.arrays(), predictor.manifest.kind
        answers_NO = kind.answers(arrays.unseen_logits_MC)
        self.rows_M = arrays.unseen_rows_M
        self.labels_M = arrays.targets_N[self.rows_M]
        self.confidence_M: NDArray[np.float64] = kind.confidences(answers_NO)
        self.wrong_M = answers_NO.argmax(axis=1) != self.labels_M
        self.features_MD = arrays.unit_ND[self.rows_M]
        self.groups_M = arrays.groups_N[self.rows_M]
        self.names = kind.outputs


def _clothing() -> Population:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "clothing"
        dt.train(data_root() / "clothing" / "train", out, backbone="efficientnet-lite0", gallery=0, seed=SEED)
        return Population(dt.load(out))


def _resampled(population: Population, n: int, target: float) -> dict[str, float]:
    rng = np.random.default_rng([SEED, n, int(1000 * target)])
    violations, coverage, certified = 0, 0.0, 0
    for _ in range(RUNS):
        rows = rng.integers(len(population.rows_M), size=n)
        found = learn_then_test(population.confidence_M[rows], population.wrong_M[rows], target, DELTA)
        if found.threshold is not None:
            inside_M = population.confidence_M >= found.threshold
            violations += bool(population.wrong_M[inside_M].mean() > target)
            coverage += float(inside_M.mean()) / RUNS
            certified += 1
    return {"violations": violations, "coverage": round(coverage, 3), "certified": certified}


def _cross_fitted(population: Population, runs: int = 100, n: int = 800, target: float = 0.05) -> dict[str, float]:
    rng = np.random.default_rng([SEED, 7])
    violations, coverage, certified = 0, 0.0, 0
    groups = np.unique(population.groups_M)
    for seed in range(runs):
        ours_M = np.isin(population.groups_M, rng.permutation(groups)[:n])
        targets = ClassTargets(population.names, population.labels_M[ours_M].astype(np.int64))
        groups_N = population.groups_M[ours_M]
        fitted = targets.fit(
            population.features_MD[ours_M], groups_N, np.ones(len(groups_N), np.float32), seed=seed, threads=1
        )
        unseen_NO = targets.answers(fitted.out_of_fold.logits_NC, fitted.head.beta)
        rows = one_of_each(groups_N, seed)
        wrong_N = unseen_NO.argmax(axis=1) != targets.values
        found = learn_then_test(unseen_NO.max(axis=1)[rows], wrong_N[rows], target, DELTA)
        if found.threshold is not None:
            others_KO = targets.answers(fitted.head.logits(population.features_MD[~ours_M]), fitted.head.beta)
            inside_K = others_KO.max(axis=1) >= found.threshold
            wrong_K = others_KO.argmax(axis=1) != population.labels_M[~ours_M]
            violations += bool(wrong_K[inside_K].mean() > target)
            coverage += float(inside_K.mean()) / runs
            certified += 1
    return {"runs": runs, "violations": violations, "coverage": round(coverage, 3), "certified": certified}


if __name__ == "__main__":
    main()
