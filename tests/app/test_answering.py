"""What `evaluate` runs the network on: nothing that is known already, but for a sample that checks what is known."""

from __future__ import annotations

import shutil
import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import drivetrain as dt
from drivetrain.embed.cache import FILE_NAME
from drivetrain.embed.session import Session
from drivetrain.evaluation.answering import SAMPLE

pytestmark = pytest.mark.trains

KEPT = Path(__file__).parent.parent / "bundles" / "v1"
N = 40


class Counted:
    """A session that counts the images it is run on."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.images = 0

    def run(self, pixels_NKHW: NDArray[np.float32], outputs: Sequence[str] | None = None) -> list[NDArray[np.float32]]:
        self.images += len(pixels_NKHW)
        return self._session.run(pixels_NKHW, outputs)


def counted(predictor: dt.Predictor) -> tuple[dt.Predictor, Counted]:
    session = Counted(predictor._session)
    return replace(predictor, _session=session), session  # type: ignore[arg-type]  # all that is used of one


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """``<colour>/NN.png``, `N` in all, every one different."""
    for number in range(N):
        name, colour = (("rot", (220, 30, 20)), ("blau", (30, 40, 210)))[number % 2]
        folder = tmp_path / "colours" / name
        folder.mkdir(parents=True, exist_ok=True)
        noise = Image.effect_noise((40, 30), 20 + number).convert("RGB")
        Image.blend(noise, Image.new("RGB", noise.size, colour), 0.6).save(folder / f"{number:02}.png")
    return tmp_path / "colours"


@pytest.fixture
def trained(once_trained: Path, tmp_path: Path) -> Path:
    """The bundle with a cache of the test's own, since every evaluation leaves embeddings in it."""
    return Path(shutil.copytree(once_trained, tmp_path / "answering"))


@pytest.fixture(scope="session")
def once_trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle on a packaged backbone, trained on half of the drawn pictures; with it, ``cache`` and ``fresh``."""
    root = tmp_path_factory.mktemp("answering")
    for file in sorted(pictures.rglob("*.jpg")):
        half = "known" if int(file.stem) < 12 else "fresh"
        (root / half / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / half / file.parent.name)
    dt.train(root / "known", root / "bundle", backbone="efficientnet-lite0", cache=root / "cache")
    return root


def without_seconds(evaluation: dt.Evaluation) -> dict[str, Any]:
    return {**evaluation.to_json(), "seconds": 0}


def test_an_unknown_network_is_run_once_on_every_image(colours: Path, tmp_path: Path) -> None:
    first, session = counted(dt.load(KEPT))
    once = dt.evaluate(first, colours, cache=tmp_path / "cache")
    assert session.images == N + SAMPLE
    second, session = counted(dt.load(KEPT))
    again = dt.evaluate(second, colours, cache=tmp_path / "cache")
    assert session.images == SAMPLE
    assert without_seconds(again) == without_seconds(once)


def test_without_a_cache_nothing_is_kept(colours: Path, tmp_path: Path) -> None:
    for _ in range(2):
        predictor, session = counted(dt.load(KEPT))
        dt.evaluate(predictor, colours, cache=tmp_path / "cache", use_cache=False)
        assert session.images == N + SAMPLE
    assert not (tmp_path / "cache" / FILE_NAME).exists()


def test_embeddings_of_the_backbone_are_shared_with_training(trained: Path) -> None:
    predictor, session = counted(dt.load(trained / "bundle"))
    known = dt.evaluate(predictor, trained / "known", cache=trained / "cache", keep_leaks=True)
    entries = rows(trained / "cache")
    assert session.images == SAMPLE
    assert len(known.items) == 36
    # Embedded when training: nothing new came of it.
    assert {sha256 for sha256, kind in entries if not kind.startswith(("facts", "note"))} == {
        sha256 for sha256, kind in entries if kind.startswith("facts")
    }
    fresh, again = (dt.evaluate(predictor, trained / "fresh", cache=trained / "cache") for _ in range(2))
    assert without_seconds(fresh) == without_seconds(again)
    assert len(rows(trained / "cache")) == len(entries) + 2 * 24  # facts and embeddings


def test_answers_are_those_of_the_bundle(trained: Path) -> None:
    predictor = dt.load(trained / "bundle")
    found = dt.evaluate(predictor, trained / "fresh", cache=trained / "cache")
    for item, probs_C in zip(found.items, found.judged.answers_JO, strict=True):
        assert list(predictor.predict(item.path).probs.values()) == pytest.approx(probs_C.tolist(), abs=1e-4)


def test_embeddings_that_are_not_the_bundles_are_found_and_not_used(trained: Path, tmp_path: Path) -> None:
    honest = dt.evaluate(trained / "bundle", trained / "fresh", use_cache=False)
    cache = tmp_path / "cache"
    dt.evaluate(trained / "bundle", trained / "fresh", cache=cache)
    exchange_embeddings(cache)
    found = dt.evaluate(trained / "bundle", trained / "fresh", cache=cache)
    assert "so every image was answered by the bundle anew" in found.warnings[0]
    assert found.log_loss == pytest.approx(honest.log_loss, abs=1e-5)
    assert found.confusion_CC.tolist() == honest.confusion_CC.tolist()


def test_a_bundle_that_is_gone_from_its_place_still_answers(trained: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(trained / "bundle", tmp_path / "copy"))
    predictor, session = counted(dt.load(copy))
    shutil.rmtree(copy)
    found = dt.evaluate(predictor, trained / "fresh", cache=tmp_path / "cache")
    assert session.images == 24 + SAMPLE
    assert len(found.items) == 24


def rows(cache: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(cache / FILE_NAME) as db:
        found = list(db.execute("SELECT sha256, kind FROM entry"))
    db.close()
    return found


def exchange_embeddings(cache: Path) -> None:
    """Give every image the embedding of another; whole rows with right checksums."""
    with sqlite3.connect(cache / FILE_NAME) as db:
        found = list(
            db.execute("SELECT sha256, kind, value FROM entry WHERE kind NOT LIKE 'facts%' AND kind <> 'note'")
        )
        for (sha256, kind, _), (_, _, other) in zip(found, found[1:] + found[:1], strict=True):
            db.execute(
                "UPDATE entry SET value = ?, crc = ? WHERE sha256 = ? AND kind = ?",
                (other, zlib.crc32(other), sha256, kind),
            )
    db.close()
