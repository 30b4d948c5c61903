"""The knowledge of rollouts as metrics, made anew each time: a hold that was released must not live on in a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

from ...core.errors import StoreError
from ...core.rollout_port import RolloutStore
from ...rollout.stage import Stage
from .carried import Carried
from .rollouts import Rollouts

STATES = ("open", "leased", "held", "overdue")


def rollout_metrics(rollouts: Rollouts, store: RolloutStore) -> list[Metric]:
    """Write stage, holds and queue of each live rollout; the queue is missing while the store cannot be asked."""
    carried = list(rollouts.carried.values())
    return [*_standing(carried), _queue(carried, rollouts, store)]


def _standing(carried: list[Carried]) -> list[Metric]:
    stage = GaugeMetricFamily("drivetrain_rollout_stage", "1 of the stage it is in", labels=["rollout", "stage"])
    step = GaugeMetricFamily("drivetrain_rollout_step", "The step of expanding, from 0", labels=["rollout"])
    holds = GaugeMetricFamily("drivetrain_rollout_holds", "Reasons that pause it", labels=["rollout", "kind"])
    up = GaugeMetricFamily("drivetrain_rollout_up", "1 while it is carried on", labels=["rollout"])
    for one in carried:
        with one.live.reading() as machine:
            stands, at, kinds = machine.stage, machine.step, Counter(hold.kind.value for hold in machine.holds)
        for name in Stage:
            stage.add_metric([one.name, name.value], stands is name)
        step.add_metric([one.name], at)
        for kind, count in sorted(kinds.items()):
            holds.add_metric([one.name, kind], count)
        up.add_metric([one.name], one.problem is None and one.unread is None)
    return [stage, step, holds, up]


def _queue(carried: list[Carried], rollouts: Rollouts, store: RolloutStore) -> Metric:
    queue = GaugeMetricFamily("drivetrain_reviews", "Reviews by kind and state", labels=["rollout", "kind", "state"])
    for one in carried:
        try:
            counts: Mapping[str, Mapping[str, int]] = store.queue_counts(one.row.id, rollouts.now())
        except StoreError:
            continue
        for kind, states in counts.items():
            for state in STATES:
                queue.add_metric([one.name, kind, state], states.get(state, 0))
    return queue
