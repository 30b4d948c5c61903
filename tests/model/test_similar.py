"""The most similar training images: the same as brute force finds, labelled in words for every task."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import drivetrain as dt
from drawn import draw_several
from drivetrain.core.errors import UsageError
from drivetrain.data.block.blocks import ImageBlock, RegressionBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.model.explain.similar import Similar, most_similar
from tiny_backbone import TINY


def with_embeddings(predictor: dt.Predictor, embeddings_ND: np.ndarray) -> dt.Predictor:
    """The same bundle, remembering other images."""
    targets_N = np.arange(len(embeddings_ND), dtype=np.int64) % len(predictor.classes)
    arrays = replace(predictor.arrays(), embeddings_ND=embeddings_ND.astype(np.float16), targets_N=targets_N)
    return replace(predictor, _arrays=arrays)


def brute(embeddings_ND: np.ndarray, query_D: np.ndarray, count: int, rows: list[int]) -> list[tuple[int, float]]:
    """Row and cosine, in double precision, one at a time."""
    query = query_D.astype(np.float64)
    found = []
    for row in rows:
        own = embeddings_ND[row].astype(np.float64)
        length = float(np.linalg.norm(own) * np.linalg.norm(query))
        found.append((row, float(own @ query) / length if length else 0.0))
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:count]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 70),
    width=st.integers(1, 40),
    count=st.integers(0, 80),
    seed=st.integers(0, 2**32 - 1),
    every=st.none() | st.integers(1, 7),
)
def test_as_brute_force_finds_them(
    predictor: dt.Predictor, n: int, width: int, count: int, seed: int, every: int | None
) -> None:
    rng = np.random.default_rng(seed)
    # Lengths of all sizes, as blocks and users' own networks have them.
    embeddings_ND = (rng.standard_normal((n, width)) * 10 ** rng.uniform(-2, 2, (n, 1))).astype(np.float16)
    query_D = rng.standard_normal(width).astype(np.float32)
    rows = None if every is None else list(range(0, n, every))
    found = most_similar(with_embeddings(predictor, embeddings_ND), query_D, count, rows)
    expected = brute(embeddings_ND, query_D, count, list(range(n)) if rows is None else rows)
    assert len(found) == len(expected)
    np.testing.assert_allclose(
        [s.similarity for s in found], [min(max(cosine, 0), 1) for _, cosine in expected], atol=2e-6
    )
    cosines = dict(brute(embeddings_ND, query_D, n, list(range(n))))
    for one, (row, cosine) in zip(found, expected, strict=True):
        # The same row, or one that only rounding sets apart.
        assert one.row == row or cosines[one.row] == pytest.approx(cosine, abs=2e-6)
        assert one.label == predictor.classes[one.row % len(predictor.classes)]


def test_many_rows_as_brute_force_finds_them(predictor: dt.Predictor) -> None:
    rng = np.random.default_rng(5)
    embeddings_ND = rng.standard_normal((3000, 300)).astype(np.float16)
    query_D = (embeddings_ND[1234] + 0.3 * rng.standard_normal(300)).astype(np.float32)
    found = most_similar(with_embeddings(predictor, embeddings_ND), query_D, 10)
    expected = brute(embeddings_ND, query_D, 10, list(range(3000)))
    assert [s.row for s in found] == [row for row, _ in expected]
    assert found[0].row == 1234


def test_of_equal_ones_the_first_rows_are_given(predictor: dt.Predictor) -> None:
    embeddings_ND = np.tile(np.arange(1, 5, dtype=np.float16), (9, 1))
    embeddings_ND[4] *= -1
    found = most_similar(with_embeddings(predictor, embeddings_ND), np.arange(1, 5, dtype=np.float32), 3)
    assert [s.row for s in found] == [0, 1, 2]
    assert all(s.similarity == pytest.approx(1) for s in found)


def test_what_points_away_or_nowhere_resembles_nothing(predictor: dt.Predictor) -> None:
    embeddings_ND = np.array([[1, 0], [-1, 0], [0, 0], [np.inf, 1], [np.nan, 1]], np.float16)
    found = most_similar(with_embeddings(predictor, embeddings_ND), np.array([2, 0], np.float32), 9)
    assert {s.row: s.similarity for s in found} == {0: 1, 1: 0, 2: 0, 3: 0, 4: 0}
    assert found[-1].row == 1
    nowhere = most_similar(with_embeddings(predictor, embeddings_ND), np.zeros(2, np.float32), 2)
    assert [s.similarity for s in nowhere] == [0, 0]


def test_an_image_is_most_like_itself(predictor: dt.Predictor, pictures: Path) -> None:
    """Images are remembered in the source's order: class after class, by name."""
    with Image.open(pictures / "squares" / "07.jpg") as image:
        _, embedding_D = predictor.run(image.convert("RGB"))
    best, *others = most_similar(predictor, embedding_D, 6)
    assert best == Similar(27, "squares", pytest.approx(1, abs=1e-4))
    assert all(other.similarity < 0.999 for other in others)
    gallery = predictor.gallery
    assert gallery is not None
    assert most_similar(predictor, embedding_D, 6, gallery.rows)[0].row == 27
    without = [row for row in gallery.rows if row != 27]
    assert 27 not in {s.row for s in most_similar(predictor, embedding_D, 60, without)}
    assert most_similar(predictor, embedding_D, 3, []) == ()


@pytest.mark.trains
def test_labels_in_words(tmp_path: Path) -> None:
    drawings = draw_several(tmp_path, 30)
    by_name = {drawing.path.name: drawing for drawing in drawings}
    common: dict[str, Any] = {"backbone": TINY, "cache": tmp_path / "cache"}
    cells = [(drawing.path, ";".join(drawing.labels) or ";") for drawing in drawings]
    dt.train(cells, tmp_path / "labels", task="multi-label", **common)
    block = DataBlock(
        (ImageBlock, RegressionBlock(n_out=2)),
        get_y=lambda path: (by_name[path.name].size, by_name[path.name].light),
    )
    dt.train(tmp_path, tmp_path / "numbers", block=block, target_names=("size", "light"), **common)
    labels, numbers = dt.load(tmp_path / "labels"), dt.load(tmp_path / "numbers")
    for drawing in drawings[:8]:
        with Image.open(drawing.path) as image:
            rgb = image.convert("RGB")
        several = most_similar(labels, labels.run(rgb)[1], 1)[0]
        assert sorted(several.label.split(", ")) == (sorted(drawing.labels) or ["–"])
        pair = most_similar(numbers, numbers.run(rgb)[1], 1)[0]
        assert pair.label == f"size {np.float32(drawing.size):.4g}, light {np.float32(drawing.light):.4g}"


@pytest.mark.parametrize("embedding", [np.zeros(3), np.zeros((1, 3)), np.float32(1), np.full(4, np.nan)])
def test_an_embedding_that_does_not_fit(embedding: np.ndarray, predictor: dt.Predictor) -> None:
    small = with_embeddings(predictor, np.ones((5, 4)))
    with pytest.raises(UsageError, match="embedding"):
        most_similar(small, embedding, 3)


@pytest.mark.parametrize("rows", [[-1], [5], [0, 99]])
def test_rows_that_are_not_there(rows: list[int], predictor: dt.Predictor) -> None:
    with pytest.raises(UsageError, match="outside 0–4"):
        most_similar(with_embeddings(predictor, np.ones((5, 4))), np.ones(4, np.float32), 3, rows)


def test_a_negative_count(predictor: dt.Predictor) -> None:
    with pytest.raises(UsageError, match="count is -1"):
        most_similar(predictor, np.ones(predictor.manifest.embedding_width, np.float32), -1)


def test_what_is_kept_for_speed_goes_with_its_predictor(predictor: dt.Predictor) -> None:
    own = with_embeddings(predictor, np.ones((5, 4)))
    most_similar(own, np.ones(4, np.float32), 1, [0])
    assert "unit_ND" not in vars(own.arrays())
    most_similar(own, np.ones(4, np.float32), 1)
    watched = weakref.ref(own.arrays().unit_ND)
    del own
    gc.collect()
    assert watched() is None
