"""What every kind of answer has to do, whichever it is: each in the registry runs all of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_examples import BUNDLES, EXAMPLES, Example

import drivetrain as dt
from drivetrain.core.errors import SchemaError
from drivetrain.core.verdict import Verdict
from drivetrain.model.arrays import TrainingArrays
from drivetrain.model.card import render_card
from drivetrain.model.golden import entry_of
from drivetrain.model.kinds.kind import Answer, Kind
from drivetrain.model.kinds.registry import KINDS
from drivetrain.model.manifest import SCHEMA_VERSION, Accept, Manifest, parse_manifest
from drivetrain.model.policy import Narrow, Policy, judge
from drivetrain.model.rule import Answers
from drivetrain.model.seen import Seen, SeenItems


@pytest.fixture(params=KINDS)
def example(request: pytest.FixtureRequest) -> Example:
    return EXAMPLES[request.param]


@pytest.fixture
def manifest(example: Example) -> Manifest:
    return manifest_of(example.kind)


def manifest_of(kind: Kind) -> Manifest:
    """Somebody's manifest, with the kind in place of its own."""
    accept = Accept(confidence=0.6, coverage=1.0, error=None) if kind.has_confidence else None
    first = parse_manifest((BUNDLES / "v1" / "manifest.json").read_bytes())
    return first.model_copy(update={"kind": kind, "accept": accept, "schema_version": SCHEMA_VERSION})


@pytest.fixture
def logits_NW(example: Example) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 3, (50, example.kind.width)).astype(np.float32)


def seen(logits_W: np.ndarray) -> Seen:
    return Seen(logits_W, np.zeros(4, np.float32))


def test_every_kind_has_its_example() -> None:
    assert set(EXAMPLES) == set(KINDS)
    for task, kind in KINDS.items():
        assert kind.task == task
        assert type(EXAMPLES[task].kind) is kind


# The document


def test_the_manifest_is_written_and_read_again(manifest: Manifest) -> None:
    text = manifest.to_json()
    assert parse_manifest(text.encode()) == manifest
    document = json.loads(text)
    assert document["task"] == manifest.task
    assert set(type(manifest.kind).model_fields) <= set(document)
    assert not set(type(manifest.kind).model_fields) & (set(Manifest.model_fields) | {"task", "preprocess", "metrics"})


def test_what_a_kind_does_not_know_or_misses_is_named(manifest: Manifest) -> None:
    document = manifest.document()
    with pytest.raises(SchemaError, match="colour: Extra inputs"):
        parse_manifest(json.dumps({**document, "colour": 1}).encode())
    for name, field in type(manifest.kind).model_fields.items():
        if field.is_required():
            less = {key: value for key, value in document.items() if key != name}
            with pytest.raises(SchemaError, match=rf"manifest\.json: {name}: Field required"):
                parse_manifest(json.dumps(less).encode())


def test_outputs_have_names_of_their_own(example: Example) -> None:
    outputs = example.kind.outputs
    assert len(set(outputs)) == len(outputs) > 0


def test_no_answer_is_accepted_by_a_confidence_there_is_not(example: Example, manifest: Manifest) -> None:
    document = manifest.document() | {"accept": {"confidence": 0.5, "coverage": 1.0, "error": None}}
    if example.kind.has_confidence:
        assert parse_manifest(json.dumps(document).encode()).accept is not None
    else:
        with pytest.raises(SchemaError, match=r"accept has a confidence, and answers of .* have none"):
            parse_manifest(json.dumps(document).encode())


def test_answers_are_accepted_by_their_width_where_they_have_no_confidence(
    example: Example, manifest: Manifest
) -> None:
    accept = {"confidence": None, "width": 2.5, "coverage": 1.0, "error": None}
    document = json.dumps(manifest.document() | {"accept": accept}).encode()
    if example.kind.has_confidence:
        with pytest.raises(SchemaError, match=r"accept has a width, and answers of .* by their confidence"):
            parse_manifest(document)
    else:
        found = parse_manifest(document)
        assert found.accept is not None
        assert found.accept.width == 2.5
        assert Policy.of(found).rules[0] == Narrow(2.5)
        empty = json.dumps(manifest.document() | {"accept": {**accept, "width": None}}).encode()
        with pytest.raises(SchemaError, match=r"accept is given, and answers of .* have no confidence"):
            parse_manifest(empty)


# Answers


def test_answers_are_in_range(example: Example, logits_NW: np.ndarray) -> None:
    kind = example.kind
    answers_NC = kind.answers(logits_NW)
    assert answers_NC.shape == (50, len(kind.outputs))
    assert answers_NC.dtype == np.float64
    assert np.isfinite(answers_NC).all()
    if kind.has_confidence:
        assert (answers_NC >= 0).all()
        assert (answers_NC <= 1).all()
    extreme = kind.answers(np.full((1, kind.width), 1e4, np.float32))
    assert np.isfinite(extreme).all()


def test_an_items_answer_is_that_of_its_row(example: Example, logits_NW: np.ndarray) -> None:
    kind = example.kind
    for logits_W, answers_C in zip(logits_NW, kind.answers(logits_NW), strict=True):
        answer = kind.answer(logits_W)
        assert 0 <= answer.confidence <= 1
        assert answer.confidence > 0 or not kind.has_confidence
        assert answer.label is None or answer.label in kind.outputs
        assert set(answer.labels) <= set(kind.outputs)
        assert answer.probs or answer.values
        if answer.probs:
            assert tuple(answer.probs) == kind.outputs
            np.testing.assert_allclose(list(answer.probs.values()), answers_C)
        for value in answer.values.values():
            assert value.low <= value.value <= value.high


def test_an_answer_in_words_says_all_that_is_answered(example: Example, logits_NW: np.ndarray) -> None:
    kind = example.kind
    answer = kind.answer(logits_NW[0])
    said = kind.answer_text(answer, none="nothing at all", ranges=True)
    assert said
    assert "\n" not in said
    for name in (answer.label, *answer.labels, *(() if answer.probs else answer.values)):
        assert name is None or name in said
    assert len(kind.answer_text(answer)) <= len(said)
    assert kind.answer_text(Answer(), none="nothing at all") == "nothing at all"
    manifest = manifest_of(kind)
    entry = entry_of("a.png", True, seen(logits_NW[0]), manifest, Policy.of(manifest))
    assert entry.label == kind.answer_text(answer, none="")


def test_a_small_difference_is_small_in_the_unit_of_comparison(example: Example, logits_NW: np.ndarray) -> None:
    kind = example.kind
    compared_NC = kind.comparable(logits_NW)
    assert compared_NC.shape == (50, len(kind.outputs))
    assert np.abs(compared_NC - kind.comparable(logits_NW + np.float32(1e-4))).max() < 0.01
    assert np.abs(compared_NC - kind.comparable(logits_NW[::-1])).max() > 0.01
    assert kind.unit


def test_evidence_is_of_each_output(example: Example) -> None:
    mix_WC = example.kind.evidence_WC
    if mix_WC is None:
        assert example.kind.width == len(example.kind.outputs)
    else:
        assert mix_WC.shape == (example.kind.width, len(example.kind.outputs))


def test_confidences_are_those_of_the_answers(example: Example, logits_NW: np.ndarray) -> None:
    kind = example.kind
    answers_NC = kind.answers(logits_NW)
    confidence_N = kind.confidences(answers_NC)
    assert confidence_N.shape == (len(logits_NW),)
    assert confidence_N.tolist() == [kind.answered(answers_C).confidence for answers_C in answers_NC]
    assert 0 <= confidence_N.min() <= confidence_N.max() <= 1
    assert confidence_N.any() == kind.has_confidence


def test_of_many_answers_those_would_stand_that_are_accepted_one_by_one(
    manifest: Manifest, logits_NW: np.ndarray
) -> None:
    kind, nothing_ND = manifest.kind, np.zeros((len(logits_NW), 4), np.float32)
    items = SeenItems(logits_NW, lambda: nothing_ND, None, lambda _: {})
    for described in (manifest, manifest.model_copy(update={"accept": None})):
        standing = Policy.of(described).standing(items, Answers(kind, kind.answers(logits_NW)))
        alone = [judge(described, "", seen(logits_W)).verdict is Verdict.ACCEPT for logits_W in logits_NW]
        assert standing.stands_N.tolist() == alone


def test_verdicts_follow_from_the_manifest(manifest: Manifest, logits_NW: np.ndarray) -> None:
    verdicts = set()
    for logits_W in logits_NW:
        prediction = judge(manifest, "a.jpg", seen(logits_W))
        verdicts.add(prediction.verdict)
        assert bool(prediction.reasons) == (prediction.verdict is Verdict.REVIEW)
        assert prediction.bundle_id == manifest.bundle_id
        document = json.loads(json.dumps(prediction.to_json(), allow_nan=False))
        assert document["verdict"] == prediction.verdict
        assert judge(manifest.model_copy(update={"accept": None}), "", seen(logits_W)).verdict is Verdict.REVIEW
    wanted = {Verdict.ACCEPT, Verdict.REVIEW} if manifest.kind.has_confidence else {Verdict.REVIEW}
    assert verdicts == wanted


# Targets


def test_targets_are_checked_and_read(example: Example) -> None:
    kind = example.kind
    dtype, shape = kind.target_type
    assert example.targets.dtype == dtype
    assert example.targets.shape[1:] == shape
    assert kind.target_fault(example.targets) is None
    for target, text in zip(example.targets, example.texts, strict=False):
        assert kind.target_text(target) == text
    if example.faulty is not None:
        assert example.faulty.dtype == dtype
        assert kind.target_fault(example.faulty)


def test_arrays_are_checked_by_the_kind(example: Example, manifest: Manifest) -> None:
    arrays = arrays_of(example, manifest)
    again = TrainingArrays.from_bytes(arrays.to_bytes(), manifest)
    np.testing.assert_array_equal(again.targets_N, example.targets)
    wide = np.zeros((2, example.kind.width + 1), np.float32)
    changes: list[dict[str, Any]] = [{"unseen_logits_MC": wide}]
    changes += [{"targets_N": example.faulty}] if example.faulty is not None else []
    for change in changes:
        with pytest.raises(SchemaError, match=next(iter(change))):
            TrainingArrays.from_bytes(replace(arrays, **change).to_bytes(), manifest)


def arrays_of(example: Example, manifest: Manifest) -> TrainingArrays:
    n = len(example.targets)
    return TrainingArrays(
        embeddings_ND=np.zeros((n, manifest.embedding_width), np.float16),
        targets_N=example.targets,
        groups_N=np.arange(n),
        unseen_logits_MC=np.zeros((2, example.kind.width), np.float32),
        unseen_rows_M=np.arange(2),
        pixels_sha256_T32=np.zeros((n, 32), np.uint8),
        frequencies_TKK=np.zeros((n, 16, 16), np.float16),
    )


# Golden examples


def test_golden_entries_say_what_is_answered(manifest: Manifest, logits_NW: np.ndarray) -> None:
    policy = Policy.of(manifest)
    entries = [entry_of("0.png", True, seen(logits_W), manifest, policy) for logits_W in logits_NW]
    assert len({entry.label for entry in entries}) > 1
    for entry, logits_W in zip(entries, logits_NW, strict=True):
        assert entry == entry_of("0.png", True, seen(logits_W), manifest, policy)
        assert entry.verdict in ("accept", "review")
        json.dumps(entry.model_dump(), allow_nan=False)
        assert not manifest.kind.on_the_line(logits_W, 0.0)


# Words


def test_people_read_of_every_kind(example: Example, manifest: Manifest) -> None:
    kind, names = example.kind, ", ".join(example.kind.outputs)
    for text in (kind.words.model, kind.words.tells, kind.words.asks):
        said = text.format(names=names, count=len(kind.outputs))
        assert names in said or str(len(kind.outputs)) in said
    assert kind.words.output
    assert kind.words.outputs
    assert kind.calibrated
    counts = dict.fromkeys(kind.outputs, 3)
    assert all(name and value for name, value in kind.facts(counts))
    assert all(any(output in value for _, value in kind.facts(counts)) for output in kind.outputs)
    assert set(kind.marks()) <= set(kind.outputs)
    card = render_card(manifest)
    assert f"tags: [{kind.words.hub_tag}, onnx, drivetrain]" in card
    assert ("every answer is marked `review`" in card) == (manifest.accept is None)


# The Open Inference Protocol


def test_tensors_hold_what_they_state(example: Example, logits_NW: np.ndarray) -> None:
    tensors, answer = example.kind.tensors(), example.kind.answer(logits_NW[0])
    names = [tensor.name for tensor in tensors]
    assert len(set(names)) == len(names)
    assert "verdict" not in names
    assert (tensors[0].datatype, tensors[0].shape) == ("FP32", (len(example.kind.outputs),))
    for tensor in tensors:
        for said in (answer, Answer()):
            row = example.kind.tensor_row(tensor.name, said)
            assert len(row) == int(np.prod(tensor.shape))
            wanted = str if tensor.datatype == "BYTES" else float
            assert all(isinstance(entry, wanted) or (entry is None and said is not answer) for entry in row)
    numbers = example.kind.tensor_row(tensors[0].name, answer)
    np.testing.assert_allclose(np.asarray(numbers, float), example.kind.answers(logits_NW)[0], rtol=1e-6)


# Old schemas


def test_old_metrics_become_rows_and_are_shown_as_they_were(example: Example) -> None:
    if example.old is None:
        assert example.kind.old_metrics is None
        return
    document = example.document
    manifest = parse_manifest(json.dumps(document).encode())
    assert type(manifest.kind) is type(example.kind)
    assert manifest.rows
    assert manifest.published()["metrics"] == document["metrics"]
    assert parse_manifest(manifest.to_json().encode()).rows == manifest.rows
    del document["metrics"]
    with pytest.raises(SchemaError, match="metrics: Field required"):
        parse_manifest(json.dumps(document).encode())
    assert dt.load(BUNDLES / example.old).manifest == manifest


def test_a_younger_kind_has_no_old_bundles(example: Example) -> None:
    if example.old is None:
        document = {"schema_version": 2, "task": example.kind.task, "preprocess": {}, "metrics": {}}
        document |= example.kind.model_dump(mode="json")
        with pytest.raises(SchemaError, match="before schema version 3"):
            parse_manifest(json.dumps(document).encode())


def test_figures_are_shown_by_their_slugs_where_nothing_older_says_how(manifest: Manifest) -> None:
    shown = manifest.published()["metrics"]
    assert "how" in shown
    json.dumps(shown, allow_nan=False)
