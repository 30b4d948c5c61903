"""The key of a case: the sender's own name for it, 1 to 200 characters of printable ASCII."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

from ...core.errors import UsageError

MOST = 200
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")

# Hexadecimal digits of the hash in a file's key: two of a million files share 48 bits with a chance of 1 in 500.
DIGITS = 12


def check_key(key: str, at: str) -> None:
    """Check a key.

    Raises:
        UsageError: it is too long, or has characters beyond ASCII.
    """
    if len(key) > MOST or not _KEY.fullmatch(key):
        raise UsageError(f"{at}: the key is {key[:60]!r}; write 1 to {MOST} letters, digits and signs of ASCII")


def key_of_file(relative: str, content_sha256: str) -> str:
    """Return the key of a file in a folder: its path there, and a hash of path and content.

    So a file whose content has changed is another case, and one that is sent again is not.

    >>> key_of_file("north/Zähler 1.jpg", "e3b0c442")
    'north/Z%C3%A4hler%201.jpg@d961b57a411c'
    """
    digest = hashlib.sha256(f"{relative}\n{content_sha256}".encode("utf-8", "surrogateescape")).hexdigest()
    name = quote(relative.encode("utf-8", "surrogateescape"), safe="/._-~+=,()!")
    return f"{name[-(MOST - DIGITS - 1) :]}@{digest[:DIGITS]}"
