"""Makes ``tiny.onnx`` and the file beside it that says how to use it: a network as anybody's, which takes no time.

    python tests/backbones/make_tiny.py

For trainings that are not about the network. It finds edges and lines of six directions and mixes them at random, which
tells drawn shapes, their size and their light apart. Run once; kept for the record.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

OUT = Path(__file__).parent / "tiny.onnx"
SIDE, DIRECTIONS, KERNEL, WIDTH = 48, 6, 5, 32


def edges_and_lines() -> np.ndarray:
    """(24, 5, 5): an edge and a line in each direction, bright on dark and dark on bright."""
    y, x = np.mgrid[-(KERNEL // 2) : KERNEL // 2 + 1, -(KERNEL // 2) : KERNEL // 2 + 1].astype(float)
    window = np.exp(-(x**2 + y**2) / (2 * (KERNEL / 4) ** 2))
    filters = []
    for angle in np.pi * np.arange(DIRECTIONS) / DIRECTIONS:
        across = x * np.cos(angle) + y * np.sin(angle)
        for shape in (across * window, (1 - across**2) * window):
            even = shape - shape.mean()
            even /= np.abs(even).sum()
            filters += [even, -even]
    return np.stack(filters)


def main() -> None:
    rng = np.random.default_rng(0)
    filters = edges_and_lines()
    mix = rng.standard_normal((WIDTH, len(filters), 3, 3))
    mix -= mix.mean(axis=(1, 2, 3), keepdims=True)
    weights = {
        "w1": np.repeat(filters[:, None] / 3 * 4, 3, axis=1).astype(np.float32),
        "b1": np.full(len(filters), -0.1, np.float32),
        "w2": (mix / np.sqrt(len(filters) * 9) * 4).astype(np.float32),
        "b2": np.full(WIDTH, -0.1, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], kernel_shape=[KERNEL, KERNEL], pads=[KERNEL // 2] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), OUT)
    how = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    about = {"preprocess": how, "name": "tiny", "licence": "Apache-2.0", "source": "tests/backbones/make_tiny.py"}
    OUT.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    main()
