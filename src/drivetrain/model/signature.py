"""The signature of a bundle, by which somebody vouches for it: Ed25519 over its sums, made with one key file and checked with
another.

The sums show that a bundle arrived as it was sent, and anybody can write sums that fit. A signature shows who sent it, to
whoever has that person's public key. It stands in ``SHA256SUMS.sig`` beside the sums, which stay as they are.
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import BundleError, UsageError
from ..core.installation import install_command
from ..core.plain_file import read_plain
from .storage import SIGNATURE, Sealed, format_sums, read_sealed, write_files

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_KEY_BYTES = 1 << 14

# The prefix is signed with the sums, so that a signature for another purpose never passes for a bundle's.
_PURPOSE = b"drivetrain bundle, version 1\n"
_HEAD = b"drivetrain-signature-1 "


def make_key(path: Path) -> Path:
    """Write a new key to ``path``, readable by its owner alone, and its public half beside it; returns the latter's place.

    Raises:
        UsageError: one of them is there already or cannot be written, or cryptography is not installed.
    """
    ed25519, serialization = _library()
    key = ed25519.Ed25519PrivateKey.generate()
    public = path.with_name(f"{path.name}.pub")
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    shown = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    written: list[Path] = []
    try:
        for place, data, mode in ((path, secret, 0o600), (public, shown, 0o644)):
            with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123
                written.append(place)
                file.write(data)
    except OSError as error:
        for half in written:  # a half that is left beside an older key's other half would pass for that key's
            half.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise UsageError(f"{place} is there already; a key is never written over, so choose another name") from None
        raise UsageError(f"cannot write {place}: {error.strerror or error}") from None
    return public


def sign(bundle: Path, key: Path) -> None:
    """Sign a bundle in place, folder or zip; an earlier signature is replaced.

    Raises:
        BundleError: there is no whole bundle.
        UsageError: the key cannot be used, or cryptography is not installed.
    """
    private = _private(key)
    files = read_sealed(bundle).files
    signature = private.sign(_PURPOSE + format_sums(files))
    write_files(files, bundle, _HEAD + base64.b64encode(signature) + b"\n")


def verify(sealed: Sealed, key: Path) -> None:
    """Check that the sealed bundle is signed with the other half of ``key``, a public key.

    Raises:
        BundleError: it is not signed, or by somebody else, or was altered since.
        UsageError: the key cannot be used, or cryptography is not installed.
    """
    public = public_key(key)
    if sealed.signature is None:
        raise BundleError(f"it is not signed (it has no {SIGNATURE}), and only what {key} vouches for is taken")
    from cryptography.exceptions import InvalidSignature

    try:
        head, signature = sealed.signature[: len(_HEAD)], sealed.signature[len(_HEAD) :]
        if head != _HEAD:
            raise ValueError("no signature of this kind")
        public.verify(base64.b64decode(signature.strip(), validate=True), _PURPOSE + sealed.listed)
    except (InvalidSignature, ValueError, binascii.Error):
        raise BundleError(
            f"its signature is not of the key {key}, or it was altered since; ask whoever sent it"
        ) from None


def public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key from its file.

    Raises:
        UsageError: there is none, or it is something else; or cryptography is not installed.
    """
    ed25519, serialization = _library()
    try:
        found = serialization.load_pem_public_key(_read(path))
    except Exception as error:  # the library raises several classes of its own
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"{path} is no public key ({_kind(path)}); give the .pub file that came with the key"
        ) from None
    if not isinstance(found, ed25519.Ed25519PublicKey):
        raise UsageError(f"{path} is a key of another kind; signatures are made with Ed25519")
    key: Ed25519PublicKey = found
    return key


def _private(path: Path) -> Ed25519PrivateKey:
    ed25519, serialization = _library()
    try:
        found = serialization.load_pem_private_key(_read(path), password=None)
    except Exception as error:  # several classes as above, also for a key with a password
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} is no key that can sign ({_kind(path)}); make one with --new-key") from None
    if not isinstance(found, ed25519.Ed25519PrivateKey):
        raise UsageError(f"{path} is a key of another kind; signatures are made with Ed25519")
    key: Ed25519PrivateKey = found
    return key


def _read(path: Path) -> bytes:
    try:
        data = read_plain(path, MAX_KEY_BYTES)
    except OSError as error:
        raise UsageError(f"cannot read the key {path}: {error.strerror or error}") from None
    if len(data) > MAX_KEY_BYTES:
        raise UsageError(f"{path} is no key: it has more than {MAX_KEY_BYTES >> 10} KiB")
    return data


def _kind(path: Path) -> str:
    data = _read(path)
    if b"PRIVATE KEY" in data:
        return "it holds a private one" if b"ENCRYPTED" not in data else "it holds one with a password"
    return "it holds a public one" if b"PUBLIC KEY" in data else "it is no PEM file of one"


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise UsageError(f"signatures need one more package; {install_command('sign')}") from None
    return ed25519, serialization
