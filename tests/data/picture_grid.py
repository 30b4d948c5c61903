"""Runs the whole grid of generated pictures, and writes its table into docs/pictures.md.

python tests/data/picture_grid.py
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import format_cases
import tiff_cases
import tiff_picture_cases
from picture_case import Case

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pictures.md"
BEGIN, END = "<!-- the grid begins -->", "<!-- the grid ends -->"


def cases() -> Iterator[Case]:
    """Every file of the grid."""
    return itertools.chain(format_cases.cases(), tiff_picture_cases.cases(), tiff_cases.cases())


def table() -> str:
    """Decode every file, and say in a table what became of it.

    Raises:
        AssertionError: one is read otherwise than expected, or refused for another reason.
    """
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for case in cases():
        line = counts.setdefault((case.format, case.row), {})
        outcome = case.outcome()
        line[outcome] = line.get(outcome, 0) + 1
    lines = ["| format | pictures | files | result |", "| --- | --- | ---: | --- |"]
    for (kind, row), outcomes in sorted(counts.items(), key=lambda item: (item[0][0].lower(), item[0][1].lower())):
        result = "; ".join(
            outcome if len(outcomes) == 1 else f"{count} {outcome}" for outcome, count in sorted(outcomes.items())
        )
        lines.append(f"| {kind} | {row} | {sum(outcomes.values())} | {result} |")
    return "\n".join(lines)


def on_page() -> str:
    """The table as it stands in the documentation."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()


def main() -> None:
    """Write the page anew."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}", encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
