"""Delimited files in every way in which programs write them: the cells are those of two other readers, or it is said why not.

`table_grid.py` runs all of it and writes the table in docs/tables.md.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import table_grid

from drivetrain.core.errors import SourceError
from drivetrain.data.sources.opening import open_source


def test_some_files_of_every_kind(tmp_path: Path) -> None:
    # 7 is no divisor of the number of any way, so that all of them meet.
    for case in islice(table_grid.cases(), 0, None, 7):
        table_grid.outcome(case, tmp_path)


@pytest.mark.thorough
def test_the_table_in_the_documentation_is_that_of_the_grid() -> None:
    assert table_grid.on_page() == table_grid.table(), "run: python tests/data/table_grid.py"


@pytest.mark.parametrize("encoding", [name for name, about in table_grid.ENCODINGS.items() if about[2]])
def test_a_table_without_names_of_columns_is_refused(tmp_path: Path, encoding: str) -> None:
    case = table_grid.Case("semicolon", encoding, "none", "where needed", "CRLF", "ended")
    (tmp_path / "labels.csv").write_bytes(case.data())
    with pytest.raises(SourceError, match=r"has no column for path|is read as its header|name the columns"):
        open_source(tmp_path / "labels.csv")
