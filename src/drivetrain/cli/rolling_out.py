"""``drivetrain rollout``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.local_path import local_path
from .flags import JsonFlag, NoGolden
from .opened_store import WHERE, opened_store
from .policies import policy_of
from .promoting import history, promote
from .rollout_log import export, verify
from .rollout_plan import plan
from .rollout_turns import COMMANDS, advance, named
from .rollouts_in_store import RolloutArgument, live_of

if TYPE_CHECKING:
    from ..core.rollout_records import RolloutRow
    from ..store.sql_store import SqlStore

app = typer.Typer(help="Roll a model out beside people, step by step.", no_args_is_help=True)

PolicyArgument = Annotated[
    Path,
    typer.Argument(metavar="POLICY", parser=local_path, help="The policy: rollout.toml, as rollout init writes it."),
]
BundleOption = Annotated[
    Path, typer.Option("--bundle", "-b", parser=local_path, metavar="BUNDLE", help="The bundle: its folder or zip.")
]
StoreOption = Annotated[str | None, typer.Option("--store", metavar="STORE", help=WHERE)]
ByOption = Annotated[str, typer.Option(metavar="NAME", show_default=False, help="The person who answers for it.")]
STARTER = Path("rollout.toml")


@app.command()
def init(
    bundle: BundleOption,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name it is served under; that of the bundle unless given.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The rollout's own name; that of the model unless given.")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="STORE", help="Store of a server: its cameras and sites become slices."),
    ] = None,
    into: Annotated[Path, typer.Option("--into", parser=local_path, metavar="FILE", help="File to write.")] = STARTER,
    no_golden: NoGolden = False,
    json: JsonFlag = False,
) -> None:
    """Write a policy to start from, fitted to a bundle.

    Every line has a comment that says what it is for.
    """
    from ..core.errors import UsageError
    from ..model.predictor import load
    from ..rollout.fitted_policy import fitted_policy
    from ..rollout.starter_file import starter_file
    from ..serve.served import slug
    from .console import print_json, print_line

    if into.exists():
        raise UsageError(f"{into} is there already; change it by hand, or name another file with --into")
    manifest = load(bundle, golden=not no_golden).manifest
    slices: tuple[str, ...] = ()
    served = model or slug(manifest.name)
    if store is not None:
        with opened_store(store) as opened:
            found = _seen_in(opened, manifest.bundle_id)
        served, slices = model or found[0] or served, found[1]
    fitted = fitted_policy(manifest, name=name or served, model=served, slices=slices, path=str(bundle))
    text = starter_file(fitted.policy, labels=manifest.outputs, remarks=fitted.remarks)
    into.write_text(text, encoding="utf-8")
    if json:
        print_json({"out": str(into), "policy": fitted.policy.model_dump(mode="json")})
        return
    print_line(f"wrote {into}, the policy of a rollout of {fitted.policy.model}; read it, and change what is not yours")
    _print_steps([("see how long each stage will take", f"drivetrain rollout plan {_q(into)} --bundle {_q(bundle)}")])


@app.command()
def schema(json: JsonFlag = False) -> None:  # noqa: ARG001  # every command has it, and this one prints nothing else
    """Print the JSON schema of a policy, for editors."""
    from ..rollout.policy_schema import policy_schema
    from .console import print_json

    print_json(policy_schema())


app.command()(plan)


@app.command("open")
def open_(
    policy: PolicyArgument,
    bundle: BundleOption,
    by: ByOption,
    store: StoreOption = None,
    no_golden: NoGolden = False,
    json: JsonFlag = False,
) -> None:
    """Open a rollout, in parallel.

    From now on cases are answered by the model, and decided by people who do not see what it says.
    """
    import secrets
    from datetime import UTC, datetime

    from ..core.identifiers import new_id
    from ..rollout.fitted_policy import checked_accept
    from ..rollout.opening import open_rollout
    from ..rollout.row_json import row_json
    from .console import print_json, print_line, remark

    read, predictor = policy_of(policy, bundle, no_golden)
    checked_accept(predictor.manifest, str(bundle))
    with opened_store(store, create=True) as opened:
        row = open_rollout(
            opened,
            read,
            predictor.manifest,
            named(by),
            at=datetime.now(UTC),
            salt=secrets.token_bytes(32),
            rollout_id=new_id(),
        )
        attempts = sum(one.bundle_id == row.bundle_id for one in opened.rollouts())
    _tell_attempts(attempts, row.bundle_id, read.alpha)
    if predictor.manifest.gate is None:
        remark(
            "this bundle has no gate, so that cases unlike those trained on cannot be told from others: out-of-domain will read 0"
            " and pass; train it again with more images for one"
        )
    steps = _steps_to_live(row, read.cases.slices, bundle, store, by)
    if json:
        print_json({**row_json(row), "next": [command for _, command in steps]})
        return
    print_line(f"opened {row.name}: {row.model} ({row.bundle_id}) runs in {row.stage}; people decide every case")
    _print_steps(steps)


def _tell_attempts(attempts: int, bundle_id: str, alpha: float) -> None:
    """Say what it costs that a bundle is tried again: every rollout has an alpha of its own."""
    from .console import remark

    if attempts > 1:
        remark(
            f"this is rollout {attempts} of bundle {bundle_id} in this store; each may advance a model that must not be with"
            f" probability {alpha:g}, so that one of {attempts} does with up to {min(1.0, attempts * alpha):.3g};"
            " lower alpha to allow for it"
        )


@app.command("list")
def list_(store: StoreOption = None, json: JsonFlag = False) -> None:
    """List the rollouts of a store, the newest first."""
    from ..rollout.row_json import row_json
    from .console import one_line, print_json, print_table, remark
    from .rollout_words import minute

    with opened_store(store) as opened:
        rows = opened.rollouts()
    if json:
        print_json([row_json(row) for row in rows])
        return
    if not rows:
        remark("no rollouts yet; begin one with: drivetrain rollout init --bundle BUNDLE")
        return
    table = [("NAME", "MODEL", "STAGE", "OPENED", "ID")]
    for row in rows:
        stage = f"{row.stage}{f', step {row.step + 1}' if row.stage == 'expanding' else ''}{', paused' * row.paused}"
        table.append((one_line(row.name), one_line(row.model), stage, minute(row.opened_at), row.id))
    print_table(table)


@app.command()
def status(rollout: RolloutArgument = None, store: StoreOption = None, json: JsonFlag = False) -> None:
    """Show where a rollout stands, and what it takes to go on."""
    from .console import print_json
    from .rollout_words import print_status

    with opened_store(store) as opened:
        found = live_of(opened, rollout).status()
    if json:
        print_json(found.to_json())
    else:
        print_status(found)


_COMMANDS: tuple[Callable[..., None], ...] = (advance, *COMMANDS, promote, history, export, verify)
for _command in _COMMANDS:
    app.command()(_command)


def _seen_in(store: SqlStore, bundle_id: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the name under which a server has had a bundle, and which of site and camera its callers say."""
    from ..core.records import RecordFilter

    records = store.page(RecordFilter(bundle_id=bundle_id), 200).records
    said = [column for column in ("site", "camera") if any(getattr(one.context, column) for one in records)]
    return (records[0].model if records else None), tuple(said)


def _steps_to_live(
    row: RolloutRow, slices: Sequence[str], bundle: Path, store: str | None, by: str
) -> list[tuple[str, str]]:
    import shlex

    where = "" if store is None else f" --store {shlex.quote(store)}"
    name = shlex.quote(row.name)
    # Cases sent without their slices are of none, and a key that is taken cannot be sent again with them.
    sliced = "".join(f" --slice {shlex.quote(one)}" for one in slices)
    return [
        ("serve this bundle under this name", f"drivetrain serve {_q(f'{row.model}={bundle}')}{where}"),
        ("a key for what sends cases", f"drivetrain keys add sender --role predict{where}"),
        ("a key for each person who decides, by name", f"drivetrain keys add NAME --role review{where}"),
        ("a key for you, who may see how it stands", f"drivetrain keys add {shlex.quote(by)} --role admin{where}"),
        ("send cases", f"drivetrain cases send FOLDER --to http://127.0.0.1:8000 --rollout {name}{sliced}"),
        ("see where it stands", f"drivetrain rollout status {name}{where}"),
    ]


def _print_steps(steps: Sequence[tuple[str, str]]) -> None:
    from .console import print_line

    print_line("")
    print_line("Next:")
    for what, command in steps:
        # Text that a terminal would not print as it is cannot be typed either.
        if command.isprintable():
            print_line(f"  {command}")
            print_line(f"      {what}")


def _q(path: Path | str) -> str:
    from ..core.shell_path import quoted

    return quoted(path)
