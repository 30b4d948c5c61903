"""Text from outside made safe to show: characters that steer a terminal or are invisible are written as escapes.

A file or class may be called anything. Control characters move a cursor, change titles or colours; overrides of direction
make ``gpj.exe`` read as ``exe.jpg``; what has no width makes two names look like one. They are kept, but seen.
"""

from __future__ import annotations

import re

# Unicode's categories Cc, Cf, Cs, Zl and Zp: controls, formats, lone surrogates, separators of lines and paragraphs.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bcaf\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)


def visible(text: str, keep: str = "") -> str:
    r"""Return the text with every control or invisible character as an escape, except those in ``keep``.

    >>> print(visible("a\x1b[31mb\u202ec\n"))
    a\x1b[31mb\u202ec\n
    """
    return _HIDDEN.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def visible_json(text: str) -> str:
    """Return the JSON text with every such character as JSON's own escape; the document stays the same.

    Those below U+0020 are escaped in any JSON, but for line breaks between its parts.
    """
    return _HIDDEN.sub(lambda found: found[0] if found[0] < " " else _json_escape(found[0]), text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _json_escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
