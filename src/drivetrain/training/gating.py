"""The gate of a training run: fitted, and tried on inputs that it has to refuse. Shapes: N images trained on, F features."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ..core.types import FloatArray, Item
from ..embed.embedder import Embedder
from ..learn.gate_fit import Asked, FittedGate, NoGate, fit_gate
from ..model.inputs.registry import INPUTS
from ..stats.conformal import is_strange
from .features import Chosen, as_the_graph
from .options import TrainOptions
from .sides import Sides

LAST_LAYER = "head"
"""The block's name; earlier layers see more of how a picture was taken, such as its sharpness."""


@dataclass(frozen=True)
class PlantedFile:
    """A file made here, as an item's reference."""

    name: str
    data: bytes

    def read_bytes(self) -> bytes:
        """Return the bytes."""
        return self.data


@dataclass(frozen=True, eq=False)
class Planted:
    """A gate, and an input like nothing that was trained on, which it refuses."""

    fitted: FittedGate
    example: PlantedFile
    """A bundle in which this is not refused is not loaded: detectors break silently, and then let everything pass."""


def gate_of(
    sides: Sides,
    chosen: Chosen,
    folds_N: np.ndarray[tuple[int], np.dtype[np.int64]],
    options: TrainOptions,
    embedder: Embedder,
) -> Planted | NoGate | None:
    """Fit the gate on the frozen network's embeddings, and try it; None where none was asked for.

    Fine-tuning brings together what it was not trained to tell apart, also what is not of its domain.
    """
    if options.false_alarm == 0:
        return None
    known = sides.trained_on
    asked = Asked(options.false_alarm, options.gate_mode, options.seed)
    embeddings_NF = as_the_graph(known.features_ND, chosen)
    columns = last_layer(chosen)
    fitted = fit_gate(embeddings_NF, known.targets.strata_N, known.groups_N, folds_N, asked, columns)
    if isinstance(fitted, NoGate):
        return fitted
    example = _refused(fitted, chosen, embedder)
    if example is None:
        return NoGate(
            "Images unlike those trained on are not told apart: of those made to be like nothing else, the gate would refuse "
            "none. The embeddings may say too little, or the training images may be of too many things."
        )
    return Planted(fitted, example)


def last_layer(chosen: Chosen) -> tuple[int, int] | None:
    """Return where the columns of the last layer begin and end in the embedding; None where it has no layer of this name."""
    start = 0
    for block in chosen.features.backbone.blocks:
        if block.name == LAST_LAYER and block.name in chosen.features.blocks:
            return start, start + block.width
        start += block.width * (block.name in chosen.features.blocks)
    return None


def _refused(fitted: FittedGate, chosen: Chosen, embedder: Embedder) -> PlantedFile | None:
    """Return the strangest of the inputs made to be refused; None where none is."""
    preparation = chosen.features.backbone.preprocess
    form = INPUTS[preparation.input_type].of(preparation)
    ending = form.golden_ending(lossless=True)
    files = [PlantedFile(f"far-{n}.{ending}", data) for n, data in enumerate(form.far_examples())]
    if not files:
        return None
    items = [Item(file, file.name, sha256=hashlib.sha256(file.data).hexdigest()) for file in files]
    found = embedder.embed(items, chosen.features.recipes, stage="try the gate")
    features_KF: FloatArray = chosen.features.matrix(lambda recipe: found[recipe.key].features_ND)
    rows_K = found[chosen.features.recipes[0].key].rows_N
    embeddings_KF = as_the_graph(features_KF, chosen)
    if not is_strange(fitted.arrays.p_values(embeddings_KF), fitted.info.level).any():
        return None
    strangest = int(fitted.arrays.scores(embeddings_KF).argmin())
    return files[int(rows_K[strangest])]
