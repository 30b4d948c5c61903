"""The extent of a subject by its heat map: evidence planted small, large and at the edge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drivetrain.data.image.preprocess import Resize
from drivetrain.model.explain.extent import extent_of
from drivetrain.model.explain.heatmap import HeatMap
from drivetrain.model.explain.placement import Placement

PLACES = 7


def mapped(rows: slice, columns: slice, against: float = -0.1) -> HeatMap:
    """Evidence of one for the first of two classes in these places, and some for the other elsewhere."""
    grid = np.zeros((2, PLACES, PLACES), np.float32)
    grid[0] = against
    grid[0, rows, columns] = 1
    return HeatMap(
        image=Image.new("RGB", (70, 70)),
        classes=("a", "b"),
        contributions_Chw=grid,
        logits_C=grid.sum(axis=(1, 2)),
        bias_C=np.zeros(2, np.float32),
        method="activation",
        input_size=(70, 70),
        placement=Placement.of((70, 70), Resize(size=(70, 70))),
        winner=0,
    )


def test_the_size_is_the_share_of_the_places_with_evidence() -> None:
    for side in (1, 3, 5):
        start = (PLACES - side) // 2
        found = extent_of(mapped(slice(start, start + side), slice(start, start + side)))
        assert found is not None
        assert found.size == pytest.approx(side**2 / PLACES**2)
        assert found.at_edge == pytest.approx(0)


def test_evidence_at_the_edge_is_cut_off() -> None:
    found = extent_of(mapped(slice(2, 5), slice(0, 2)))
    assert found is not None
    assert found.at_edge == pytest.approx(0.5)
    corner = extent_of(mapped(slice(0, 1), slice(0, 1)))
    assert corner is not None
    assert corner.at_edge == pytest.approx(1)


def test_nothing_that_speaks_for_the_answer_has_no_extent() -> None:
    assert extent_of(mapped(slice(0, 0), slice(0, 0))) is None


@pytest.mark.trains
def test_photos_made_small_within_their_frame_have_a_smaller_extent(data_root: Path) -> None:
    from drivetrain.core.ports import Silent
    from drivetrain.core.scratch import Scratch
    from drivetrain.embed.cache import EmbeddingCache
    from drivetrain.model.explain.heatmap import Heatmaps
    from drivetrain.model.export import with_head
    from drivetrain.training.options import TrainOptions
    from drivetrain.workbench.survey import survey

    files = [path for kind in ("grizzly", "teddy") for path in sorted((data_root / "bears" / kind).glob("*.jpg"))[:24]]
    cache = EmbeddingCache(None)
    try:
        items = [(path, path.parent.name) for path in files]
        found = survey(items, TrainOptions(backbone="efficientnet-lite0"), cache, Silent(), Scratch())
    finally:
        cache.close()
    assert found.fitted is not None
    features, head = found.chosen.features, found.fitted.head
    graph = with_head(features.backbone.build(features.blocks), head.weight_DC, head.bias_C, views=features.views)
    maps = Heatmaps(graph, found.sample.targets.names, features.backbone.preprocess)
    smaller = 0
    for path in files[::2]:
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        frame = photo.resize((6, 6), Image.Resampling.BOX).resize(photo.size, Image.Resampling.BICUBIC)
        frame.paste(photo.reduce(2), (photo.width // 4, photo.height // 4))
        before, after = extent_of(maps.of(photo)), extent_of(maps.of(frame))
        smaller += before is not None and after is not None and after.size < before.size
    assert smaller >= 20  # of 24
