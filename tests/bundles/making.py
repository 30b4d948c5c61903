"""Steps that the scripts share by which old bundles were made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

SIDE, WIDTH = 16, 12


def backbone(folder: Path, source: str) -> Path:
    """A graph as anybody's, with the file beside it that says how to use it."""
    from onnx import TensorProto, helper, numpy_helper, save

    rng = np.random.default_rng(0)
    weights = {
        "w": rng.uniform(-1, 1, (WIDTH, 3, 3, 3)).astype(np.float32),
        "b": rng.uniform(-0.2, 0.2, WIDTH).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w", "b"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    path = folder / "tiny.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    spec = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "resize": {"method": "squish"}}
    about = {"preprocess": spec, "name": "tiny", "licence": "Apache-2.0", "source": source}
    path.with_suffix(".json").write_text(json.dumps(about))
    return path


def reseal(bundle: Path) -> None:
    (bundle / "report.html").write_text("<!doctype html><title>A report</title><p>A report.\n")
    files = sorted(path for path in bundle.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(bundle).as_posix()}\n" for p in files]
    (bundle / "SHA256SUMS").write_text("".join(lines))
