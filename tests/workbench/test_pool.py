"""Reading what is to be labelled, and what a bundle teaches."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.core.errors import UsageError
from drivetrain.core.ports import Silent
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.model.predictor import load
from drivetrain.workbench.label_model import learn
from drivetrain.workbench.pool import check_bundle, pool_of, read_unlabelled, taught_by
from labelled_pool import colour_of, draw

BUNDLES = Path(__file__).parent.parent / "bundles"


def test_folders_are_no_classes_unless_they_are_called_so(tmp_path: Path) -> None:
    draw(tmp_path / "2023", each=1)
    draw(tmp_path / "2024", each=1)
    draw(tmp_path / "blue", each=1)
    found = read_unlabelled(str(tmp_path), tmp_path / "unpacked", ("blue",))
    assert {item.label for item in found.items if item.name.startswith("blue/")} == {"blue"}
    assert {item.label for item in found.items if not item.name.startswith("blue/")} == {None}
    assert len(found.items) == 9
    (note,) = found.notes
    assert note.startswith(
        "the folders 2023, 2024 are no classes here, but “drivetrain train” would take them for such"
    )


def test_a_bundle_answers_before_anything_is_labelled(tmp_path: Path) -> None:
    draw(tmp_path / "inbox", each=4)
    bundle = load(BUNDLES / "v1")
    dataset = read_unlabelled(str(tmp_path / "inbox"), tmp_path / "unpacked", (), bundle.manifest.input.block())
    cache = EmbeddingCache(None)
    pool = pool_of(dataset, cache, Silent(), bundle=bundle)
    cache.close()
    assert pool.taught is not None
    assert set(pool.taught.labels_B) == set(bundle.classes)
    assert pool.taught.features_BD.shape[1] == pool.features_AD.shape[1]
    model = learn(pool.features_AD, pool.duplicates.groups_N, {}, pool.taught)
    assert model is not None
    german = {"blue": "blau", "green": "grün", "red": "rot"}
    right = [model.answers()[row] == german[colour_of(item)] for row, item in enumerate(pool.items)]
    assert sum(right) >= 11
    assert model.judged == {}
    assert len(taught_by(bundle).labels_B) == len(bundle.arrays().targets_N)


def test_a_bundle_whose_answers_are_not_one_label_is_refused() -> None:
    with pytest.raises(UsageError, match="is a bundle for regression, and one key gives one label"):
        check_bundle(load(BUNDLES / "v4-numbers"))
    check_bundle(load(BUNDLES / "v4-grades"))
