"""Licences by their short names, which all sources write differently: ``cc-by-sa-4.0``, ``cc0-1.0``, ``pdm-1.0``, ``unknown``."""

from __future__ import annotations

import re

from ...data.provenance.line import UNKNOWN_LICENCE

ALL_RIGHTS = "all-rights-reserved"
"""The author has kept all rights: only ``--licence any`` takes it."""

PUBLIC_DOMAIN = "public-domain"

_CC = re.compile(r"(?:cc[- ]?)?(by(?:-(?:nc|nd|sa))*|(?:nc-)?sampling\+?)(?:[- ](\d\.\d))?(?:[- ].*)?", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://creativecommons\.org/(?:licenses|publicdomain)/([a-z+-]+)/(\d\.\d)", re.IGNORECASE)
_ZERO = re.compile(r"cc[- ]?0(?:[- ](\d\.\d))?", re.IGNORECASE)
_MARK = re.compile(r"(?:pdm|public domain mark)(?:[- ](\d\.\d))?", re.IGNORECASE)
_DOMAIN = re.compile(r"pd(?:[- ].*)?|public[- ]domain.*|no restrictions|cc-?pd", re.IGNORECASE)


def short_name(text: str | None, version: str | None = None) -> str:
    """Return the short name of a licence, from the words of a service.

    >>> short_name("CC BY-SA 4.0"), short_name("by-nc", "2.0"), short_name("cc0"), short_name("GFDL"), short_name("")
    ('cc-by-sa-4.0', 'cc-by-nc-2.0', 'cc0-1.0', 'gfdl', 'unknown')
    >>> short_name("https://creativecommons.org/publicdomain/zero/1.0/")
    'cc0-1.0'
    """
    words = " ".join((text or "").split()).strip()
    if not words:
        return UNKNOWN_LICENCE
    if found := _ADDRESS.match(words):
        return short_name({"zero": "cc0", "mark": "pdm"}.get(found[1], found[1]), found[2])
    if found := _ZERO.fullmatch(words):
        return f"cc0-{found[1] or version or '1.0'}"
    if found := _MARK.fullmatch(words):
        return f"pdm-{found[1] or version or '1.0'}"
    if found := _CC.fullmatch(words):
        which = found[2] or version
        return f"cc-{found[1].lower()}" + (f"-{which}" if which else "")
    if _DOMAIN.fullmatch(words):
        return PUBLIC_DOMAIN
    return re.sub(r"[^a-z0-9.+]+", "-", words.lower()).strip("-") or UNKNOWN_LICENCE


def is_open(licence: str) -> bool:
    """Tells whether ``--licence cc`` takes it: Creative Commons, or nobody's property.

    >>> is_open("cc-by-nc-4.0"), is_open("pdm-1.0"), is_open("unknown"), is_open("all-rights-reserved")
    (True, True, False, False)
    """
    return licence.startswith(("cc-", "cc0", "pdm")) or licence == PUBLIC_DOMAIN


def address_of(licence: str) -> str | None:
    """The page of a Creative Commons licence; None where the short name does not say it.

    >>> address_of("cc-by-sa-4.0")
    'https://creativecommons.org/licenses/by-sa/4.0/'
    """
    if found := re.fullmatch(r"cc-(by[a-z-]*?)-(\d\.\d)", licence):
        return f"https://creativecommons.org/licenses/{found[1]}/{found[2]}/"
    if found := re.fullmatch(r"cc0-(\d\.\d)", licence):
        return f"https://creativecommons.org/publicdomain/zero/{found[1]}/"
    if found := re.fullmatch(r"pdm-(\d\.\d)", licence):
        return f"https://creativecommons.org/publicdomain/mark/{found[1]}/"
    return None


def words_of(licence: str) -> str:
    """Return a licence as people write it.

    >>> words_of("cc-by-nc-sa-4.0"), words_of("cc0-1.0"), words_of("pdm-1.0"), words_of("unknown")
    ('CC BY-NC-SA 4.0', 'CC0 1.0', 'Public Domain Mark 1.0', 'licence unknown')
    """
    if found := re.fullmatch(r"cc-([a-z+-]+?)(?:-(\d\.\d))?", licence):
        return f"CC {found[1].upper()}{f' {found[2]}' if found[2] else ''}"
    for start, name in (("cc0-", "CC0 "), ("pdm-", "Public Domain Mark ")):
        if licence.startswith(start):
            return f"{name}{licence.removeprefix(start)}"
    plain = {UNKNOWN_LICENCE: "licence unknown", ALL_RIGHTS: "all rights reserved", PUBLIC_DOMAIN: "public domain"}
    return plain.get(licence, licence)
