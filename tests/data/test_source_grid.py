"""Every source of the grid gives the items that it was made of, with pictures and with another input's files."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import pytest
from source_grid import SECTIONS, Case, Expected, Tally, documented, section

from drivetrain.core.errors import SourceError
from drivetrain.core.types import Dataset
from drivetrain.data.image.files import IMAGES
from drivetrain.data.sources.file_form import FileForm
from drivetrain.data.sources.opening import open_source

VECTORS = FileForm("vector", "vectors", "a", frozenset({".npy"}), usual="npy")

FORMS = {"jpg": IMAGES, "npy": VECTORS}

EVERY = {"jpg": 1, "npy": 7}
"""Of how many cases one is tried with each form: names and columns mean the same, whatever the files hold."""


def write(case: Case, root: Path) -> Path:
    for name, content in case.files.items():
        place = root / name
        if content is not None or not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"x" if content is None else content)
    return root / case.opened if case.opened else root


def found(dataset: Dataset) -> frozenset[Expected]:
    return frozenset(
        Expected(
            item.name,
            item.labels if item.labels is not None and (len(item.labels) != 1) else item.label or "",
            item.split,
        )
        for item in dataset.items
    )


def problem(case: Case, root: Path, form: FileForm) -> str | None:
    """What is wrong with the reading of a case; None where nothing is."""
    source = write(case, root)
    try:
        dataset = open_source(source, form=form)
    except SourceError as error:
        return None if case.expected is None and "\n" not in str(error) else f"refused: {error}"
    if case.expected is None:
        return "not refused"
    got = found(dataset)
    wanted = frozenset(
        one._replace(label=one.label[0]) if isinstance(one.label, tuple) and len(one.label) == 1 else one
        for one in case.expected
    )
    if got != wanted:
        return f"{sorted(map(str, got - wanted))[:2]} instead of {sorted(map(str, wanted - got))[:2]}"
    doubted = any(doubt.code == "unused-split" for doubt in dataset.doubts)
    if doubted != case.doubted:
        return "pointed out" if doubted else "not pointed out"
    strange = [
        one for one in dataset.skipped if one.reason not in ("not an image", "not a vector") and "pred/" not in one.name
    ]
    return f"left out {strange[0]}" if strange else None


@pytest.mark.thorough
@pytest.mark.parametrize("title", SECTIONS)
@pytest.mark.parametrize("ending", FORMS)
def test_every_source_gives_what_it_was_made_of(tmp_path: Path, title: str, ending: str) -> None:
    tally, wrong = Tally(title), []
    for number, case in enumerate(islice(SECTIONS[title](ending), 0, None, EVERY[ending])):
        # Tables may stand beside one another where they list the same files; folders have to be alone.
        root = tmp_path / (case.axes["path"] if case.opened else f"{number}")
        what = problem(case, root, FORMS[ending])
        if not case.opened:
            shutil.rmtree(root)
        tally.add(case, what is None)
        if what is not None:
            wrong.append(f"{dict(case.axes)}: {what}")
    assert not wrong, f"{len(wrong)} of the grid, e.g.\n" + "\n".join(wrong[:: max(1, len(wrong) // 12)][:12])
    assert EVERY[ending] > 1 or "\n".join(tally.lines()) in documented(), (
        "run tests/data/source_grid.py, which writes docs/sources.md"
    )


def test_the_document_has_nothing_else() -> None:
    tallies = []
    for title, cases in SECTIONS.items():
        tallies.append(Tally(title))
        for case in cases("jpg"):
            tallies[-1].add(case, good=True)
    assert documented() == section(tallies)
    assert sum(tally.all[axis] for tally in tallies for axis in [next(iter(tally.all))]) > 0
