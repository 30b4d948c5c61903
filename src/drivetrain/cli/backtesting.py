"""``drivetrain backtest``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.local_path import local_path
from .flags import CacheOption, JsonFlag, NoCache, NoGolden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..core.ports import Progress
    from ..model.predictor import Predictor
    from ..rollout.backtest.backtest import Backtest
    from ..rollout.backtest.trial import Trial
    from ..rollout.policy import Policy
    from ..workbench.backtesting import AskedBacktest, QueueMade

_QUEUE = "adjudication"


def backtest(
    policy: Annotated[
        Path, typer.Argument(metavar="POLICY", parser=local_path, help="The policy of a rollout: a rollout.toml.")
    ],
    bundle: Annotated[
        list[Path],
        typer.Option(
            "--bundle", "-b", metavar="BUNDLE", parser=local_path, help="A bundle; several times for several."
        ),
    ],
    log: Annotated[
        str,
        typer.Option(
            metavar="CASES",
            help="Past decisions: a table (CSV, TSV, JSON lines, Parquet), or the store of a server (SQLite file or "
            "postgresql://USER@HOST/NAME) by the log of a rollout in it.",
        ),
    ],
    more: Annotated[
        list[Path] | None,
        typer.Option(
            "--policy", metavar="POLICY", parser=local_path, help="Another policy; several times for several."
        ),
    ] = None,
    rollout: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The rollout of the store (that of the policy's name unless given)."),
    ] = None,
    trained_until: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[BUNDLE=]DATE",
            help="The end of a bundle's training data, where that is not when it was made. Only later cases are used.",
        ),
    ] = None,
    adjudicate: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Draw so many cases in which people and model differ, to be adjudicated blind."
        ),
    ] = 0,
    queue: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            parser=local_path,
            help=f"The folder of the sheet of adjudications: written first, read once it is filled in ({_QUEUE} unless given).",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", parser=local_path, help="Write the report, one HTML page.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Everything random follows from it.")] = 0,
    no_golden: NoGolden = False,
    cache: CacheOption = None,
    no_cache: NoCache = False,
    json: JsonFlag = False,
) -> None:
    """Try a rollout's policy on past decisions.

    Past cases go through the same stages, draws and gates as a live rollout: when each stage would have been reached, errors
    prevented and made, and reviews saved, beside people only, model only, a confidence threshold and deferral by slices.
    """
    from ..core.errors import UsageError
    from ..workbench.backtesting import AskedBacktest
    from ..workbench.past_answers import Cached
    from .console import ConsoleProgress, print_json

    if cache is not None and no_cache:
        raise UsageError("--cache and --no-cache exclude each other; leave one of them out")
    if queue is not None and not adjudicate:
        raise UsageError(
            "--queue is the folder of the cases that --adjudicate draws; give their number, such as --adjudicate 100"
        )
    policies = _policies([policy, *(more or ())])
    bundles = _bundles(bundle, golden=not no_golden)
    asked = AskedBacktest(
        seed=seed,
        trained_until=_dates(trained_until or (), tuple(bundles)),
        adjudicate=adjudicate,
        queue=queue or Path(_QUEUE) if adjudicate else None,
        cached=Cached(cache, not no_cache),
    )
    found, made = _run(log, rollout, policies, bundles, asked, ConsoleProgress(counted="cases"))
    if report is not None:
        from ..report.backtest import backtest_report

        report.write_text(backtest_report(found), encoding="utf-8")
    if json:
        print_json(
            {**found.to_json(), "queue": None if made is None else {"path": str(made.path), "cases": made.cases}}
        )
    else:
        _print(found, made, report)


def _policies(paths: Sequence[Path]) -> Mapping[str, Policy]:
    """Read the policies, by name; by file where two have one name.

    Raises:
        UsageError: one cannot be read, or a file is given twice.
    """
    from ..core.errors import UsageError
    from ..rollout.policy_file import read_policy

    read = [(path, read_policy(path)) for path in paths]
    names = [policy.name for _, policy in read]
    named = {(policy.name if names.count(policy.name) == 1 else path.stem): policy for path, policy in read}
    if len(named) < len(read):
        raise UsageError(f"two policies are called {names[0]!r} and lie in files of one name; rename one of the files")
    return named


def _bundles(paths: Sequence[Path], *, golden: bool) -> Mapping[str, Predictor]:
    """Load the bundles, by their names without the ending.

    Raises:
        BundleError: one cannot be loaded.
        UsageError: two have one name.
    """
    from ..core.errors import UsageError
    from ..model.predictor import load

    found: dict[str, Predictor] = {}
    for path in paths:
        name = path.name.removesuffix(".zip").removesuffix(".bundle") or str(path)
        if name in found:
            raise UsageError(f"two bundles are called {name!r}; rename one of the folders")
        found[name] = load(path, golden=golden)
    return found


def _dates(given: Sequence[str], bundles: Sequence[str]) -> dict[str, datetime]:
    """Read the ends of training data, by bundle; of ``""`` where none is named.

    Raises:
        UsageError: it is no date, or names a bundle that is not tried.
    """
    from ..core.errors import UsageError

    found = {}
    for one in given:
        name, _, date = one.rpartition("=")
        if name and name not in bundles:
            raise UsageError(f"--trained-until names the bundle {name!r}; those tried are {', '.join(bundles)}")
        try:
            found[name] = datetime.fromisoformat(date)
        except ValueError:
            raise UsageError(f"--trained-until is {one!r}; write a date as 2026-05-31, or BUNDLE=2026-05-31") from None
    return found


def _run(
    log: str,
    rollout: str | None,
    policies: Mapping[str, Policy],
    bundles: Mapping[str, Predictor],
    asked: AskedBacktest,
    progress: Progress,
) -> tuple[Backtest, QueueMade | None]:
    """Read the log, and try everything on it.

    Raises:
        UsageError, DataError, SourceError, StoreError: as the log and the trial raise them.
    """
    from contextlib import closing

    from ..core.errors import UsageError
    from ..store.place import is_store
    from ..workbench.backtesting import backtest as try_all
    from ..workbench.past_source import PastRollout, PastTable

    if is_store(log):
        from ..store.sql_store import open_store

        with closing(open_store(log, create=False)) as store:
            return try_all(
                policies, bundles, PastRollout.read(store, rollout, tuple(policies.values())), asked, progress
            )
    if rollout is not None:
        raise UsageError(f"--rollout names a rollout of a store, and {log} is a table; leave it out")
    columns = tuple(dict.fromkeys(name for policy in policies.values() for name in policy.cases.slices))
    return try_all(policies, bundles, PastTable.read(Path(log), columns), asked, progress)


def _print(found: Backtest, made: QueueMade | None, report: Path | None) -> None:
    from ..rollout.backtest.words import HEAD, compared, interval, rows, summary
    from .console import print_line, print_pairs, print_table

    print_pairs([("Log", f"{found.past.source}: {summary(found)}"), *(("", said) for said in found.remarks)])
    for trial in found.trials:
        print_line("")
        print_pairs([("Tried", f"{trial.contender.title}: {compared(trial)}")])
        print_pairs([("Remark", said) for said in trial.remarks])
        _print_ways(trial)
        print_line("")
        print_table([HEAD, *rows(trial)], frozenset(range(1, len(HEAD))))
    if found.pairs:
        print_line("")
        head = ("first less second", "cases", "errors, points", "reviews a case, points")
        lines = [
            (f"{one.one} less {one.other}", f"{one.cases:,}", interval(one.errors), interval(one.reviews))
            for one in found.pairs
        ]
        print_table([head, *lines], frozenset({1, 2, 3}))
    if made is not None:
        print_line("")
        print_line(f"{made.cases} cases were drawn: fill in the column 'right' of {made.path}, and run this again.")
    if report is not None:
        print_line("")
        print_line(f"Report   {report}")


def _print_ways(trial: Trial) -> None:
    """Print when each stage would have been reached, under each supposition."""
    from ..rollout.backtest.words import SUPPOSING, way
    from .console import print_line, print_pairs

    for one in trial.suppositions:
        if len(trial.suppositions) > 1:
            print_line(f"{SUPPOSING[one.supposed.side].capitalize()}:")
        print_pairs([(f"  {name}", said) for name, said in way(one, trial)])
