"""Writes delimited files in every way that spreadsheets, shells and editors do, and reads them with three readers.

Run as a program it writes the table of the grid into docs/tables.md.
"""

from __future__ import annotations

import csv
import io
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.csv

from drivetrain.core.errors import SourceError
from drivetrain.data.sources.table import load

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tables.md"
BEGIN = "<!-- The table of the grid is written by tests/data/table_grid.py. -->\n"
END = "<!-- End of the table of the grid. -->\n"

ROWS = [
    ["1.jpg", "löwe", "3.5"],
    ["2.jpg", "big, old; brown|grey\tbear", "-1"],
    ["3.jpg", 'say "hi"', ""],
    ["sub folder/4.jpg", "two\nlines", "1e3"],
]
COLUMNS = ["path", "label", "weight"]

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
ENCODINGS = {  # codec, mark, whether it is read
    "UTF-8": ("utf-8", b"", True),
    "UTF-8 with its mark": ("utf-8", b"\xef\xbb\xbf", True),
    "UTF-16, little end first, marked": ("utf-16-le", b"\xff\xfe", True),
    "UTF-16, big end first, marked": ("utf-16-be", b"\xfe\xff", True),
    "UTF-32, marked": ("utf-32-le", b"\xff\xfe\0\0", True),
    "UTF-16 without a mark": ("utf-16-le", b"", False),
    "Windows-1252": ("cp1252", b"", False),
    "code page 850": ("cp850", b"", False),
}
HEADERS = ("plain", "quoted", "with spaces", "behind blank lines", "behind sep=", "none")
QUOTING: dict[str, Any] = {
    "where needed": csv.QUOTE_MINIMAL,
    "all": csv.QUOTE_ALL,
    "all, behind a space": csv.QUOTE_ALL,
}
ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}
LAST = {"ended": True, "not ended": False}


@dataclass(frozen=True)
class Case:
    """One way to write the rows; each field is a key of the tables above."""

    separator: str
    encoding: str
    header: str
    quoting: str
    end: str
    last: str

    @property
    def is_read(self) -> bool:
        """Tells whether the file says all that a reader has to know."""
        return ENCODINGS[self.encoding][2] and self.header != "none"

    def text(self) -> str:
        """The file's text."""
        mark, end = SEPARATORS[self.separator], ENDS[self.end]
        lines = [self._line(row) for row in ROWS]
        if self.header == "quoted":
            lines.insert(0, mark.join(f'"{name}"' for name in COLUMNS))
        elif self.header == "with spaces":
            lines.insert(0, mark.join(f" {name} " for name in COLUMNS))
        elif self.header != "none":
            lines.insert(0, mark.join(COLUMNS))
        if self.header == "behind sep=":
            lines.insert(0, f"sep={mark}")
        if self.header == "behind blank lines":
            lines[:0] = ["", mark * 2]
        return end.join(lines) + (end if LAST[self.last] else "")

    def _line(self, row: list[str]) -> str:
        buffer = io.StringIO()
        mark = SEPARATORS[self.separator]
        csv.writer(buffer, delimiter=mark, quoting=QUOTING[self.quoting], lineterminator="\r\n").writerow(row)
        text = buffer.getvalue().removesuffix("\r\n")
        return text.replace(f'"{mark}"', f'"{mark} "') if self.quoting.endswith("space") else text

    def data(self) -> bytes:
        """The file's bytes."""
        codec, bom, _ = ENCODINGS[self.encoding]
        return bom + self.text().encode(codec)


def cases() -> Iterator[Case]:
    """Every combination."""
    for values in itertools.product(SEPARATORS, ENCODINGS, HEADERS, QUOTING, ENDS, LAST):
        yield Case(*values)


Cells = list[list[str]]


def ours(case: Case, folder: Path) -> Cells | str:
    """The cells as drivetrain reads them, or why it does not."""
    path = folder / "labels.csv"
    path.write_bytes(case.data())
    try:
        table = load(path, "labels.csv")
    except SourceError as error:
        return str(error)
    cells = [[str(row.get(column, "")) for column in table.columns] for _, row in table.rows]
    return [list(table.columns), *cells]


def python(case: Case) -> Cells:
    """The cells as Python's `csv` reads them when it is told everything about the file."""
    codec, bom, _ = ENCODINGS[case.encoding]
    text = case.data()[len(bom) :].decode(codec)
    padded = case.quoting.endswith("space")
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=SEPARATORS[case.separator], skipinitialspace=padded, strict=True
    )
    rows = [row for row in reader if any(row)][case.header == "behind sep=" :]
    return [[cell.strip() for cell in rows[0]], *rows[1:]]


def arrow(case: Case) -> Cells | None:
    """The cells as pyarrow reads them when it is told everything; None where it cannot be told."""
    codec, bom, _ = ENCODINGS[case.encoding]
    if case.quoting.endswith("space") or case.header == "behind blank lines":
        return None
    told = pyarrow.csv.ReadOptions(
        encoding=codec, skip_rows=int(case.header == "behind sep="), autogenerate_column_names=False, use_threads=False
    )
    how = pyarrow.csv.ParseOptions(delimiter=SEPARATORS[case.separator], newlines_in_values=True)
    what = pyarrow.csv.ConvertOptions(column_types={}, strings_can_be_null=False)
    names = [f" {name} " if case.header == "with spaces" else name for name in COLUMNS]
    what.column_types = dict.fromkeys(names, pyarrow.string())
    table = pyarrow.csv.read_csv(io.BytesIO(case.data()[len(bom) :]), told, how, what)
    columns = [column.to_pylist() for column in table.columns]
    return [[name.strip() for name in table.column_names], *map(list, zip(*columns, strict=True))]


def outcome(case: Case, folder: Path) -> str:
    """One of: ``refused``, ``as Python``, ``as both``.

    Raises:
        AssertionError: it is another.
    """
    found = ours(case, folder)
    if not case.is_read:
        assert isinstance(found, str) or found[0] == ROWS[0], f"{case} is read as {found}"
        if isinstance(found, str):
            reason = "seems to be" if not ENCODINGS[case.encoding][2] else "labels.csv"
            assert reason in found, f"{case}: {found}"
            assert "\n" not in found
        return "refused"
    expected = python(case)
    end = ENDS[case.end]
    assert [row[:1] for row in expected[1:]] == [row[:1] for row in ROWS], f"{case}: the oracle is wrong"
    assert found == expected, f"{case}: {found} instead of {expected}; lines end in {end!r}"
    other = arrow(case)
    if other is None:
        return "as Python"
    assert found == other, f"{case}: {found} instead of {other}"
    return "as both"


def table() -> str:
    """The table of the grid, in Markdown."""
    heads, quotes, ends = "header {}", "quotes {}", "lines end in {}"
    rows = [*SEPARATORS, *ENCODINGS, *map(heads.format, HEADERS), *map(quotes.format, QUOTING), *map(ends.format, ENDS)]
    counts: dict[str, Counter[str]] = {row: Counter() for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        for case in cases():
            found = outcome(case, Path(folder))
            ways = (heads.format(case.header), quotes.format(case.quoting), ends.format(case.end))
            for row in (case.separator, case.encoding, *ways):
                counts[row][found] += 1
    lines = [
        "| files | written | read, as Python's `csv` does | of these as `pyarrow.csv` does, too | refused by name |",
        "|---|---|---|---|---|",
    ]
    for row, of in counts.items():
        read = of["as Python"] + of["as both"]
        lines.append(
            f"| {row} | {sum(of.values())} | {read or '–'} | {of['as both'] or '–'} | {of['refused'] or '–'} |"
        )
    return BEGIN + "\n" + "\n".join(lines) + "\n\n" + END


def on_page() -> str:
    """The table as the page has it."""
    text = PAGE.read_text(encoding="utf-8")
    return text[text.index(BEGIN) : text.index(END) + len(END)]


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page.replace(on_page(), table()), encoding="utf-8")
