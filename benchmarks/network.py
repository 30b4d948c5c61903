"""The network alone: our graph of EfficientNet-Lite0 against naive exports of the same weights, and against its own limits.

    python -m benchmarks.network --out benchmarks/results/network.json
    python -m benchmarks.network --naive exports/*.onnx --out benchmarks/results/network.json
    python -m benchmarks.network --export exports        # with a Python that has torch and onnxscript

All graphs run in the same ONNX Runtime with its default optimisations, turn by turn, several times over: on all cores
with a batch by the clock, and in one thread with one image, as the product runs them, by the thread's CPU time. The ratio
is the median over the turns of ours to theirs in the same turn, so that what else the machine does strikes both. Each
naive export is measured once more after our clean-up, with the largest difference of an embedding's coordinate. Where
torch cannot be installed, ``--naive`` takes files that another Python has written with ``--export`` (``PYTHONPATH=src``).

Last, how to spread work over the cores: one wide session, or one thread a call and several calls at once.
"""

from __future__ import annotations

import functools
import importlib.util
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from drivetrain.embed import efficientnet_lite
from drivetrain.embed.foreign.cleanup import clean
from drivetrain.embed.onnx_runtime import onnx_runtime

from .record import parser, record

TARGET = 2.5
OURS = "ours"

Images = NDArray[np.float32]
Turn = Callable[[], float]
"""Does a fixed amount of work; returns images a second."""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--naive", type=Path, nargs="+", help="naive exports, written elsewhere with --export")
    arguments.add_argument("--export", type=Path, metavar="FOLDER", help="only write the naive exports to this folder")
    arguments.add_argument("--batch", type=int, default=16, help="images a call of a wide session")
    arguments.add_argument("--turns", type=int, default=15)
    options = arguments.parse_args()
    if options.export is not None:
        from .naive_export import export

        for path in export(options.export):
            print(path)
        return
    from drivetrain.core.cores import available_cores  # needs more than a Python that only exports has

    cores = available_cores()
    with tempfile.TemporaryDirectory() as folder:
        graphs = _graphs(options.naive or _exported(Path(folder)))
        images = np.random.default_rng(0).standard_normal((options.batch, 3, 224, 224)).astype(np.float32)
        record(
            {
                "backbone": "efficientnet-lite0",
                "cores": cores,
                "batch": options.batch,
                "turns": options.turns,
                "target": TARGET,
                "all_cores": _against_exports(graphs, images, options.turns, threads=0),
                "one_thread_one_image": _against_exports(graphs, images[:1], 3 * options.turns, threads=1),
                "layouts": _layouts(graphs[OURS], images, cores, options.turns),
            },
            options.out,
        )


def _exported(folder: Path) -> list[Path]:
    if importlib.util.find_spec("torch") is None:
        sys.exit(
            "torch is not installed here; write the exports with a Python that has it (--export), pass them by --naive"
        )
    from .naive_export import export

    return list(export(folder))


def _graphs(naive: Sequence[Path]) -> dict[str, onnx.ModelProto]:
    """Ours, every export as it is, and every export cleaned, by name."""
    ours = efficientnet_lite.load(efficientnet_lite.LITE0).build(("head",))
    graphs = {OURS: ours}
    for path in naive:
        graphs[path.stem] = onnx.load(str(path))
        graphs[f"{path.stem} + clean"] = clean(graphs[path.stem])
    return graphs


def _against_exports(graphs: Mapping[str, onnx.ModelProto], images: Images, turns: int, threads: int) -> dict[str, Any]:
    sessions = {name: _session(graph, threads) for name, graph in graphs.items()}
    turn = _own_time if threads == 1 else _wide
    rates = _take_turns({name: functools.partial(turn, run, images) for name, run in sessions.items()}, turns)
    reference_ND = _unit(sessions[OURS](images))
    ratios = {
        name: round(statistics.median(a / b for a, b in zip(rates[OURS], rates[name], strict=True)), 2)
        for name in graphs
    }
    about = {}
    for name, graph in graphs.items():
        about[name] = {
            "images_per_s": round(statistics.median(rates[name]), 1),
            "ours_is_faster_by": ratios[name],
            "max_difference": float(f"{np.abs(_unit(sessions[name](images)) - reference_ND).max():.1e}"),
            "nodes": len(graph.graph.node),
            "operators": ", ".join(f"{n} {op}" for op, n in Counter(map(_operator, graph.graph.node)).most_common(5)),
            "written_by": f"{graph.producer_name} {graph.producer_version}".strip(),
        }
    reached = [name for name, ratio in ratios.items() if ratio >= TARGET and "+" not in name]
    return {"target_reached_against": reached, "graphs": about}


def _operator(node: onnx.NodeProto) -> str:
    return node.op_type


def _layouts(graph: onnx.ModelProto, images: Images, cores: int, turns: int) -> dict[str, float]:
    """Images a second of our graph, for several ways to use the cores."""
    images = np.concatenate([images] * 3)  # so that what is left over at the end hardly counts
    wide, narrow = _session(graph, threads=0), _session(graph, threads=1)
    ways: dict[str, Turn] = {
        "one wide session, batch 1": functools.partial(_singly, wide, images),
        f"one wide session, batch {len(images) // 3}": functools.partial(_thrice, wide, images),
    }
    with ExitStack() as stack:
        for callers in sorted({1, cores, cores + 1, 2 * cores}):
            pool = stack.enter_context(ThreadPoolExecutor(callers))
            for batch in (1, 4):
                name = f"one thread a call, {callers} at once, batch {batch}"
                ways[name] = functools.partial(_at_once, narrow, images, pool, batch)
        rates = _take_turns(ways, turns)
    return {name: round(statistics.median(values), 1) for name, values in rates.items()}


def _session(graph: onnx.ModelProto, threads: int) -> Callable[[Images], NDArray[np.float32]]:
    """A graph as a function; ``threads`` 0 is ONNX Runtime's default, all cores."""
    ort = onnx_runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images: Images) -> NDArray[np.float32]:
        result: NDArray[np.float32] = session.run(None, {name: images})[0]
        return result

    return run


def _take_turns(ways: Mapping[str, Turn], turns: int) -> dict[str, list[float]]:
    """Each way once a turn, after one turn that does not count."""
    for turn in ways.values():
        turn()
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns):
        for name, turn in ways.items():
            rates[name].append(turn())
    return rates


def _wide(run: Callable[[Images], Any], images: Images) -> float:
    start_s = time.perf_counter()
    run(images)
    return len(images) / (time.perf_counter() - start_s)


def _own_time(run: Callable[[Images], Any], images: Images) -> float:
    """By the CPU time of the calling thread, which is all that a session of one thread uses."""
    start_s = time.thread_time()
    run(images)
    return len(images) / (time.thread_time() - start_s)


def _singly(run: Callable[[Images], Any], images: Images) -> float:
    start_s = time.perf_counter()
    for image in np.split(images, len(images)):
        run(image)
    return len(images) / (time.perf_counter() - start_s)


def _thrice(run: Callable[[Images], Any], images: Images) -> float:
    start_s = time.perf_counter()
    for part in np.split(images, 3):
        run(part)
    return len(images) / (time.perf_counter() - start_s)


def _at_once(run: Callable[[Images], Any], images: Images, pool: ThreadPoolExecutor, batch: int) -> float:
    parts = [images[start : start + batch] for start in range(0, len(images), batch)]
    start_s = time.perf_counter()
    list(pool.map(run, parts))
    return len(images) / (time.perf_counter() - start_s)


def _unit(features_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    unit_ND: NDArray[np.float32] = features_ND / np.linalg.norm(features_ND, axis=1, keepdims=True)
    return unit_ND


if __name__ == "__main__":
    main()
