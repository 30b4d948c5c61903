"""Past cases with people and a model whose errors are known, as tables and as objects."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 1, 5, 6, tzinfo=UTC)
LABELS = ("bright", "dark", "dim")
"""The labels of the committed bundle ``v4-classes``."""


@dataclass(frozen=True)
class World:
    """People and a model: both err more on hard cases, so that their errors hang together, and the model is less sure of these.

    Certified cases are the easy ones but for a few.
    """

    cases: int = 1500
    seed: int = 0
    labels: tuple[str, ...] = LABELS
    hard: float = 0.15
    person: tuple[float, float] = (0.03, 0.12)
    """Errors of people on easy and hard cases."""
    model: tuple[float, float] = (0.01, 0.25)
    breaks_at: int | None = None
    """The case from which on the model errs as often on easy cases as on hard ones, and stays sure."""
    day_cases: int = 40
    group: int = 3
    """Cases of one group follow each other."""
    sites: tuple[str, ...] = ("north", "south")
    outcomes: bool = True
    people: tuple[str, ...] = ("anna", "ben", "cho")

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Yield the rows of the table."""
        rng, at = random.Random(self.seed), START
        for number in range(self.cases):
            at += timedelta(minutes=rng.expovariate(self.day_cases / 1440))
            truth, hard = rng.choice(self.labels), rng.random() < self.hard
            broken = self.breaks_at is not None and number >= self.breaks_at
            person = self._answer(rng, truth, self.person[hard])
            model = self._answer(rng, truth, self.model[hard or broken])
            sure = rng.uniform(0.4, 0.8) if hard else rng.uniform(0.88, 0.999)
            yield {
                "key": f"case-{number}",
                "at": at.isoformat(),
                "decided": person,
                "decided_by": rng.choice(self.people),
                "outcome": truth if self.outcomes else "",
                "group": f"module-{number // self.group}",
                "site": self.sites[(number // self.group) % len(self.sites)],
                "answer": model,
                "confidence": f"{sure:.4f}",
                "second": next(label for label in self.labels if label != model),
                "in_domain": "true",
                "truth": truth,
            }

    def _answer(self, rng: random.Random, truth: str, error: float) -> str:
        wrong = rng.choice([label for label in self.labels if label != truth])
        return wrong if rng.random() < error else truth

    def write(self, path: Path, *without: str) -> Path:
        """Write the table, without some columns; the truth that nobody knows is never in it."""
        rows = [{name: text for name, text in row.items() if name not in (*without, "truth")} for row in self]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return path
