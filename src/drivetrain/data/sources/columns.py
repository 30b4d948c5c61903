"""The meaning of a table's columns: by their names, and where names say nothing by what stands in the cells.

What was taken for what, where no name said it, is noted; a column that looks like a split and is not used is a doubt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ...core.errors import SourceError
from ...core.types import Doubt
from .cells import Table
from .distinct import plain
from .folder import listed
from .one_hot import OneHot, find_one_hot
from .split_columns import SplitColumns, find_split_columns
from .splits import words_of

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "file", "filename", "file_name", "image", "image_path"),
    "label": ("label", "class", "category", "target"),
    "group": ("group", "source", "video", "patient", "module"),
    "split": ("split", "subset"),
    "weight": ("weight",),
}
"""A column's meaning → the names it may have, in lower case. The first wins over the others."""

RARER: Mapping[str, tuple[str, ...]] = {
    "path": (
        *(
            "fname",
            "filepath",
            "file_path",
            "filenames",
            "image_file_name",
            "image_file",
            "image_name",
            "image_filename",
        ),
        *("img", "img_path", "img_name", "img_file", "images"),
    ),
    "label": ("labels", "label_name", "label_names", "class_name", "class_label", "classes", "categories", "tags"),
}
"""Names that count where none of `COLUMNS` is there."""

KNOWN = {role: (*names, *RARER.get(role, ())) for role, names in COLUMNS.items()}
"""All names of a meaning."""

HELD_FILE = "_file_name"
"""The end of columns that name files, as Hugging Face has them: ``image_file_name``, ``mask_file_name``."""

# Cells looked at to tell whether a column names files.
TRIED = 50

# Words in the names of columns whose cells name files.
_OF_FILES = frozenset(
    {"id", "ids", "uid", "uuid", "key", "name", "file", "filename", "path", "image", "img", "photo", "picture"}
)

# Words in the names of columns that describe a picture in sentences, or say where it comes from.
_CAPTIONS = frozenset(
    {"text", "texts", "caption", "captions", "prompt", "description", "sentence", "title", "comment", "notes", "url"}
)

# Names that say who or what several images are of; of two the first counts, which is the coarser.
_GROUP_IDS = tuple(
    (one, word)
    for one in ("group", "source", "patient", "subject", "participant", "video", "module", "lesion")
    for word in ("id", "number", "no", "name", "code")
)

# In so few rows every label may occur once; labels have no more words.
_FEW, _FEW_WORDS = 20, 3

Exists = Callable[[str], bool]


@dataclass(frozen=True)
class Meaning:
    """The columns of a table by what they mean: ``roles`` as in `COLUMNS`, and columns that together say labels or split."""

    roles: Mapping[str, str]
    one_hot: OneHot | None = None
    splits: SplitColumns = field(default_factory=SplitColumns)
    ids: bool = False
    """Tells whether the column of paths was found by its cells, which may be numbers then."""
    notes: tuple[str, ...] = ()

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """The questions that the columns leave open."""
        return self.splits.doubts


def named_roles(
    columns: Sequence[str],
    at: str,
    *,
    labelled: bool,
    path_column: str = "path",
    stated: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Find each meaning's column by its name; without labels only the path counts.

    ``path_column`` wins over its synonyms, and what the table itself has ``stated`` over all.

    Raises:
        SourceError: two columns could have one meaning.
    """
    roles: dict[str, str] = {}
    for role in COLUMNS if labelled else ("path",):
        if role in stated:
            roles[role] = stated[role]
            continue
        first = path_column if role == "path" else role
        for names in (COLUMNS[role], RARER.get(role, ())):
            matches = [column for column in columns if column.strip().lower() in names]
            best = [column for column in matches if column.strip().lower() == first] or matches
            if len(best) > 1:
                either = " and ".join(repr(column) for column in best)
                raise SourceError(f"{at}: columns {either} could both be the {role}; call one of them {first}")
            if best:
                roles[role] = best[0]
                break
    return roles


def check_roles(columns: Sequence[str], roles: Mapping[str, str], at: str, *, needs_label: bool) -> None:
    """Check that nothing is missing.

    Raises:
        SourceError: there is no column for the path, or for the label.
    """
    if missing := [role for role in (("path", "label") if needs_label else ("path",)) if role not in roles]:
        names = " and ".join(f"{role} (or {', '.join(COLUMNS[role][1:])})" for role in missing)
        found = ", ".join(repr(column) for column in columns[:12]) or "none"
        advice = "name the columns in the first row" if len(missing) > 1 else f"call the right one {missing[0]}"
        raise SourceError(f"{at} has no column for {names}; found {found}; {advice}")


def find_meaning(
    table: Table,
    *,
    labelled: bool,
    path_column: str = "path",
    needs_label: bool = True,
    no_splits: bool = False,
    exists: Exists | None = None,
) -> Meaning:
    """Find what the columns of a table mean; ``exists`` tells whether a cell names a file.

    Args:
        table: its cells.
        labelled: whether anything but the path counts.
        path_column: the name that wins for the path.
        needs_label: whether there must be labels; class folders may have them.
        no_splits: whether no column is a split, whatever it is called.
        exists: looks for a file; without it only names tell which column has the paths.

    Raises:
        SourceError: no column gives the path, or the label though it is needed; or two could.
    """
    roles = named_roles(table.columns, table.name, labelled=labelled, path_column=path_column, stated=table.stated)
    found = Meaning(roles)
    if "path" not in roles:
        found = _with_path(table, found, exists)
    if labelled:
        found = _with_group(table, found)
        found = _with_splits(table, found, no_splits)
        if "label" not in found.roles and needs_label and "path" in found.roles:
            found = _with_label(table, found, exists)
    needed = labelled and needs_label and found.one_hot is None
    check_roles(table.columns, found.roles, table.name, needs_label=needed)
    return found


def why_unlabelled(table: Table, exists: Exists) -> str | None:
    """Say why a table that nobody named is no list of labels; None where it is.

    Numbers under a name that says nothing are no labels.
    """
    try:
        found = find_meaning(table, labelled=True, exists=exists)
    except SourceError as error:
        return str(error)
    label = found.roles.get("label")
    if label is None or label.strip().lower() in KNOWN["label"] or label in table.stated.values():
        return None
    texts = (plain(cells.get(label)) for _, cells in table.rows)
    if not all(_is_number(text) for text in texts if text):
        return None
    return f"{table.name} has no column for label; if “{label}” is one, give the table itself, or call the column label"


def said_beside_labels(table: Table) -> tuple[str, ...]:
    """The columns of a table of files that give the split and the group, by their names and cells; none of any other table."""
    found = _without_labels(table)
    roles = found.roles if found is not None else {}
    return tuple(dict.fromkeys([*(roles[role] for role in ("split", "group") if role in roles), *_sides(found)]))


def doubts_of(table: Table) -> tuple[Doubt, ...]:
    """The questions that the columns of a table of files leave open, whether or not it is used."""
    found = _without_labels(table)
    return found.doubts if found is not None else ()


def _sides(found: Meaning | None) -> list[str]:
    return sorted(found.splits.used) if found is not None else []


def _without_labels(table: Table) -> Meaning | None:
    try:
        return find_meaning(table, labelled=True, path_column="file_name", needs_label=False)
    except SourceError:
        return None


def names_files(table: Table, exists: Exists) -> bool:
    """Tells whether a table names files that are there, whatever else it says of them."""
    try:
        found = find_meaning(table, labelled=True, needs_label=False, exists=exists)
    except SourceError:
        return False
    return _names_files(table, found.roles["path"], exists)


def _with_path(table: Table, found: Meaning, exists: Exists | None) -> Meaning:
    """Find the column of paths by the end of its name, or by its cells."""
    held = [column for column in table.columns if column.strip().lower().endswith(HELD_FILE)]
    if len(held) > 1:
        raise SourceError(
            f"{table.name}: the columns {' and '.join(map(repr, held))} all name files; call the one to use file_name"
        )
    if held:
        return replace(found, roles={**found.roles, "path": held[0]}, notes=(_took(table, held[0], "path"),))
    if exists is None or any("." in column and exists(column) for column in table.columns):
        return found  # where a file's name stands in the header there is no header
    taken = set(found.roles.values())
    naming = [column for column in table.columns if column not in taken and _names_files(table, column, exists)]
    if len(naming) > 1:  # an age may be called like a file, too
        naming = [column for column in naming if set(words_of(column)) & _OF_FILES] or naming
    if len(naming) > 1:
        raise SourceError(
            f"{table.name}: the cells of {' and '.join(map(repr, naming[:3]))} all name files; call the column to use path"
        )
    if not naming:
        return found
    note = _took(table, naming[0], "path", "its cells name files")
    return replace(found, roles={**found.roles, "path": naming[0]}, ids=True, notes=(*found.notes, note))


def _names_files(table: Table, column: str, exists: Exists) -> bool:
    """Tells whether most cells of a column name files, by the first of them."""
    texts = [text for _, cells in table.rows[:TRIED] if (text := plain(cells.get(column))) is not None]
    different = set(texts)
    # The same few names over and over are labels that happen to be called like files.
    return bool(texts) and 2 * len(different) > len(texts) and 2 * sum(map(exists, different)) > len(different)


def _with_group(table: Table, found: Meaning) -> Meaning:
    """Find the group in a column that numbers patients, videos or the like: images of one are never on both sides."""
    taken = set(found.roles.values())
    for words in _GROUP_IDS:
        for column in table.columns:
            if "group" in found.roles or column in taken or tuple(words_of(column)) not in (words, ("".join(words),)):
                continue
            note = _took(table, column, "group")
            return replace(found, roles={**found.roles, "group": column}, notes=(*found.notes, note))
    return found


def _with_splits(table: Table, found: Meaning, no_splits: bool) -> Meaning:
    if no_splits:
        return replace(found, roles={role: column for role, column in found.roles.items() if role != "split"})
    splits = find_split_columns(table, found.roles.get("split"), set(found.roles.values()))
    roles = {**found.roles, **({"split": splits.column} if splits.column else {})}
    return replace(found, roles=roles, splits=splits, notes=found.notes + splits.notes)


def _with_label(table: Table, found: Meaning, exists: Exists | None) -> Meaning:
    """Find labels in columns of zeros and ones, or in the one column that is left."""
    taken = {*found.roles.values(), *found.splits.used}
    unclear = {column for column in table.columns if any(f"“{column}”" in doubt.sentence for doubt in found.doubts)}
    left = [column for column in table.columns if column.strip() and column not in taken | unclear]
    hot = find_one_hot(table, left)
    said = [column for column in left if _is_called_label(column)]
    if hot is None and len(said) > 1:
        either = " and ".join(map(repr, said[:3]))
        raise SourceError(f"{table.name}: columns {either} could each be the label; call the one to use label")
    if hot is None and len(said) == 1:
        note = _took(table, said[0], "label")
        return replace(found, roles={**found.roles, "label": said[0]}, notes=(*found.notes, note))
    if hot is not None:
        marks = "exactly one of them" if hot.exclusive else "any number of them (for --task multi-label)"
        names = listed(list(hot.columns), 8)
        note = f"took the {len(hot.columns)} columns {names} of {table.name} for labels: each row has a mark in {marks}"
        return replace(found, one_hot=hot, notes=(*found.notes, note))
    path = found.roles["path"]
    if len(left) == 1 and _may_be_labels(table, left[0]) and exists is not None and _names_files(table, path, exists):
        note = _took(table, left[0], "label", "it is the only other one")
        return replace(found, roles={**found.roles, "label": left[0]}, notes=(*found.notes, note))
    return found


def _is_called_label(column: str) -> bool:
    """Tells whether a name ends in a word for labels, or says that it numbers them: ``Finding Labels``, ``ClassId``."""
    words = words_of(column)
    return words[-1:] in (["label"], ["labels"], ["class"]) or (
        len(words) == 2 and words[0] in ("class", "label", "category") and words[1] in ("id", "idx", "index", "number")
    )


def _may_be_labels(table: Table, column: str) -> bool:
    """Tells whether a column may be labels: not captions, of which each is a text of its own."""
    texts = [text for _, cells in table.rows if (text := plain(cells.get(column))) is not None]
    if not texts or set(words_of(column)) & _CAPTIONS:
        return False
    short = len(texts) <= _FEW and all(len(text.split()) <= _FEW_WORDS for text in texts)
    return len(set(texts)) < len(texts) or short or all(_is_number(text) for text in texts)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _took(table: Table, column: str, what: str, why: str = "") -> str:
    return f"took the column “{column}” of {table.name} for the {what}" + (f", as {why}" if why else "")
