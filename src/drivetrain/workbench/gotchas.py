"""Gotchas of a set that is being cleaned, by the labels of the moment."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import DataError
from ..data.sources.metadata_columns import metadata_columns
from ..training.gotchas import Gotchas, gotchas_of
from .survey import Survey

TOO_FEW = "there are too few pictures to look for shortcuts and slices"


def gotchas_in(survey: Survey) -> Gotchas | str:
    """Look for shortcuts and slices; or say why nothing can be found."""
    fitted, judged = survey.fitted, survey.judged
    if fitted is None or judged is None:
        return survey.unfit or "nothing can be learned of this set yet"
    known = survey.sample.take(judged.rows_J)
    columns = metadata_columns(Path(survey.found.dataset.source), survey.found.input_block.files)
    try:
        settings = judged.figures(survey.options.seed).settings
    except DataError as error:
        return str(error)
    return gotchas_of(known, fitted.folds_N, judged, known.items, settings, survey.traits, columns) or TOO_FEW
