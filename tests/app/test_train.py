"""The whole flow in Python, on real (small) images."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drivetrain as dt
from drivetrain.core.errors import DataError, SourceError, UsageError
from drivetrain.core.ports import Silent
from drivetrain.core.types import Dataset
from drivetrain.data.block.blocks import ImageBlock
from drivetrain.data.sources.opening import open_source
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.learn.figures import interval_of
from drivetrain.learn.kinds.classes import ClassTargets
from drivetrain.learn.reading import read
from drivetrain.stats.metrics import softmax
from drivetrain.training.features import candidates, choose_and_embed, pilot_sample
from drivetrain.training.options import TrainOptions
from drivetrain.training.run import fit
from drivetrain.training.sample import Sample
from drivetrain.training.stopwatch import Stopwatch
from tiny_backbone import TINY

pytestmark = pytest.mark.trains

LITE0 = "efficientnet-lite0"


def options(cache_folder: Path, **changes: object) -> TrainOptions:
    return replace(TrainOptions(backbone=TINY, cache=cache_folder), **changes)  # type: ignore[arg-type]


def train(source: object, out: Path, cache_folder: Path, **changes: object) -> dt.TrainResult:
    return dt.train(source, out, **{"backbone": TINY, "cache": cache_folder, **changes})  # type: ignore[arg-type]


def test_a_trained_bundle_predicts_what_its_figures_promise(
    digits_folder: Path, cache_folder: Path, tmp_path: Path
) -> None:
    result = train(digits_folder, tmp_path / "digits.bundle", cache_folder)
    assert result.classes == {"0": 40, "1": 40, "3": 40, "8": 40}
    accuracy = interval_of(result.figures["accuracy"])
    assert accuracy.value > 0.9
    assert accuracy.low < accuracy.value < accuracy.high
    predictor = dt.load(result.bundle)
    files = sorted(digits_folder.rglob("*.png"))
    answers = list(predictor.predict_many(files))
    assert np.mean([a.label == f.parent.name for a, f in zip(answers, files, strict=True)]) >= accuracy.value
    page = (result.bundle / "report.html").read_text()
    assert "Accuracy" in page
    assert "digits" in page


def test_the_head_on_cached_features_is_the_head_in_the_graph(
    digits_folder: Path, cache_folder: Path, tmp_path: Path
) -> None:
    chosen = options(cache_folder)
    found = read(digits_folder, chosen.targets, None, cache_folder)
    cache = EmbeddingCache(cache_folder)
    trained = fit(found, chosen, cache, Silent(), Stopwatch(lambda: 0.0))
    cache.close()
    train(digits_folder, tmp_path / "b", cache_folder)
    predictor = dt.load(tmp_path / "b")
    probs = softmax(trained.fitted.head.logits(trained.chosen.embeddings.features_ND), trained.fitted.head.beta)
    for row in range(0, len(trained.sample), 17):
        got = predictor.predict(trained.sample.items[row].path).probs
        np.testing.assert_allclose(list(got.values()), probs[row], atol=1e-4)


def test_the_same_data_and_seed_give_the_same_bundle(digits_folder: Path, cache_folder: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed"
    shutil.copytree(digits_folder, renamed)
    a = train(digits_folder, tmp_path / "a", cache_folder)
    b = train(renamed, tmp_path / "b", cache_folder, use_cache=False)
    assert (a.bundle / "model.onnx").read_bytes() == (b.bundle / "model.onnx").read_bytes()
    manifests = [dt.load(result.bundle).manifest for result in (a, b)]
    assert manifests[0].bundle_id == manifests[1].bundle_id
    assert manifests[0].data.fingerprint == manifests[1].data.fingerprint


def test_a_leaking_split_is_named_and_judged_both_ways(digits_folder: Path, cache_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "split"
    for digit in ("0", "1"):
        files = sorted((digits_folder / digit).iterdir())
        for split, part in (("train", files[:25]), ("valid", files[25:])):
            (folder / split / digit).mkdir(parents=True)
            for file in part:
                shutil.copy(file, folder / split / digit)
    stolen = sorted((digits_folder / "1").iterdir())[3]
    with Image.open(stolen) as image:
        image.convert("RGB").save(folder / "valid" / "1" / "copied.bmp")
    result = train(folder, tmp_path / "b", cache_folder)
    assert result.images_used == 50
    assert result.leak is not None
    assert result.leak.startswith("1 of 31 valid images")
    assert "train/1/" + stolen.name in result.leak
    assert "valid/1/copied.bmp" in result.leak
    assert "with them the accuracy would be" in result.leak
    assert "held-out valid split of 31 images, 1 leaking" in result.figures.how
    assert result.warnings[0] == result.leak
    assert dt.load(result.bundle).manifest.figure("accuracy-with-leak") is not None


def test_user_groups_are_kept_together_and_counted(digits_folder: Path, cache_folder: Path) -> None:
    items = tuple(replace(item, group=f"writer {row % 7}") for row, item in enumerate(open_source(digits_folder).items))
    cache = EmbeddingCache(cache_folder)
    found = read(Dataset("digits", items), options(cache_folder).targets, None, cache_folder)
    trained = fit(found, options(cache_folder), cache, Silent(), Stopwatch(lambda: 0.0))
    cache.close()
    assert trained.sides.user_groups == 7
    for group in range(7):
        assert len(set(trained.fitted.folds_N[group::7].tolist())) == 1


def test_bad_files_are_counted_and_named(digits_folder: Path, cache_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "messy"
    shutil.copytree(digits_folder, folder)
    (folder / "0" / "empty.png").write_bytes(b"")
    (folder / "1" / "cut.png").write_bytes(next((folder / "1").iterdir()).read_bytes()[:60])
    (folder / "3" / "words.jpg").write_text("these are words")
    result = train(folder, tmp_path / "b", cache_folder)
    assert (result.images_used, result.images_skipped) == (160, 3)
    assert [skipped.name for skipped in result.skipped] == ["0/empty.png", "1/cut.png", "3/words.jpg"]
    assert all(skipped.reason and skipped.detail for skipped in result.skipped)
    page = (result.bundle / "report.html").read_text()
    for name in ("0/empty.png", "1/cut.png", "3/words.jpg"):
        assert name in page


def test_a_bundle_among_the_photos_is_no_class(digits_folder: Path, cache_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(digits_folder, folder)
    train(folder, folder / "model.bundle", cache_folder)
    again = train(folder, folder / "model.bundle", cache_folder)
    assert list(again.classes) == ["0", "1", "3", "8"]
    assert again.images_used == 160


def test_what_cannot_be_learnt_is_refused_in_one_line(digits_folder: Path, cache_folder: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    shutil.copytree(digits_folder / "0", one / "zero")
    with pytest.raises(DataError, match=r"one class, “zero” \(40 images\)"):
        train(one, tmp_path / "b", cache_folder)
    (one / "lonely").mkdir()
    shutil.copy(next((digits_folder / "1").iterdir()), one / "lonely")
    with pytest.raises(DataError, match="“lonely” has 1"):
        train(one, tmp_path / "b", cache_folder)
    (one / "lonely" / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"usable images .*“lonely” has 1"):
        train(one, tmp_path / "b", cache_folder)
    with pytest.raises(SourceError):
        train(tmp_path / "nowhere", tmp_path / "b", cache_folder)
    with pytest.raises(UsageError, match="did you mean efficientnet-lite0"):
        train(digits_folder, tmp_path / "b", cache_folder, backbone="efficientnet-lit0")
    assert not (tmp_path / "b").exists()


def test_one_group_for_all_is_refused(digits_folder: Path, cache_folder: Path, tmp_path: Path) -> None:
    items = tuple(replace(item, group="all") for item in open_source(digits_folder).items)
    with pytest.raises(DataError, match="one group"):
        train(Dataset("digits", items), tmp_path / "b", cache_folder)


def test_the_budget_decides_what_is_tried(digits_folder: Path, cache_folder: Path) -> None:
    items = open_source(digits_folder).items
    labels = np.asarray([("0", "1", "3", "8").index(item.label or "") for item in items], np.int64)
    from drivetrain.embed.embedder import Embedder

    cache = EmbeddingCache(cache_folder)
    alone, ones = np.arange(len(items)), np.ones(len(items), np.float32)
    tried = {}
    for budget_s in (0.0, 1e6):
        chosen = choose_and_embed(
            Sample(items, ClassTargets(("0", "1", "3", "8"), labels), alone, ones, ones[:, None]),
            options(cache_folder, backbone="auto", budget_s=budget_s),
            Embedder(cache),
            cache,
            Silent(),
            candidates(options(cache_folder, backbone="auto"), ImageBlock()),
        )
        tried[budget_s] = chosen
    cache.close()
    assert "efficientnet-lite2" not in " ".join(trial.name for trial in tried[0.0].trials)
    assert tried[0.0].features.backbone.name == LITE0
    assert "a larger --budget-s would try efficientnet-lite2" in tried[0.0].note
    names = [trial.name for trial in tried[1e6].trials]
    assert any("lite2" in name for name in names)
    assert any("mirrored" in name for name in names)
    assert sum(trial.chosen for trial in tried[1e6].trials) == 1


def test_a_pilot_keeps_enough_of_every_class() -> None:
    labels = np.asarray([0] * 5000 + [1] * 300 + [2] * 12, np.int64)
    rows = pilot_sample(labels, 600, seed=0)
    counts = np.bincount(labels[rows])
    assert 590 <= len(rows) <= 620
    assert counts[2] == 10
    assert 30 <= counts[1] <= 40
    np.testing.assert_array_equal(rows, pilot_sample(labels, 600, seed=0))
    assert len(pilot_sample(labels[:800], 600, seed=0)) == 800
