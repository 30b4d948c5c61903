"""The encoding of a text that somebody's spreadsheet, editor or shell has written.

Read are UTF-8, with or without its mark, and UTF-16 and UTF-32 where their mark says so: “Unicode text” of Excel, and what
PowerShell writes by default. All else is refused: a file of bytes above 127 is a valid text in any old code page, so that a
guess would turn some labels into others without a word. The guess is good enough for telling a person what to do.
"""

from __future__ import annotations

import codecs
from io import BufferedReader

from ...core.errors import SourceError

_LOOK_BYTES = 1 << 20

_MARKS = (  # the longer first, as one begins like the other
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(file: BufferedReader, name: str) -> str:
    """The encoding by the mark at the file's beginning; UTF-8 where there is none. The file stands at its start again.

    Raises:
        SourceError: a text of 16 bits without a mark, or no text at all.
    """
    head = file.read(4096)
    file.seek(0)
    marked = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)
    if marked:
        return marked
    if b"\0" in head:
        wide = head.count(b"\0") > len(head) // 3
        what = "seems to be UTF-16 without its mark (BOM)" if wide else "holds bytes that are 0, and so is no text"
        raise SourceError(f"{name} {what}; save it as “CSV UTF-8”")
    return "utf-8"


def not_utf8(file: BufferedReader, name: str) -> SourceError:
    """The error for a text that its encoding does not fit, which says where, what it seems to be, and how to save it."""
    file.seek(0)
    data = file.read(_LOOK_BYTES)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        return SourceError(
            f"{name} has the mark of UTF-16 or UTF-32, but is damaged or cut short; save it as “CSV UTF-8”"
        )
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
        return SourceError(f"{name} is not UTF-8 text throughout; save it as “CSV UTF-8”")
    except UnicodeDecodeError as error:
        line, byte = data.count(b"\n", 0, error.start) + 1, data[error.start]
    what, page = _guess(data)
    return SourceError(
        f"{name} is not UTF-8 text (line {line} has the byte 0x{byte:02X}) and seems to be {what}; save it as “CSV UTF-8”, or "
        f"convert it: iconv -f {page} -t UTF-8"
    )


def _guess(data: bytes) -> tuple[str, str]:
    """The likeliest encoding of a text that is not UTF-8, in words and as iconv calls it.

    Western texts have a single byte above 127 here and there; words of other alphabets are made of them.
    """
    high = [at for at, byte in enumerate(data) if byte > 127]
    beside = sum(data[at - 1 : at] > b"\x7f" or data[at + 1 : at + 2] > b"\x7f" for at in high) / len(high)
    if beside > 0.6 and sum(data[at] >= 0xC0 for at in high) > 0.9 * len(high):
        return "Windows-1251 (Cyrillic)", "CP1251"
    if _share(data, "cp932", "\u3040", "\u30ff") > 0.2:
        return "Shift-JIS (Japanese)", "CP932"
    if beside > 0.6:
        hangul, hanzi = _share(data, "cp949", "\uac00", "\ud7a3"), _share(data, "gb18030", "\u4e00", "\u9fff")
        if max(hangul, hanzi) > 0.5:  # Chinese read as Korean has some syllables; Korean read as Chinese is all signs
            return ("EUC-KR (Korean)", "CP949") if hangul > 0.9 else ("GBK (Chinese)", "GB18030")
    if sum(data[at] < 0xA0 for at in high) > len(high) / 2:
        return "in an old code page of DOS or the Mac", "CP850"
    return "Windows-1252 (Western European)", "CP1252"


def _share(data: bytes, codec: str, low: str, high: str) -> float:
    """The share of the letters beyond ASCII that lie between two; 0 where the text is not in this encoding."""
    try:
        text = codecs.getincrementaldecoder(codec)().decode(data)
    except UnicodeDecodeError:
        return 0.0
    letters = [sign for sign in text if not sign.isascii()]
    return sum(low <= sign <= high for sign in letters) / max(len(letters), 1)
