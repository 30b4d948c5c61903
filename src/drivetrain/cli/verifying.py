"""``drivetrain verify``: of data, what is wrong with them; of a bundle, whether it is whole and by whom."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.local_path import local_path
from . import signing
from .flags import CacheOption, JsonFlag, NoCache, check_cache

if TYPE_CHECKING:
    from ..data.sources.aside import Moved
    from ..workbench.verifying import Verified

# The most files that are named on a terminal for one code; --json has all.
SHOWN = 10


def verify(
    source: Annotated[
        str,
        typer.Argument(metavar="DATA|BUNDLE", help="A folder, table or archive of images; or, with --key, a bundle."),
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            "-k",
            parser=local_path,
            metavar="FILE",
            help="Of a bundle: file of the public key (.pub) it should be signed with.",
        ),
    ] = None,
    quarantine: Annotated[
        bool,
        typer.Option(
            "--quarantine",
            help="Move what is found to the folder quarantine within DATA; of a table or archive, leave it out by an edit.",
        ),
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="FOLDER", parser=local_path, help="Move it to this folder instead."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep", metavar="CODE", help="Say nothing of these and leave them, such as blurred; repeatable."
        ),
    ] = None,
    cache: CacheOption = None,
    no_cache: NoCache = False,
    json: JsonFlag = False,
) -> None:
    """Find what is wrong with data, or check a signature.

    Of data: files that cannot be read, nearly black, blurred and tiny images, copies (all but one of each), and copies with
    different labels. Exit code 1 where a file cannot be read or copies contradict each other, unless they were moved; nothing is
    deleted. Of a bundle: exit code 1 where it is not whole or not signed with the key.
    """
    from ..core.errors import UsageError
    from ..core.shell_path import quoted

    if key is not None:
        given = [name for name, value in (("--quarantine", quarantine), ("--into", into), ("--keep", keep)) if value]
        if given:
            raise UsageError(f"{given[0]} is for data, and --key for a bundle; leave one of them out")
        signing.verify(local_path(source), key, json)
        return
    from ..model.no_bundle import is_bundle

    if is_bundle(Path(source)):
        raise UsageError(
            f"{source} is a bundle; say whose it should be: drivetrain verify {quoted(source)} --key FILE.pub "
            "(of data, verify needs no key)"
        )
    check_cache(source, cache, no_cache)
    _verify_data(source, quarantine or into is not None, into, frozenset(keep or ()), cache, no_cache, json)


def _verify_data(
    source: str,
    quarantine: bool,
    into: Path | None,
    keep: frozenset[str],
    cache: Path | None,
    no_cache: bool,
    json: bool,
) -> None:
    from ..core.errors import UsageError
    from ..embed.cache import EmbeddingCache, default_folder
    from ..embed.unpack_place import leave, unpack_place
    from ..workbench.verifying import CODES, set_aside, verify
    from .console import SAID_NO, ConsoleProgress, print_json

    if unknown := sorted(keep - set(CODES)):
        raise UsageError(f"--keep {unknown[0]} is no code; give one of {', '.join(CODES)}")
    if into is not None and not Path(source).is_dir():
        raise UsageError(f"--into is for folders; of {source} nothing is moved, so give --quarantine alone")
    progress = ConsoleProgress()
    place = unpack_place(cache, use_cache=not no_cache)
    kept = EmbeddingCache(None if no_cache else cache or default_folder(), progress.say)
    try:
        found = verify(source, kept, progress, place).keeping(keep)
        moved = set_aside(found, source, into, lambda: datetime.now(UTC)) if quarantine else None
    finally:
        kept.close()
        leave(place)
    if json:
        print_json(_document(source, found, moved, quarantine))
    else:
        _tell(source, found, moved, quarantine)
    if found.serious and not quarantine:
        raise typer.Exit(SAID_NO)


def _document(source: str, found: Verified, moved: Moved | None, quarantined: bool) -> dict[str, Any]:
    return {
        "source": source,
        "images": len(found.dataset.items),
        "counts": found.counts,
        "serious": found.serious,
        "found": [one.to_json() for one in found.faulty],
        "quarantined": quarantined,
        "folder": str(moved.folder) if moved else None,
        "moved": [{"from": str(old), "to": str(new)} for old, new in moved.files.items()] if moved else [],
    }


def _tell(source: str, found: Verified, moved: Moved | None, quarantined: bool) -> None:
    from ..core.shell_path import quoted
    from .console import print_line

    images = len(found.dataset.items)
    if not found.faulty:
        print_line(f"nothing is wrong with the {images} images of {source}")
        return
    for code, count in found.counts.items():
        print_line(f"{code}: {count}")
        with_code = [(one, ground) for one in found.faulty for ground in one.grounds if ground.code == code]
        for one, ground in with_code[:SHOWN]:
            print_line(f"  {one.item.name}: {ground.words}")
        if count > SHOWN:
            print_line(f"  … and {count - SHOWN} more (--json names all)")
    total = f"{len(found.faulty)} of {images} images"
    if moved is not None:
        print_line(f"{total} moved to {moved.folder}, none deleted; moved-aside.jsonl there says where each was")
    elif quarantined:
        print_line(f"{total} are left out from now on; drivetrain undo {quoted(source)} takes that back")
    else:
        does = "moves them aside" if local_path(source).is_dir() else "leaves them out"
        print_line(f"{total}; drivetrain verify {quoted(source)} --quarantine {does}, and deletes nothing")
        print_line(
            f"drivetrain clean {quoted(source)} shows them, with labels that look wrong, for you to decide of each"
        )
