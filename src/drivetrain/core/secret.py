"""The hash of an API key's secret: all that is kept of it, and enough for a server to know it again."""

from __future__ import annotations

import hashlib


def secret_hash(secret: str) -> str:
    """Hash a secret by SHA-256, in hexadecimal. It has 256 random bits, too many to be guessed, so that a plain hash is enough.

    Of any text, as callers may send any: what is no Unicode is hashed as it is, and is nobody's secret.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
