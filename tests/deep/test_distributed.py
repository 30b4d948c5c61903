"""Several processes: two real ones train what one trains, and neither waits for ever for the other."""

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import several
import torch
from accelerate import PartialState
from PIL import Image
from safetensors.torch import load_file
from several import SIZES
from tiny import Loaders, Photos, same, weights

from drivetrain.core.errors import UsageError
from drivetrain.data.block.batch import Batch
from drivetrain.data.block.blocks import CategoryBlock, ImageBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.block.item_transforms import Resize
from drivetrain.data.block.labellers import parent_label
from drivetrain.data.block.splitters import RandomSplitter
from drivetrain.learn.deep import distributed
from drivetrain.learn.deep.checkpoint import FILE
from drivetrain.learn.deep.distributed import Share, join
from drivetrain.learn.deep.feed import Sharing

HERE = Path(__file__).parent


def launch(folder: Path, scenario: str) -> subprocess.CompletedProcess[str]:
    """Two processes by accelerate, on CPUs; ``--multi_gpu`` is its word for more than one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command += ["--main_process_port", str(port), str(HERE / "several.py"), str(folder), scenario]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left after everything that needs one start."""
    folder = tmp_path_factory.mktemp("several")
    finished = launch(folder, "everything")
    assert finished.returncode == 0, finished.stderr
    return folder


def left(folder: Path, name: str) -> list[tuple[dict[str, torch.Tensor], Any]]:
    """Weights and record of both processes."""
    return [
        (load_file(folder / f"{name}.{rank}.safetensors"), json.loads((folder / f"{name}.{rank}.json").read_text()))
        for rank in range(2)
    ]


def check_like_one(found: list[tuple[dict[str, torch.Tensor], Any]], one: several.Learner) -> None:
    """Both have the same weights to the bit, those of one process up to rounding, and saw the same losses."""
    (first, record), (second, other) = found
    assert same(first, second)
    assert (record["losses"], record["rates"]) == (other["losses"], other["rates"])
    judged = one.validate()
    assert first.pop("rows").tolist() == judged.rows_N.tolist()
    np.testing.assert_allclose(first.pop("outputs").numpy(), judged.outputs_NC, atol=1e-4)
    expected = weights(one)
    assert first.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(first[name], value, atol=1e-5, rtol=0)
    assert record["losses"] == pytest.approx(one.recorder.losses, abs=1e-5)
    assert record["rates"] == one.recorder.rates
    for ours, theirs in zip(record["epochs"], one.recorder.epochs, strict=True):
        assert ours["train_loss"] == pytest.approx(theirs.train_loss, abs=1e-5)
        assert ours["valid_loss"] == pytest.approx(theirs.valid_loss, abs=1e-5)
        assert ours["metrics"] == pytest.approx(theirs.metrics)


@pytest.mark.parametrize("name", SIZES)
def test_two_processes_end_where_one_does(done: Path, name: str) -> None:
    one = several.plain(*SIZES[name])
    before = weights(several.quiet(Loaders()))
    assert all((value - before[name]).abs().max() > 1e-4 for name, value in weights(one).items() if "weight" in name)
    check_like_one(left(done, name), one)


def test_the_last_stages_are_trained_on_activations_that_both_computed(done: Path) -> None:
    check_like_one(left(done, "last stage"), several.last_stage())


def test_only_the_main_process_tells_and_counts_every_item(done: Path) -> None:
    first, second = (json.loads((done / f"seen.{rank}.json").read_text())["told"] for rank in range(2))
    assert first == {"lines": 1, "images": 20 + 27, "totals": [20, 32]}
    assert second == {"lines": 0, "images": 0, "totals": []}


def test_rates_are_searched_together(done: Path) -> None:
    first, second = (json.loads((done / f"seen.{rank}.json").read_text())["rates"]["losses"] for rank in range(2))
    assert first == second
    one = several.quiet(Loaders(Photos(27))).lr_find(20).losses
    assert first[:10] == pytest.approx(one[:10], rel=1e-3)


@pytest.mark.parametrize(
    ("trouble", "first", "second"),
    [
        ("nan", "DivergedError", "DivergedError"),
        ("error", "ProcessStoppedError", "OSError"),
        ("interrupt", "KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
def test_trouble_in_one_process_stops_both_and_they_can_train_on(
    done: Path, trouble: str, first: str, second: str
) -> None:
    seen = [json.loads((done / f"seen.{rank}.json").read_text())[trouble] for rank in range(2)]
    assert [one["error"] for one in seen] == [first, second]
    assert [one["epochs"] for one in seen] == [1, 1]
    assert seen[0]["loss"] == seen[1]["loss"]
    assert np.isfinite(seen[0]["loss"])
    if trouble == "nan":
        row = np.random.default_rng((1, 1)).permutation(27)[8]
        assert seen[0]["message"] == seen[1]["message"]
        assert f"nan in batch 1 of epoch 1 (rows {row}, " in seen[0]["message"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux names the threads of libraries")
def test_no_thread_that_exchanged_tensors_outlives_the_interpreter(done: Path) -> None:
    """One that asks for the interpreter's lock there aborts its process, now and then. Of two groups only ours worked."""
    for rank in range(2):
        before, after = (
            [name for name in json.loads((done / f"threads {when}.{rank}.json").read_text()) if "gloo" in name]
            for when in ("while together", "at the end")
        )
        assert len(before) > 2
        assert len(after) <= len(before) // 2


def test_a_killed_process_ends_the_others_and_the_run_goes_on(done: Path, tmp_path: Path) -> None:
    killed = launch(tmp_path, "kill")
    assert killed.returncode != 0
    assert "another process is gone" in killed.stderr or "Signal 15" in killed.stderr, killed.stderr
    assert [path.name for path in (tmp_path / "killed").iterdir()] == [FILE]
    resumed = launch(tmp_path, "resume")
    assert resumed.returncode == 0, resumed.stderr
    assert not (tmp_path / "nowhere").exists()
    found, whole = left(tmp_path, "resumed"), left(done, "whole")
    assert same(found[0][0], whole[0][0])
    assert found[0][1]["losses"] == whole[0][1]["losses"]
    assert len(found[0][1]["losses"]) == 8
    check_like_one(found, several.resumable(tmp_path / "one", resume=False))


def test_shares_are_even_and_complete() -> None:
    for size in range(1, 6):
        for count in range(12):
            parts = [list(range(count))[Share(rank, size).of(count)] for rank in range(size)]
            assert sum(parts, []) == list(range(count))  # noqa: RUF017
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_process_needs_no_accelerate() -> None:
    code = "import sys, tiny; tiny.tiny_learner().fit_one_cycle(1); print('accelerate' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name not in distributed.COUNTS}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE, env=environment
    )
    assert found.stdout.strip() == "False"


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU they would wait for one another")
def test_processes_that_cannot_find_together_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    try:
        with pytest.raises(UsageError, match="one of 4 processes, but accelerate finds 1 on cpu, not on cuda"):
            join(torch.device("cuda"))
    finally:
        PartialState._reset_state()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert join(torch.device("cuda")).share == Share(0, 1)


def speckle(image: Image.Image, rng: np.random.Generator) -> np.ndarray:
    pixels = np.asarray(image).copy()
    pixels[rng.integers(0, pixels.shape[0], 20), rng.integers(0, pixels.shape[1], 20)] = rng.integers(0, 255)
    return pixels


def blend(batch: Batch, rng: np.random.Generator) -> Batch:
    """Depends on who else is in the batch."""
    order = rng.permutation(len(batch))
    return dataclasses.replace(batch, x=((batch.x.astype(int) + batch.x[order]) // 2).astype(np.uint8))


@pytest.mark.parametrize("batch_tfms", [(), blend], ids=["by items", "by batches"])
def test_the_loader_decodes_shares_of_the_same_batches(pictures: Path, tmp_path: Path, batch_tfms: Any) -> None:
    """Some files are broken: all of one share, and all of one batch."""
    shutil.copytree(pictures, tmp_path / "p")
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_y=parent_label,
        splitter=RandomSplitter(),
        item_tfms=(Resize(24), speckle),
        batch_tfms=batch_tfms,
    )
    intact = block.dataloaders(tmp_path / "p", bs=7, workers=2).train
    order = intact.order(3)
    for position in [*order[0:2], *order[7:14], order[20]]:
        intact.view.samples[position].path.write_bytes(b"not a picture")
    train = block.dataloaders(tmp_path / "p", bs=7, workers=2).train
    assert isinstance(train, Sharing)
    assert train.order(3).tolist() == order.tolist()
    whole = list(train.batches(3))
    shares = [list(train.shares(3, 0, rank, 3)) for rank in range(3)]
    assert [len(share) for share in shares] == [len(train)] * 3
    pieces = [[part for part in parts if part is not None] for parts in zip(*shares, strict=True)]
    assert shares[0][0] is None or batch_tfms
    assert pieces.pop(1) == []
    for batch, parts in zip(whole, pieces, strict=True):
        assert np.array_equal(np.concatenate([part.x for part in parts]), batch.x)
        assert np.array_equal(np.concatenate([part.y for part in parts]), batch.y)
        assert np.array_equal(np.concatenate([part.rows for part in parts]), batch.rows)
    later = list(train.shares(3, 4, 1, 3))
    assert [part.rows.tolist() for part in later] == [part.rows.tolist() for part in shares[1][4:]]


def test_only_a_share_is_decoded(pictures: Path) -> None:
    seen = []

    def look(image: Image.Image, _rng: np.random.Generator) -> Image.Image:
        seen.append(1)
        return image

    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock), get_y=parent_label, splitter=RandomSplitter(), item_tfms=[Resize(8), look]
    )
    train = block.dataloaders(pictures, bs=12).train
    list(train.shares(0, 0, 2, 3))
    assert len(seen) == len(train) * 4
