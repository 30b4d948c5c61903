"""The restricted reader of PyTorch weight files: what it reads, and that nothing it is fed is ever executed."""

import contextlib
import io
import pickle
import random
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.core.errors import WeightsError
from drivetrain.embed import efficientnet_lite, torch_file
from drivetrain.embed.torch_file import LEGACY_MAGIC, read_torch_file

PACKAGED = [efficientnet_lite.LITE0, efficientnet_lite.LITE1, efficientnet_lite.LITE2]

# The names a state dict uses, as stand-ins that pickle under PyTorch's names.
FLOATS = np.arange(6, dtype="<f4")


class Global:
    """Pickles as a reference to ``module.name``."""

    def __init__(self, path: str) -> None:
        self.module, _, self.name = path.rpartition(".")


class Call:
    """Pickles as the call of a global with arguments, and then, with ``state``, as a write into the result."""

    def __init__(self, path: str, *args: Any, state: Any = None) -> None:
        self.target, self.args, self.state = Global(path), args, state


class Storage:
    """Pickles as a storage of PyTorch."""

    def __init__(self, key: str = "0", kind: str = "FloatStorage", count: int = 6, view: Any = None) -> None:
        self.pid = ("storage", Global(f"torch.{kind}"), key, "cpu", count, view)


class Pickler(pickle._Pickler):  # type: ignore[misc]
    """The pickler in Python: the one in C cannot write references to what is not there."""

    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, Storage) else None

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Global):
            self.write(b"c" + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.target)
            self.save(obj.args)
            self.write(pickle.REDUCE)
            if obj.state is not None:
                self.save(obj.state)
                self.write(pickle.BUILD)
        else:
            super().save(obj, save_persistent_id)


def dumps(content: Any) -> bytes:
    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(content)
    return buffer.getvalue()


def tensor(
    shape: tuple[int, ...] = (2, 3), stride: tuple[int, ...] = (3, 1), offset: int = 0, storage: Any = None, **more: Any
) -> Call:
    return Call("torch._utils._rebuild_tensor_v2", storage or Storage(), offset, shape, stride, False, (), **more)


def legacy(content: Any, storages: dict[str, bytes] | None = None, counts: dict[str, int] | None = None) -> bytes:
    storages = {"0": FLOATS.tobytes()} if storages is None else storages
    parts = [dumps(LEGACY_MAGIC), dumps(1001), dumps({"little_endian": True}), dumps(content), dumps(list(storages))]
    for key, raw in storages.items():
        parts.append(struct.pack("<q", (counts or {}).get(key, len(raw) // 4)) + raw)
    return b"".join(parts)


def zipped(content: Any, storages: dict[str, bytes] | None = None, **more: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model/data.pkl", dumps(content))
        for key, raw in ({"0": FLOATS.tobytes()} if storages is None else storages).items():
            archive.writestr(f"model/data/{key}", raw)
        for name, raw in more.items():
            archive.writestr(f"model/{name}", raw)
    return buffer.getvalue()


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read_bytes(raw: bytes) -> dict[str, np.ndarray]:
        path = tmp_path / "weights.pth"
        path.write_bytes(raw)
        return read_torch_file(path)

    return read_bytes


@pytest.mark.parametrize("variant", PACKAGED, ids=lambda variant: variant.name)
def test_reads_the_packaged_weights(variant: efficientnet_lite.Variant) -> None:
    weights = read_torch_file(efficientnet_lite.weight_file(variant))
    assert weights["_fc.weight"].shape == (1000, 1280)
    assert weights["_conv_stem.weight"].shape[1:] == (3, 3, 3)
    assert all(np.isfinite(array).all() for array in weights.values())
    assert all((array >= 0).all() for name, array in weights.items() if name.endswith("running_var"))
    widths = [weights[f"_blocks.{end}._project_conv.weight"].shape[0] for end in ends(variant)]
    assert tuple(widths) == variant.stage_widths


def ends(variant: efficientnet_lite.Variant) -> list[int]:
    return [int(end) - 1 for end in np.cumsum(efficientnet_lite.stage_blocks(variant.depth))]


@pytest.mark.parametrize("pack", [legacy, zipped])
def test_reads_tensors_views_parameters_and_other_types(read: Any, pack: Any) -> None:
    half = np.array([0.5, -2], "<f2").tobytes()
    content = OrderedDict(
        plain=tensor(),
        transposed=tensor((3, 2), (1, 3)),
        part=tensor((2,), (3,), offset=1),
        scalar=tensor((), (), offset=5),
        empty=tensor((0, 4), (4, 1)),
        parameter=Call("torch._utils._rebuild_parameter", tensor((6,), (1,)), True, OrderedDict()),
        half=tensor((2,), (1,), storage=Storage("1", "HalfStorage", 2)),
        step=7,
    )
    storages = {"0": FLOATS.tobytes(), "1": half}
    weights = read(pack(content, storages, counts={"1": 2}) if pack is legacy else pack(content, storages))
    assert list(weights) == ["plain", "transposed", "part", "scalar", "empty", "parameter", "half"]
    np.testing.assert_array_equal(weights["plain"], FLOATS.reshape(2, 3))
    np.testing.assert_array_equal(weights["transposed"], FLOATS.reshape(2, 3).T)
    assert weights["part"].tolist() == [1, 4]
    assert weights["scalar"] == 5
    assert weights["empty"].shape == (0, 4)
    assert weights["half"].tolist() == [0.5, -2]


def test_reads_a_state_dict_inside_a_checkpoint(read: Any) -> None:
    assert read(legacy({"epoch": 3, "state_dict": OrderedDict(w=tensor())}))["w"].shape == (2, 3)


@pytest.mark.parametrize("pack", [legacy, zipped])
@pytest.mark.parametrize(
    ("path", "argument"),
    [
        ("os.system", "touch {marker}"),
        ("posix.system", "touch {marker}"),
        ("nt.system", "touch {marker}"),
        ("subprocess.getoutput", "touch {marker}"),
        ("builtins.eval", "open({marker!r}, 'w').close()"),
        ("builtins.exec", "open({marker!r}, 'w').close()"),
        ("__builtin__.eval", "open({marker!r}, 'w').close()"),
        ("torch.load", "{marker}"),
        ("collections.Counter", "abc"),
        ("drivetrain.embed.torch_file.read_torch_file", "{marker}"),
    ],
)
def test_refuses_every_other_name_and_executes_nothing(
    read: Any, tmp_path: Path, pack: Any, path: str, argument: str
) -> None:
    marker = tmp_path / "executed"
    hostile = OrderedDict(w=tensor(), x=Call(path, argument.format(marker=str(marker))))
    with pytest.raises(WeightsError, match=r"asks for .*no need of") as caught:
        read(pack(hostile))
    assert "\n" not in str(caught.value)
    assert not marker.exists()
    # The same pickle does execute where nothing stops it, so the test would notice.
    if path in ("posix.system", "builtins.eval"):
        pickle.loads(dumps(hostile["x"]))
        assert marker.exists()


def test_an_attribute_path_into_an_allowed_module_is_refused(read: Any) -> None:
    with pytest.raises(WeightsError, match="no need of"):
        read(legacy(OrderedDict(x=Call("collections.OrderedDict.__init__.__globals__", "x"))))


@pytest.mark.parametrize(
    "state",
    [
        {"shape": (1 << 20,), "stride": (1,)},
        (None, {"offset": 1 << 40}),
        [1, 2, 3, 4],
    ],
    ids=["dict", "slots", "list"],
)
def test_a_checked_layout_cannot_be_rewritten_afterwards(read: Any, state: Any) -> None:
    """The BUILD opcode writes into an object's dictionary, past ``frozen``: it could make a view of foreign memory."""
    with pytest.raises(WeightsError, match="alter"):
        read(legacy(OrderedDict(w=tensor(state=state))))


def test_the_readers_own_functions_cannot_be_written_into(read: Any) -> None:
    raw = dumps(OrderedDict(w=tensor()))
    poison = b"ccollections\nOrderedDict\n" + dumps({"polluted": 1})[2:-1] + pickle.BUILD + b"0"
    hostile = raw[:2] + poison + raw[2:]
    buffer = legacy(OrderedDict(w=tensor())).replace(raw, hostile)
    with pytest.raises(WeightsError, match="alter"):
        read(buffer)
    assert not any(hasattr(function, "polluted") for function in torch_file._ALLOWED.values())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (tensor((2, 3), (-3, 1)), "impossible layout"),
        (tensor((-2, 3), (3, 1)), "impossible layout"),
        (tensor((2, 3), (3,)), "impossible layout"),
        (tensor((2, 3), (3, 1), offset=-1), "impossible layout"),
        (tensor((2, 3), (3, 1), offset=1), "reaches beyond"),
        (tensor((2, 4), (4, 1)), "reaches beyond"),
        (tensor((2, 3), (1 << 62, 1)), "reaches beyond"),
        (tensor((1 << 40,), (0,)), "more than 4 GiB"),
        (tensor((1.5,), (1,)), "damaged"),
        (tensor(storage="a name"), "not a storage"),
        (tensor(storage=Storage(count=-6)), "announces -6"),
        (tensor(storage=Storage(count=1 << 50)), "announces"),
        (tensor(storage=Storage(kind="QInt8Storage")), "no need of"),
        (tensor(storage=Storage(view=("1", 0, 3))), "view of another"),
    ],
)
@pytest.mark.parametrize("pack", [legacy, zipped])
def test_refuses_layouts_that_do_not_fit_their_storage(read: Any, pack: Any, bad: Call, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        read(pack(OrderedDict(w=bad)))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (legacy(OrderedDict(w=tensor()), {"0": FLOATS.tobytes()[:-1]}, {"0": 6}), "cut short"),
        (legacy(OrderedDict(w=tensor()), counts={"0": 5}), "5 elements where 6"),
        (legacy(OrderedDict(w=tensor()), {"1": FLOATS.tobytes()}), "damaged"),
        (legacy(OrderedDict(w=tensor()), {}), "damaged"),
        (zipped(OrderedDict(w=tensor()), {"0": FLOATS.tobytes()[:-1]}), "cut short"),
        (zipped(OrderedDict(w=tensor()), {}), "damaged"),
        (zipped(OrderedDict(w=tensor()), byteorder=b"big"), "big-endian"),
        (legacy([1, 2], {}), "expected a dictionary of tensors, got list"),
        (dumps(1) * 5, "not a PyTorch weight file"),
        (b"", "damaged"),
        (b"\x80\x02}q\x00.", "not a PyTorch weight file"),
        (b"PK\x03\x04 not really", "damaged"),
        (b"<html>404</html>", "damaged"),
    ],
)
def test_damaged_files_end_in_one_line(read: Any, raw: bytes, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        read(raw)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_weights_errors(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="No such file"):
        read_torch_file(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="a folder"):
        read_torch_file(tmp_path)


def test_a_zip_of_something_else_is_no_weight_file(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"x")
    with pytest.raises(WeightsError, match=r"no data\.pkl"):
        read_torch_file(path)


@pytest.mark.thorough
def test_truncation_anywhere_is_a_weights_error(read: Any) -> None:
    whole = efficientnet_lite.weight_file(efficientnet_lite.LITE0).read_bytes()
    rng = random.Random(0)
    # Dense where the pickles are (about the first 50 kB), sparse over the storages.
    cuts = [
        *range(0, 600, 7),
        *(rng.randrange(60_000) for _ in range(120)),
        *(rng.randrange(len(whole)) for _ in range(20)),
    ]
    for cut in [*cuts, len(whole) - 1]:
        with pytest.raises(WeightsError):
            read(whole[:cut])


@pytest.mark.thorough
@pytest.mark.parametrize("pack", [legacy, zipped])
def test_altered_bytes_never_raise_anything_else(read: Any, pack: Any) -> None:
    whole = bytearray(pack(OrderedDict(a=tensor(), b=tensor((3, 2), (1, 3)))))
    rng = random.Random(1)
    for _ in range(1500):
        altered = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            altered[rng.randrange(len(altered))] = rng.randrange(256)
        with contextlib.suppress(WeightsError):
            assert all(array.nbytes <= 4096 for array in read(bytes(altered)).values())
