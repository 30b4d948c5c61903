"""The tally of many predictions: the line that ``drivetrain predict`` ends with."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..core.types import Prediction, Skipped
from ..core.verdict import Reason, Verdict
from ..draw.numbers import reading

# The most labels and reasons that are named; the others are counted.
MOST_NAMED = 5


@dataclass
class Remark:
    """A sentence on how inputs were read, and of how many it is true."""

    first: str
    """The path of the first of them."""
    words: str
    count: int = 0

    def line(self, total: int) -> str:
        """Write it on one line: of how many files it was so."""
        return f"{self.count} of {total} files, first {self.first}: {self.words}"


@dataclass
class Tally:
    """Counts predictions as they come by, and keeps only numbers."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, list[float]] = field(default_factory=dict)
    remarks: dict[str, Remark] = field(default_factory=dict)
    """Sentences on how inputs were read, by code."""

    def add(self, prediction: Prediction) -> None:
        """Count one more prediction."""
        self.verdicts[prediction.verdict] += 1
        if prediction.label is not None:
            self.labels[prediction.label] += 1
        self.labels.update(prediction.labels)
        for name, number in prediction.values.items():
            self.numbers.setdefault(name, []).append(number.value)

    def remark(self, path: str, reasons: Iterable[Reason]) -> None:
        """Count what there is to say of one more input."""
        for reason in reasons:
            self.remarks.setdefault(reason.code, Remark(path, reason.words)).count += 1

    @property
    def unreadable(self) -> int:
        """The number of files that could not be used."""
        return self.verdicts[Verdict.UNREADABLE]

    @property
    def total(self) -> int:
        """The number of all files."""
        return self.verdicts.total()

    def line(self, passed_over: Sequence[Skipped] = ()) -> str:
        """Write the tally on one line: answers by verdict, files that could not be read, answers by label or number."""
        answered = self.total - self.unreadable
        verdicts = f"{self.verdicts[Verdict.ACCEPT]} accept, {self.verdicts[Verdict.REVIEW]} review"
        if strange := self.verdicts[Verdict.OUT_OF_DOMAIN]:
            verdicts += f", {strange} out of domain"
        parts = [f"{answered} answered ({verdicts})"]
        if self.unreadable:
            parts.append(f"{self.unreadable} cannot be read")
        if passed_over:
            kinds = Counter(one.detail.partition(";")[0].partition(",")[0] for one in passed_over)
            named = [f"{count} × {kind}" if count > 1 else kind for kind, count in kinds.most_common(MOST_NAMED)]
            more = ", …" if len(kinds) > len(named) else ""
            parts.append(f"{len(passed_over)} passed over ({', '.join(named)}{more}; first: {passed_over[0].name})")
        spreads = [
            f"{name} {reading(min(values))} to {reading(max(values))}, median {reading(statistics.median(values))}"
            for name, values in self.numbers.items()
        ]
        labels = [_most(self.labels)] if self.labels else []
        return "; ".join([", ".join(parts), *labels, *spreads])


def _most(labels: Counter[str]) -> str:
    first = [f"{name} {count}" for name, count in labels.most_common(MOST_NAMED)]
    others = len(labels) - len(first)
    return ", ".join(first) + (f", and {others} more label{'s' if others > 1 else ''}" if others else "")
