"""The extents of the subjects of some of the images judged, by heat maps of the head on the frozen network.

A map costs a run of the network, some 15 ms of a core, so that a sample of the images is measured, and only where somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ..core.cores import available_cores
from ..core.errors import BundleError, ImageError, UsageError
from ..core.ordered_map import ordered_map
from ..core.ports import Progress
from ..core.types import Item
from ..learn.head import FittedHead
from ..learn.kinds.targets import Targets
from ..model.explain.extent import Extent, extent_of
from ..model.explain.heatmap import Heatmaps
from ..model.export import with_head
from .features import Chosen

# The most images that are measured: 3 s of a core with the smallest network.
MOST = 200


@dataclass(frozen=True, eq=False)
class Subjects:
    """Extents by item name, and words on how they were measured."""

    words: str = ""
    """Empty where nobody asked."""
    extents: Mapping[str, Extent] = field(default_factory=dict)


NOT_ASKED = Subjects()
"""Nothing, where nobody asked."""


def subjects_in(
    items: Sequence[Item],
    targets: Targets,
    chosen: Chosen,
    fitted: FittedHead,
    seed: int,
    progress: Progress,
    workers: int | None = None,
) -> Subjects:
    """Measure at most `MOST` of the items, drawn at random; or say why none can be."""
    features, head = chosen.features, fitted.head
    if targets.measured or head.weight_DC.shape[1] != len(targets.names) or len(targets.names) < 2:
        return Subjects("The subject's size is not measured: that takes a model that tells classes or labels apart.")
    graph = with_head(features.backbone.build(features.blocks), head.weight_DC, head.bias_C, views=features.views)
    try:
        maps = Heatmaps(graph, targets.names, features.backbone.preprocess, method="activation")
    except (UsageError, BundleError) as error:
        return Subjects(f"The subject's size is not measured: {error}.")
    rows = np.sort(np.random.default_rng(seed).permutation(len(items))[:MOST])
    sample = [items[row] for row in rows]
    workers = workers or available_cores()
    found: dict[str, Extent] = {}
    with progress.stage("map subjects", len(sample)) as advance:
        made = ordered_map(partial(_extent, maps), sample, workers=workers, ahead=2 * workers)
        for item, extent in zip(sample, made, strict=True):
            if extent is not None:
                found[item.name] = extent
            advance(1)
    return Subjects(f"The subject's size was measured by heat maps of {len(found):,} of {len(items):,} images.", found)


def _extent(maps: Heatmaps, item: Item) -> Extent | None:
    try:
        return extent_of(maps.of(item.reference))
    except ImageError:
        return None  # the file is gone since it was embedded
