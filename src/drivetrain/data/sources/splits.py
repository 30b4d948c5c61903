"""Names of splits: what a folder or a cell means that is called ``train``, ``seg_train``, ``testing`` or ``PublicTest``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ...core.errors import UsageError

SPLITS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid", "test": "test"}
"""The plain names of splits, in lower case → the split. A folder of such a name needs no other beside it to be one."""

REMARKED = frozenset({"dev"})
"""Plain names that may as well be a class's, so that it is said when folders of them are taken for splits."""

WORDS: Mapping[str, str] = {
    **SPLITS,
    "training": "train",
    "trn": "train",
    "development": "valid",
    "validate": "valid",
    "validating": "valid",
    "testing": "test",
    "tst": "test",
    "eval": "test",
    "evaluation": "test",
    "holdout": "test",
}
"""Words that name a split within a longer name. Hugging Face takes ``eval`` and ``evaluation`` for ``test``, too."""

FILLERS = frozenset(
    {
        *("set", "sets", "data", "dataset", "datasets", "subset", "split", "splits", "folder", "dir"),
        *("image", "images", "img", "imgs", "picture", "pictures", "pic", "pics", "photo", "photos"),
        *("file", "files", "sample", "samples", "example", "examples"),
    }
)
"""Words beside a split's that say nothing."""

SIDES = frozenset({"public", "private"})
"""Words that tell two test sets of a competition apart (``PublicTest``); both are the test split."""

NONE = "none"
"""The word of a person who wants no split to be found."""

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN = re.compile(r"[\W\d_]+")


class Named(NamedTuple):
    """A name that has a split's word in it; ``rest`` are its other words, without those that say nothing."""

    split: str
    rest: frozenset[str]


def words_of(name: str) -> list[str]:
    """Cut a name at whatever is no letter, and before capitals; in lower case.

    >>> words_of("ISIC-2019_TrainSet v2")
    ['isic', 'train', 'set', 'v']
    """
    words = [word for word in _BETWEEN.split(_CAMEL.sub(" ", name).lower()) if word]
    joined = " ".join(words).replace("hold out", "holdout").replace("held out", "holdout")
    return joined.split()


def named(name: str) -> Named | None:
    """Return the split that a name speaks of; None where it speaks of none, or of two.

    >>> named("seg_train"), named("testset"), named("train_val"), named("trainer")
    (Named(split='train', rest=frozenset({'seg'})), Named(split='test', rest=frozenset()), None, None)
    """
    splits: set[str] = set()
    rest: set[str] = set()
    for word in words_of(name):
        split = split_of(word)
        if split:
            splits.add(split)
        elif word not in FILLERS:
            rest.add(word)
    return Named(splits.pop(), frozenset(rest)) if len(splits) == 1 else None


def split_of(word: str) -> str | None:
    """Return the split that a word speaks of, also two words written as one: ``trainset``, ``testdata``."""
    joined = (WORDS.get(word[: -len(filler)]) for filler in FILLERS if word.endswith(filler))
    return WORDS.get(word) or next((split for split in joined if split), None)


def split_value(text: str) -> str | None:
    """Return the split that a cell or an option's value names; None where it names none.

    >>> split_value("Validation"), split_value("PrivateTest"), split_value("fold 1"), split_value("not train")
    ('valid', 'test', None, None)
    """
    found = named(text)
    return found.split if found is not None and found.rest <= SIDES else None


def read_splits(text: str | None) -> Mapping[str, str] | None:
    """Read what a person says of splits: ``none``, or folders with their splits, ``seg_train=train,holdout=test``.

    Returns folder → split, empty for ``none``; None where nothing was said.

    Raises:
        UsageError: it is neither.
    """
    if text is None:
        return None
    if text.strip().lower() == NONE:
        return {}
    said: dict[str, str] = {}
    for part in text.split(","):
        folder, equals, value = part.rpartition("=")
        folder, split = folder.strip().strip("/"), split_value(value)
        if not (equals and folder) or split is None:
            raise UsageError(
                f"splits (--splits) is {text!r}; give {NONE}, or each folder with train, valid or test: "
                "--splits seg_train=train,seg_test=test"
            )
        if folder in said:
            raise UsageError(f"splits (--splits) names {folder!r} twice; name each folder once")
        said[folder] = split
    return said


def as_said(splits: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """Write folders and their splits as the option takes them.

    >>> as_said({"a": "train", "b": "test"})
    '--splits a=train,b=test'
    """
    return "--splits " + ",".join(f"{folder}={split}" for folder, split in dict(splits).items())
