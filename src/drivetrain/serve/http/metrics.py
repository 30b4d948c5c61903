"""Prometheus metrics. Labels are few and bounded: routes by their pattern, models by name, verdicts."""

from __future__ import annotations

import os
from collections import Counter as Counts
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ...core.records import Alarm, Entry, ToldHow
from ...core.types import Verdict
from .envelope import FinishedRequest

# Where several processes share a port, each writes its counts into this folder, and any of them can answer for all.
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64)
METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The server's counters; safe to use from several threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        self._requests = Counter("drivetrain_requests_total", "Requests", ["method", "route", "status"], registry=own)
        self._latency = Histogram(
            "drivetrain_request_seconds", "From the first byte to the last", ["route"], buckets=SECONDS, registry=own
        )
        self._queue_wait = Histogram(
            "drivetrain_queue_seconds", "An image's wait for a worker", buckets=SECONDS, registry=own
        )
        self._batch = Histogram("drivetrain_batch_images", "Images a run", ["model"], buckets=SIZES, registry=own)
        self._work = Histogram("drivetrain_batch_seconds", "A batch's work", ["model"], buckets=SECONDS, registry=own)
        self._verdicts = Counter("drivetrain_predictions_total", "Answers", ["model", "verdict"], registry=own)
        self._truths = Counter("drivetrain_labels_told_total", "Right answers told", ["model", "how"], registry=own)
        self._lag = Histogram(
            "drivetrain_store_seconds", "From an answer until it is stored", buckets=SECONDS, registry=own
        )
        self._out_of_domain = Counter(
            "drivetrain_out_of_domain_total", "Images unlike those trained on", ["model"], registry=own
        )
        self._decisions = Counter(
            "drivetrain_reviews_decided_total", "Decisions of people taken down", ["rollout", "kind"], registry=own
        )
        self._webhook = Counter(
            "drivetrain_webhook_messages_total", "Attempts to tell the webhook of an alarm", ["outcome"], registry=own
        )
        # These say what is so now, which only the process that is asked knows; what others wrote earlier is out of date.
        self._queue = Gauge("drivetrain_queue_images", "Images that wait", multiprocess_mode="mostrecent", registry=own)
        self._store_up = Gauge(
            "drivetrain_store_up", "1 while answers can be stored", multiprocess_mode="mostrecent", registry=own
        )
        self._stuck = Gauge(
            "drivetrain_stuck_seconds",
            "Since when nothing has got through",
            multiprocess_mode="mostrecent",
            registry=own,
        )
        self._pictures = Gauge(
            "drivetrain_pictures_bytes",
            "Memory held for decoded pictures",
            multiprocess_mode="mostrecent",
            registry=own,
        )
        self._refused = Gauge(
            "drivetrain_models_refused",
            "Models whose newest version was refused",
            multiprocess_mode="mostrecent",
            registry=own,
        )

    def request(self, finished: FinishedRequest) -> None:
        """Count a request that has its answer."""
        method = finished.method if finished.method in METHODS else "other"
        self._requests.labels(method, finished.route, str(finished.status)).inc()
        self._latency.labels(finished.route).observe(finished.seconds)

    def batch(self, model: str, size: int, network_s: float) -> None:
        """Count a batch that a worker has answered."""
        self._batch.labels(model).observe(size)
        self._work.labels(model).observe(network_s)

    def answered(self, entry: Entry) -> None:
        """Count an image that has its answer."""
        record = entry.record
        self._verdicts.labels(record.model, str(record.prediction.verdict)).inc()
        if record.prediction.verdict is Verdict.OUT_OF_DOMAIN:
            self._out_of_domain.labels(record.model).inc()
        self._queue_wait.observe(record.timings.queue_s)

    def told(self, model: str, how: ToldHow) -> None:
        """Count a right answer that was told and stored."""
        self._truths.labels(model, how.value).inc()

    def decided(self, rollout: str, kind: str) -> None:
        """Count a decision of a person: the kind of review, or ``elsewhere`` for one made in another system."""
        self._decisions.labels(rollout, kind).inc()

    def lag(self, seconds: float) -> None:
        """Count the seconds until a request's answers were stored."""
        self._lag.observe(seconds)

    def webhook(self, outcome: str) -> None:
        """Count an attempt to post a message: ``arrived`` or ``failed``."""
        self._webhook.labels(outcome).inc()

    def page(
        self,
        waiting: int,
        store_up: bool,
        refused: int,
        *,
        stuck_s: float = 0.0,
        pictures_bytes: int = 0,
        now: Iterable[Metric] = (),
    ) -> bytes:
        """The exposition text; ``now``: what is known of monitors and rollouts just now, the same in every process."""
        self._stuck.set(stuck_s)
        self._pictures.set(pictures_bytes)
        self._queue.set(waiting)
        self._store_up.set(store_up)
        self._refused.set(refused)
        if MULTIPROCESS in os.environ:
            together = CollectorRegistry()
            MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # the library has no types here
            return generate_latest(together) + _page_of(now)
        return generate_latest(self._registry) + _page_of(now)


def monitor_metrics(alarms: Sequence[Alarm], lags: Mapping[str, float | None]) -> list[Metric]:
    """Write as metrics the knowledge of monitors: alarms that stand, and the seconds that each model's monitor is behind, None
    where it does not go on.

    Made anew each time: an alarm that was cleared must not live on in what another process counted.
    """
    standing = GaugeMetricFamily(
        "drivetrain_monitor_alarms", "Alarms that stand", labels=["model", "source", "monitor"]
    )
    counts = Counts((alarm.model, "*" if alarm.source is None else alarm.source, alarm.monitor) for alarm in alarms)
    for labels, count in sorted(counts.items()):
        standing.add_metric(labels, count)
    lag = GaugeMetricFamily(
        "drivetrain_monitor_lag_seconds",
        "Age of the newest answer a monitor has read, while there are newer",
        labels=["model"],
    )
    up = GaugeMetricFamily("drivetrain_monitor_up", "1 while a model's monitor follows the store", labels=["model"])
    for model, seconds in lags.items():
        up.add_metric([model], seconds is not None)
        if seconds is not None:
            lag.add_metric([model], seconds)
    return [standing, lag, up]


class _Given(Collector):
    """Metrics that are given as they are."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _page_of(metrics: Iterable[Metric]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Given(metrics))
    return generate_latest(registry)
