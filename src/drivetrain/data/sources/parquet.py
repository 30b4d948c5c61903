"""Parquet → cells, and what a data set of the Hugging Face hub says of itself in the schema: class names, and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...core.errors import SourceError
from ...core.installation import install_command
from ...core.plain_file import open_plain
from ...core.scratch import Into
from .cells import HeldFile, Table, bound_columns
from .columns import KNOWN
from .embedded import PictureColumn, files_of
from .file_form import HEAD_BYTES
from .foreign_files import foreign_file

_PICTURE_NAMES = frozenset({"image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "tif", "tiff"})
"""Names of columns of plain bytes that are taken for pictures."""


class _Described(NamedTuple):
    """A file's columns as its schema has them; ``classes`` are the names that stand for a column's numbers."""

    columns: tuple[str, ...]
    pictures: tuple[PictureColumn, ...]
    classes: Mapping[str, tuple[str, ...]]


def load_parquet(
    path: Path, name: str, known: Mapping[str, Sequence[str]], into: Into, *, every_column: bool = False
) -> Table:
    """Read the cells of columns of single values, of those that have a meaning by their names or by the schema, or of all.

    ``known``: meaning → the names that come before what the schema says.

    Pictures inside the table become files below ``into``; their cells are `HeldFile`s, or paths with ``every_column``.

    Raises:
        SourceError: pyarrow is missing, it is no Parquet file, or its pictures cannot be unpacked.
        OSError: it cannot be read.
    """
    pyarrow = _pyarrow(name)
    try:
        with _opened(path, pyarrow) as file:
            bound_columns(file.metadata.num_columns, name)
            described = _without_paths(_described(file.schema_arrow, pyarrow), file)
            stated = {} if every_column else _stated(described, known, name)
            names = {synonym for synonyms in KNOWN.values() for synonym in synonyms} | set(stated.values())
            names |= {field.name for field in file.schema_arrow if _is_single(field.type, pyarrow.types)}
            pictures = [one for one in described.pictures if every_column or one.name == stated.get("path")]
            held = {one.name for one in pictures}
            wanted = [one for one in described.columns if every_column or one in names or one.strip().lower() in names]
            wanted = [one for one in wanted if one in held or one not in {other.name for other in described.pictures}]
            cells = _cells(file, [one for one in wanted if one not in held], pictures)
        files = {one.name: files_of(path, one, into, name) for one in pictures}
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _unreadable(path, name, error) from None
    readers = _readers(described, wanted, files, every_column, name)
    rows = tuple(
        (at, {column: read(row.get(column), number, at) for column, read in readers.items()})
        for number, row in enumerate(cells, start=1)
        for at in [f"{name}, row {number}"]
    )
    return Table(name, described.columns, rows, stated)


def holds_pictures(path: Path, name: str) -> bool | None:
    """Tells by its schema whether a table has pictures inside; None where it cannot be read.

    Raises:
        SourceError: pyarrow is missing.
    """
    pyarrow = _pyarrow(name)
    try:
        with _opened(path, pyarrow) as file:
            return bool(_described(file.schema_arrow, pyarrow).pictures)
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError):
        return None


def _pyarrow(name: str) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise SourceError(
            f"{name}: Parquet needs pyarrow, which is not installed; {install_command('parquet')}, or give a CSV"
        ) from None
    return pyarrow


def _opened(path: Path, pyarrow: Any) -> Any:
    """Open a regular file, by its path: threads of pyarrow that still hold one of Python's files end a program that leaves."""
    with open_plain(path):
        return pyarrow.parquet.ParquetFile(path)


def _unreadable(path: Path, name: str, error: Exception) -> SourceError:
    with open_plain(path) as file:
        head = file.read(HEAD_BYTES)
    other = None if head.startswith(b"PAR1") else foreign_file(head)
    reason = other or " ".join(str(error).split()) or type(error).__name__
    return SourceError(f"{name} is not a Parquet file that can be read: {reason}")


def _described(schema: Any, pyarrow: Any) -> _Described:
    features = _features(schema)
    classes = {column: names for column, feature in features.items() if (names := _class_names(feature))}
    pictures = (_picture(field, features.get(field.name), pyarrow.types) for field in schema)
    return _Described(tuple(schema.names), tuple(one for one in pictures if one), classes)


def _features(schema: Any) -> Mapping[str, Any]:
    """Read what `datasets` writes of each column; nothing where it has written nothing that can be understood."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _class_names(feature: Any) -> tuple[str, ...]:
    """The names of a column of class numbers, or of lists of them; none of any other column."""
    if isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    if not isinstance(feature, dict):
        return ()
    if feature.get("_type") in ("Sequence", "List", "LargeList"):
        return _class_names(feature.get("feature"))
    names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _picture(field: Any, feature: Any, types: Any) -> PictureColumn | None:
    """The column if it holds pictures: by what `datasets` says, else structs with bytes, or bytes under a fitting name."""
    said = feature.get("_type") if isinstance(feature, dict) else None
    if said not in (None, "Image", "Value"):
        return None
    kind = field.type
    if types.is_struct(kind):
        inner = {kind.field(number).name: kind.field(number).type for number in range(kind.num_fields)}
        # A table whose pictures all lie beside it has a column of nothing there.
        if "bytes" in inner and (_is_bytes(inner["bytes"], types) or types.is_null(inner["bytes"])):
            return PictureColumn(field.name, True, "path" in inner)
        return None
    fitting = said == "Image" or field.name.strip().lower() in _PICTURE_NAMES
    return PictureColumn(field.name, False, False) if fitting and _is_bytes(kind, types) else None


def _is_single(kind: Any, types: Any) -> bool:
    """Tells whether a column holds a number, a yes or no, or a short text in each cell, so that its meaning can be looked for."""
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return any(
        getattr(types, f"is_{one}")(kind)
        for one in ("boolean", "integer", "floating", "decimal", "string", "large_string")
    )


def _is_bytes(kind: Any, types: Any) -> bool:
    checks = ("is_binary", "is_large_binary", "is_binary_view", "is_fixed_size_binary")
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return any(check(kind) for check in (getattr(types, name, None) for name in checks) if check)


def _stated(described: _Described, known: Mapping[str, Sequence[str]], name: str) -> dict[str, str]:
    """The columns that the schema gives a meaning whatever they are called: the pictures, and class numbers."""
    stated: dict[str, str] = {}
    pictures = [one.name for one in described.pictures]
    named = [one for one in pictures if one.strip().lower() in known["path"]]
    if len(pictures) > 1 and len(named) != 1:
        either = " and ".join(map(repr, pictures))
        raise SourceError(
            f"{name} holds pictures in the columns {either}; call the one to use image, or leave out the others"
        )
    if pictures:
        stated["path"] = (named if len(pictures) > 1 else pictures)[0]
    if (
        not any(column.strip().lower() in known["label"] for column in described.columns)
        and len(described.classes) == 1
    ):
        stated["label"] = next(iter(described.classes))
    return stated


def _without_paths(described: _Described, file: Any) -> _Described:
    """Take out columns of plain bytes that hold paths: old writers do not say that a text is one."""
    kept = [one for one in described.pictures if one.nested or not _holds_paths(file, one.name)]
    return described._replace(pictures=tuple(kept))


def _holds_paths(file: Any, column: str) -> bool:
    for batch in file.iter_batches(16, columns=[column], use_threads=False):
        found = [cell for cell in batch.column(0).to_pylist() if cell]
        try:
            return bool(found) and all(len(cell) < 1024 and cell.decode("utf-8").isprintable() for cell in found)
        except UnicodeDecodeError:
            return False
    return False


def _cells(file: Any, whole: Sequence[str], pictures: Sequence[PictureColumn]) -> list[dict[str, Any]]:
    """Read the rows; of pictures their names only, as the bytes are for files."""
    read = [*whole, *(f"{one.name}.path" for one in pictures if one.has_path)]
    if not read:
        return [{} for _ in range(file.metadata.num_rows)]
    cells: list[dict[str, Any]] = file.read(columns=read, use_threads=False).to_pylist()
    return cells


Reader = Callable[[Any, int, str], object]


def _readers(
    described: _Described, wanted: Sequence[str], files: Mapping[str, Mapping[int, str]], every_column: bool, name: str
) -> dict[str, Reader]:
    readers: dict[str, Reader] = {}
    for column in wanted:
        if column in files:
            readers[column] = _held(files[column], name, every_column)
        elif column in described.classes:
            readers[column] = _class_of(described.classes[column])
        else:
            readers[column] = _plain
    return readers


def _held(files: Mapping[int, str], name: str, as_path: bool) -> Reader:
    """Read a picture's cell: its file, or where it has no bytes the path that stands in their place."""

    def read(cell: Any, number: int, _at: str) -> object:
        path = files.get(number)
        if path is None:
            return cell.get("path") if isinstance(cell, dict) else None
        return path if as_path else HeldFile(path, f"{name}/{Path(path).name}")

    return read


def _class_of(names: tuple[str, ...]) -> Reader:
    """Read class numbers as names; −1 stands for none, as `datasets` has it."""

    def one(value: object, at: str) -> object:
        if not isinstance(value, int) or value == -1:
            return None if value == -1 else value
        if not 0 <= value < len(names):
            raise SourceError(f"{at}: the class number {value} has no name; the schema names {len(names)}, from 0 on")
        return names[value]

    def read(cell: Any, _number: int, at: str) -> object:
        if isinstance(cell, list):
            return [name for name in (one(value, at) for value in cell) if name is not None]
        return one(cell, at)

    return read


def _plain(cell: Any, _number: int, _at: str) -> object:
    """Read text of columns that the file does not say to be text, as older writers left them."""
    if isinstance(cell, bytes):
        try:
            return cell.decode("utf-8")
        except UnicodeDecodeError:
            return cell
    return cell
