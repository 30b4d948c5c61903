"""Labels that differ only in how they are written: which are meant to be one, and how that one is spelled."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from ..core.types import Doubt
from ..data.block.sample import Sample
from .findings import LABELS_ALIKE
from .kinds.targets import Targets

_NUMBER = re.compile(r"([+-]?)(\d*)(?:([.,])(\d*))?(?:e([+-]?\d{1,2}))?")
# Between two digits a space may mean something; anywhere else it is a matter of taste, as an underscore is.
_SPACE = re.compile(r"(?<!\d)[\s_]+|[\s_]+(?!\d)")


def key(label: str) -> str:
    """Return what is left of a label without its letters' case and width, its spaces, and the format of a number.

    >>> key("Black  Bear"), key("black_bear"), key("1.50"), key("1,5"), key("007"), key("1 2")
    ('blackbear', 'blackbear', '1.5', '1.5', '7', '1 2')
    """
    text = unicodedata.normalize("NFKC", label).casefold().replace("\u2212", "-")
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf").strip()
    number = _number(text)
    if number is not None:
        return number
    return re.sub(r"[\s_]+", " ", _SPACE.sub("", text)) or label


def _number(text: str) -> str | None:
    """A number as it is written without needless digits; None of what is none."""
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[4]):
        return None
    sign, whole, mark, part, exponent = match.groups(default="")
    if mark == "," and len(part) == 3 and whole.strip("0"):
        return None  # a thousand for some people, and one for others
    if exponent:
        whole, _, part = f"{Decimal(f'{whole or 0}.{part or 0}').scaleb(int(exponent)):f}".partition(".")
    plain = ".".join(piece for piece in (whole.lstrip("0") or "0", part.rstrip("0")) if piece)
    return plain if sign != "-" or plain == "0" else f"-{plain}"


def alike(labels: Mapping[str, int]) -> list[list[str]]:
    """Group labels, given with their counts, that differ only in how they are written; the commonest of each group first.

    >>> alike({"Black": 2, "black": 7, "teddy": 5})
    [['black', 'Black']]
    """
    groups: dict[str, list[str]] = {}
    for label in sorted(labels, key=lambda label: (-labels[label], label)):
        groups.setdefault(key(label), []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def spelled(labels: Mapping[str, int], vocabulary: Collection[str] = ()) -> dict[str, str]:
    """Return a label for each that is written otherwise: as ``vocabulary`` has it, else as it is commonest.

    >>> spelled({"Black": 2, "black": 7}), spelled({"Black": 2, "black": 7}, ["BLACK"])
    ({'Black': 'black'}, {'black': 'BLACK', 'Black': 'BLACK'})
    """
    known: dict[str, list[str]] = {}
    for name in vocabulary:
        known.setdefault(key(name), []).append(name)
    names = {label: group[0] for group in alike(labels) for label in group}
    for label in labels:
        if label not in vocabulary and len(found := known.get(key(label), [])) == 1:
            names[label] = found[0]
        elif label in vocabulary:
            names[label] = label
    return {label: name for label, name in names.items() if name != label}


def counted(kind: type[Targets], samples: Iterable[Sample]) -> Counter[str]:
    """Count the samples that have each label, as it is written; nothing where targets are no labels."""
    return Counter(label for sample in samples for label in kind.labels_in(sample.target))


def renamed(kind: type[Targets], samples: Iterable[Sample], names: Mapping[str, str]) -> tuple[Sample, ...]:
    """Return the samples with other labels for those in ``names``."""
    return tuple(replace(sample, target=kind.renamed(sample.target, names)) for sample in samples)


def about_merged(labels: Mapping[str, int], names: Mapping[str, str]) -> str:
    """Say which labels were merged into which."""
    pairs = [f"“{label}” ({labels[label]}) into “{name}”" for label, name in sorted(names.items())]
    return f"merged labels that differ only in how they are written: {'; '.join(pairs[:10])}" + _more(pairs, 10)


def about_alike(labels: Mapping[str, int]) -> list[Doubt]:
    """Point out labels that differ only in how they are written."""
    groups = alike(labels)
    if not groups:
        return []
    told = [" and ".join(f"“{label}” ({labels[label]})" for label in group[:4]) for group in groups]
    sentence = (
        f"Some labels differ only in how they are written, and each counts as one of its own: {'; '.join(told[:3])}"
        f"{_more(told, 3)} (with their numbers of images). Write them alike, or merge them with --normalise-labels."
    )
    return [Doubt(LABELS_ALIKE, sentence)]


def _more(told: list[str], most: int) -> str:
    return f" and {len(told) - most} more" if len(told) > most else ""
