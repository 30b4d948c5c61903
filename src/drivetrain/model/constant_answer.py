"""Words for always giving the same answer, with which an accuracy is compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def always_naming(
    counts: Mapping[str, int], shown: Callable[[str], str] = "“{}”".format, *, one: str = "class", many: str = "classes"
) -> str:
    """Name the answer that is right most often, by class → images (one class at least), as a part of a sentence.

    Where several classes are equally common none of them is called the commonest. ``one`` and ``many`` are the words for
    a class and for classes.
    """
    most = max(counts.values())
    commonest = [name for name, count in counts.items() if count == most]
    if len(commonest) == 1:
        return f"always naming {shown(commonest[0])}, the commonest {one}"
    if len(commonest) == len(counts):
        return f"always naming one of the {many}, which are equally common"
    return f"always naming one of the {len(commonest)} commonest {many}"
