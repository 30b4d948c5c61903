"""What is kept of an API key's secret, and by which a server knows it again."""

from __future__ import annotations

import hashlib


def secret_hash(secret: str) -> str:
    """SHA-256 in hexadecimal. A secret has 256 random bits, too many to be guessed, so that a plain hash is enough.

    Of any text, as callers may send any: what is no Unicode is hashed as it is, and is nobody's secret.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
