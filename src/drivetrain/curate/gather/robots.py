"""The rules of a host for programs: ``robots.txt`` as RFC 9309 has it, and what headers say of training.

The longest rule that fits a path decides, ``allow`` wins a tie; ``*`` stands for anything, ``$`` for the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

MAX_BYTES = 500 << 10
"""The bytes of a robots.txt that are read, as RFC 9309 asks at least."""

NO_AI = frozenset({"noai", "noimageai"})
"""Words of ``X-Robots-Tag`` by which a host keeps a picture from the training of models."""

_TAG_NAMING_ROBOT = re.compile(r"\s*([A-Za-z0-9_*-]+)\s*:\s*(.*)", re.DOTALL)
# Directives of the header that have a colon of their own, and so are no robot's name.
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: a path's beginning, and whether it may be asked."""

    path: str
    allow: bool

    def fits(self, path: str) -> bool:
        """Tells whether the rule is about the path."""
        # Pieces are looked for one after the other: a regular expression of a stranger's making could take for ever.
        whole = self.path.endswith("$")
        first, *pieces = self.path.removesuffix("$").split("*")
        if not path.startswith(first):
            return False
        at = len(first)
        last = pieces.pop() if whole and pieces else None
        for piece in pieces:
            at = path.find(piece, at)
            if at < 0:
                return False
            at += len(piece)
        if not whole:
            return True
        return at == len(path) if last is None else path.endswith(last) and len(path) - len(last) >= at


@dataclass(frozen=True, slots=True)
class RobotsText:
    """The rules for this program, and seconds between requests where the host states them."""

    rules: tuple[Rule, ...] = ()
    delay_s: float | None = None

    def allows(self, url: str) -> bool:
        """Tells whether an address may be asked for.

        >>> parse(b"User-agent: *\\nDisallow: /private", "drivetrain").allows("https://example.org/private/bear.jpg")
        False
        """
        parts = urlsplit(url)
        path = _plain(parts.path or "/") + (f"?{_plain(parts.query)}" if parts.query else "")
        fitting = [rule for rule in self.rules if rule.fits(path)]
        return max(fitting, key=lambda rule: (len(rule.path), rule.allow)).allow if fitting else True


ALL = RobotsText()
NOTHING = RobotsText((Rule("/", False),))


def parse(data: bytes, agent: str) -> RobotsText:
    """Read a robots.txt: the rules of all groups that name ``agent``, else of those for everybody."""
    groups: dict[str, list[tuple[str, str]]] = {}
    named: list[str] = []
    open_group = False
    for key, value in _lines(data[:MAX_BYTES]):
        if key == "user-agent":
            named = [*named, value.lower()] if open_group else [value.lower()]
            open_group = True
            for name in named:
                groups.setdefault(name, [])
        elif key in ("allow", "disallow", "crawl-delay"):
            open_group = False
            for name in named:
                groups[name].append((key, value))
    mine = [name for name in groups if name.split("/")[0] == agent.lower()]
    lines = [line for name in mine or ["*"] for line in groups.get(name, ())]
    rules = tuple(Rule(_plain(value), key == "allow") for key, value in lines if key != "crawl-delay" and value)
    return RobotsText(rules, next((delay for key, value in lines if (delay := _delay(key, value)) is not None), None))


def forbids_training(tag: str, agent: str) -> bool:
    """Tells whether ``X-Robots-Tag`` keeps a picture from training; words for another robot do not count.

    >>> forbids_training("noindex, noimageai", "drivetrain"), forbids_training("otherbot: noai", "drivetrain")
    (True, False)
    """
    for line in tag.split("\n"):
        about = ""
        for part in line.split(","):
            found = _TAG_NAMING_ROBOT.fullmatch(part)
            word = part
            if found and found[1].lower() not in _WITH_VALUE:
                about, word = found[1].lower(), found[2]
            if word.strip().lower() in NO_AI and about in ("", "*", agent.lower()):
                return True
    return False


def _lines(data: bytes) -> Iterator[tuple[str, str]]:
    for line in data.decode("utf-8", "replace").lstrip("\ufeff").splitlines():
        key, sign, value = line.partition("#")[0].partition(":")
        if sign:
            yield key.strip().lower(), value.strip()


def _plain(path: str) -> str:
    """Write a path in one way, whatever of it is escaped: only what must be is."""
    return quote(unquote(path), "/*$?=&;:@+,!~'()%")


def _delay(key: str, value: str) -> float | None:
    try:
        return float(value) if key == "crawl-delay" and 0 <= float(value) < 1e6 else None
    except ValueError:
        return None
