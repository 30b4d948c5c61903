"""The chapter's notebook, executed as a reader would, on a small set of photos of handwritten digits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import drivetrain as dt

pytestmark = pytest.mark.processes

NOTEBOOK = Path(__file__).resolve().parent.parent / "examples" / "bears_chapter.ipynb"
PER_CLASS = 24


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The notebook with its outputs, and the folder it ran in."""
    folder = tmp_path_factory.mktemp("chapter")
    digits = load_digits()
    for digit, name in ((0, "black"), (1, "grizzly"), (4, "teddy")):
        (folder / "bears" / name).mkdir(parents=True)
        for row in np.flatnonzero(digits.target == digit)[:PER_CLASS]:
            pixels = (255 - digits.images[row] * 15.9).astype(np.uint8)
            image = Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC)
            image.save(folder / "bears" / name / f"{row:04}.jpg", quality=95)
    (folder / "bears" / "teddy" / "cut.jpg").write_bytes((folder / "bears" / "teddy" / "0004.jpg").read_bytes()[:300])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIVETRAIN_CACHE", str(folder / "cache"))
        patch.setenv("BEARS", "bears")
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        _make_small(notebook)
        nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook, folder


def _make_small(notebook: Any) -> None:
    """Photos of digits gain nothing from 224 pixels, and at 96 a network takes a fifth of the time."""
    [cell] = [cell for cell in notebook.cells if "RandomResizedCrop(224," in cell.source]
    cell.source = cell.source.replace("RandomResizedCrop(224,", "RandomResizedCrop(96,")


def output_of(notebook: Any, code: str) -> str:
    """All that a cell has shown, the first in which ``code`` stands."""
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code" and code in cell.source)
    shown = [output.get("text", "") or str(output.get("data", "")) for output in cell.outputs]
    return "\n".join(shown)


def test_every_cell_runs_and_shows_what_it_should(executed: tuple[Any, Path]) -> None:
    notebook, folder = executed
    assert "cut.jpg" in output_of(notebook, "verify_images")
    # Nothing is deleted: what is no picture lies aside, and the notebook says where.
    assert "bears/teddy/cut.jpg → not-images/bears/teddy/cut.jpg" in output_of(notebook, "move_aside")
    assert (folder / "not-images" / "bears" / "teddy" / "cut.jpg").stat().st_size == 300
    for code in ("show_batch(max_n=4", "show_batch(max_n=8", "plot_top_losses", "overlay()"):
        assert "image/png" in output_of(notebook, code), code
    assert "image/svg+xml" in output_of(notebook, "plot_confusion_matrix")
    assert "widget-view" in output_of(notebook, "ImageClassifierCleaner(learn)")
    assert "item_tfms[0] Resize" in output_of(notebook, "summary(path)")
    assert "error_rate" in output_of(notebook, "learn.validate()")


def test_training_shows_a_bar_and_the_loss_in_place(executed: tuple[Any, Path]) -> None:
    shown = output_of(executed[0], "learn.fine_tune")
    assert "progressbar" in shown
    assert "svg" in shown
    assert re.search(r"epoch 4/4", shown)


def test_what_it_exports_is_a_bundle_that_knows_what_it_learnt(executed: tuple[Any, Path]) -> None:
    _, folder = executed
    predictor = dt.load(folder / "export.bundle")
    assert predictor.classes == ("black", "grizzly", "teddy")
    tuned = predictor.manifest.training.fine_tuning
    assert tuned is not None
    assert tuned.epochs == 4
    files = sorted((folder / "bears").glob("*/*.jpg"))
    right = sum(predictor.predict(file).label == file.parent.name for file in files)
    assert right >= 0.9 * len(files)


def test_the_notebook_is_kept_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
