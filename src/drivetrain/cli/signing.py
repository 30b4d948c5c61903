"""``drivetrain sign`` and ``drivetrain verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.local_path import local_path
from ..core.shell_path import quoted
from .flags import BundleArgument, JsonFlag


def sign(
    bundle: BundleArgument,
    key: Annotated[
        Path,
        typer.Option(
            "--key", "-k", parser=local_path, metavar="FILE", help="File of the private key, which stays with you."
        ),
    ],
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make the key first; its public half becomes KEY.pub.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Sign a bundle, so that others can see that it is yours.

    A bundle's sums show that it is whole, not where it comes from. Give the public key (KEY.pub) to whoever is to check.
    """
    from ..model.signature import make_key, sign
    from ..model.storage import read_sealed
    from .console import print_json, print_line

    if new_key:
        read_sealed(bundle)  # the bundle is checked before a key is made, which a second try would find in its way
        make_key(key)
    sign(bundle, key)
    public = f"{key}.pub"
    if json:
        print_json({"bundle": str(bundle), "key": str(key), "public_key": public})
    else:
        print_line(f"signed {bundle}; it is checked with: drivetrain verify {quoted(bundle)} --key {quoted(public)}")


PublicKey = Annotated[
    Path,
    typer.Option(
        "--key",
        "-k",
        parser=local_path,
        metavar="FILE",
        help="File of the public key (.pub) it should be signed with.",
    ),
]


def verify(
    bundle: BundleArgument,
    key: PublicKey,
    json: JsonFlag = False,
) -> None:
    """Check that a bundle is whole and signed with a key.

    Nothing in it is run. Exit code 1 where it is not, 2 where there is no bundle or no key to check with.
    """
    from ..core.errors import BundleError, ChecksumError
    from ..model.no_bundle import read_bundle
    from ..model.signature import public_key, verify
    from .console import SAID_NO, print_json, print_line, remark

    public_key(key)  # an unusable key is an error, not an answer
    files, problem = None, None
    try:
        sealed = read_bundle(bundle)
        files = len(sealed.files)
        verify(sealed, key)
    except BundleError as error:
        if files is None and not isinstance(error, ChecksumError):
            raise  # without a bundle there is nothing to check, which is an error, not an answer
        problem = str(error)
    if json:
        signed = problem is None
        print_json(
            {"bundle": str(bundle), "public_key": str(key), "files": files, "signed": signed, "problem": problem}
        )
    elif problem is None:
        print_line(f"{bundle} is whole ({files} files) and signed with {key}")
    else:
        remark(f"error: {problem}" if files is None else f"error: {bundle}: {problem}")
    if problem is not None:
        raise typer.Exit(SAID_NO)
