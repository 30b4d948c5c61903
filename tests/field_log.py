"""Events of a rollout, made up: cases with their draws, and what was said of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from drivetrain.core.case import Case, ModelAnswer
from drivetrain.core.told_how import ToldHow
from drivetrain.rollout.draw import Draw, Route
from drivetrain.rollout.events import Arrived, Decided, Opened, ReviewKind, TurnedOut

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
BLIND = Draw(Route.BLIND)


def moment(minutes: float) -> datetime:
    """So many minutes after the first case."""
    return START + timedelta(minutes=minutes)


def opened(blind: float = 0.25) -> Opened:
    """The first line, with the policy's blind share."""
    return Opened(START, "ada", {"supervised": {"blind": blind}}, "0" * 16, ("bad", "good"), "0" * 64)


def arrived(
    number: int,
    draw: Draw = BLIND,
    *,
    minutes: float | None = None,
    sha256: str | None = None,
    slices: Mapping[str, str] | None = None,
    group: str | None = None,
    known: str | None = None,
) -> Arrived:
    """Case ``number``, of the id ``number`` in hexadecimal, which the model takes for good."""
    at = moment(number if minutes is None else minutes)
    case = Case(f"{number:032x}", f"case {number}", at, (sha256 or f"{number:064x}",), slices or {}, group)
    return Arrived(at, case, ModelAnswer("good", 0.9, "bad", True, True, 0.01, "0" * 16), draw, known)


def decided(
    number: int, label: str | None, how: ToldHow = ToldHow.BLIND, by: str = "ada", round: int = 0, minutes: float = 1000
) -> Decided:
    """A review of case ``number`` that somebody has finished."""
    kind = {ToldHow.ADJUDICATED: ReviewKind.ADJUDICATE, ToldHow.ASSISTED: ReviewKind.CONFIRM}.get(
        how, ReviewKind.DECIDE
    )
    return Decided(moment(minutes + number), f"{number:032x}", kind, round, by, label, how)


def turned_out(number: int, label: str, by: str = "laboratory", minutes: float = 5000) -> TurnedOut:
    """The outcome of case ``number``."""
    return TurnedOut(moment(minutes + number), f"{number:032x}", label, by)
