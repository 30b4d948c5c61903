"""A rule is added by its class alone, and everybody who reads a verdict follows it: nobody has a rule of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from served_answer import served_answer
from suspicious_rule import NAME, P_IN_DOMAIN, WORDS
from typer.testing import CliRunner

import drivetrain as dt
from drivetrain.app.trace import trace
from drivetrain.cli.main import app
from drivetrain.core.errors import SchemaError
from drivetrain.core.verdict import Verdict
from drivetrain.learn.sections import ConfidentFrom
from drivetrain.model import storage
from drivetrain.notebook.answer import answer_html, verdict_words
from drivetrain.report.evaluation import evaluation_report

pytestmark = pytest.mark.trains

TRUSTING = "trusting"


@pytest.fixture(scope="module")
def bundles(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same model twice: only the name of one makes its manifest ask for the second rule."""
    folder = tmp_path_factory.mktemp("bundles")
    for name in (TRUSTING, NAME):
        dt.train(pictures, folder / name, backbone="efficientnet-lite0", name=name, cache=folder / "cache", gallery=0)
    return {name: folder / name for name in (TRUSTING, NAME)}


@pytest.fixture(scope="module")
def suspicious(bundles: dict[str, Path]) -> dt.Predictor:
    return dt.load(bundles[NAME])  # tried by another process first, which knows the rule too


def test_its_bundle_is_replayed_as_it_was_made(bundles: dict[str, Path], suspicious: dt.Predictor) -> None:
    assert suspicious.parity is not None
    verdicts = {}
    for name, bundle in bundles.items():
        golden = json.loads((bundle / storage.GOLDEN).read_bytes())
        verdicts[name] = {entry["verdict"] for entry in golden["images"] if not entry["far"]}
    assert verdicts[NAME] == {"review"}
    assert "accept" in verdicts[TRUSTING]


def test_a_replay_says_why_where_it_judges_otherwise(bundles: dict[str, Path], tmp_path: Path) -> None:
    files = dict(storage.read_files(bundles[TRUSTING]))
    files[storage.MANIFEST] = files[storage.MANIFEST].replace(f'"{TRUSTING}"'.encode(), f'"{NAME}"'.encode(), 1)
    storage.write_files(files, tmp_path / "renamed")
    with pytest.raises(SchemaError, match=rf"\(accept\), the expected logits .* \(review; {WORDS}\)"):
        dt.load(tmp_path / "renamed")


def test_training_claims_no_coverage(bundles: dict[str, Path], suspicious: dt.Predictor) -> None:
    trusting, accept = dt.load(bundles[TRUSTING]).manifest.accept, suspicious.manifest.accept
    assert trusting is not None
    assert accept is not None
    assert trusting.coverage > 0.5
    assert (accept.confidence, accept.coverage, accept.error) == (trusting.confidence, 0, None)
    pages = {name: (bundle / storage.REPORT).read_text() for name, bundle in bundles.items()}
    assert "Accepted at 90 % confidence" in pages[TRUSTING]
    assert "Accepted at" not in pages[NAME]
    trusted = dt.load(bundles[TRUSTING]).manifest
    assert ConfidentFrom.of(trusted) == ConfidentFrom(0.9, unlooked=trusted.gate is None)
    assert ConfidentFrom.of(trusted.model_copy(update={"gate": None})) == ConfidentFrom(0.9, unlooked=True)
    assert ConfidentFrom.of(suspicious.manifest) == ConfidentFrom(0.9, unlooked=False)
    cards = {name: (bundle / storage.CARD).read_text() for name, bundle in bundles.items()}
    assert "Answers with a confidence of at least 0.90 are marked" in cards[TRUSTING]
    assert "at least 0.90 and that look like what it was trained on are marked" in cards[NAME]


def test_predictions_and_notebooks_say_why(suspicious: dt.Predictor, pictures: Path) -> None:
    found = suspicious.predict(pictures / "discs" / "00.jpg")
    assert (found.verdict, found.reasons[-1].words, found.p_in_domain) == (Verdict.REVIEW, WORDS, P_IN_DOMAIN)
    words = verdict_words(found, suspicious.manifest)
    assert words.startswith("Review: a person should look, since ")
    assert WORDS in words
    assert WORDS in answer_html(found, suspicious.manifest)


def test_a_trace_says_why(bundles: dict[str, Path], pictures: Path) -> None:
    judged = trace(pictures / "discs" / "00.jpg", bundles[NAME])[-1].note
    assert judged.startswith("review: ")
    assert WORDS in judged


@pytest.mark.parametrize("by_graph", [False, True])
def test_an_evaluation_accepts_nothing_and_says_why(
    bundles: dict[str, Path], suspicious: dt.Predictor, pictures: Path, tmp_path: Path, by_graph: bool
) -> None:
    trusted = dt.evaluate(bundles[TRUSTING], pictures, keep_leaks=True, cache=tmp_path / "cache")
    assert trusted.accepted is not None
    assert trusted.accepted.n > 30
    if by_graph:  # gone since it was loaded, so that its head cannot be had
        suspicious = dt.load(bundles[NAME])
        object.__setattr__(suspicious, "path", tmp_path / "gone")
    found = dt.evaluate(suspicious, pictures, keep_leaks=True, cache=tmp_path / "cache")
    assert found.accepted is not None
    assert (found.accepted.n, found.accepted.wrong, found.accepted.share.value) == (0, 0, 0)
    ((_, line),) = found.accepted.lines()
    assert line == f"none: of every image a rule says that {WORDS}, so a person sees every image"
    assert not any("accepted" in one.name for one in found.against_training)
    assert WORDS in evaluation_report(found, suspicious)


def test_a_terminal_says_why(bundles: dict[str, Path], pictures: Path, tmp_path: Path) -> None:
    command = ["evaluate", str(bundles[NAME]), str(pictures), "--keep-leaks", "--cache", str(tmp_path)]
    shown = CliRunner().invoke(app, command, env={"COLUMNS": "400"})
    assert shown.exit_code == 0
    assert WORDS in shown.output


def test_a_servers_worker_says_why(suspicious: dt.Predictor, pictures: Path) -> None:
    entry = served_answer(suspicious, "00.jpg", (pictures / "discs" / "00.jpg").read_bytes())
    prediction = entry.record.prediction
    assert (prediction.verdict, prediction.reasons[-1].words) == (Verdict.REVIEW, WORDS)
    assert prediction.p_in_domain == P_IN_DOMAIN
