"""What browsers are asked and told: whose page it is, under which name, and the headers of every kind of answer."""

from __future__ import annotations

import re
from functools import partial

import httpx2 as httpx
import pytest
from held import MakeClient
from running import form, jpeg
from starlette.testclient import TestClient

from drivetrain.serve.http import console
from drivetrain.serve.http.browser import (
    CONSOLE_POLICY,
    IMAGE_POLICY,
    REPORT_POLICY,
    check_browser,
    with_security_headers,
)
from drivetrain.serve.http.problems import Problem


@pytest.fixture
def make_client(make_client: MakeClient) -> MakeClient:
    """Without the measurement of batches, which nothing here is about."""
    return partial(make_client, max_batch=1)


def allowed(method: str = "POST", *, open_to_all: bool = True, **headers: str) -> bool:
    raw = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
    try:
        check_browser(method, raw, open_to_all=open_to_all)
    except Problem as problem:
        return problem.status != 403
    return True


OWN_NAMES = [
    "localhost",
    "localhost:8000",
    "LOCALHOST:8000",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.0.0.2",
    "[::1]",
    "[::1]:8000",
]
OTHER_NAMES = [
    "",
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "evil-localhost",
    "127.0.0.1.evil.example",
    "10.0.0.1",
    "[::2]:8000",
    "[::1].evil.example",
    "localhost@evil.example",
    "2130706433",
    "0.0.0.0",
    "localhost\xe4",
]


@pytest.mark.parametrize("host", OWN_NAMES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_open_server_answers_to_its_own_names(method: str, host: str) -> None:
    assert allowed(method, host=host)


@pytest.mark.parametrize("host", OTHER_NAMES)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_open_server_answers_to_no_other_name(method: str, host: str) -> None:
    assert not allowed(method, host=host)


def test_an_open_server_wants_a_host() -> None:
    assert not allowed("GET")


def test_a_server_with_keys_answers_to_any_name() -> None:
    assert allowed("GET", open_to_all=False, host="drivetrain.example")


PAGES = {
    "a program": ({}, True),
    "its own page": ({"origin": "http://localhost:8000"}, True),
    "its own page, said in full": ({"origin": "http://localhost:8000", "sec_fetch_site": "same-origin"}, True),
    "its own page behind a proxy": ({"origin": "https://localhost:8000"}, True),
    "its own page, in capitals": ({"origin": "http://LOCALHOST:8000"}, True),
    "typed by the user": ({"sec_fetch_site": "none"}, True),
    "its own page, no origin": ({"sec_fetch_site": "same-origin"}, True),
    "another site": ({"origin": "http://evil.example"}, False),
    "another port": ({"origin": "http://localhost:9000"}, False),
    "another name of this machine": ({"origin": "http://127.0.0.1:8000"}, False),
    "the name inside another": ({"origin": "http://localhost:8000.evil.example"}, False),
    "a sandboxed frame": ({"origin": "null"}, False),
    "a file": ({"origin": "file://"}, False),
    "an extension": ({"origin": "chrome-extension://localhost:8000"}, False),
    "empty": ({"origin": ""}, False),
    "bytes that are no text": ({"origin": "http://\xff"}, False),
    "another site without an origin": ({"sec_fetch_site": "cross-site"}, False),
    "a neighbour's without an origin": ({"sec_fetch_site": "same-site"}, False),
    "another site that claims more": ({"origin": "http://evil.example", "sec_fetch_site": "same-origin"}, False),
}


@pytest.mark.parametrize("open_to_all", [True, False])
@pytest.mark.parametrize(("headers", "fine"), PAGES.values(), ids=PAGES.keys())
def test_only_its_own_pages_may_change_something(headers: dict[str, str], fine: bool, open_to_all: bool) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "BREW"):
        assert allowed(method, open_to_all=open_to_all, host="localhost:8000", **headers) is fine
    for method in ("GET", "HEAD", "OPTIONS"):
        assert allowed(method, open_to_all=open_to_all, host="localhost:8000", **headers)


# Every answer


def headers_of(answer: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def check_headers(headers: dict[str, str]) -> None:
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=(self)" in headers["permissions-policy"]
    assert headers["cache-control"]
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    for never in ("unsafe-eval", "http:", "https:", "*"):
        assert never not in policy
    for needed in ("base-uri 'none'", "form-action 'none'"):
        assert needed in policy
    # Nobody may read it from another site, and it says nothing of what runs here.
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers
    assert "x-powered-by" not in headers


ASKED = [
    ("GET", "/", 200),
    ("GET", "/docs", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/v1/whoami", 200),
    ("GET", "/v1/models", 200),
    ("GET", "/v1/predictions", 200),
    ("GET", "/v2/health/live", 200),
    ("GET", "/metrics", 200),
    ("HEAD", "/", 200),
    ("GET", "/nothing", 404),
    ("GET", "/assets/nothing.js", 404),
    ("GET", "/assets/../../../etc/passwd", 404),
    ("GET", "/assets/%2e%2e/%2e%2e/envelope.py", 404),
    ("GET", "/v1/inputs/" + "0" * 64, 404),
    ("GET", "/v1/predictions?limit=0", 422),
    ("DELETE", "/v1/models", 405),
    ("POST", "/v1/predict", 415),
    ("POST", "/v1/predict?model=nothing", 404),
]


def test_every_answer_has_the_headers(client: TestClient) -> None:
    for method, path, status in ASKED:
        answer = client.request(method, path)
        assert answer.status_code == status, (method, path)
        check_headers(headers_of(answer))


def test_answers_to_strangers_have_them_too(client: TestClient) -> None:
    rebound = client.get("/v1/predictions", headers={"Host": "evil.example"})
    foreign = client.post("/v1/predict", headers={"Origin": "http://evil.example"})
    for answer in (rebound, foreign):
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:drivetrain:problem:forbidden"
        check_headers(headers_of(answer))


def test_a_foreign_page_gets_nothing_predicted(client: TestClient) -> None:
    assert client.post("/v1/predict", **form(jpeg()), headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.post("/v1/predict", **form(jpeg()), headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get("/v1/predictions").json()["predictions"] == []
    assert client.post("/v1/predict", **form(jpeg()), headers={"Origin": "http://localhost"}).status_code == 200


def test_the_preflight_of_a_foreign_page_allows_nothing(client: TestClient) -> None:
    answer = client.options(
        "/v1/predict", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert answer.status_code == 405
    assert not [name for name in headers_of(answer) if name.startswith("access-control")]


def test_the_console_may_run_its_own_scripts_and_nothing_else(client: TestClient) -> None:
    policy = headers_of(client.get("/"))["content-security-policy"]
    assert policy == CONSOLE_POLICY
    assert set(policy.split("; ")) == {
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "font-src 'self'",
        "media-src 'self' blob:",
        "frame-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    }


def test_a_report_has_no_rights(client: TestClient) -> None:
    (model,) = client.get("/v1/models").json()["models"]
    answer = client.get(model["links"]["report"])
    policy = headers_of(answer)["content-security-policy"]
    assert policy == REPORT_POLICY
    assert "script-src" not in policy
    assert policy.endswith("; sandbox")
    assert "frame-ancestors 'self'" in policy
    check_headers(headers_of(answer))


def test_a_picture_is_a_picture_and_nothing_else(client: TestClient) -> None:
    sha256 = client.post("/v1/predict", **form(jpeg())).json()["predictions"][0]["input_sha256"]
    for query in ("", "?size=32"):
        headers = headers_of(client.get(f"/v1/inputs/{sha256}{query}"))
        assert headers["content-security-policy"] == IMAGE_POLICY
        assert "sandbox" in IMAGE_POLICY
        assert headers["content-type"] == "image/jpeg"
        assert headers["cache-control"] == "private, max-age=31536000, immutable"
        check_headers(headers)


def test_answers_about_people_are_not_kept_by_browsers(client: TestClient) -> None:
    client.post("/v1/predict", **form(jpeg()))
    for path in ("/v1/predictions", "/v1/models", "/v1/whoami", "/nothing"):
        assert headers_of(client.get(path))["cache-control"] == "no-store"


def test_a_fault_has_the_headers_and_says_nothing_of_itself(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client()
    monkeypatch.setattr("drivetrain.serve.routes.catalogue.catalogue", lambda _: 1 / 0)
    answer = client.get("/v1/models")
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:drivetrain:problem:fault"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "division" not in answer.text
    check_headers(headers_of(answer))


def test_what_a_route_says_itself_stands() -> None:
    given = [(b"content-security-policy", b"mine"), (b"cache-control", b"mine too")]
    headers = with_security_headers(given)
    names = [name for name, _ in headers]
    assert headers[:2] == given
    assert len(names) == len(set(names))


def test_pages_that_are_not_built_say_so(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "read_static", dict)
    answer = make_client().get("/")
    assert answer.status_code == 200
    assert "have not been built" in answer.text
    check_headers(headers_of(answer))
