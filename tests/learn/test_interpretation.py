"""What a classifier gets wrong, against scikit-learn and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from interpreted import answers, items, pictured, stands_alone, texts
from PIL import Image
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.types import Item
from drivetrain.data.image.contact_sheet import CELL, GAP
from drivetrain.draw.confusion_plot import confusion_plot
from drivetrain.draw.svg import Svg
from drivetrain.learn.interpretation import Interpretation
from drivetrain.learn.loss_sheet import fits, named
from drivetrain.stats.metrics import wilson

N, CLASSES = 300, ("ant", "bee", "cat", "dog")


@pytest.fixture
def made() -> Interpretation[Item]:
    """300 items of four classes."""
    labels_N, probs_NC = answers(N, len(CLASSES))
    return Interpretation(items(N), labels_N, probs_NC, np.arange(N), CLASSES)


def test_confusion_matrix_is_that_of_scikit_learn(made: Interpretation[Item]) -> None:
    expected = confusion_matrix(made.labels_N, made.probs_NC.argmax(axis=1))
    np.testing.assert_array_equal(made.confusion_matrix(), expected)
    assert made.accuracy.value == pytest.approx(np.trace(expected) / N)
    assert 0.5 < made.accuracy.value < 0.95, "too easy or too hard to tell anything"


def test_most_confused_is_sorted_as_fastai_sorts_it(made: Interpretation[Item]) -> None:
    # fastai: the diagonal set to 0, np.where in row order, then sorted by count with reverse=True, which is stable.
    counts = confusion_matrix(made.labels_N, made.probs_NC.argmax(axis=1))
    np.fill_diagonal(counts, 0)
    for least in (1, 5, 8):
        expected = sorted(
            [(CLASSES[y], CLASSES[x], int(counts[y, x])) for y, x in zip(*np.where(counts >= least), strict=True)],
            key=lambda pair: pair[2],
            reverse=True,
        )
        assert made.most_confused(least) == expected
        assert expected
    assert made.most_confused(10_000) == []
    assert all(actual != predicted for actual, predicted, _ in made.most_confused(0))


def test_top_losses_are_the_greatest_first(made: Interpretation[Item]) -> None:
    losses_K, rows_K = made.top_losses(7)
    each = [
        log_loss([label], [probs], labels=range(4)) for label, probs in zip(made.labels_N, made.probs_NC, strict=True)
    ]
    np.testing.assert_allclose(losses_K, np.sort(each)[::-1][:7], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(each)[rows_K], losses_K, rtol=1e-6)
    least_K, _ = made.top_losses(7, largest=False)
    np.testing.assert_allclose(least_K, np.sort(each)[:7], rtol=1e-6)
    every_N, rows_N = made.top_losses()
    assert sorted(rows_N) == list(range(N))
    assert (np.diff(every_N) <= 0).all()
    assert len(made.top_losses(10 * N)[1]) == N


def test_confident_mistakes_are_mistakes(made: Interpretation[Item]) -> None:
    rows = made.confident_mistakes(10)
    assert (made.predicted_N[rows] != made.labels_N[rows]).all()
    assert (np.diff(made.probs_NC[rows].max(axis=1)) <= 0).all()


def test_class_rows_and_their_table_are_those_of_scikit_learn(made: Interpretation[Item]) -> None:
    precision, recall, f1, support = precision_recall_fscore_support(made.labels_N, made.predicted_N)
    table = made.classification_report()
    for c, row in enumerate(made.class_rows()):
        assert row.precision is not None
        assert row.recall is not None
        assert (row.precision.value, row.recall.value, row.count) == pytest.approx(
            (precision[c], recall[c], support[c])
        )
        assert table.rows[c][0] == CLASSES[c]
        assert table.rows[c][4] == f"{100 * f1[c]:.1f}\N{NO-BREAK SPACE}%"
    lines = str(table).splitlines()
    assert len(lines) == 6
    assert {len(line) for line in lines[:-1]} == {len(lines[0])}, "columns are aligned"
    assert "<table>" in table._repr_html_()


def test_a_class_that_nothing_is_called_has_no_precision() -> None:
    made = Interpretation(items(3), np.array([0, 1, 1]), np.array([[0.9, 0.1]] * 3), np.arange(3), ("<a>", "b"))
    assert made.class_rows()[1].precision is None
    assert "–" in made.classification_report().rows[1]
    assert "<td" in made.classification_report()._repr_html_()
    assert "<a>" not in made.classification_report()._repr_html_()


def test_slices_come_worst_first_and_small_ones_last(made: Interpretation[Item]) -> None:
    # The bad slice is all wrong answers and a few right ones; the small one is wrong throughout, and says nothing.
    wrong = np.flatnonzero(made.predicted_N != made.labels_N)
    right = np.flatnonzero(made.predicted_N == made.labels_N)
    names = np.full(N, "good", object)
    names[wrong[3:]], names[right[:30]], names[wrong[:3]] = "bad", "bad", "small"
    for values in (
        list(names),
        {item.name: str(name) for item, name in zip(made.items, names, strict=True)},
        lambda item: str(names[int(item.path.stem)]),
    ):
        rows = made.by_slice(values)
        assert [row.slice for row in rows] == ["bad", "good", "small"]
        assert [row.small for row in rows] == [False, False, True]
        assert sum(row.count for row in rows) == N
        bad = rows[0]
        n_bad = len(wrong) - 3 + 30
        assert bad.accuracy == wilson(30, n_bad)
        inside = names == "bad"
        assert bad.log_loss == pytest.approx(log_loss(made.labels_N[inside], made.probs_NC[inside], labels=range(4)))
    assert str(made.slice_table(list(names))).splitlines()[-1].endswith("too few")


def test_items_of_one_group_count_once() -> None:
    """400 frames of 8 videos, each wholly right or wrong: eight trials, not four hundred."""
    hits_G = np.array([1, 1, 1, 1, 1, 0, 0, 1])
    groups_N = np.repeat(np.arange(8), 50)
    probs_NC = np.where(hits_G[groups_N][:, None] == 1, [0.9, 0.1], [0.1, 0.9])
    labels_N = np.zeros(400, np.int64)
    grouped = Interpretation(items(400), labels_N, probs_NC, groups_N, ("a", "b")).by_slice(["all"] * 400)[0]
    alone = Interpretation(items(400), labels_N, probs_NC, np.arange(400), ("a", "b")).by_slice(["all"] * 400)[0]
    assert grouped.accuracy.value == alone.accuracy.value == 0.75
    assert grouped.small
    assert not alone.small
    assert grouped.accuracy.high - grouped.accuracy.low > 5 * (alone.accuracy.high - alone.accuracy.low)


@pytest.mark.thorough
def test_the_interval_of_a_slice_holds_what_it_says() -> None:
    """Of 1,000 simulated slices of 40 items, the interval holds the true accuracy in about 95 %."""
    rng = np.random.default_rng(0)
    truth, slices, each = 0.85, 1000, 40
    right_N = rng.random(slices * each) < truth
    probs_NC = np.where(right_N[:, None], [0.8, 0.2], [0.2, 0.8])
    made = Interpretation(
        items(len(right_N)), np.zeros(len(right_N), np.int64), probs_NC, np.arange(len(right_N)), ("a", "b")
    )
    rows = made.by_slice([str(i // each) for i in range(len(right_N))])
    held = np.mean([row.accuracy.low <= truth <= row.accuracy.high for row in rows])
    assert 0.93 <= held <= 0.97


# Drawings


@pytest.mark.parametrize("classes", [1, 2, 7, 30, 60, 200])
@pytest.mark.parametrize("normalize", [False, True])
def test_the_confusion_matrix_can_be_drawn_for_any_number_of_classes(classes: int, normalize: bool) -> None:
    names = [f"class <{i}> & “{'long ' * (i % 12)}name”" for i in range(classes)]
    labels_N, probs_NC = answers(2000, classes)
    made = Interpretation(items(2000), labels_N, probs_NC, np.arange(2000), tuple(names))
    svg = made.plot_confusion_matrix(normalize=normalize)
    assert stands_alone(svg)
    assert svg._repr_svg_() == str(svg) == svg.text
    assert len(svg.text) < 400_000
    drawn = texts(svg)
    # Every name stands once a row and once a column.
    assert all(sum(text.startswith(f"class <{i}>") for text in drawn) == 2 for i in range(classes))
    numbers = [text for text in drawn if text.isdecimal() or text in ("<1", ">99")]
    assert len(numbers) == (np.count_nonzero(made.confusion_matrix()) if classes <= 25 else 0)


def test_the_numbers_in_the_cells_are_the_counts_or_the_shares_of_the_row() -> None:
    counts = [[8, 2, 0], [0, 0, 0], [0, 1, 999]]
    drawn = texts(confusion_plot(("a", "b", "c"), counts))
    assert [text for text in drawn if text.isdecimal()] == ["8", "2", "1", "999"]
    drawn = texts(confusion_plot(("a", "b", "c"), counts, normalize=True))
    assert [text for text in drawn if text[-1].isdecimal()] == ["80", "20", "<1", ">99"]
    assert "% of row" in drawn


def test_a_drawing_can_be_kept(tmp_path: Path) -> None:
    svg = Svg("<svg/>")
    svg.save(tmp_path / "drawing.svg")
    assert (tmp_path / "drawing.svg").read_text() == "<svg/>"
    assert repr(svg) == "<Svg of 6 characters>"


def test_the_sheet_shows_the_worst_pictures_in_order(tmp_path: Path) -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    probs_NC = np.array([[0.6, 0.4], [0.1, 0.9], [0.3, 0.7]])
    made = Interpretation(pictured(tmp_path, colours), np.zeros(3, np.int64), probs_NC, np.arange(3), ("a", "b"))
    sheet = made.plot_top_losses(3, nrows=1)
    centres = [(GAP + CELL // 2 + i * (CELL + GAP), GAP + CELL // 2) for i in range(3)]
    assert [sheet.getpixel(centre) for centre in centres] == [colours[1], colours[2], colours[0]]
    heated = made.plot_top_losses(2, nrows=1, heat=lambda item: Image.new("RGB", (9, 9), (1, 2, int(item.path.stem))))
    assert [heated.getpixel(centre) for centre in centres[:2]] == [(1, 2, 1), (1, 2, 2)]
    (tmp_path / "1.png").write_bytes(b"gone")
    assert made.plot_top_losses(3, nrows=1).size == sheet.size
    with pytest.raises(UsageError, match="cannot show 0 images"):
        made.plot_top_losses(0)


def test_a_caption_keeps_as_much_of_the_names_as_there_is_room_for() -> None:
    assert named(["black", "grizzly"], "56% 0.8") == "black › grizzly 56% 0.8"
    caption = named(["American black bear (Ursus americanus)", "cat"], "56% 0.8")
    assert caption.startswith("Ame")
    assert caption.endswith(" › cat 56% 0.8")
    assert fits(caption)
    assert fits(named(["日本の猫の名前はとても長い" * 5, "m" * 90], "100% 16.1"))


# Mistakes


def test_parts_that_do_not_fit_are_refused(made: Interpretation[Item]) -> None:
    labels_N, probs_NC, groups_N = made.labels_N, made.probs_NC, made.groups_N
    with pytest.raises(DataError, match=r"300 items and 3 classes need .* \(300, 3\); received .*\(300, 4\)"):
        Interpretation(made.items, labels_N, probs_NC, groups_N, CLASSES[:3])
    with pytest.raises(DataError, match="nothing to interpret"):
        Interpretation([], labels_N[:0], probs_NC[:0], groups_N[:0], CLASSES)
    with pytest.raises(DataError, match="indices from 0 to 3; received 4"):
        Interpretation(made.items, labels_N + (labels_N == 3), probs_NC, groups_N, CLASSES)
    with pytest.raises(DataError, match="not finite"):
        Interpretation(made.items, labels_N, probs_NC * np.nan, groups_N, CLASSES)
    with pytest.raises(DataError, match="received 2 slices for 300 items"):
        made.by_slice(["a", "b"])
    with pytest.raises(DataError, match=r"no slice is given for 299 items, such as folder/0001\.jpg"):
        made.by_slice({"folder/0000.jpg": "a"})
    assert repr(made).startswith("<Interpretation of 300 items, 4 classes, ")
