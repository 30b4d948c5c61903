"""The course of all cases under one way of working: who decided what, and what it took of people. Shapes: N cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.case import ModelAnswer
from ...core.told_how import ToldHow
from .past import PastCase
from .player import Way

MIN_SHOWN = 30
"""Resolved cases of a slice from which on per-slice deferral looks at who was wrong less often."""


@dataclass(frozen=True, eq=False)
class Course:
    """The decision that took effect in each of N cases, and the reviews that people were asked for."""

    name: str
    labels: tuple[str | None, ...]
    """None: nobody could tell."""
    by_model_N: NDArray[np.bool_]
    """Tells where the model's answer took effect without a person."""
    reviews_N: NDArray[np.int64]

    def take(self, rows: Sequence[int]) -> Course:
        """Return the course of some of the cases."""
        rows_K = np.asarray(rows, np.intp)
        return Course(self.name, tuple(self.labels[n] for n in rows), self.by_model_N[rows_K], self.reviews_N[rows_K])


def followed(name: str, cases: Sequence[PastCase], ways: Mapping[str, Way]) -> Course:
    """The course that a rollout would have taken: what took effect in it."""
    mine = [ways[one.case.id] for one in cases]
    by_model_N = np.asarray([way.how is ToldHow.MODEL for way in mine], np.bool_)
    reviews_N = np.asarray([way.reviews for way in mine], np.int64)
    return Course(name, tuple(way.label for way in mine), by_model_N, reviews_N)


def people_only(cases: Sequence[PastCase]) -> Course:
    """People decide every case, as they did."""
    n = len(cases)
    return Course("people only", tuple(one.people for one in cases), np.zeros(n, np.bool_), np.ones(n, np.int64))


def _where(name: str, cases: Sequence[PastCase], answers: Sequence[ModelAnswer], acts: Sequence[bool]) -> Course:
    """The model decides where it acts, people decide the rest."""
    labels = [a.label if act else one.people for one, a, act in zip(cases, answers, acts, strict=True)]
    by_model_N = np.asarray(acts, np.bool_)
    return Course(name, tuple(labels), by_model_N, (~by_model_N).astype(np.int64))


def model_only(cases: Sequence[PastCase], answers: Sequence[ModelAnswer]) -> Course:
    """The model decides every case whose input it can read."""
    return _where("model only", cases, answers, [answer.label is not None for answer in answers])


def above(cases: Sequence[PastCase], answers: Sequence[ModelAnswer], threshold: float) -> Course:
    """The model decides from a confidence on, without gate, stage or audit."""
    acts = [a.label is not None and a.confidence is not None and a.confidence >= threshold for a in answers]
    return _where(f"confidence from {threshold:g}", cases, answers, acts)


def deferring(
    cases: Sequence[PastCase], answers: Sequence[ModelAnswer], columns: Sequence[str], truths: Sequence[str | None]
) -> Course:
    """In each slice whoever was wrong less often decides, as far as the cases resolved by then tell; people until
    `MIN_SHOWN` of them are.

    Without columns the slices are the model's answers. A truth counts from the moment that it became known.
    """
    tally: dict[tuple[str, ...], list[int]] = {}
    waiting = sorted((_known_at(one), n) for n, one in enumerate(cases) if truths[n] is not None)
    acts, at = [], 0
    for one, answer in zip(cases, answers, strict=True):
        while at < len(waiting) and waiting[at][0] < one.order:
            n = waiting[at][1]
            count = tally.setdefault(_slice(cases[n], answers[n], columns), [0, 0, 0])
            count[0] += 1
            count[1] += answers[n].label != truths[n]
            count[2] += cases[n].people not in (None, truths[n])
            at += 1
        shown, model, people = tally.get(_slice(one, answer, columns), (0, 0, 0))
        acts.append(answer.label is not None and shown >= MIN_SHOWN and model <= people)
    by = " × ".join(columns) if columns else "answer"
    return _where(f"deferral by {by}", cases, answers, acts)


def _slice(one: PastCase, answer: ModelAnswer, columns: Sequence[str]) -> tuple[str, ...]:
    if not columns:
        return (str(answer.label),)
    return tuple(one.case.slices.get(column, "") for column in columns)


def _known_at(one: PastCase) -> int:
    """The place in the log from which on a case's truth is known."""
    return max([one.order, *(outcome.order for outcome in one.outcomes), *(said.order for said in one.said)])
