"""``drivetrain store`` and ``drivetrain keys``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.local_path import local_path
from ..core.role import Role
from ..core.told_how import ToldHow
from ..core.verdict import Verdict
from .flags import JsonFlag
from .opened_store import WHERE
from .opened_store import opened_store as _opened

if TYPE_CHECKING:
    from ..core.records import ApiKey
    from ..store.holdings import StoreInfo
    from ..store.pruning import Pruned
    from ..store.sql_store import SqlStore

app = typer.Typer(help="Look at, export or tidy the store of predictions.", no_args_is_help=True)
keys_app = typer.Typer(help="Keys for the server: who may ask it, and for what.", no_args_is_help=True)

StoreArgument = Annotated[str | None, typer.Argument(metavar="[STORE]", show_default=False, help=WHERE)]
StoreOption = Annotated[str | None, typer.Option("--store", metavar="STORE", help=WHERE)]
_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


@app.command()
def info(place: StoreArgument = None, store: StoreOption = None, json: JsonFlag = False) -> None:
    """Show where the store is and how much it holds."""
    from .console import print_json, print_pairs

    with _opened(_one_of(place, store)) as opened:
        found = opened.info()
    if json:
        print_json(_shown(found))
        return
    about = "" if found.exact else "about "
    rows = [
        ("Store", f"{found.store} ({found.kind}, tables {found.schema})"),
        ("Holds", f"{about}{found.records} predictions, {found.inputs} images, {found.bytes / 1e6:.1f} MB"),
        ("Told", f"{about}{found.truths} right answers"),
        *_rollouts(found),
        ("Keys", str(found.keys)),
    ]
    if found.oldest and found.newest:
        rows.append(("From", f"{_minute(found.oldest)} to {_minute(found.newest)} UTC"))
    print_pairs(rows)


def _rollouts(found: StoreInfo) -> list[tuple[str, str]]:
    if not found.rollouts:
        return []
    about = "" if found.exact else "about "
    held = f"{found.cases} cases, {found.log_lines} lines of their logs, {found.open_reviews} reviews to be done"
    return [("Rollouts", f"{about}{found.rollouts}; {held}")]


@app.command()
def migrate(place: StoreArgument = None, store: StoreOption = None, json: JsonFlag = False) -> None:
    """Raise the store's tables to this version's. Stop the servers that use it, and have a backup."""
    from ..store.default_store import default_store_url
    from ..store.location import locate
    from ..store.sql_store import migrate_store
    from .console import print_json, print_line

    where = _one_of(place, store) or default_store_url()
    before, after = migrate_store(where)
    if json:
        print_json({"store": locate(where).shown, "before": before, "after": after})
        return
    done = f"is at {after} already" if before == after else f"went from {before or 'nothing'} to {after}"
    print_line(f"{locate(where).shown} {done}")


@app.command()
def export(
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", parser=local_path, help="File to write; its ending says how: .parquet or .csv."),
    ],
    store: StoreOption = None,
    model: Annotated[str | None, typer.Option(help="Only of the model served under this name.")] = None,
    bundle_id: Annotated[str | None, typer.Option("--bundle", help="Only of this bundle.")] = None,
    verdict: Annotated[Verdict | None, typer.Option(help="Only with this verdict.")] = None,
    label: Annotated[str | None, typer.Option(help="Only with this label, or this one of several.")] = None,
    camera: Annotated[str | None, typer.Option(help="Only from this camera.")] = None,
    site: Annotated[str | None, typer.Option(help="Only from this site.")] = None,
    group: Annotated[str | None, typer.Option(help="Only of this group.")] = None,
    since: Annotated[datetime | None, typer.Option(formats=_MOMENTS, help="Only from this moment on; UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_MOMENTS, help="Only before this moment; UTC.")] = None,
    json: JsonFlag = False,
) -> None:
    """Write predictions to a Parquet or CSV file, the newest first, each with the right answer that was told last."""
    from ..core.records import RecordFilter
    from ..store.export import export as write
    from .console import print_json, print_line

    wanted = RecordFilter(
        model=model, bundle_id=bundle_id, verdict=verdict, label=label, camera=camera, site=site, group=group,
        since=since, until=until,
    )  # fmt: skip
    with _opened(store) as opened:
        count = write(opened.iterate(wanted), out, opened.truths_of)
    if json:
        print_json({"out": str(out), "records": count})
        return
    print_line(f"wrote {count} predictions to {out}")


@app.command()
def labels(
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", parser=local_path, help="File to write; its ending says how: .parquet or .csv."),
    ],
    store: StoreOption = None,
    model: Annotated[str | None, typer.Option(help="Only of the model served under this name.")] = None,
    bundle_id: Annotated[str | None, typer.Option("--bundle", help="Only of this bundle.")] = None,
    how: Annotated[ToldHow | None, typer.Option(help="Only those that were found in this way.")] = None,
    by: Annotated[str | None, typer.Option(help="Only by this person.")] = None,
    label: Annotated[str | None, typer.Option(help="Only this label, or this one of several.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=_MOMENTS, help="Only told from this moment on; UTC.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(formats=_MOMENTS, help="Only told before this moment; UTC.")] = None,
    json: JsonFlag = False,
) -> None:
    """Write all right answers that people told to a Parquet or CSV file, the newest first, each with what was answered."""
    from ..core.records import TruthFilter
    from ..store.export import export_truths
    from .console import print_json, print_line

    wanted = TruthFilter(model=model, bundle_id=bundle_id, how=how, by=by, label=label, since=since, until=until)
    with _opened(store) as opened:
        count = export_truths(opened.iterate_truths(wanted), out)
    if json:
        print_json({"out": str(out), "labels": count})
        return
    print_line(f"wrote {count} right answers to {out}")


ImagesDays = Annotated[
    float | None, typer.Option("--images-days", min=0, help="Delete images last sent so many days ago or more.")
]
RecordsDays = Annotated[
    float | None,
    typer.Option(
        "--records-days",
        min=0,
        help="Delete predictions so many days old or older, with images and labels.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")]
TrustClock = Annotated[
    bool, typer.Option("--trust-clock", help="The clock is right, however far it is from what the store knows.")
]


@app.command()
def prune(
    place: StoreArgument = None,
    images_days: ImagesDays = None,
    records_days: RecordsDays = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    trust_clock: TrustClock = False,
    store: StoreOption = None,
    json: JsonFlag = False,
) -> None:
    """Delete old images, old predictions, or both."""
    from datetime import UTC

    from ..core.errors import UsageError
    from .console import print_json, print_line, remark

    if images_days is None and records_days is None and not trust_clock:
        raise UsageError("nothing to delete was named; give --images-days N, --records-days N, or both")
    now = datetime.now(UTC)
    images, records = _days_ago(images_days, now), _days_ago(records_days, now)
    with _opened(_one_of(place, store)) as opened:
        doubt = _doubt(opened, now)
        if trust_clock and not dry_run:
            _trust(opened, now)
        elif doubt and not dry_run:
            raise UsageError(f"{doubt}; if the clock is right, add --trust-clock, and --dry-run shows what would go")
        elif doubt:
            remark(doubt)
        done = opened.prune(inputs_older_than=images, records_older_than=records, dry_run=True)
        if not dry_run:
            if _is_asked(yes or json) and (done.records or done.inputs):
                typer.confirm(f"delete {_told(done)}?", abort=True)
            done = opened.prune(inputs_older_than=images, records_older_than=records)
    if json:
        print_json({**_shown(done), "dry_run": dry_run})
        return
    print_line(f"{'would delete' if dry_run else 'deleted'} {_told(done)}")


def _doubt(opened: SqlStore, now: datetime) -> str | None:
    """Say why the clock is not to be trusted with deleting things."""
    from ..core.calendar import DOWN

    calendar = opened.calendar()
    if calendar is None or not (calendar.is_far_ahead(now) or calendar.ahead > DOWN):
        return None
    days = (now - calendar.trusted).days
    return f"the clock says {_minute(now)} UTC, {days} days after what this store knows ({_minute(calendar.trusted)})"


def _trust(opened: SqlStore, now: datetime) -> None:
    from ..core.calendar import Calendar

    opened.set_calendar(Calendar(now))


def _is_asked(settled: bool) -> bool:
    """Tells whether there is somebody to ask, and something to ask."""
    import sys

    return not settled and sys.stdin.isatty() and sys.stderr.isatty()


def _shown(found: StoreInfo | Pruned) -> dict[str, object]:
    """Return the document that ``--json`` shows, where inputs have the name that docs/json.md gives them."""
    from dataclasses import asdict

    told = {name.replace("input", "image"): value for name, value in asdict(found).items()}
    return {**told, "oldest": _iso(found.oldest), "newest": _iso(found.newest)}


def _told(done: Pruned) -> str:
    moments = f", from {_minute(done.oldest)} to {_minute(done.newest)} UTC" if done.oldest and done.newest else ""
    truths = f" with {done.truths} right answers told of them" if done.truths else ""
    return f"{done.records} predictions{truths} and {done.inputs} images ({done.input_bytes / 1e6:.1f} MB){moments}"


@keys_app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what will use it.")],
    role: Annotated[
        Role, typer.Option(help="predict: ask for answers; review: also read history and images; admin: all.")
    ] = Role.PREDICT,
    per_minute: Annotated[int | None, typer.Option("--per-minute", min=1, help="Images it may send a minute.")] = None,
    store: StoreOption = None,
    json: JsonFlag = False,
) -> None:
    """Make a key and show its secret, once. From the first key on, the server asks everybody for one, for good."""
    from ..store.new_key import new_key
    from .console import print_json, print_line, remark

    secret, key = new_key(name, role, per_minute)
    with _opened(store, create=True) as opened:
        opened.add_key(key)
    if json:
        print_json({**_key_json(key), "secret": secret})
        return
    remark(f"key {name!r} ({role.value}); write the secret down, it is not shown again:")
    print_line(secret)


@keys_app.command("list")
def list_keys(store: StoreOption = None, json: JsonFlag = False) -> None:
    """Show every key, without secrets."""
    from .console import one_line, print_json, print_table, remark

    with _opened(store) as opened:
        found = opened.keys()
    if json:
        print_json([_key_json(key) for key in found])
        return
    if not found:
        remark("no keys yet; make one with: drivetrain keys add NAME --role admin")
        return
    rows = [("NAME", "ROLE", "PER MINUTE", "MADE", "REVOKED", "ID")]
    for key in found:
        limit = "" if key.per_minute is None else str(key.per_minute)
        revoked = "" if key.revoked_at is None else _minute(key.revoked_at)
        rows.append((one_line(key.name), key.role.value, limit, _minute(key.created_at), revoked, key.id))
    print_table(rows)


@keys_app.command()
def revoke(
    name_or_id: Annotated[str, typer.Argument(metavar="NAME|ID", help="Name of a live key, or the id of any.")],
    store: StoreOption = None,
    json: JsonFlag = False,
) -> None:
    """End a key, for good."""
    from datetime import UTC

    from .console import print_json, print_line, remark

    with _opened(store) as opened:
        key = opened.revoke_key(name_or_id, datetime.now(UTC))
        live = [one for one in opened.keys() if one.revoked_at is None]  # noqa: SIM118  # a store is no mapping
    if json:
        print_json(_key_json(key))
        return
    print_line(f"revoked {key.name} ({key.id})")
    if not live:
        remark("that was the last live key: servers of this store answer nobody until you make another")


def _one_of(place: str | None, store: str | None) -> str | None:
    """Return the store's place, given as an argument or as an option.

    Raises:
        UsageError: it is said twice.
    """
    from ..core.errors import UsageError

    if place is not None and store is not None:
        raise UsageError(f"two stores are named, {place} and --store {store}; name one")
    return place if place is not None else store


def _key_json(key: ApiKey) -> dict[str, Any]:
    """Return a key as a document, without the hash of its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "per_minute": key.per_minute,
        "created_at": _iso(key.created_at),
        "revoked_at": _iso(key.revoked_at),
    }


def _days_ago(days: float | None, now: datetime) -> datetime | None:
    from datetime import timedelta

    if days is None:
        return None
    # The most days: no store is older, and dates end beyond it.
    return now - timedelta(days=min(days, 200_000))


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _minute(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")
