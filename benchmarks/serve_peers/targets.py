"""What a server must reach beside the limit and its peers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class Figures(NamedTuple):
    """One turn of one side: many clients, then one alone. ``cpu_ms`` a request, of the server's processes."""

    per_s: float
    p50_ms: float
    p99_ms: float
    one_p50_ms: float
    cpu_ms: float
    failed: int
    client_cpu_ms: float = 0.0


class Target(NamedTuple):
    """What was measured against what must be reached; ``least`` says on which side of it."""

    measured: float
    target: float
    least: bool

    @property
    def reached(self) -> bool:
        return self.measured >= self.target if self.least else self.measured <= self.target


def evaluate(
    result: Mapping[str, Any],
    limits: Sequence[Mapping[str, float]],
    sides: Mapping[str, Sequence[Figures]],
    predict_ms: Sequence[float],
    clients: int,
) -> dict[str, Target]:
    """Every target of a run; the lists have an entry a round, ratios are taken within a round."""
    ours = sides["ours"]

    def ratio(of: Callable[[Figures], float], others: Sequence[float]) -> float:
        return statistics.median(of(turn) / other for turn, other in zip(ours, others, strict=True))

    targets = {
        "failed_requests": Target(sum(turn.failed for turn in ours), 0, least=False),
        "throughput_over_limit": Target(
            ratio(lambda turn: turn.per_s, [max(speeds.values()) for speeds in limits]), 0.85, least=True
        ),
        "p99_over_clients_by_throughput": Target(
            statistics.median(turn.p99_ms / 1000 * turn.per_s / clients for turn in ours), 2.0, least=False
        ),
        "one_client_median_over_predict_ms": Target(
            statistics.median(turn.one_p50_ms - ms for turn, ms in zip(ours, predict_ms, strict=True)), 3.0, least=False
        ),
        "start_to_ready_s": Target(result["start"]["ready_s"]["median"], 2.5, least=False),
        "idle_mib": Target(result["start"]["idle_mib"], 350, least=False),
    }
    for family, least in (("fastapi", 1.2), ("litserve", 1.0), ("gradio", 1.0)):
        turns = list(zip(*(sides[name] for name in sides if name.startswith(family)), strict=True))
        if not turns:
            continue
        most = [max(turn.per_s for turn in peers) for peers in turns]
        targets[f"throughput_over_{family}"] = Target(ratio(lambda turn: turn.per_s, most), least, least=True)
        p50s = [min(turn.p50_ms for turn in peers) for peers in turns]
        targets[f"median_latency_over_{family}"] = Target(ratio(lambda turn: turn.p50_ms, p50s), 1.0, least=False)
        p50s = [min(turn.one_p50_ms for turn in peers) for peers in turns]
        targets[f"one_client_median_over_{family}"] = Target(
            ratio(lambda turn: turn.one_p50_ms, p50s), 1.0, least=False
        )
    if "overload" in result:
        targets |= _overload_targets(result["overload"])
    return targets


def _overload_targets(found: Mapping[str, Any]) -> dict[str, Target]:
    memory = found["memory_mib"]
    explained = sum(found["shares"].get(status, 0.0) for status in ("200", "429", "503"))
    return {
        "overload_alive_and_right_after": Target(float(found["alive_and_right_after"]), 1, least=True),
        "overload_answered_or_429_or_503": Target(explained, 0.9999, least=True),
        "overload_refused_without_retry_after": Target(found["refused_without_retry_after"], 0, least=False),
        "overload_memory_over_idle_and_queue": Target(
            max(memory["every_second"]) / (memory["idle"] + memory["queue"]), 1.3, least=False
        ),
        # What `--target-ms` promises by default.
        "overload_answered_p99_ms": Target(found["answered_p99_ms"] or float("inf"), 500.0, least=False),
    }
