"""The backtest of a candidate beside its champion, on the cases that came after what the candidate was trained on."""

from __future__ import annotations

from datetime import timedelta

from ..core.errors import DrivetrainError
from ..core.ports import Progress
from ..model.predictor import Predictor
from ..rollout.backtest.backtest import Backtest, Pair
from ..rollout.backtest.words import interval
from ..store.sql_store import SqlStore
from .backtesting import AskedBacktest, backtest
from .past_answers import Cached
from .past_source import PastRollout
from .retraining import Prepared, policy_of

CHAMPION, CANDIDATE = "champion", "candidate"


def backtest_of(
    prepared: Prepared, candidate: Predictor, store: SqlStore, cached: Cached, progress: Progress
) -> Backtest | str:
    """Play the rollout's policy through with both bundles; or say why nothing can be learned from that."""
    row, trained = prepared.row, prepared.training.field
    until = max(one.label.case.at for one in trained) + timedelta(microseconds=1)
    policy = policy_of(store, row)
    bundles = {CHAMPION: prepared.champion, CANDIDATE: candidate}
    asked = AskedBacktest(trained_until={CANDIDATE: until}, cached=cached)
    try:
        source = PastRollout.read(store, row.id, (policy,))
        return backtest({row.name: policy}, bundles, source, asked, progress)[0]
    except DrivetrainError as error:
        return str(error)


def lines_of(found: Backtest | str) -> list[tuple[str, str]]:
    """Write it in a line, as the command line shows it."""
    if isinstance(found, str):
        return [("Backtest", f"none: {found}")]
    return [("Backtest", _words(one)) for one in found.pairs]


def _words(pair: Pair) -> str:
    apart = f"errors {interval(pair.errors)} points, reviews {interval(pair.reviews)} points"
    return f"{pair.one} less {pair.other} on {pair.cases} cases: {apart}"
