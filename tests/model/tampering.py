"""Ways to alter a bundle as a clumsy or ill-meaning hand would, with sums that fit again."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from safetensors.numpy import load, save


def reseal(bundle: Path) -> None:
    """Write sums that fit what the folder holds now."""
    files = sorted(path for path in bundle.rglob("*") if path.is_file() and not path.name.startswith("SHA256SUMS"))
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(bundle).as_posix()}\n" for path in files
    ]
    (bundle / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def rewrite(bundle: Path, name: str, data: bytes) -> None:
    """Replace one file, sums included."""
    (bundle / name).write_bytes(data)
    reseal(bundle)


def edit_json(bundle: Path, name: str, edit: Callable[[Any], None]) -> None:
    """Change a JSON file in place, sums included."""
    document = json.loads((bundle / name).read_bytes())
    edit(document)
    rewrite(bundle, name, json.dumps(document).encode())


def edit_arrays(bundle: Path, name: str, edit: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Change a safetensors file, sums included."""
    arrays = {key: value.copy() for key, value in load((bundle / name).read_bytes()).items()}
    edit(arrays)
    rewrite(bundle, name, save({key: np.ascontiguousarray(value) for key, value in arrays.items()}))


def edit_graph(bundle: Path, edit: Callable[[onnx.ModelProto], None]) -> None:
    """Change the graph, sums included."""
    model = onnx.load_from_string((bundle / "model.onnx").read_bytes())
    edit(model)
    rewrite(bundle, "model.onnx", model.SerializeToString())


def zipped(bundle: Path, out: Path, top: str = "") -> Path:
    """The folder as a zip, as any program would make it; ``top`` is a folder inside, such as ``bears.bundle/``."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(bundle.rglob("*")):
            archive.write(path, f"{top}{path.relative_to(bundle).as_posix()}")
    return out
