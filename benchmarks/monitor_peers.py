"""The same statistics by ``online-cp`` and ``ville``; run by `benchmarks.monitor` with a Python that has both.

JSON on stdin: ``p``, p-values; ``ratios``, e-values; ``hits`` with ``bound`` and ``rate``. JSON on stdout: each statistic
after every step.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import numpy as np
from online_cp import CUSUMWrapper, ShiryaevRobertsWrapper, SimpleJumper
from ville import BernoulliTest

# Pseudo-counts that make ville's mixture over rates a single one.
CONCENTRATED = 1e9


class Product:
    """A martingale that grows by given e-values, as online-cp's wrappers take them."""

    def __init__(self) -> None:
        self.logM = 0.0

    def update(self, ratio: float) -> None:
        self.logM += float(np.log(ratio))


def main() -> None:
    given = json.load(sys.stdin)
    jumper = SimpleJumper(J=0.01, E=[-1, 0, 1])
    restarted = ShiryaevRobertsWrapper(SimpleJumper(J=0.01, E=[-1, 0, 1]))
    log_capital = []
    for p in given["p"]:
        jumper.update(p)
        restarted.update(p)
        log_capital.append(float(jumper.logM))
    sums, runs = ShiryaevRobertsWrapper(Product()), CUSUMWrapper(Product())
    for ratio in given["ratios"]:
        sums.update(ratio)
        runs.update(ratio)
    rate = given["rate"]
    test = BernoulliTest(given["bound"], prior=(CONCENTRATED * rate, CONCENTRATED * (1 - rate)))
    test.update(np.asarray(given["hits"]))
    found = {
        "versions": {name: version(name) for name in ("ville", "online-cp")},
        "jumper": log_capital,
        "restarted_jumper": list(map(float, restarted.sr_values[1:])),
        "shiryaev_roberts": list(map(float, sums.sr_values[1:])),
        "cusum": list(map(float, runs.cusum_values[1:])),
        "likelihood_ratio": list(map(float, test.log_e_values_)),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
