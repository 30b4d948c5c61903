"""The gate on fresh images: the same score, with p-values from images that neither model nor score has seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.types import FloatArray
from ..model.gate import GateArrays
from ..model.manifest import GateInfo
from ..stats.conformal import alarm_rank, fewest_scores


def recalibrated(
    arrays: GateArrays, info: GateInfo, embeddings_TF: FloatArray, false_alarm: float | None
) -> tuple[GateArrays, GateInfo] | str:
    """Return the gate calibrated by (T, F) embeddings of independent fresh images; where they are too few, say so."""
    alpha = info.false_alarm if false_alarm is None else false_alarm
    needed = fewest_scores(alpha, info.mode)
    if len(embeddings_TF) < needed:
        return (
            f"{len(embeddings_TF)} images are too few to calibrate the gate by ({needed} would do at {alpha:g}): it stays as it "
            "was"
        )
    scores_T: NDArray[np.float64] = np.sort(arrays.scores(embeddings_TF))
    level = alarm_rank(len(scores_T), alpha, info.mode) / (len(scores_T) + 1)
    fresh = info.model_copy(
        update={
            "false_alarm": alpha,
            "level": level,
            "calibrated_on": len(scores_T),
            "how": "on fresh independent images that the model had not seen",
            "tried": (),  # by the gate as it was
        }
    )
    return replace(arrays, scores_M=scores_T), fresh
