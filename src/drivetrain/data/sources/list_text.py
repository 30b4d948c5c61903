"""Lists of labels that are written as text, as pandas and annotation tools put them into the cell of a CSV."""

from __future__ import annotations

import ast
from collections.abc import Iterable


def are_written_lists(cells: Iterable[object]) -> bool:
    """Tells whether every cell that is not empty is such a text: a single label may well stand in brackets."""
    texts = [cell for cell in cells if not (cell is None or cell == "")]
    return bool(texts) and all(isinstance(read_list(text), list) for text in texts)


def read_list(cell: object) -> object:
    """Return the list that a text is; the cell itself where it is none.

    >>> read_list('["cat", "dog"]'), read_list("['cat']"), read_list("[sic] a cat")
    (['cat', 'dog'], ['cat'], '[sic] a cat')
    """
    if not isinstance(cell, str) or not (cell.strip().startswith("[") and cell.strip().endswith("]")):
        return cell
    try:
        found = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return cell
    plain = isinstance(found, list) and all(isinstance(one, str | int | float) for one in found)
    return found if plain else cell
