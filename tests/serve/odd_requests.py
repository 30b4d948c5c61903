"""Requests of every shape but the usual: forms, JSON, queries, headers and paths, made from a seed.

`picture_request` carries a damaged file in a sound request; `odd_request` is the other way round.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from direct import Sent
from mutations import mutated
from odd_forms import BOUNDARY, EXPLAIN, FORMS, PREDICT, file_part, form_body, multipart, picture, query_of
from odd_values import CURSORS, JSON_TEXTS, MODEL, MOMENTS, NAMES, VERSION, WORDS, metadata_text

INFER, INFER_VERSION = "/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"


def picture_request(seed: int, number: int) -> Sent:
    """A sound request with one or a few files that may be anything."""
    rng = random.Random(f"picture {seed} {number}")
    name, data = mutated(rng)
    how = f"picture {seed}/{number}: {name}"
    kind = rng.randrange(20)
    if kind < 8:
        files = [data, *(mutated(rng)[1] for _ in range(rng.choice((0, 0, 0, 0, 1, 3))))]
        return multipart(how, PREDICT, [file_part("images", f"{place}.jpg", one) for place, one in enumerate(files)])
    text = base64.b64encode(data).decode()
    if kind < 13:
        image: Any = text if rng.random() < 0.5 else {"data": text, "name": name}
        return _json(how, PREDICT, PREDICT, json.dumps({"images": [image]}).encode())
    if kind < 18:
        body = {"id": name, "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [text]}]}
        return _json(how, INFER, f"/v2/models/{MODEL}/infer", json.dumps(body).encode())
    query = rng.choice((b"heatmap=false", b"heatmap=false&similar=0", b"heatmap=true"))
    return multipart(how, EXPLAIN, [file_part("image", "a.jpg", data)], query=query)


def odd_request(seed: int, number: int) -> Sent:
    """A request that departs from what the document asks for, in one way or several."""
    rng = random.Random(f"odd {seed} {number}")
    make = rng.choices(*zip(*MAKERS, strict=True))[0]
    return make(rng, f"odd {seed}/{number} {make.__name__.strip('_')}")


def _json(how: str, route: str, path: str, body: bytes, query: bytes = b"") -> Sent:
    return Sent(how, route, "POST", path, query, ((b"content-type", b"application/json"),), body)


def _content_types(rng: random.Random, how: str) -> Sent:
    route, path = rng.choice(((PREDICT, PREDICT), (EXPLAIN, EXPLAIN), (INFER, f"/v2/models/{MODEL}/infer")))
    kinds = (
        b"", b"multipart/form-data", b"multipart/mixed; boundary=" + BOUNDARY, b"image/jpeg", b"text/html",
        b"application/json; charset=utf-16", b"\xff\xfe",
        b"application/json;", b"APPLICATION/JSON", b"application/xml", b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary", b";", b"a" * 5000,
        b"application/problem+json", b"application/octet-stream", b"application/json, multipart/form-data",
        b'multipart/form-data; boundary="', b"=;=;=",
    )  # fmt: skip
    bodies = (
        form_body([file_part("images", "a", picture(rng))]), picture(rng), b"{}", b"",
        b'{"images":[""]}'.decode().encode("utf-16"), b"<a/>", rng.randbytes(200),
        '{"images":["é"]}'.encode("latin-1"), b"\xef\xbb\xbf{}", '{"images":[]}'.encode("utf-32"),
    )  # fmt: skip
    given = rng.choice((1, 1, 1, 0, 2))
    headers = tuple((b"content-type", rng.choice(kinds)) for _ in range(given))
    return Sent(how, route, "POST", path, query_of(rng, path), headers, rng.choice(bodies))


def _json_bodies(rng: random.Random, how: str) -> Sent:
    good = base64.b64encode(picture(rng)).decode()
    texts = (
        json.dumps(good), json.dumps(good), '"===="', '"A"', '"A==="', '"data:image/png;base64,' + good + '"',
        '"data:,"', json.dumps(good[:-3]), json.dumps(good + "\n"),
        json.dumps(good[:20] + "\\n" + good[20:]), '"_-__"', json.dumps("ä" * 8), *JSON_TEXTS,
    )  # fmt: skip
    member = rng.choice(texts)
    if rng.random() < 0.5:
        name = json.dumps(rng.choice(NAMES)) if rng.random() < 0.7 else rng.choice(JSON_TEXTS)
        rest = "".join(
            rng.sample((f',"name":{name}', f',"metadata":{metadata_text(rng)}', ',"x":1'), rng.choice((0, 1, 2)))
        )
        member = f'{{"data":{member}{rest}}}'
    body = f'{{"images":[{",".join([member] * rng.choice((1, 1, 1, 0, 2, 64, 65)))}]'
    body += rng.choice(("", "", ',"metadata":' + metadata_text(rng), ',"images":[]', ',"y":2')) + "}"
    if rng.random() < 0.1:
        body = rng.choice(JSON_TEXTS)
    if rng.random() < 0.1:
        body = body[: rng.randrange(len(body) + 1)]
    return _json(how, PREDICT, PREDICT, body.encode("utf-8", "surrogatepass"), query_of(rng, PREDICT))


def _infer(rng: random.Random, how: str) -> Sent:
    """Tensors with shapes, types and data that do not fit each other."""
    route, path = rng.choice((
        (INFER, f"/v2/models/{MODEL}/infer"), (INFER, f"/v2/models/{MODEL}/infer"), (INFER_VERSION,
        f"/v2/models/{MODEL}/versions/{VERSION}/infer"),
        (INFER, f"/v2/models/{rng.choice(('x', MODEL.upper(), 'é'))}/infer"), (INFER_VERSION,
        f"/v2/models/{MODEL}/versions/{rng.choice(('x', '0'))}/infer"),
    ))  # fmt: skip
    good = json.dumps(base64.b64encode(picture(rng)).decode())
    pixels = rng.choice(("0.5", "1e400", "NaN", '"1"', "null", "true", "1e39", "[0.5]", "{}", "1" * 400, "-0.0"))
    kind = rng.choice(("image", "pixels", "pixels", "other"))
    if kind == "pixels" and rng.random() < 0.8:
        rows = rng.choice((1, 1, 2, 64, 65))
        count = 3 * 8 * 8 * rows if rows < 64 else 3
        shape, datatype = (
            rng.choice((f"[{rows},3,8,8]", f"[{rows},3,8,8]", f"[{rows},8,8,3]", f"[{rows * 192}]")),
            "FP32",
        )
        plain = ",".join([rng.choice(("0.5", "0.5", "0.5", pixels))] * (count + rng.choice((0, 0, 0, 1, -1))))
        nested = json.dumps([[[[0.1] * 8] * 8] * 3] * min(rows, 3))
        data = rng.choice((f"[{plain}]", f"[{plain}]", nested))
    else:
        shape = rng.choice(
            (
                "[1]",
                "[1]",
                "[2]",
                "[0]",
                "[-1]",
                "[1,1]",
                "[65]",
                "[99999999999999999999]",
                "[1.5]",
                "1",
                "[]",
                "[2147483648]",
                "[1,3,2147483648,2147483648]",
            )
        )
        datatype, data = (
            rng.choice(("BYTES", "BYTES", "FP32", "FP64", "")),
            f"[{rng.choice((good, good, *JSON_TEXTS))}]",
        )
    tensor = f'{{"name":"{kind}","datatype":"{datatype}","shape":{shape},"data":{data}'
    tensor += rng.choice(("", "", "", f',"parameters":{rng.choice(JSON_TEXTS)}', ',"x":0')) + "}"
    members = [f'"inputs":[{",".join([tensor] * rng.choice((1, 1, 1, 1, 0, 2)))}]']
    members += rng.sample((
        f'"id":{rng.choice((*JSON_TEXTS, json.dumps(rng.choice(NAMES))))}', '"outputs":[{"name":"verdict"}]',
        '"outputs":[]', f'"outputs":[{{"name":{rng.choice(JSON_TEXTS)}}}]',
        f'"parameters":{rng.choice(JSON_TEXTS)}', f'"outputs":{rng.choice(JSON_TEXTS)}', '"z":1',
    ), rng.choice((0, 0, 1, 1, 2)))  # fmt: skip
    body = "{" + ",".join(members) + "}"
    if rng.random() < 0.1:
        body = rng.choice((rng.choice(JSON_TEXTS), body[: rng.randrange(len(body) + 1)]))
    return _json(how, route, path, body.encode("utf-8", "surrogatepass"))


def _explain_stored(rng: random.Random, how: str) -> Sent:
    value = json.dumps(rng.choice(WORDS)) if rng.random() < 0.6 else rng.choice(JSON_TEXTS)
    body = rng.choice((f'{{"input_sha256":{value}}}', f'{{"input_sha256":{value},"x":1}}', value))
    return _json(how, EXPLAIN, EXPLAIN, body.encode("utf-8", "surrogatepass"), query_of(rng, EXPLAIN))


def _history(rng: random.Random, how: str) -> Sent:
    names = (
        "limit", "cursor", "model", "bundle_id", "verdict", "label", "camera", "site", "group", "request_id",
        "input_sha256", "since", "until", "since", "until",
        "cursor", "unknown",
    )  # fmt: skip
    pairs = []
    for _ in range(rng.choice((0, 1, 1, 2, 3, 6))):
        name = rng.choice(names)
        if name in ("since", "until"):
            value = quote(rng.choice(MOMENTS))
        elif name == "cursor" and rng.random() < 0.8:
            value = rng.choice(CURSORS)
        else:
            value = rng.choice(WORDS)
        pairs.append(f"{name}={value}")
    query = rng.choice(("&", "&", "&", ";")).join(pairs).encode("utf-8", "replace")
    return Sent(how, "/v1/predictions", "GET", "/v1/predictions", query)


def _paths(rng: random.Random, how: str) -> Sent:
    """Ids, hashes, numbers and names in the path; a server has unquoted them."""
    parts = (
        "x", "0" * 64, "A" * 64, "019ca1b0d6c87d4a8a4be2f7c0ffee00", "\0", "a\0b", "..", "%2e%2e", "é", "👩‍🔬",
        "\ufffd", "a" * 5000, " ", "-1", "0", "1", "9" * 30, "1.0",
        "\u202e", "'", "<b>", "\r\nX-Evil: 1", MODEL, VERSION,
    )  # fmt: skip
    name, version = rng.choice((MODEL, MODEL, *parts)), rng.choice((VERSION, VERSION, *parts))
    part = rng.choice(parts)
    below = "/v1/models/{name}/versions/{version}"
    route = rng.choice((
        "/v1/predictions/{record_id}", "/v1/inputs/{sha256}", "/v1/samples/{number}", f"{below}/manifest",
        f"{below}/card", f"{below}/report", f"{below}/gallery/{{row}}",
        "/v1/models/{name}/reload", "/v2/models/{name}", "/v2/models/{name}/versions/{version}",
        "/v2/models/{name}/ready", "/v2/models/{name}/versions/{version}/ready",
    ))  # fmt: skip
    path = route.format(record_id=part, sha256=part, number=part, name=name, version=version, row=part)
    query = rng.choice((b"", b"", b"size=16", b"size=0", b"size=99999999999999999999", b"size=NaN", b"size="))
    # The reload looks at the bundle on disk and replays it: a few are enough.
    method = "POST" if route.endswith("reload") else "GET"
    if method == "POST" and name == MODEL and rng.random() < 0.9:
        route, method, path = "/v1/models", "GET", "/v1/models"
    return Sent(how, route, method, path, query)


def _headers(rng: random.Random, how: str) -> Sent:
    """Host, Origin, request ids, lengths and others on a sound request."""
    values = (
        b"", b"localhost", b"localhost:8000", b"127.0.0.1", b"[::1]:9", b"[::1", b"LOCALHOST", b"evil.example",
        b"localhost.evil.example", b"localhost@evil", b"\xff", b"\0", b":",
        b"http://localhost", b"https://localhost", b"http://localhost:8000", b"null", b"file://",
        b"http://evil.example", b"http://localhost@evil", b"://", b"x" * 9000,
        b"abc-123", b"a b", b"a\r\nX-Evil: 1", b"019ca1b0d6c87d4a8a4be2f7c0ffee00", b"a" * 64, b"a" * 65,
        "é".encode(), b"0", b"-1", b"1e3", b"9" * 30, b"12", b"+5", "٣".encode(),
        b"99999999999", b"cross-site", b"same-origin", b"none", b"Bearer dt_x", b"Bearer", b"Basic YTpi", b"gzip",
        b"chunked", b"bytes=0-1", b"100-continue", b"*/*", b"text/xml;q=2",
    )  # fmt: skip
    names = (
        b"host", b"origin", b"x-request-id", b"x-request-id", b"content-length", b"sec-fetch-site",
        b"authorization", b"x-api-key", b"content-encoding", b"transfer-encoding",
        b"range", b"expect", b"accept", b"x-forwarded-for", b"x-forwarded-host", b"x-http-method-override",
        b"if-none-match", b"cookie", b"upgrade", b"\xff",
    )  # fmt: skip
    extra = tuple((rng.choice(names), rng.choice(values)) for _ in range(rng.choice((1, 1, 2, 3))))
    if rng.random() < 0.5:
        return multipart(how, PREDICT, [file_part("images", "a.jpg", picture(rng))], extra=extra)
    path = rng.choice(
        (
            "/v1/models",
            "/v1/predictions",
            "/v1/whoami",
            "/v2",
            "/v2/health/live",
            "/v2/health/ready",
            "/metrics",
            "/v1/samples",
        )
    )
    return Sent(how, path, "GET", path, headers=extra)


def _places(rng: random.Random, how: str) -> Sent:
    """Addresses and methods that the document does not have."""
    path = rng.choice((
        "/", "//", "/v1", "/v1/", "/v1/predict/", "/v1/../v1/models", "/%2e%2e/etc/passwd",
        "/assets/../../pyproject.toml", "/assets/", "/..", "/\0", "/static/index.html",
        "/docs/../index.html", "/v1/predict", "/v1/models", "/v2/models", "/.git/config", "/v1/inputs/",
        "/openapi.json", "/docs", "/é", "/" + "a" * 9000, "/v2/health",
    ))  # fmt: skip
    method = rng.choice(
        (
            "GET",
            "POST",
            "PUT",
            "DELETE",
            "PATCH",
            "HEAD",
            "OPTIONS",
            "TRACE",
            "CONNECT",
            "PROPFIND",
            "get",
            "é",
            "X" * 500,
        )
    )
    return Sent(
        how, "", method, path, rng.choice((b"", b"a=b", b"%", b"\xff")), body=rng.choice((b"", b"x", rng.randbytes(90)))
    )


Make = Callable[[random.Random, str], Sent]

MAKERS: tuple[tuple[Make, int], ...] = (
    *FORMS,
    (_content_types, 3),
    (_json_bodies, 6),
    (_infer, 6),
    (_explain_stored, 2),
    (_history, 6),
    (_paths, 4),
    (_headers, 4),
    (_places, 2),
)
