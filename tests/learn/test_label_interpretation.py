"""What a model of many labels gets wrong, against scikit-learn and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from interpreted import items, pictured, stands_alone, texts
from sklearn.metrics import average_precision_score, log_loss, precision_recall_curve, precision_score, recall_score

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.types import FloatArray, Item
from drivetrain.data.image.contact_sheet import CELL, GAP
from drivetrain.draw.precision_recall_plot import _steps, precision_recall
from drivetrain.learn.label_interpretation import LabelInterpretation
from drivetrain.stats.metrics import Floats

N, LABELS = 250, ("sky", "water", "road", "never")
THRESHOLDS = (0.5, 0.3, 0.7, 0.5)


def answers(labels: int = 4) -> tuple[FloatArray, Floats]:
    """Labels present and their probabilities, rounded so that some are tied; nothing has the last label."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(N, labels))
    present = rng.random((N, labels)) < 1 / (1 + np.exp(-3 * logits + 1))
    present[:, -1] = False
    return present.astype(np.float32), np.round(1 / (1 + np.exp(-2.5 * logits + 1)), 2)


@pytest.fixture
def made() -> LabelInterpretation[Item]:
    """250 items of four labels."""
    present_NL, probs_NL = answers()
    return LabelInterpretation(items(N), present_NL, probs_NL, THRESHOLDS, np.arange(N), LABELS)


def test_rows_and_table_are_those_of_scikit_learn(made: LabelInterpretation[Item]) -> None:
    report = made.classification_report()
    for i, row in enumerate(made.label_rows()[:3]):
        truth, given = made.present_NL[:, i], made.probs_NL[:, i] >= THRESHOLDS[i]
        assert row.precision is not None
        assert row.recall is not None
        assert row.precision.value == pytest.approx(precision_score(truth, given))
        assert row.recall.value == pytest.approx(recall_score(truth, given))
        assert row.average_precision == pytest.approx(average_precision_score(truth, made.probs_NL[:, i]))
        assert report.rows[i][5].startswith(f"{100 * row.average_precision:.1f}")
    assert report.rows[3][4:] == ("–", "–")


def test_top_losses_are_mean_binary_cross_entropies(made: LabelInterpretation[Item]) -> None:
    losses_K, rows_K = made.top_losses(5)
    each = [
        np.mean([log_loss([t], [p], labels=[0, 1]) for t, p in zip(truth, np.clip(probs, 1e-7, 1 - 1e-7), strict=True)])
        for truth, probs in zip(made.present_NL, made.probs_NL, strict=True)
    ]
    np.testing.assert_allclose(losses_K, np.sort(each)[::-1][:5], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(each)[rows_K], losses_K, rtol=1e-5)
    assert made.top_losses(1, largest=False)[0][0] == pytest.approx(min(each), rel=1e-5)
    assert len(made.top_losses()[1]) == N


def test_missed_and_wrongly_given_labels_are_counted(made: LabelInterpretation[Item]) -> None:
    truth, given = made.present_NL > 0.5, made.probs_NL >= np.array(THRESHOLDS)
    for found, wrong, total in (
        (made.most_missed(), truth & ~given, truth),
        (made.most_wrongly_given(), given & ~truth, given),
    ):
        assert {each.label: (each.errors, each.out_of) for each in found} == {
            label: (wrong[:, i].sum(), total[:, i].sum()) for i, label in enumerate(LABELS) if wrong[:, i].any()
        }
        assert [each.errors for each in found] == sorted((each.errors for each in found), reverse=True)
    assert "never" not in [each.label for each in made.most_missed()]
    assert "never" in [each.label for each in made.most_wrongly_given()]
    assert made.most_missed(min_val=N) == []


def test_the_curve_is_that_of_scikit_learn_and_its_area_the_average_precision(made: LabelInterpretation[Item]) -> None:
    for i in range(3):
        curve = precision_recall(made.there_NL[:, i], made.probs_NL[:, i])
        precision, recall, scores = precision_recall_curve(made.present_NL[:, i], made.probs_NL[:, i])
        # scikit-learn goes by rising score and adds the point of no answers.
        np.testing.assert_allclose(curve.precision_K, precision[:-1][::-1])
        np.testing.assert_allclose(curve.recall_K, recall[:-1][::-1])
        np.testing.assert_allclose(curve.scores_K, scores[::-1])
        steps = np.array(_steps(curve))
        area = float(np.sum(np.diff(steps[:, 0]) * steps[1:, 1]))
        assert area == pytest.approx(average_precision_score(made.present_NL[:, i], made.probs_NL[:, i]))


def test_labels_are_drawn_worst_first_or_as_asked_for(made: LabelInterpretation[Item]) -> None:
    svg = made.plot_precision_recall()
    assert stands_alone(svg)
    drawn = [text for text in texts(svg) if text in LABELS]
    ranked = sorted(LABELS[:3], key=lambda name: made.label_rows()[LABELS.index(name)].average_precision or 0)
    assert drawn == [*ranked, "never"]
    assert "nothing to find" in texts(svg)
    chosen = made.plot_precision_recall(["water", "sky"])
    assert [text for text in texts(chosen) if text in LABELS] == ["water", "sky"]
    with pytest.raises(UsageError, match="no label “sea”; the labels are sky, water"):
        made.plot_precision_recall(["sea"])


@pytest.mark.parametrize("labels", [1, 200])
def test_any_number_of_labels_can_be_drawn(labels: int) -> None:
    present_NL, probs_NL = answers(labels + 1)
    names = tuple(f"a label <{i}> with a name of many words & signs" for i in range(labels))
    made = LabelInterpretation(
        items(N), present_NL[:, :labels], probs_NL[:, :labels], [0.5] * labels, np.arange(N), names
    )
    svg = made.plot_precision_recall()
    assert stands_alone(svg)
    assert any("176 more labels do better" in text for text in texts(svg)) == (labels == 200)
    assert len(svg.text) < 400_000


def test_the_sheet_shows_the_worst_pictures_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    colours = [(200, 30, 30), (30, 200, 30)]
    present_NL = np.array([[1, 0], [1, 0]], np.float32)
    probs_NL = np.array([[0.9, 0.2], [0.2, 0.9]])
    made = LabelInterpretation(pictured(tmp_path, colours), present_NL, probs_NL, [0.5, 0.5], np.arange(2), ("a", "b"))
    sheet = made.plot_top_losses(2, nrows=1)
    assert sheet.getpixel((GAP + CELL // 2, GAP + CELL // 2)) == colours[1]
    assert made._caption(1, 1.96) == "+b -a 1.96"
    assert made._caption(0, 0.16) == "all right 0.16"
    long = LabelInterpretation(made.items, present_NL, probs_NL, [0.5, 0.5], np.arange(2), ("a" * 40, "b"))
    assert long._caption(1, 1.96).startswith("+b -aaa")
    assert long._caption(1, 1.96).endswith("… 1.96")


def test_parts_that_do_not_fit_are_refused(made: LabelInterpretation[Item]) -> None:
    with pytest.raises(DataError, match=r"250 items and 3 labels need .* \(250, 3\)"):
        LabelInterpretation(made.items, made.present_NL, made.probs_NL, THRESHOLDS[:3], made.groups_N, LABELS[:3])
    with pytest.raises(DataError, match="and 2 thresholds"):
        LabelInterpretation(made.items, made.present_NL, made.probs_NL, THRESHOLDS[:2], made.groups_N, LABELS)
    with pytest.raises(DataError, match="not finite"):
        LabelInterpretation(made.items, made.present_NL, made.probs_NL * np.nan, THRESHOLDS, made.groups_N, LABELS)
    assert repr(made).startswith("<LabelInterpretation of 250 items, 4 labels, ")
