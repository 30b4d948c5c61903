"""Read the tensors of a PyTorch weight file without PyTorch and without executing it.

Both formats that ``torch.save`` has written are pickles that only ever need four names: an ordered
dictionary, two tensor constructors and a storage class. The reader below resolves those names to plain functions
of its own and refuses every other, so a hostile file ends in `WeightsError`, never in a call. A pickle can also write
into any object it has been given (the BUILD opcode); what it is given here refuses that, so a layout that has been
checked stays as it was checked.

Format: a sequence of pickles (magic, protocol, system, object, storage keys) followed by raw storages in the order
of the keys, each behind an int64 count (``torch.serialization._legacy_save``); since PyTorch 1.6 a zip archive with
``data.pkl`` and one raw file a storage.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from operator import index
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..core.errors import WeightsError
from ..core.plain_file import read_plain

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
MAX_BYTES = 4 << 30

_DTYPES: dict[str, np.dtype[Any]] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("<i1"),
    "ByteStorage": np.dtype("<u1"),
    "BoolStorage": np.dtype("?"),
}


class _Sealed:
    """An object that a pickle may hold but not write into; ``frozen`` alone does not stop a pickle."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise WeightsError("the weight file tries to alter a tensor's description")


@dataclass(frozen=True)
class _StorageType(_Sealed):
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class _Storage(_Sealed):
    key: str
    dtype: np.dtype[Any]
    count: int

    @property
    def nbytes(self) -> int:
        return self.count * self.dtype.itemsize


@dataclass(frozen=True)
class _Tensor(_Sealed):
    """A view into a storage: resolved once the storage's bytes have been read."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.storage.dtype.itemsize


@dataclass(frozen=True)
class _Constructor(_Sealed):
    """A function for the pickle to call. The bare function would be open to writing."""

    function: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise WeightsError("a tensor refers to something that is not a storage")
    view = _Tensor(storage, index(offset), tuple(map(index, shape)), tuple(map(index, stride)))
    if len(view.shape) != len(view.stride) or view.offset < 0 or min((*view.shape, *view.stride, 0)) < 0:
        raise WeightsError(f"a tensor has an impossible layout: {view.shape} with strides {view.stride}")
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.stride, strict=True))
    if 0 not in view.shape and last >= storage.count:
        raise WeightsError(f"a tensor of shape {view.shape} reaches beyond its storage of {storage.count} elements")
    return view


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


def _ordered_dict(*args: Any) -> OrderedDict[Any, Any]:
    return OrderedDict(*args)


_ALLOWED = {
    ("collections", "OrderedDict"): _Constructor(_ordered_dict),
    ("torch._utils", "_rebuild_tensor"): _Constructor(_rebuild_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Constructor(_rebuild_tensor),
    ("torch._utils", "_rebuild_parameter"): _Constructor(_rebuild_parameter),
}


class _RestrictedUnpickler(pickle._Unpickler):
    """Knows the names a state dict needs; everything else is refused before it is looked up.

    Built on the interpreter's own Python implementation: the C one keeps its memo in an array, which a few altered
    bytes (a memo index of 2³²) can make 32 GiB long; this one uses a dictionary. A state dict is a few thousand opcodes.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _DTYPES:
            return _StorageType(_DTYPES[name])
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise WeightsError(f"the file asks for {module}.{name}, which a weight file has no need of") from None

    def persistent_load(self, pid: Any) -> _Storage:
        if not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage" and isinstance(pid[1], _StorageType)):
            raise WeightsError("the weight file refers to something that is not a tensor storage")
        if any(view is not None for view in pid[5:]):  # only files written before PyTorch 0.4 have a view here
            raise WeightsError("a storage is a view of another; load and save the file again with a current PyTorch")
        storage = _Storage(str(pid[2]), pid[1].dtype, index(pid[4]))
        if not 0 <= storage.nbytes <= MAX_BYTES:
            raise WeightsError(f"storage {storage.key} announces {storage.count} elements")
        return self.storages.setdefault(storage.key, storage)


def read_torch_file(path: Path) -> dict[str, NDArray[Any]]:
    """Read a state dict: name → array, in the file's order.

    Raises:
        WeightsError: the file is damaged, asks for anything but tensors, or is not a state dict.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WeightsError(f"larger than {MAX_BYTES >> 30} GiB")
        # The file is read as a whole, so that a length announced inside it can never make a buffer longer than the file.
        with io.BytesIO(read_plain(path, MAX_BYTES)) as file:
            root, storages = _read_zip(file) if zipfile.is_zipfile(file) else _read_legacy(file)
            views = _tensors(root)
            if sum(view.nbytes for _, view in views) > MAX_BYTES:  # views may overlap, or repeat one element
                raise WeightsError(f"its tensors take more than {MAX_BYTES >> 30} GiB")
            return {str(name): _array(view, storages) for name, view in views}
    except WeightsError as error:
        raise WeightsError(f"cannot read weights from {path}: {error}") from None
    except OSError as error:
        raise WeightsError(f"cannot read weights from {path}: {error.strerror or error}") from error
    except Exception as error:  # damaged bytes reach pickle, zipfile, struct and NumPy, each with classes of its own
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        raise WeightsError(f"cannot read weights from {path}: damaged file ({detail}); get it again") from error


def _tensors(root: Any) -> list[tuple[Any, _Tensor]]:
    if isinstance(root, dict) and isinstance(root.get("state_dict"), dict):
        root = root["state_dict"]
    if not isinstance(root, dict):
        raise WeightsError(f"expected a dictionary of tensors, got {type(root).__name__}")
    return [(name, view) for name, view in root.items() if isinstance(view, _Tensor)]


def _array(view: _Tensor, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
    storage = storages[view.storage.key]
    strides = tuple(s * storage.itemsize for s in view.stride)
    # The array is a copy: a view would keep the whole file's bytes alive.
    return np.lib.stride_tricks.as_strided(storage[view.offset :], view.shape, strides).copy()


def _read_legacy(file: BinaryIO) -> tuple[Any, dict[str, NDArray[Any]]]:
    file.seek(0)
    if _RestrictedUnpickler(file).load() != LEGACY_MAGIC:
        raise WeightsError("not a PyTorch weight file")
    _RestrictedUnpickler(file).load()  # protocol version
    _RestrictedUnpickler(file).load()  # system information
    unpickler = _RestrictedUnpickler(file)
    root = unpickler.load()
    storages = {}
    for key in _RestrictedUnpickler(file).load():
        storage = unpickler.storages[str(key)]
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:
            raise WeightsError(f"storage {key} holds {count} elements where {storage.count} were announced")
        storages[storage.key] = _frombytes(file.read(storage.nbytes), storage)
    return root, storages


def _read_zip(file: BinaryIO) -> tuple[Any, dict[str, NDArray[Any]]]:
    with zipfile.ZipFile(file) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise WeightsError(f"unpacks to more than {MAX_BYTES >> 30} GiB")
        # PyTorch only stores, without packing. Packed data cannot be read in bounded pieces: a few bytes may hold gigabytes.
        if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in archive.infolist()):
            raise WeightsError("the archive is compressed by a method that PyTorch does not write")
        names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise WeightsError("not a PyTorch weight file (no data.pkl in the archive)")
        prefix = names[0].removesuffix("data.pkl")
        if f"{prefix}byteorder" in archive.namelist() and archive.read(f"{prefix}byteorder") != b"little":
            raise WeightsError("written on a big-endian machine; load and save it again on a little-endian one")
        root = _RestrictedUnpickler(io.BytesIO(archive.read(names[0]))).load()
        wanted = {view.storage.key: view.storage for _, view in _tensors(root)}
        return root, {key: _frombytes(archive.read(f"{prefix}data/{key}"), s) for key, s in wanted.items()}


def _frombytes(raw: bytes, storage: _Storage) -> NDArray[Any]:
    if len(raw) < storage.nbytes:
        raise WeightsError(f"storage {storage.key} is cut short")
    return np.frombuffer(raw, storage.dtype, storage.count)
