"""The accept rule through the whole of training: found from the data, stated, or by the width of intervals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import drivetrain as dt
from drawn import Drawing, draw_several, write_table
from drivetrain.core.errors import UsageError
from drivetrain.model import storage
from drivetrain.report.evaluation import evaluation_report
from drivetrain.training.choices import options_of
from tiny_backbone import TINY

LITE0 = "efficientnet-lite0"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Drawing, ...]:
    return draw_several(tmp_path_factory.mktemp("drawn") / "train", 60)


@pytest.mark.trains
def test_a_threshold_found_from_the_data_is_an_estimate(pictures: Path, cache: Path, tmp_path: Path) -> None:
    found = dt.train(pictures, tmp_path / "b", backbone=LITE0, cache=cache, max_error=0.2, gallery=0)
    accept = dt.load(found.bundle).manifest.accept
    assert accept is not None
    assert accept == found.accept
    assert accept.confidence is not None
    assert accept.bound is not None
    assert (accept.basis, accept.bound.max_error, accept.bound.level) == ("estimate", 0.2, 0.95)
    assert accept.bound.needed == 14 <= accept.bound.accepted <= accept.bound.independent <= 60
    assert accept.bound.error_upper <= 0.2
    assert "a cross-fitted estimate from training, no certificate" in found.accepts
    page, card = ((found.bundle / name).read_text("utf-8") for name in (storage.REPORT, storage.CARD))
    assert "What passes without a person" in page
    assert "a cross-fitted estimate from training, no certificate" in page
    assert "a cross-fitted estimate from training, no certificate" in card
    assert found.to_json()["accept"] == json.loads((found.bundle / storage.MANIFEST).read_bytes())["accept"]
    assert "no-threshold" not in [one.code for one in found.findings]


@pytest.mark.trains
def test_an_error_that_cannot_be_shown_accepts_nothing_and_says_so_everywhere(
    pictures: Path, cache: Path, tmp_path: Path
) -> None:
    found = dt.train(pictures, tmp_path / "b", backbone=TINY, cache=cache, max_error=0.02)
    assert found.accept is not None
    assert (found.accept.confidence, found.accept.coverage, found.accept.error) == (None, 0, None)
    (finding,) = [one for one in found.findings if one.code == "no-threshold"]
    needed = "annot certify 2 %: at least 149 accepted, independent cases without an error are needed"
    assert needed in finding.sentence
    assert needed in found.accepts
    for name in (storage.REPORT, storage.CARD):
        text = (found.bundle / name).read_text("utf-8").replace("\N{NO-BREAK SPACE}", " ")
        assert needed in text
    predictor = dt.load(found.bundle)
    answer = predictor.predict(next(pictures.glob("*/*.jpg")))
    assert [reason.code for reason in answer.reasons] == ["no-accept-rule"]
    assert answer.reasons[0].words == "an error of at most 2 % could not be shown"
    judged = dt.evaluate(predictor, pictures, keep_leaks=True, cache=cache)
    assert judged.accepted is not None
    assert judged.accepted.n == 0
    assert "could not be shown" in judged.accepted.lines()[0][1]


@pytest.mark.trains
def test_numbers_are_accepted_by_the_width_of_their_interval(
    drawings: tuple[Drawing, ...], cache: Path, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "sizes.csv", [(drawing.path, drawing.size) for drawing in drawings])
    half = None
    for factor, verdict in ((1.0, "accept"), (0.9, "review")):
        width = 1e6 if half is None else factor * half
        found = dt.train(
            table,
            tmp_path / f"{verdict}.bundle",
            task="regression",
            backbone=LITE0,
            cache=cache,
            accept_width=width,
            false_alarm=0,
            gallery=0,
        )
        predictor = dt.load(found.bundle)
        half = float(predictor.manifest.kind.model_dump()["half_widths"][0])
        accept = predictor.manifest.accept
        assert accept is not None
        assert (accept.basis, accept.confidence, accept.width) == ("convention", None, width)
        assert accept.coverage == (verdict == "accept")
        answer = predictor.predict(drawings[0].path)
        assert answer.verdict == verdict
        assert [reason.code for reason in answer.reasons] == ([] if verdict == "accept" else ["wide-interval"])
    assert accept is not None
    wide = dt.load(tmp_path / "accept.bundle")
    judged = dt.evaluate(wide, table, keep_leaks=True, cache=cache)
    assert judged.accepted is not None
    assert judged.accepted.n == 60
    covered = judged.figures["covered"].value
    assert covered is not None
    assert judged.accepted.wrong == round((1 - covered) * 60)
    assert "within" in evaluation_report(judged, wide)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"accept": 0.8, "max_error": 0.02},
            r"accept \(--accept\) states a threshold, and max_error .* leave one of the two out",
        ),
        ({"confidence": 0.9}, r"confidence \(--confidence\) goes with an error that may pass; add max_error"),
        ({"max_error": 0.0}, "max_error is 0.0; it must be 0.0001 to 0.5"),
        ({"max_error": 0.02, "confidence": 1.0}, "confidence is 1.0; it must be 0.5 to 0.9999"),
        ({"max_error": 0.02, "task": "regression"}, "max_error is a share of wrong answers"),
        ({"accept_width": 2.0}, "accept_width is for the task regression"),
        ({"accept_width": 0.0, "task": "regression"}, "accept_width is 0.0; it must be more than 0"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        options_of(given)
