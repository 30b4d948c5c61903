"""Fine-tuning from the command's side: what is judged, what is kept, what travels in the bundle, what is resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from suspicious_rule import NAME

import drivetrain as dt
from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.ports import Silent
from drivetrain.core.types import Item
from drivetrain.data.block.loader import DataLoaders
from drivetrain.data.image.decode import decode
from drivetrain.data.image.preprocess import apply
from drivetrain.embed.cache import EmbeddingCache
from drivetrain.embed.recipe import View
from drivetrain.embed.session import Session
from drivetrain.evaluation.answering import answer_items
from drivetrain.model.export import LOGITS
from drivetrain.stats.metrics import softmax
from drivetrain.training import tuning
from drivetrain.training.tuning import loaders_of

pytestmark = pytest.mark.deep

LITE0 = "efficientnet-lite0"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def tuned(pictures: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dt.TrainResult:
    """A run whose rate is so small that the network stays where it is: what comes out is the head it began with."""
    out = tmp_path_factory.mktemp("tuned") / "pictures.bundle"
    return dt.train(
        pictures, out, backbone=LITE0, cache=cache, deep=True, epochs=1, stages=1, rate=1e-7, seed=KEPT_SEED
    )


KEPT_SEED = 0
KEPT_SEED_OF_MEAN = 1


def test_it_is_kept_where_its_loss_is_lower(tuned: dt.TrainResult) -> None:
    fine_tuning = dt.load(tuned.bundle).manifest.training.fine_tuning
    assert fine_tuning is not None
    assert fine_tuning.loss < fine_tuning.frozen_loss
    assert fine_tuning.images + fine_tuning.held_out == tuned.images_used == 60
    assert tuned.fine_tuning is not None
    assert tuned.fine_tuning.startswith("last 1 of 7 stages, 1 epoch: held-out loss")
    assert tuned.figures.random_split is None
    assert tuned.figures.how == f"held-out fold of {fine_tuning.held_out} images that shares no group with the others"


def test_training_sees_pictures_as_sharp_as_they_are_and_its_judging_the_very_pixels_answered_for(
    pictures: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drivetrain.learn.deep.augment import InputTransform

    made: list[DataLoaders] = []

    def watched(*arguments: Any) -> DataLoaders:
        made.append(loaders_of(*arguments))
        return made[-1]

    monkeypatch.setattr(tuning, "loaders_of", watched)
    bundles = {
        size: dt.train(
            pictures,
            tmp_path / str(size),
            backbone=LITE0,
            cache=cache,
            size=size,
            deep=True,
            epochs=1,
            stages=1,
            rate=1e-7,
        ).bundle
        for size in (64, 96)
    }
    # Pictures are 96 × 80: larger than 64, smaller than 96.
    assert [next(loaders.train.batches(0)).x.shape[2:] for loaders in made] == [(74, 74), (96, 96)]
    for loaders, bundle in zip(made, bundles.values(), strict=True):
        spec = dt.load(bundle).manifest.input.preprocess
        batch = next(iter(loaders.valid))
        expected = [apply(decode(sample.path.read_bytes(), spec.decode_size).image, spec) for sample in batch.samples]
        np.testing.assert_allclose(InputTransform(spec).valid(batch.x).numpy(), expected, atol=1e-5)


def test_both_networks_travel_and_agree_with_what_is_remembered_of_the_training_images(
    tuned: dt.TrainResult, pictures: Path
) -> None:
    predictor, arrays = dt.load(tuned.bundle), dt.load(tuned.bundle).arrays()
    assert arrays.frozen_NF is not None
    files = sorted(pictures.glob("*/*.jpg"))
    for row in range(0, len(files), 13):
        spec = predictor.manifest.input.preprocess
        tensor = apply(decode(files[row].read_bytes(), spec.decode_size).image, spec)
        logits, embedding = predictor.run_tensor(tensor)
        np.testing.assert_allclose(embedding, arrays.embeddings_ND[row], atol=2e-3)
        np.testing.assert_allclose(predictor.run_frozen(tensor), arrays.frozen_NF[row], atol=2e-3)
        unseen = np.flatnonzero(arrays.unseen_rows_M == row)
        if len(unseen):
            np.testing.assert_allclose(logits, arrays.unseen_logits_MC[unseen[0]], atol=1e-3)
    held_out = predictor.manifest.training.fine_tuning
    assert held_out is not None
    assert len(arrays.unseen_rows_M) == held_out.held_out


def test_the_network_begins_where_the_head_is(tuned: dt.TrainResult) -> None:
    # The rate is next to nothing, so what was exported must still say what the head on the frozen network says.
    predictor = dt.load(tuned.bundle)
    frozen = Session((tuned.bundle / "frozen.onnx").read_bytes())
    model = Session((tuned.bundle / "model.onnx").read_bytes())
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(3, 3, *predictor.manifest.input.preprocess.resize.size)).astype(np.float32)
    ours, theirs = model.run(pixels, ["embedding"])[0], frozen.run(pixels, ["embedding"])[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_changed_frozen_network_is_refused(tuned: dt.TrainResult, tmp_path: Path) -> None:
    import shutil

    bundle = Path(shutil.copytree(tuned.bundle, tmp_path / "b"))
    data = bytearray((bundle / "frozen.onnx").read_bytes())
    data[1000] ^= 1
    (bundle / "frozen.onnx").write_bytes(data)
    with pytest.raises(dt.DrivetrainError, match=r"frozen\.onnx"):
        dt.load(bundle)
    (bundle / "frozen.onnx").unlink()
    with pytest.raises(dt.DrivetrainError, match=r"frozen\.onnx"):
        dt.load(bundle)


def test_where_it_does_not_help_the_frozen_network_stands(pictures: Path, cache: Path, tmp_path: Path) -> None:
    # A rate far too high ruins any network.
    result = dt.train(pictures, tmp_path / "b", backbone=LITE0, cache=cache, deep=True, epochs=1, stages=1, rate=0.3)
    dt.train(pictures, tmp_path / "plain", backbone=LITE0, cache=cache)
    assert result.fine_tuning is not None
    assert result.fine_tuning.startswith("left out: it did not help")
    assert any("Fine-tuning was left out" in warning for warning in result.warnings)
    assert not (tmp_path / "b" / "frozen.onnx").exists()
    assert (tmp_path / "b" / "model.onnx").read_bytes() == (tmp_path / "plain" / "model.onnx").read_bytes()


def test_a_given_split_is_what_judges(pictures: Path, cache: Path, tmp_path: Path) -> None:
    items = [
        dt.Item(path, path.name, path.parent.name, split="valid" if int(path.stem) % 4 == 0 else "train")
        for path in sorted(pictures.glob("*/*.jpg"))
    ]
    result = dt.train(items, tmp_path / "b", backbone=LITE0, cache=cache, deep=True, epochs=1, stages=1, rate=1e-7)
    assert result.images_used == 45
    assert result.figures.how == "held-out valid split of 15 images"
    arrays = dt.load(tmp_path / "b").arrays()
    if arrays.frozen_NF is not None:
        # Held-out images are remembered for the gate, but not as training images that others might be copies of.
        assert len(arrays.embeddings_ND) == 60
        assert len(arrays.pixels_sha256_T32) == 45
        np.testing.assert_array_equal(arrays.unseen_rows_M, np.arange(45, 60))
    fresh = dt.evaluate(tmp_path / "b", items, split="valid")
    assert len(fresh.items) == 15


def test_equal_runs_give_equal_bundles(pictures: Path, cache: Path, tmp_path: Path, tuned: dt.TrainResult) -> None:
    again = dt.train(
        pictures, tmp_path / "again", backbone=LITE0, cache=cache, deep=True, epochs=1, stages=1, rate=1e-7,
        seed=KEPT_SEED,
    )  # fmt: skip
    for name in ("model.onnx", "frozen.onnx", "arrays.safetensors"):
        assert (again.bundle / name).read_bytes() == (tuned.bundle / name).read_bytes()


@pytest.mark.parametrize(
    ("choices", "views"),
    [({"flip_vertical": True, "maxima": True}, ("plain", "mirror", "flip", "half-turn")), ({}, ("plain", "mirror"))],
)
def test_answers_may_be_the_mean_over_mirror_images(
    pictures: Path, cache: Path, tmp_path: Path, choices: dict[str, bool], views: tuple[str, ...]
) -> None:
    result = dt.train(
        pictures,
        tmp_path / "b",
        backbone=LITE0,
        cache=cache,
        deep=True,
        tta=True,
        epochs=1,
        stages=1,
        rate=1e-7,
        seed=KEPT_SEED_OF_MEAN,
        **choices,
    )
    predictor = dt.load(result.bundle)
    assert predictor.manifest.backbone.views == views
    assert result.features == f"{LITE0} fine-tuned, mean over {len(views)} views"
    row = int(predictor.arrays().unseen_rows_M[0])
    spec = predictor.manifest.input.preprocess
    tensor_KHW = apply(decode(sorted(pictures.glob("*/*.jpg"))[row].read_bytes(), spec.decode_size).image, spec)
    # The network hardly moved, so that of each view is what the frozen one makes of it.
    seen = [np.ascontiguousarray(np.flip(tensor_KHW[None], View(view).reversed_axes)[0]) for view in views]
    expected_D = np.mean([predictor.run_frozen(one) for one in seen], axis=0)
    logits_C, embedding_D = predictor.run_tensor(tensor_KHW)
    assert len(embedding_D) == len(expected_D) * (2 if "maxima" in choices else 1)
    means_D = embedding_D[: len(expected_D)]
    np.testing.assert_allclose(means_D, expected_D, atol=1e-4)
    assert np.abs(means_D - predictor.run_frozen(tensor_KHW)).max() > 1e-3
    # What is remembered of the images, and what was judged, is the mean too.
    np.testing.assert_allclose(logits_C, predictor.arrays().unseen_logits_MC[0], atol=1e-3)
    np.testing.assert_allclose(embedding_D, predictor.arrays().embeddings_ND[row], atol=2e-3)


def test_a_rule_sees_the_network_before_fine_tuning_in_an_evaluation_too(
    tuned: dt.TrainResult, pictures: Path, cache: Path
) -> None:
    predictor = dt.load(tuned.bundle)
    asked = predictor.manifest.model_copy(update={"name": NAME})  # as which it asks for the rule of `suspicious_rule`
    suspicious = replace(predictor, manifest=asked)
    items = [Item(path, path.name) for path in sorted(pictures.glob("*/*.jpg"))[:3]]
    embeddings = EmbeddingCache(cache)
    seen = answer_items(suspicious, items, embeddings, 1, Silent()).seen(asked.input)
    embeddings.close()
    assert seen.frozen_embedding_NF is not None
    for row, item in enumerate(items):
        content = asked.input.read(item.path)
        (alone,) = suspicious.see(asked.input.tensor(content)[None], [asked.input.facts(content)])
        for ours, theirs in zip(
            (seen[row].logits_W, seen[row].embedding_D, seen[row].frozen_embedding_F),
            (alone.logits_W, alone.embedding_D, alone.frozen_embedding_F),
            strict=True,
        ):
            assert ours is not None
            assert theirs is not None
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
        assert seen[row].facts == alone.facts
    found = dt.evaluate(suspicious, pictures, keep_leaks=True, cache=cache)
    assert found.accepted is not None
    assert found.accepted.n == 0


def test_numbers_are_learnt_in_their_own_unit(pictures: Path, cache: Path, tmp_path: Path) -> None:
    # Numbers far from zero with a small spread: forgetting to undo the scaling would be off by thousands.
    rows = [(path, f"{5000 + 10 * (path.parent.name == 'discs')}") for path in sorted(pictures.glob("*/*.jpg"))]
    result = dt.train(
        rows, tmp_path / "b", task="regression", backbone=LITE0, cache=cache, deep=True, epochs=1, stages=1, rate=1e-6
    )
    for path in (rows[0][0], rows[-1][0]):
        value = dt.load(result.bundle).predict(path).values["number"]
        assert abs(value.value - float(dict(rows)[path])) < 4


def test_images_count_their_weight_in_their_group(
    pictures: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drivetrain.learn.deep import learner

    seen: list[Any] = []

    class Watched(learner.Learner):
        def __init__(self, *args: Any, weights: Any, **more: Any) -> None:
            seen.append(weights)
            super().__init__(*args, weights=weights, **more)

    monkeypatch.setattr(learner, "Learner", Watched)
    files = sorted(pictures.glob("*/*.jpg"))
    # Two groups, whose shares of the classes differ, and a split.
    items = [
        dt.Item(
            path,
            path.name,
            path.parent.name,
            weight=1 + int(path.stem) % 2,
            group=f"{(row * 7) % 10 < (3 if path.parent.name == 'discs' else 7)}",
            split="valid" if row % 5 == 0 else "train",
        )
        for row, path in enumerate(files)
    ]
    items = [replace(item, group=f"{item.group} {item.split}") for item in items]
    for balance in ("none", "groups"):
        dt.train(
            items, tmp_path / balance, backbone=LITE0, cache=cache, deep=True, epochs=1, stages=1, rate=1e-6,
            balance=balance,  # type: ignore[arg-type]  # the loop's strings
        )  # fmt: skip
    train = [row for row, item in enumerate(items) if item.split == "train"]
    plain, balanced = (weights[train] for weights in seen)
    given = np.asarray([items[row].weight for row in train])
    np.testing.assert_allclose(plain, given / given.mean(), rtol=1e-5)
    ratio = balanced / plain
    for group, name in {(items[row].group, items[row].label) for row in train}:
        inside = [n for n, row in enumerate(train) if (items[row].group, items[row].label) == (group, name)]
        assert np.ptp(ratio[inside]) < 1e-4
    assert np.ptp(ratio) > 0.2
    assert dt.load(tmp_path / "groups").manifest.training.balance == "groups"
    with pytest.raises(DataError, match="no two images share one"):
        dt.train(pictures, tmp_path / "b", backbone=LITE0, cache=cache, balance="groups")


def test_what_cannot_be_fine_tuned_is_said(pictures: Path, cache: Path, tmp_path: Path) -> None:
    for changes, message in (
        ({"epochs": 0}, "epochs is 0"),
        ({"stages": 0}, "stages is 0"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"stages": 99}, "7 stages"),
    ):
        with pytest.raises(UsageError, match=message):
            dt.train(pictures, tmp_path / "b", backbone=LITE0, cache=cache, deep=True, **changes)  # type: ignore[arg-type]
    for change in (
        {"stages": 2},
        {"turns": True},
        {"flip_vertical": True},
        {"tta": True},
        {"swa": True},
        {"device": "cpu"},
    ):
        with pytest.raises(UsageError, match=f"{next(iter(change))} is for training the network itself; add --deep"):
            dt.train(pictures, tmp_path / "b", backbone=LITE0, cache=cache, **change)  # type: ignore[arg-type]
    assert not (tmp_path / "b").exists()


KILLED = """
import sys
from pathlib import Path
import drivetrain as dt
from drivetrain.core.ports import Silent

class Said(Silent):
    def say(self, line):
        print(line, flush=True)

result = dt.train(sys.argv[1], sys.argv[2], backbone="efficientnet-lite0", cache=sys.argv[3], deep=True, epochs=3, stages=1,
                  rate=1e-3, swa=True, progress=Said())
print(result.fine_tuning)
"""


def test_a_killed_run_goes_on_and_ends_in_the_same_bundle(pictures: Path, tmp_path: Path) -> None:
    def start(out: Path, folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, str(pictures), str(out), str(folder)], stdout=subprocess.PIPE, text=True
        )

    interrupted = start(tmp_path / "a", tmp_path / "cache")
    assert interrupted.stdout is not None
    for line in interrupted.stdout:
        if line.startswith("epoch 1/3"):
            # The checkpoint is written after this line; wait for it, then pull the plug.
            deadline = time.monotonic() + 30
            while not list((tmp_path / "cache").glob("fine-tuning/*/checkpoint.safetensors")):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.kill(interrupted.pid, signal.SIGKILL)
            break
    interrupted.wait()
    assert not (tmp_path / "a").exists()
    resumed = start(tmp_path / "a", tmp_path / "cache")
    said, _ = resumed.communicate(timeout=300)
    assert resumed.returncode == 0
    assert "going on where an interrupted run stopped" in said
    assert "epoch 1/3" not in said
    # Kept, so that it is the fine-tuned network that is compared.
    assert "last 1 of 7 stages, weights averaged, 3 epochs: held-out loss" in said
    whole = start(tmp_path / "b", tmp_path / "other cache")
    whole.communicate(timeout=300)
    for name in ("model.onnx", "arrays.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert not list((tmp_path / "cache").glob("fine-tuning/*"))


def test_held_out_figures_can_be_reckoned_from_the_bundle(tuned: dt.TrainResult) -> None:
    predictor = dt.load(tuned.bundle)
    arrays, manifest = predictor.arrays(), json.loads((tuned.bundle / "manifest.json").read_bytes())
    probs = softmax(arrays.unseen_logits_MC, predictor.manifest.kind.calibration.beta)  # type: ignore[attr-defined]
    labels = arrays.targets_N[arrays.unseen_rows_M]
    accuracy = float((probs.argmax(axis=1) == labels).mean())
    assert manifest["figures"][0]["value"] == pytest.approx(accuracy)


def test_a_picture_the_network_has_not_seen(tuned: dt.TrainResult) -> None:
    answer = dt.load(tuned.bundle).predict(Image.new("RGB", (64, 64), (20, 20, 20)))
    assert set(answer.probs) == {"discs", "squares", "stripes"}
    outputs: list[Any] = Session((tuned.bundle / "model.onnx").read_bytes()).run(
        np.zeros((1, 3, 224, 224), np.float32), [LOGITS]
    )
    assert outputs[0].shape == (1, 3)
