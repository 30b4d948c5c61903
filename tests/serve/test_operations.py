"""Metrics that stay small, logs that say who and what but never what was sent, and traces."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2 as httpx
import pytest
from held import MakeClient, held
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client.parser import text_string_to_metric_families
from running import form, jpeg
from starlette.testclient import TestClient
from waiting import Beside

from drivetrain.serve.application import create_app
from drivetrain.serve.http import logs, tracing
from drivetrain.serve.http.envelope import FinishedRequest
from drivetrain.serve.http.metrics import Metrics
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.start import build


@pytest.fixture
def make_client(make_client: MakeClient) -> MakeClient:
    """Without the measurement of batches, which nothing here is about."""
    return partial(make_client, max_batch=1)


Labels = tuple[tuple[str, str], ...]

SECRET = "Drosselweg-7"


def scrape(client: TestClient) -> dict[tuple[str, Labels], float]:
    """Every sample of /metrics, by its name and labels."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return samples(answer.text)


def samples(text: str) -> dict[tuple[str, Labels], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def labelled(found: dict[tuple[str, Labels], float], name: str) -> dict[Labels, float]:
    return {labels: value for (one, labels), value in found.items() if one == name}


def test_metrics_count_what_happened(client: TestClient) -> None:
    client.post("/v1/predict", **form(jpeg(1), jpeg(2), b"no image"))
    client.post("/v1/predict", **form(jpeg(3)))
    client.post("/v1/predict", content=b"x")
    client.get("/v1/predictions")
    found = scrape(client)
    assert found["drivetrain_requests_total", (("method", "POST"), ("route", "/v1/predict"), ("status", "200"))] == 2
    assert found["drivetrain_requests_total", (("method", "POST"), ("route", "/v1/predict"), ("status", "415"))] == 1
    assert found["drivetrain_request_seconds_count", (("route", "/v1/predictions"),)] == 1
    verdicts = labelled(found, "drivetrain_predictions_total")
    assert verdicts[("model", "farben"), ("verdict", "unreadable")] == 1
    assert sum(verdicts.values()) == 4
    assert found["drivetrain_queue_seconds_count", ()] == 4
    assert found["drivetrain_batch_images_sum", (("model", "farben"),)] == 4
    assert found["drivetrain_store_seconds_count", ()] == 2
    assert found["drivetrain_store_up", ()] == 1
    assert found["drivetrain_models_refused", ()] == 0
    assert found["drivetrain_queue_images", ()] == 0


def test_every_metric_has_a_name_and_a_help(client: TestClient) -> None:
    client.post("/v1/predict", **form(jpeg()))
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    names = {family.name for family in families if not family.name.endswith("_created")}
    assert {
        "drivetrain_requests",
        "drivetrain_request_seconds",
        "drivetrain_queue_seconds",
        "drivetrain_batch_images",
        "drivetrain_batch_seconds",
        "drivetrain_predictions",
        "drivetrain_store_seconds",
        "drivetrain_queue_images",
        "drivetrain_store_up",
        "drivetrain_models_refused",
    } <= names
    assert all(name.startswith("drivetrain_") for name in names)
    assert all(family.documentation for family in families)


def test_the_queue_is_told(tmp_path: Path) -> None:
    with held(tmp_path / "store.db", queue=8) as bench:
        bench.session.go.clear()
        first = Beside(lambda: bench.client.post("/v1/predict", **form(jpeg(1))))
        bench.await_running()
        bench.await_queued()
        second = Beside(lambda: bench.client.post("/v1/predict", **form(jpeg(2), jpeg(3))))
        bench.await_queued()
        assert scrape(bench.client)["drivetrain_queue_images", ()] == 2
        bench.session.go.set()
        first.result(), second.result()
        assert scrape(bench.client)["drivetrain_queue_images", ()] == 0


def odd_requests(client: TestClient, number: int) -> None:
    """Requests no two of which are alike."""
    odd = f"odd-{number}"
    client.get(f"/{odd}")
    client.get(f"/assets/{odd}/{odd}.js")
    client.get(f"/v1/{odd}?{odd}={odd}")
    client.get(f"/v1/predictions/{odd}")
    client.get(f"/v1/inputs/{number:064x}")
    client.get(f"/v1/models/{odd}/versions/{odd}/manifest")
    client.get(f"/v2/models/{odd}/versions/{odd}")
    client.post(f"/v1/predict?model={odd}&version={odd}")
    client.post(f"/v2/models/{odd}/infer")
    client.post(f"/v1/models/{odd}/reload")
    client.request(odd.upper(), f"/{odd}")
    client.request(odd.upper(), "/v1/models")
    client.get("/v1/models", headers={"Host": f"{odd}.example"})
    client.get("/v1/models", headers={"X-Request-ID": odd, "User-Agent": odd})


def test_metrics_do_not_grow_with_what_is_asked(client: TestClient) -> None:
    for number in range(3):
        odd_requests(client, number)
    scrape(client)  # so that it counts itself
    before = scrape(client)
    for number in range(3, 40):
        odd_requests(client, number)
    after = scrape(client)
    assert set(after) == set(before)
    for _, labels in after:
        for _, value in labels:
            assert "odd" not in value.lower(), labels
    methods = {dict(labels)["method"] for labels in labelled(after, "drivetrain_requests_total")}
    assert methods <= {"GET", "HEAD", "POST", "OPTIONS", "other"}
    routes = {dict(labels)["route"] for labels in labelled(after, "drivetrain_requests_total")}
    assert "/v1/models/{name}/versions/{version}/manifest" in routes


def test_a_request_that_was_given_up_is_counted_as_such() -> None:
    metrics = Metrics()
    metrics.request(FinishedRequest("GET", "/x", 499, 0.1))
    found = samples(metrics.page(0, True, 0).decode())
    assert labelled(found, "drivetrain_requests_total") == {(("method", "GET"), ("route", "/x"), ("status", "499")): 1}


def test_two_servers_in_one_process_count_for_themselves(make_client: MakeClient, tmp_path: Path) -> None:
    one, two = make_client(), make_client(store=str(tmp_path / "other.db"))
    one.post("/v1/predict", **form(jpeg()))
    assert sum(labelled(scrape(one), "drivetrain_predictions_total").values()) == 1
    assert sum(labelled(scrape(two), "drivetrain_predictions_total").values()) == 0


# Logs


@contextmanager
def logged(style: logs.Style, *, requests: bool) -> Iterator[io.StringIO]:
    """What is written meanwhile."""
    stream, root = io.StringIO(), logging.getLogger()
    names = (None, "drivetrain", "drivetrain.requests")
    handlers, levels = root.handlers[:], [logging.getLogger(name).level for name in names]
    logs.set_up(style, requests=requests, stream=stream)
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        for name, level in zip(names, levels, strict=True):
            logging.getLogger(name).setLevel(level)


def send_secrets(client: TestClient) -> list[httpx.Response]:
    """Requests of which nothing may be found in a log."""
    image = form(jpeg(), metadata=json.dumps({"camera": SECRET, "extra": {SECRET: SECRET}}))
    named = {"files": [("images", (f"{SECRET}.jpg", jpeg(), "image/jpeg"))]}
    return [
        client.post("/v1/predict", **image),
        client.post("/v1/predict", **named),
        client.post("/v1/predict", **form(f"no image but {SECRET}".encode())),
        client.get("/v1/predictions", params={"camera": SECRET, "cursor": SECRET}),
        client.get(f"/{SECRET}?{SECRET}={SECRET}"),
        client.get(
            "/v1/models", headers={"Authorization": f"Bearer dt_{SECRET}", "X-API-Key": SECRET, "Cookie": SECRET}
        ),
        client.post("/v1/predict", json={"images": [SECRET], "metadata": {"camera": [SECRET]}}),
        client.post("/v1/predict", headers={"Origin": f"http://{SECRET}"}),
    ]


def test_a_line_a_request_in_json_with_its_id_and_nothing_that_was_sent(make_client: MakeClient) -> None:
    client = make_client()
    with logged("json", requests=True) as stream:
        answers = send_secrets(client)
    text = stream.getvalue()
    lines = [json.loads(line) for line in text.splitlines()]
    requests = [line for line in lines if line["logger"] == "drivetrain.requests"]
    assert [line["request_id"] for line in requests] == [answer.headers["x-request-id"] for answer in answers]
    assert [line["status"] for line in requests] == [answer.status_code for answer in answers]
    for line in requests:
        assert set(line) >= {"at", "level", "message", "method", "route", "seconds", "client"}
        assert line["level"] == "info"
        assert line["seconds"] >= 0
        assert line["client"] == "testclient"
    assert SECRET.lower() not in text.lower()
    assert "?" not in text


def test_lines_for_requests_are_only_there_when_wanted(make_client: MakeClient) -> None:
    client = make_client()
    for style in ("json", "text"):
        with logged(style, requests=False) as stream:
            send_secrets(client)
        assert stream.getvalue() == ""


def test_plain_lines_are_for_people(make_client: MakeClient) -> None:
    client = make_client()
    with logged("text", requests=True) as stream:
        answers = send_secrets(client)
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(answers)
    for line, answer in zip(lines, answers, strict=True):
        assert f" {answer.status_code}  " in line
        assert line.endswith(f" ms  {answer.headers['x-request-id']}")
    assert SECRET.lower() not in stream.getvalue().lower()


def test_a_fault_is_logged_with_the_requests_id_and_its_place(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client()
    monkeypatch.setattr("drivetrain.serve.routes.catalogue.catalogue", lambda _: 1 / 0)
    with logged("json", requests=False) as stream:
        answer = client.get("/v1/models")
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (line["level"], line["request_id"]) == ("error", answer.headers["x-request-id"])
    assert "ZeroDivisionError" in line["exception"]


def test_a_line_stays_one_line_whatever_stands_in_it() -> None:
    with logged("json", requests=False) as stream:
        logging.getLogger("drivetrain.x").warning("a\nb\r\n\x00 %s", "ä\u2028🐻")
    assert len(stream.getvalue().splitlines()) >= 1
    document = json.loads(stream.getvalue().rstrip("\n"))
    assert stream.getvalue().count("\n") == 1
    assert document["message"] == "a\nb\r\n\x00 ä\u2028🐻"


# Traces


@pytest.fixture
def traced(tmp_path: Path, kept: Path) -> Iterator[tuple[TestClient, InMemorySpanExporter]]:
    """An application that is traced, and where its spans go."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = create_app(build(ServeOptions((str(kept),), store=str(tmp_path / "store.db"), watch_s=None, max_batch=1)))
    assert tracing.instrument(app, provider)
    with TestClient(app, base_url="http://localhost") as client:
        yield client, exporter
    provider.shutdown()


def test_a_request_is_a_span(traced: tuple[TestClient, InMemorySpanExporter]) -> None:
    client, exporter = traced
    assert client.post("/v1/predict", **form(jpeg())).status_code == 200
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("POST /v1/predict", SpanKind.SERVER)
    attributes = dict(span.attributes or {})
    assert attributes["http.route"] == "/v1/predict"
    assert 200 in (attributes.get("http.status_code"), attributes.get("http.response.status_code"))


def test_a_span_belongs_to_the_trace_of_who_asked(traced: tuple[TestClient, InMemorySpanExporter]) -> None:
    client, exporter = traced
    client.get("/v1/models", headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})
    (span,) = exporter.get_finished_spans()
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == "ab" * 16


def test_a_large_body_is_one_span(traced: tuple[TestClient, InMemorySpanExporter]) -> None:
    client, exporter = traced
    client.post("/v1/predict", content=(b"x" * 1000 for _ in range(50)))
    assert len(exporter.get_finished_spans()) == 1


def test_probes_make_no_spans(traced: tuple[TestClient, InMemorySpanExporter]) -> None:
    client, exporter = traced
    for path in ("/v2/health/live", "/v2/health/ready", "/metrics"):
        client.get(path)
    assert exporter.get_finished_spans() == ()


def test_names_of_spans_do_not_grow_with_what_is_asked(traced: tuple[TestClient, InMemorySpanExporter]) -> None:
    client, exporter = traced
    for number in range(8):
        odd_requests(client, number)
    assert not [span.name for span in exporter.get_finished_spans() if "odd" in span.name.lower()]


def test_without_anywhere_to_send_them_no_spans_are_made(tmp_path: Path, kept: Path) -> None:
    server = build(ServeOptions((str(kept),), store=str(tmp_path / "store.db"), watch_s=None, max_batch=1))
    app = create_app(server)
    try:
        assert tracing.instrument(app) is False
    finally:
        server.engine.close()
        server.store.close()
