"""Text in a form that can stand in an index of either database.

PostgreSQL takes no NUL and no more than some 2,700 bytes a row of an index; neither database takes half a surrogate pair.
Callers can send all three. Such a text is cut, mended and told apart by its hash; what it was is kept in the record's JSON.
"""

from __future__ import annotations

import hashlib

MAX_CHARACTERS = 160
SEPARATOR = "\x1f"
"""The separator between the labels of one record; a label that holds one is changed by `indexed`."""
_PREFIX = 60


def indexed(text: str) -> str:
    """Return the text, changed only where an index could not hold it; different texts give different results.

    >>> indexed("Gate 4"), indexed("a\\0b")[:4]
    ('Gate 4', 'a�b~')
    """
    if len(text) <= MAX_CHARACTERS and text.isprintable() and text.isascii():
        return text
    if len(text) <= MAX_CHARACTERS and "\0" not in text and SEPARATOR not in text and _is_whole(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]
    return (
        "".join("�" if c in {"\0", SEPARATOR} or "\ud800" <= c <= "\udfff" else c for c in text[:_PREFIX])
        + f"~{digest}"
    )


def _is_whole(text: str) -> bool:
    """Tells whether the text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
