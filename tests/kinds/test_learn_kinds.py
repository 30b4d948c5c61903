"""Every kind of target that can be learned does the same for a training run, an evaluation and a report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from scipy.stats import spearmanr

from drivetrain.core.errors import DataError
from drivetrain.core.figure import Better, Figure, Format
from drivetrain.core.types import Dataset, FloatArray, Item
from drivetrain.data.block.blocks import ImageBlock
from drivetrain.data.image.preprocess import Preprocess
from drivetrain.draw.numbers import shown
from drivetrain.learn.figures import Figures
from drivetrain.learn.findings import RULES
from drivetrain.learn.head import FittedHead
from drivetrain.learn.judged import Judged
from drivetrain.learn.kinds.registry import TARGETS
from drivetrain.learn.kinds.targets import Targets
from drivetrain.learn.reading import read
from drivetrain.learn.sections import ConfidentFrom
from drivetrain.learn.target_options import TargetOptions
from drivetrain.model.kinds.registry import KINDS as ANSWERS
from drivetrain.model.kinds.tasks import TASKS, TaskName, tasks_with
from drivetrain.model.part import Calibration
from drivetrain.report.answers import with_answers
from drivetrain.report.page import Report, render

N, D = 60, 8
DOCS = Path(__file__).parents[2] / "docs" / "json.md"

# As a table has them; a further kind needs a line of its own here.
LABELS: dict[str, Callable[[int], str]] = {
    "classification": lambda n: ("ant", "bee", "cat")[n % 3],
    "multi-label": lambda n: (
        ";".join(name for bit, name in enumerate(("sea", "sky", "sun")) if n % 7 >> bit & 1) or ";"
    ),
    "regression": lambda n: f"{n % 11 + n / 100}",
    "ordinal": lambda n: ("0", ".5", "1", "10")[n % 7 % 4],
}


@dataclass(frozen=True)
class Learned:
    """A kind that was fitted on features which give its targets away, but for noise."""

    items: tuple[Item, ...]
    targets: Targets
    features_ND: FloatArray
    fitted: FittedHead
    judged: Judged
    figures: Figures


def learn(task: str) -> Learned:
    items = tuple(Item(Path(f"{n}.png"), f"{n}.png", LABELS[task](n)) for n in range(N))
    targets = read(Dataset("drawn", items), options(task), None, Path("unused")).targets
    rng = np.random.default_rng(0)
    told_NT = np.asarray(targets.values, np.float64).reshape(N, -1)
    told_NT = (told_NT - told_NT.mean(axis=0)) / told_NT.std(axis=0)
    if told_NT.shape[1] == 1:
        told_NT = np.concatenate([told_NT, np.abs(told_NT) - 0.8], axis=1)
    features_ND = rng.normal(0, 0.3, (N, D)).astype(np.float32)
    features_ND[:, : told_NT.shape[1]] += told_NT.astype(np.float32)
    groups_N, weights_N = np.arange(N), np.ones(N, np.float32)
    fitted = targets.fit(features_ND, groups_N, weights_N, seed=0, threads=1)
    logits_NW = fitted.out_of_fold.logits_NC
    answers_NO = targets.answers(logits_NW, fitted.head.beta)
    judged = Judged(np.arange(N), targets, groups_N, logits_NW, answers_NO, "out of fold, 5 folds")
    return Learned(items, targets, features_ND, fitted, judged, judged.figures(0, random_split=fitted.random_split))


@pytest.fixture(scope="module", params=sorted(TARGETS))
def learned(request: pytest.FixtureRequest) -> Learned:
    return learn(request.param)


def test_the_registry_names_each_kind_by_its_task() -> None:
    assert {task: kind.answered_as.task for task, kind in TARGETS.items()} == {task: task for task in TARGETS}
    assert set(TARGETS) == set(ANSWERS) == set(TASKS) == set(get_args(TaskName))


def test_options_have_a_meaning_for_the_kinds_that_say_so() -> None:
    assert set(tasks_with("delimiter")) == {task for task, kind in TARGETS.items() if kind.delimited}
    assert set(tasks_with("balance")) == {task for task, kind in TARGETS.items() if kind.competing}
    without = {task for task, options in TASKS.items() if "accept" in options.senseless}
    assert without == {task for task in TARGETS if not ANSWERS[task].has_confidence}


def test_what_is_read_is_what_the_source_says(learned: Learned) -> None:
    targets = learned.targets
    assert len(targets) == N
    assert len(set(targets.names)) == len(targets.names)
    assert type(targets).reads(type(targets).data_block(options(targets.task), ImageBlock()).target_block)
    assert set(targets.counts()) == set(targets.names)
    assert all(0 < count <= N for count in targets.counts().values())
    targets.check()
    targets.check_read("drawn", "")


def options(task: str) -> TargetOptions:
    return TargetOptions(TARGETS[task].answered_as.task)


def test_rows_stay_aligned_when_some_are_taken(learned: Learned) -> None:
    targets, rows = learned.targets, np.asarray([5, 3, 40])
    taken = targets.take(rows)
    assert [taken.text(n) for n in range(3)] == [targets.text(row) for row in rows]
    assert [taken.fingerprint(n) for n in range(3)] == [targets.fingerprint(row) for row in rows]
    assert taken.names == targets.names
    assert type(targets.with_values(targets.values)) is type(targets)
    assert targets.strata_N.shape == (N,)
    assert targets.weights(np.ones(N, np.float32), "none", np.arange(N)).mean() == pytest.approx(1)


def test_logits_have_the_stated_width_and_answers_a_column_an_output(learned: Learned) -> None:
    targets, head = learned.targets, learned.fitted.head
    for logits_NW in (learned.judged.logits_JW, head.logits(learned.features_ND)):
        assert logits_NW.shape == (N, targets.width)
        answers_NO = targets.answers(logits_NW, head.beta)
        assert answers_NO.shape == (N, len(targets.names))
        losses_N = targets.losses(answers_NO)
        assert losses_N.shape == (N,)
        assert np.isfinite(answers_NO).all()
        assert np.isfinite(losses_N).all()
        assert np.isfinite(targets.beta(logits_NW))
    look = targets.quick_fit(learned.features_ND, learned.fitted.folds_N, np.ones(N, np.float32))
    assert np.isfinite(look.losses_N).all()


def test_what_was_learned_is_better_than_answers_to_other_images(learned: Learned) -> None:
    answers_NO = learned.judged.answers_JO
    shuffled_NO = np.random.default_rng(1).permutation(answers_NO)
    assert learned.targets.losses(answers_NO).mean() < learned.targets.losses(shuffled_NO).mean()


def test_figures_are_rows_that_name_themselves(learned: Learned) -> None:
    rows = learned.figures.rows
    assert len({(row.slug, row.of) for row in rows}) == len(rows)
    for row in rows:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.slug)
        assert row.format in get_args(Format)
        assert row.better in (*get_args(Better), None)
        assert row.how.startswith("out of fold")
        assert row.of is None or row.of in learned.targets.names
        assert shown(row)
        assert ordered(row)
    assert learned.figures.headline.better is not None
    assert learned.figures.random_split is not None
    assert any(row.slug == "baseline" for row in rows)
    assert set(learned.targets.compared) <= {row.slug for row in rows}


def ordered(row: Figure) -> bool:
    if row.low is None or row.high is None:
        return row.low is row.high is None
    return row.value is not None and row.low <= row.value <= row.high


def test_every_figure_of_merit_stands_on_the_screen(learned: Learned) -> None:
    lines, figures = learned.figures.lines(), learned.figures
    text = "\n".join(f"{name} {value}" for name, value in lines).lower()
    assert all(row.name.lower() in text for row in figures.rows if row.better)
    assert figures.headline.name in figures.sentence()


def documented(task: str) -> set[str]:
    """The fields that the document of ``train`` has for this kind."""
    train = DOCS.read_text(encoding="utf-8").split("## `drivetrain evaluate")[0]
    part = re.split(r"\n###? ", train.split(f"### `{task}`\n")[1])[0]
    return {
        name
        for line in part.splitlines()
        if line.startswith("| `")
        for name in re.findall("`([^`]+)`", line.split("|")[1])
    }


def fields(document: dict[str, Any], before: str = "") -> Iterator[str]:
    for name, value in document.items():
        match value:
            case dict():
                yield from fields(value, f"{before}{name}.")
            case [dict() as first, *_]:
                yield from fields(first, f"{before}{name}[].")
            case _:
                yield f"{before}{name}"


def test_the_document_has_the_fields_that_are_documented(learned: Learned) -> None:
    # An area under the curve is of two classes only; see the command line's own tests.
    wanted = documented(learned.targets.task) - {"auc"}
    assert set(fields(learned.targets.document(learned.figures))) == wanted


def test_findings_have_codes_with_a_page(learned: Learned) -> None:
    targets, figures = learned.targets, learned.figures
    poor = learned.judged.targets.take(np.arange(12))
    found = [*poor.about_counts("none"), *targets.about_guessing(figures), *targets.about_leakage(figures)]
    shuffled_NO = np.random.default_rng(1).permutation(learned.judged.answers_JO)
    useless = Judged(np.arange(N), targets, np.arange(N), learned.judged.logits_JW, shuffled_NO, "out of fold")
    guessing = targets.about_guessing(useless.figures(0))
    assert guessing
    for one in [*found, *guessing]:
        assert one.code in RULES
        assert (one.severity, one.title) == RULES[one.code]


def test_answers_that_may_stand_are_right_or_wrong(learned: Learned) -> None:
    wrong_J = learned.targets.wrong(learned.judged.answers_JO, learned.figures.settings)
    assert wrong_J is not None
    assert wrong_J.shape == (N,)
    assert wrong_J.dtype == bool


def test_the_bundles_half_says_the_same(learned: Learned) -> None:
    targets, beta = learned.targets, learned.fitted.head.beta
    kind = targets.described(learned.figures, Calibration(beta=beta, fitted_on="drawn"))
    again = ANSWERS[targets.task].model_validate_json(kind.model_dump_json())
    assert again == kind
    assert (again.outputs, again.width) == (targets.names, targets.width)
    logits_NW = learned.judged.logits_JW
    np.testing.assert_allclose(again.answers(logits_NW), targets.answers(logits_NW, beta))
    settings = targets.settings_of(again)
    assert tuple(settings) == learned.figures.settings
    assert learned.judged.figures(0, settings).rows == learned.judged.figures(0).rows
    target_type, shape = again.target_type
    assert (targets.values.dtype, targets.values.shape[1:]) == (np.dtype(target_type), shape)
    assert again.target_fault(targets.values) is None


def test_a_report_shows_its_sections(learned: Learned) -> None:
    sections = learned.judged.sections(learned.items, learned.figures.settings, ConfidentFrom(0.9, unlooked=True))
    page = render(with_answers(Report("drawn", "", ()), sections, learned.items))
    assert "Hardest images" in page
    assert len(sections.top_losses) + len(sections.confident_mistakes) > 0
    interpretation = learned.judged.interpretation(learned.items, learned.figures.settings, Preprocess())
    assert "60 items" in repr(interpretation)
    assert learned.targets.head_in_words("held back", "none")
    assert "moved" in learned.targets.moved(learned.judged.answers_JO, learned.judged.answers_JO)


def test_a_confusion_matrix_counts_all_images_or_does_not_exist(learned: Learned) -> None:
    if learned.targets.one_label:
        assert learned.targets.confusion_CC(learned.judged.answers_JO).sum() == N
    else:
        with pytest.raises(DataError, match="no confusion matrix"):
            learned.targets.confusion_CC(learned.judged.answers_JO)


def test_what_is_worst_and_golden_is_among_the_images_judged(learned: Learned) -> None:
    worst = learned.judged.worst(0)
    assert worst is not None
    assert worst.sentence()
    golden = learned.targets.golden(learned.judged.answers_JO, 4)
    assert len(golden) >= 4
    assert len(set(golden)) == len(golden)
    assert set(golden) <= set(range(N))


def test_a_single_answer_can_be_given_before_anything_is_judged(learned: Learned) -> None:
    answer = learned.targets.answer(learned.judged.answers_JO[0])
    assert answer.probs or answer.values


def test_the_loss_of_fine_tuning_ranks_answers_as_the_kinds_own_does(learned: Learned) -> None:
    torch = pytest.importorskip("torch")
    targets, scale, objective = learned.targets, learned.targets.scale(), learned.targets.objective()
    outputs = torch.from_numpy(np.asarray(scale.inward(learned.fitted.head).logits(learned.features_ND), np.float32))
    target = objective.target(scale.encode(targets.values), torch.device("cpu"))
    losses = objective.losses(outputs, target)
    deep_N = (losses.mean(1) if losses.ndim > 1 else losses).numpy()
    own_N = targets.losses(targets.answers(scale.decode(outputs.numpy()), 1.0))
    assert spearmanr(deep_N, own_N).statistic > 0.99
    inward = scale.inward(learned.fitted.head)
    weight, bias = scale.outward(inward.weight_DC, inward.bias_C)
    np.testing.assert_allclose(weight, learned.fitted.head.weight_DC, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(bias, learned.fitted.head.bias_C, rtol=1e-4, atol=1e-4)


def test_a_target_that_was_exchanged_is_suspicious(learned: Learned) -> None:
    """Two items far apart exchange their targets; both come to be among the most suspicious, and what they were is suggested."""
    targets, fitted = learned.targets, learned.fitted
    told_NT = np.asarray(targets.values, np.float64).reshape(N, -1)
    apart_N = np.abs(told_NT - told_NT[0]).sum(axis=1)
    swapped = [0, int(apart_N.argmax())]
    values = targets.values.copy()
    values[swapped] = values[swapped[::-1]]
    wrong = targets.with_values(values)
    again = wrong.fit(learned.features_ND, np.arange(N), np.ones(N, np.float32), seed=0, threads=1)
    logits_NW = again.out_of_fold.logits_NC
    answers_NO = wrong.answers(logits_NW, again.head.beta)
    suspicion = Judged(np.arange(N), wrong, np.arange(N), logits_NW, answers_NO, "out of fold").suspicion()
    assert len(suspicion) == len(suspicion.suggested) == len(suspicion.flagged_N) == N
    assert ((suspicion.score_N >= 0) & (suspicion.score_N <= 1)).all()
    assert set(swapped) <= set(np.argsort(-suspicion.score_N)[:6].tolist())
    assert all(suspicion.score_N[row] > 0.5 and suspicion.suggested[row] is not None for row in swapped)
    assert all(suspicion.reason(row) for row in swapped)
    before = learned.judged.suspicion()
    assert before.score_N[swapped].max() < suspicion.score_N[swapped].min()
    assert fitted.out_of_fold.logits_NC.shape == logits_NW.shape


def test_items_can_be_judged_where_their_targets_differ(learned: Learned) -> None:
    targets = learned.targets
    assert targets.judgeable(np.arange(N)).all()
    with pytest.raises(DataError):
        targets.take(np.zeros(5, np.intp)).judgeable(np.arange(5))
