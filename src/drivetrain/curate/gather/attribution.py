"""The file that names the authors of pictures, as open licences ask: title, author, source and licence, each with its address."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

from ...core.errors import UsageError
from ...core.plain_file import write_plain
from ...core.visible import visible
from ...data.provenance.line import Provenance
from .licences import address_of, words_of
from .origins import Origins

MARK = b"Attribution of pictures"
"""The words by which a file that was written here is known, and may be written again."""

NOTE = "Pictures may have been made smaller; nothing else of them was changed."

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")


def write_attribution(file: Path, origins: Origins, title: str) -> None:
    """Write the attribution of all pictures of known origin, as HTML or Markdown by the file's ending.

    Raises:
        UsageError: the ending is another.
        OSError: it cannot be written, or is a file of somebody else.
    """
    lines = [origins.known[name] for name in sorted(origins.known)]
    match file.suffix.lower():
        case ".html" | ".htm":
            text = _page(lines, title)
        case ".md" | ".markdown":
            text = _markdown(lines, title)
        case ending:
            raise UsageError(f"{file} ends in {ending or 'nothing'}; an attribution is written as .html or .md")
    write_plain(file, text.encode("utf-8"), MARK)


def _page(lines: Iterable[Provenance], title: str) -> str:
    rows = "\n".join(f"<li>{_html_entry(line)}</li>" for line in lines)
    head = html.escape(f"{MARK.decode()} in {visible(title)}")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{head}</title>\n</head>\n<body>\n'
        f"<h1>{head}</h1>\n<p>{NOTE}</p>\n<ul>\n{rows}\n</ul>\n</body>\n</html>\n"
    )


def _html_entry(line: Provenance) -> str:
    def linked(text: str, url: str | None) -> str:
        shown = html.escape(visible(text))
        return shown if (safe := _web(url)) is None else f'<a href="{html.escape(safe)}">{shown}</a>'

    return _entry(line, linked, f"<code>{html.escape(visible(line.name))}</code>", html.escape)


def _markdown(lines: Iterable[Provenance], title: str) -> str:
    rows = "\n".join(f"- {_markdown_entry(line)}" for line in lines)
    return f"# {MARK.decode()} in {_escaped(title)}\n\n{NOTE}\n\n{rows}\n"


def _markdown_entry(line: Provenance) -> str:
    def linked(text: str, url: str | None) -> str:
        shown = _escaped(text)
        return shown if (safe := _web(url)) is None else f"[{shown}](<{safe}>)"

    return _entry(line, linked, _escaped(line.name), _escaped)


def _entry(line: Provenance, linked: Callable[[str, str | None], str], name: str, escaped: Callable[[str], str]) -> str:
    title = linked(line.title or "Untitled", line.page or line.url)
    author = escaped(visible(line.author)) if line.author else "an author who is not named"
    licence = linked(words_of(line.licence), line.licence_url or address_of(line.licence))
    return f"{name}: {title} by {author}, {licence}, found by {escaped(line.source)}"


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", visible(text))


def _web(url: str | None) -> str | None:
    """An address that a page may link to; None for others, as one could run a program."""
    if url is None or not url.lower().startswith(("http://", "https://")):
        return None
    return quote(url, "%/:=&?~#+!$,;'@()*[]")
