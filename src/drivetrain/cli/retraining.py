"""``drivetrain retrain``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ..core.local_path import local_path
from ..training.options import table
from .flags import JsonFlag
from .from_table import given, with_options
from .storing import StoreOption

if TYPE_CHECKING:
    from ..core.rollout_records import RolloutRow
    from ..model.predictor import Predictor
    from ..rollout.backtest.backtest import Backtest
    from ..store.sql_store import SqlStore
    from ..training.choices import Choices
    from ..workbench.field.comparison import Comparison
    from ..workbench.retraining import Asked, FieldStore, Prepared

Champion = Annotated[
    Path,
    typer.Argument(metavar="BUNDLE", parser=local_path, help="The bundle that is live: the rollout's, the champion."),
]
Rollout = Annotated[
    str, typer.Option("--rollout", metavar="NAME", help="The rollout whose cases and labels are learned from.")
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="SOURCE",
        help="What was trained on before: folder, CSV, Parquet, zip or tar; the field's labels are added to it.",
    ),
]
Into = Annotated[
    Path,
    typer.Option(
        "--into", "-o", parser=local_path, metavar="PATH", help="The candidate: a folder, or a name ending in .zip."
    ),
]
By = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Your name, for the record of who looked at the reserve.")
]
Recent = Annotated[
    float,
    typer.Option(
        help="Share of labelled cases that came last and are kept to compare on, beside the reserve (0 to 0.9)."
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(help="The most by which the candidate may be worse and still not be called so (the policy's margin)."),
]
AssistedToo = Annotated[
    bool,
    typer.Option("--assisted-too", help="Learn from labels, too, that were told with the model's answer in sight."),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--start", metavar="NAME", help="Open the candidate's own rollout under this name, beside the champion's."
    ),
]


@with_options(table())
def retrain(
    context: typer.Context,
    bundle: Champion,
    rollout: Rollout,
    by: By,
    into: Into = Path("candidate.bundle"),
    store: StoreOption = None,
    data: Data = None,
    recent: Recent = 0.2,
    margin: Margin = None,
    assisted_too: AssistedToo = False,
    start: Start = None,
    *,
    json: JsonFlag = False,
    **choices: Any,
) -> None:
    """Train a candidate on labels from the field.

    Labels come from the rollout's log: outcomes, adjudications and blind decisions; never the model's own answers. The random
    reserve, and the cases that came last, are kept apart: both bundles are compared on them, and each look is on record.
    Exit code 1 where the candidate is worse.
    """
    from ..core.errors import UsageError
    from ..store.default_store import default_store_url
    from ..store.sql_store import open_store
    from ..workbench.candidate_backtest import lines_of
    from ..workbench.retraining import Asked, check_name
    from .console import SAID_NO, print_json, print_pairs

    if into.resolve() == bundle.resolve():
        raise UsageError(f"{into} is the bundle that is live, and stays as it is; give the candidate a name of its own")
    asked = Asked(recent, assisted_too)
    typed = cast("Choices", given(context, table(), choices))
    with closing(open_store(store or default_store_url(), create=False)) as opened:
        row = _row(opened, rollout)
        if start is not None:
            check_name(opened, start)
        found = _retrained(bundle, opened, row, asked, data, into, typed, margin, by)
        rows = [
            *found.prepared.lines(),
            *found.comparison.lines(),
            *lines_of(found.backtest),
            ("Candidate's bundle", str(into)),
        ]
        started = _started(opened, found, start, by) if start else None
    if json:
        print_json({**found.to_json(), "started": None if started is None else started.name})
    else:
        print_pairs(rows)
        _print_next(started, rollout, store)
    if found.comparison.verdict == "worse":
        raise typer.Exit(SAID_NO)


@dataclass(frozen=True)
class _Found:
    prepared: Prepared
    candidate: Predictor
    comparison: Comparison
    into: Path
    backtest: Backtest | str
    """A sentence where there could be none."""

    def to_json(self) -> dict[str, Any]:
        return {
            "candidate": {"bundle": str(self.into), "bundle_id": self.candidate.manifest.bundle_id},
            "data": self.prepared.to_json(),
            "comparison": self.comparison.to_json(),
            "backtest": self.backtest if isinstance(self.backtest, str) else self.backtest.to_json(),
        }


def _row(store: FieldStore, rollout: str) -> RolloutRow:
    """Find the rollout that holds a name.

    Raises:
        UsageError: there is none.
    """
    from ..core.errors import UsageError
    from ..rollout.succession import holder_of

    row = holder_of(store, rollout)
    if row is None:
        names = ", ".join(one.name for one in store.rollouts()) or "none at all"
        raise UsageError(f"the store has no rollout {rollout!r}; it has {names}")
    return row


def _retrained(
    bundle: Path,
    store: SqlStore,
    row: RolloutRow,
    asked: Asked,
    data: str | None,
    into: Path,
    typed: Choices,
    margin: float | None,
    by: str,
) -> _Found:
    """Make the training set, train the candidate as any other bundle is, and compare it with the champion."""
    from ..app.train import train
    from ..embed.cache import EmbeddingCache, default_folder
    from ..embed.unpack_place import leave, unpack_place
    from ..model.predictor import load
    from ..workbench.candidate_backtest import backtest_of
    from ..workbench.past_answers import Cached
    from ..workbench.retraining import policy_of, prepare, record_look
    from .console import ConsoleProgress

    progress, champion = ConsoleProgress(), load(bundle)
    folder, use_cache = typed.get("cache"), typed.get("use_cache") is not False
    place = unpack_place(None if folder is None else Path(folder), use_cache=use_cache)
    cache = EmbeddingCache((Path(folder) if folder else default_folder()) if use_cache else None, progress.say)
    try:
        prepared = prepare(champion, store, row, data, asked, place, cache, progress)
        manifest = champion.manifest
        kind: dict[str, Any] = {"task": manifest.task, "name": manifest.name}
        if manifest.kind.ordered:
            kind["order"] = manifest.outputs
        train(prepared.training.dataset, into, progress=progress, **cast("Choices", {**kind, **typed}))
        into.with_name(f"{into.name}.provenance.jsonl").write_text(prepared.provenance(), encoding="utf-8")
        candidate = load(into)
        wanted = policy_of(store, row).parallel.margin if margin is None else margin
        comparison = prepared.compare(candidate, wanted, cache, progress)
    finally:
        cache.close()
        leave(place)
    record_look(store, row, comparison, by, datetime.now(UTC))
    cached = Cached(None if folder is None else Path(folder), use_cache)
    return _Found(prepared, candidate, comparison, into, backtest_of(prepared, candidate, store, cached, progress))


def _started(store: FieldStore, found: _Found, name: str, by: str) -> RolloutRow:
    """Open the candidate's rollout beside the champion's. It has the same salt, so that the same cases are drawn for the same
    checks, and the reserve stays the reserve."""
    from ..core.identifiers import new_id
    from ..rollout.opening import open_rollout
    from ..workbench.retraining import check_candidate, policy_of

    row = found.prepared.row
    policy = policy_of(store, row).model_copy(update={"name": name})
    check_candidate(store, row, found.candidate)
    manifest = found.candidate.manifest
    at = datetime.now(UTC)
    return open_rollout(store, policy, manifest, by, at=at, salt=row.salt, rollout_id=new_id(), shadow_of=row.id)


def _print_next(started: RolloutRow | None, rollout: str, store: str | None) -> None:
    from ..core.shell_path import quoted
    from .console import print_line

    print_line("")
    if started is None:
        print_line(
            "Next: let a candidate run beside the champion, on the same cases, without anybody seeing its answers"
        )
        print_line(f"  drivetrain retrain BUNDLE --rollout {rollout} --start NAME, with the options of this call")
    else:
        print_line("Next: serve both bundles with this store; when the candidate's gates have passed")
        where = "" if store is None else f" --store {quoted(store)}"
        print_line(f"  drivetrain rollout promote {started.name} --by NAME --reason WHY{where}")
