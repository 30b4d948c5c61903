"""Gotchas of a set that is being cleaned, by the labels of the moment."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import DataError
from ..core.ports import Progress
from ..data.sources.metadata_columns import metadata_columns
from ..training.gotchas import Gotchas, gotchas_of
from ..training.subjects import NOT_ASKED, subjects_in
from .survey import Survey

TOO_FEW = "there are too few pictures to look for shortcuts and slices"


def gotchas_in(survey: Survey, subjects: Progress | None = None) -> Gotchas | str:
    """Look for shortcuts and slices; or say why nothing can be found.

    ``subjects``: the extents of subjects are measured too, which takes seconds, and whoever follows that.
    """
    fitted, judged = survey.fitted, survey.judged
    if fitted is None or judged is None:
        return survey.unfit or "nothing can be learned of this set yet"
    known = survey.sample.take(judged.rows_J)
    columns = metadata_columns(Path(survey.found.dataset.source), survey.found.input_block.files)
    try:
        settings = judged.figures(survey.options.seed).settings
    except DataError as error:
        return str(error)
    measured = NOT_ASKED
    if subjects is not None:
        seed, workers = survey.options.seed, survey.options.workers
        measured = subjects_in(known.items, known.targets, survey.chosen, fitted, seed, subjects, workers)
    found = gotchas_of(known, fitted.folds_N, judged, known.items, settings, survey.traits, columns, measured)
    return found or TOO_FEW
