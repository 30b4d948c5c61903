"""The OpenAPI document: well formed, complete, and true of what the server answers."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from held import MakeClient, held, with_keys
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from running import form, jpeg
from starlette.testclient import TestClient

from drivetrain.core.errors import StoreError
from drivetrain.core.records import Role
from drivetrain.serve.http.problems import KINDS
from drivetrain.serve.http.uploads import parse_uploads
from drivetrain.serve.settings import RequestLimits

PROBLEM = "application/problem+json"
TELL = "/v1/predictions/{record_id}/label"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture
def make_client(make_client: MakeClient) -> MakeClient:
    """Without the measurement of batches, which nothing here is about."""
    return partial(make_client, max_batch=1)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with held(tmp_path_factory.mktemp("openapi") / "store.db") as bench:
        found: dict[str, Any] = bench.client.get("/openapi.json").json()
    return found


Operation = tuple[str, str, dict[str, Any]]


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield method, path, operation


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """For a schema of the document, whose references lead into it."""
    registry: Registry[Any] = Registry().with_resource("urn:api", Resource(document, DRAFT202012))
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
    return Draft202012Validator(absolute, registry=registry)


# Form


def test_it_is_openapi_3_1_with_a_title_and_a_version(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Drivetrain"
    assert document["info"]["version"]
    assert document["info"]["description"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = {node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)}
    assert references
    for reference in references:
        place: Any = document
        for name in reference.removeprefix("#/").split("/"):
            assert name in place, reference
            place = place[name]


def test_every_schema_is_one_and_is_used(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert f'"#/components/schemas/{name}"' in text, f"{name} is not used"
        # Any value at all (`JsonValue`) needs no words.
        assert schema == {} or schema.get("description") or schema.get("enum"), name


def test_paths_and_parameters_fit_each_other(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        in_path = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path)), (method, path)
        names = [(parameter["name"], parameter["in"]) for parameter in operation.get("parameters", ())]
        assert len(names) == len(set(names))
        for parameter in operation.get("parameters", ()):
            Draft202012Validator.check_schema(parameter["schema"])


def test_operations_have_ids_of_their_own(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))


CONTRACT = {
    "get /v1/whoami",
    "post /v1/predict",
    "get /v1/models",
    "get /v1/models/{name}/versions/{version}/manifest",
    "get /v1/models/{name}/versions/{version}/card",
    "get /v1/models/{name}/versions/{version}/report",
    "get /v1/models/{name}/versions/{version}/gallery/{row}",
    "post /v1/models/{name}/reload",
    "post /v1/explain",
    "get /v1/predictions",
    "get /v1/predictions/{record_id}",
    "post /v1/predictions/{record_id}/label",
    "get /v1/predictions/{record_id}/labels",
    "get /v1/labels",
    "get /v1/inputs/{sha256}",
    "get /v1/samples",
    "get /v1/samples/{number}",
    "get /v2",
    "get /v2/health/live",
    "get /v2/health/ready",
    "get /v2/models/{name}",
    "get /v2/models/{name}/ready",
    "post /v2/models/{name}/infer",
    "get /v2/models/{name}/versions/{version}",
    "get /v2/models/{name}/versions/{version}/ready",
    "post /v2/models/{name}/versions/{version}/infer",
    "get /v1/monitor",
    "get /v1/monitor/alarms",
    "get /v1/monitor/alarms/{alarm_id}",
    "post /v1/monitor/alarms/{alarm_id}/clear",
    "get /v1/monitor/clusters",
    "get /metrics",
    "post /v1/cases",
    "get /v1/cases",
    "get /v1/cases/{case_id}",
    "post /v1/cases/{case_id}/decision",
    "post /v1/cases/{case_id}/outcome",
    "get /v1/reviews/next",
    "get /v1/reviews/grid",
    "get /v1/reviews/summary",
    "post /v1/reviews/undo",
    "post /v1/reviews/{review_id}",
    "post /v1/reviews/{review_id}/skip",
    "get /v1/reviews/{review_id}/images/{number}",
    "get /v1/rollouts",
    "get /v1/rollouts/{name}",
    "get /v1/rollouts/{name}/log",
    "get /v1/rollouts/{name}/log.jsonl",
    "post /v1/rollouts/{name}/advance",
    "post /v1/rollouts/{name}/pause",
    "post /v1/rollouts/{name}/resume",
    "post /v1/rollouts/{name}/rollback",
    "post /v1/rollouts/{name}/clear",
    "post /v1/rollouts/{name}/end",
}


def test_every_route_of_the_contract_is_there_and_no_other(document: dict[str, Any]) -> None:
    assert {f"{method} {path}" for method, path, _ in operations(document)} == CONTRACT


def test_every_operation_is_explained(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation.get("summary"), where
        assert operation.get("description"), where
        assert operation.get("tags"), where
        assert not operation["summary"].endswith("."), where


def test_every_body_has_a_schema(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if method == "post" and not path.endswith(("/reload", "/undo", "/skip")):
            content = operation["requestBody"]["content"]
            assert operation["requestBody"]["required"] is True
            assert content
            for kind in content.values():
                Draft202012Validator.check_schema(kind["schema"])


def test_every_answer_has_a_type(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        success = operation["responses"]["200"]
        assert success["description"], where
        assert success["content"], where
        for status, response in operation["responses"].items():
            if status != "200":
                assert set(response["content"]) == {PROBLEM}, f"{where} {status}"


def test_problems_have_examples_that_fit_their_schema(document: dict[str, Any]) -> None:
    check = validator(document, {"$ref": "#/components/schemas/ProblemDetail"})
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if status == "200":
                continue
            content = response["content"][PROBLEM]
            assert content["schema"] == {"$ref": "#/components/schemas/ProblemDetail"}
            assert content["examples"], (method, path, status)
            for slug, example in content["examples"].items():
                check.validate(example["value"])
                assert example["value"]["status"] == int(status) == KINDS[slug][0]
                assert example["value"]["type"] == f"urn:drivetrain:problem:{slug}"
            if status in ("429", "503"):
                assert "Retry-After" in response["headers"]


def test_the_inference_example_is_an_inference_request(document: dict[str, Any]) -> None:
    body = document["paths"]["/v2/models/{name}/infer"]["post"]["requestBody"]["content"]["application/json"]
    validator(document, body["schema"]).validate(body["example"])


def test_keys_are_asked_for_where_they_are_needed(document: dict[str, Any]) -> None:
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for method, path, operation in operations(document):
        free = path.startswith("/v2/health") or path == "/v1/whoami"
        assert bool(operation.get("security")) is not free, (method, path)
        # Where a key is needed, that it may be missing or too weak is said.
        assert free or {"401", "403"} <= set(operation["responses"]), (method, path)


def test_nothing_is_said_to_fail_that_must_not(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert not {"500", "default"} & set(operation["responses"]), (method, path)


# Truth


def check_documented(document: dict[str, Any], route: str, method: str, answer: httpx.Response) -> None:
    """The answer is one of those the document names, and fits its schema."""
    responses = document["paths"][route][method]["responses"]
    assert str(answer.status_code) in responses, f"{method} {route} gives {answer.status_code}: {answer.text[:300]}"
    content = responses[str(answer.status_code)]["content"]
    kind = answer.headers["content-type"].partition(";")[0]
    wildcard = kind.partition("/")[0] + "/*"
    assert kind in content or wildcard in content, f"{method} {route} gives {kind}, not {list(content)}"
    schema = content.get(kind, {}).get("schema")
    if schema and kind.endswith("json"):
        validator(document, schema).validate(answer.json())
    if kind == PROBLEM:
        slug = answer.json()["type"].rpartition(":")[2]
        assert slug in content[kind]["examples"], f"{method} {route} gives {slug} unannounced"


def test_what_is_answered_is_what_is_documented(
    make_client: MakeClient, document: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "samples" / "rot").mkdir(parents=True)
    (tmp_path / "samples" / "rot" / "1.jpg").write_bytes(jpeg(1))
    client = make_client(samples=tmp_path / "samples", max_images=2)
    metadata = json.dumps({"camera": "c", "taken_at": "2026-01-01T00:00:00Z", "extra": {"a": [1]}})
    predicted = client.post("/v1/predict", **form(jpeg(), b"no image", metadata=metadata))
    check_documented(document, "/v1/predict", "post", predicted)
    one = predicted.json()["predictions"][0]
    version = predicted.json()["bundle_id"]
    below = {"name": "farben", "version": version}
    values = {
        **below,
        "record_id": one["id"],
        "sha256": one["input_sha256"],
        "number": "0",
        "row": "0",
        "alarm_id": "x",
        "case_id": "x",
        "review_id": "x",
    }
    for method, path, _ in operations(document):
        if method != "get":
            continue
        for given in (
            values,
            {**values, **dict.fromkeys(("name", "record_id", "sha256", "number"), "0" * 32), "number": "7"},
        ):
            check_documented(document, path, "get", client.get(path.format(**given)))
        check_documented(document, path, "get", client.get(path.format(**values), headers={"Host": "evil.example"}))
    for query in ({"limit": "0"}, {"cursor": "x"}, {"since": "x"}, {"unknown": "x"}):
        for path in ("/v1/predictions", "/v1/labels"):
            check_documented(document, path, "get", client.get(path, params=query))
    image = base64.b64encode(jpeg()).decode()
    tensor = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [image]}]}
    too_many = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [3], "data": [image] * 3}]}
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/v1/predict", {"json": {"images": [image]}}),
        ("/v1/predict", {"json": {"images": []}}),
        ("/v1/predict", {"json": {"images": [image] * 3}}),
        ("/v1/predict", {"content": b"{", "headers": {"content-type": "application/json"}}),
        ("/v1/predict", {"content": b"x"}),
        ("/v1/predict?model=x", {"json": {"images": [image]}}),
        ("/v1/predict", {"json": {"images": [image]}, "headers": {"Origin": "http://evil.example"}}),
        ("/v1/explain", {"files": {"image": ("x", jpeg())}}),
        ("/v1/explain", {"files": {"image": ("x", b"no image")}}),
        ("/v1/explain", {"json": {"input_sha256": one["input_sha256"]}}),
        ("/v1/explain", {"json": {"input_sha256": "0" * 64}}),
        ("/v1/explain", {"content": b"x"}),
        ("/v2/models/{name}/infer", {"json": tensor}),
        ("/v2/models/{name}/infer", {"json": too_many}),
        ("/v2/models/{name}/infer", {"json": {}}),
        ("/v2/models/{name}/infer", {"content": b"{"}),
        ("/v2/models/{name}/versions/{version}/infer", {"json": tensor}),
        ("/v1/predictions/{record_id}/label", {"json": {"label": "rot", "id": "a" * 32}}),
        ("/v1/predictions/{record_id}/label", {"json": {"label": "blau", "id": "a" * 32}}),
        ("/v1/predictions/{record_id}/label", {"json": {"label": "lila"}}),
        ("/v1/predictions/{record_id}/label", {"content": b"{", "headers": {"content-type": "application/json"}}),
        ("/v1/predictions/{record_id}/label", {"content": b"x"}),
        ("/v1/predictions/{record_id}/label", {"json": {"note": "x" * 1_100_000}}),
        ("/v1/models/{name}/reload", {}),
    ]
    check_documented(document, TELL, "post", client.post(TELL.format(record_id="x"), json={"label": "rot"}))
    for route, request in asked:
        answer = client.post(route.format(**values), **request)
        check_documented(document, route.partition("?")[0], "post", answer)
    for route in ("/v2/models/{name}/infer", "/v1/models/{name}/reload"):
        check_documented(document, route, "post", client.post(route.format(name="nothing"), json=tensor))


def test_refusals_for_keys_are_documented(make_client: MakeClient, document: dict[str, Any], tmp_path: Path) -> None:
    (key,) = with_keys(tmp_path / "store.db", Role.PREDICT, per_minute=1)
    client = make_client()
    values = {
        **dict.fromkeys(("version", "record_id", "sha256", "alarm_id", "case_id", "review_id"), "x"),
        "name": "farben",
        "number": "0",
        "row": "0",
    }
    for method, path, _ in operations(document):
        for headers in ({}, key):
            check_documented(
                document, path, method, client.request(method.upper(), path.format(**values), headers=headers)
            )
    image = base64.b64encode(jpeg()).decode()
    tensor = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [image]}]}
    for path, request in (
        ("/v1/predict", form(jpeg())),
        ("/v1/explain", {"files": {"image": ("x", jpeg())}}),
        ("/v2/models/{name}/infer", {"json": tensor}),
    ):
        client.post("/v1/predict", **form(jpeg()), headers=key)  # the one a minute
        answer = client.post(path.format(**values), **request, headers=key)
        assert answer.status_code == 429
        check_documented(document, path, "post", answer)


def test_refusals_under_load_are_documented(
    document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = base64.b64encode(jpeg()).decode()
    tensor = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [image]}]}
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        ("/v1/predict", form(jpeg())),
        ("/v1/explain", {"files": {"image": ("x", jpeg())}}),
        ("/v2/models/{name}/infer", {"json": tensor}),
    )

    def down(*_: object) -> None:
        raise StoreError("the store is down")

    with held(tmp_path / "store.db", deadline_s=0.01) as bench:
        bench.session.go.clear()
        for path, request in (asked[0], asked[2]):
            answer = bench.client.post(path.format(name="farben"), **request)
            assert answer.json()["type"] == "urn:drivetrain:problem:deadline"
            check_documented(document, path, "post", answer)
        bench.session.go.set()
    with held(tmp_path / "store.db") as bench:
        bench.server.engine.queue.close()
        for path, request in asked:
            answer = bench.client.post(path.format(name="farben"), **request)
            assert answer.json()["type"] == "urn:drivetrain:problem:overloaded"
            check_documented(document, path, "post", answer)
        for method in ("append", "page", "record", "input", "check", "truths", "truths_of", "add_truth"):
            monkeypatch.setattr(bench.server.store, method, down)
        bench.server.ledger.failure = StoreError("the store is down")
        reads = (
            "/v1/predictions",
            "/v1/predictions/{record_id}",
            "/v1/predictions/{record_id}/labels",
            "/v1/labels",
            "/v1/inputs/{sha256}",
            "/v2/health/ready",
        )
        for path in reads:
            answer = bench.client.get(path.format(record_id="x", sha256="0" * 64))
            assert answer.status_code == 503
            check_documented(document, path, "get", answer)
        check_documented(document, TELL, "post", bench.client.post(TELL.format(record_id="x"), json={"label": "rot"}))
        for path, request in asked:
            answer = bench.client.post(path.format(name="farben"), **request)
            assert answer.json()["type"] == "urn:drivetrain:problem:store-unavailable"
            check_documented(document, path, "post", answer)
        bench.server.state.draining = True
        check_documented(document, "/v2/health/ready", "get", bench.client.get("/v2/health/ready"))
        for path, request in asked:
            answer = bench.client.post(path.format(name="farben"), **request)
            assert answer.json()["type"] == "urn:drivetrain:problem:draining"
            check_documented(document, path, "post", answer)
        monkeypatch.undo()


def test_the_page_of_the_api_asks_nobody_else(client: TestClient) -> None:
    page = client.get("/docs").text
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


def test_bodies_that_fit_the_schema_are_taken(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["PredictBody"]
    check = validator(document, schema)
    image = base64.b64encode(b"x").decode()
    for body in (
        {"images": [image]},
        {"images": [{"data": image, "name": "x.jpg", "metadata": {"camera": "c"}}], "metadata": {"site": "s"}},
    ):
        check.validate(body)
        assert parse_uploads("application/json", json.dumps(body).encode(), RequestLimits())
    for body in (
        {},
        {"images": []},
        {"images": [image], "more": 1},
        {"images": [{"data": image, "metadata": {"x": 1}}]},
    ):
        assert not check.is_valid(body)
