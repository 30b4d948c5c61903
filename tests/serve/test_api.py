"""The API as callers see it: every route, what is kept, history, and every documented problem."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pillow_heif
import pytest
from held import MakeClient, held, with_keys
from PIL import ExifTags, Image
from resealing import new_version
from running import form, jpeg
from starlette.testclient import TestClient
from typer.testing import CliRunner
from waiting import Beside

import drivetrain as dt
from drawn import SHAPES, Drawing, draw_several
from drivetrain.cli.main import app as command_line
from drivetrain.core.errors import StoreError
from drivetrain.core.records import Role
from drivetrain.data.block.blocks import ImageBlock, RegressionBlock
from drivetrain.data.block.datablock import DataBlock
from drivetrain.data.image.decode import decode
from drivetrain.data.image.preprocess import apply
from drivetrain.serve.application import create_app
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.start import build
from tiny_backbone import TINY

PREDICTION = {"path", "label", "confidence", "p_in_domain", "probs", "labels", "values", "verdict", "reasons", "error"}


@pytest.fixture
def make_client(make_client: MakeClient) -> MakeClient:
    """Without the measurement of batches, which nothing here is about."""
    return partial(make_client, max_batch=1)


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Drawing, ...]:
    return draw_several(tmp_path_factory.mktemp("drawn"), 24)


@pytest.fixture(scope="session")
def kinds(kept: Path, drawings: tuple[Drawing, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle of each task; read only."""
    folder, by_name = tmp_path_factory.mktemp("kinds"), {drawing.path.name: drawing for drawing in drawings}
    common: dict[str, Any] = {"backbone": TINY, "cache": folder / "cache"}
    cells = [(drawing.path, ";".join(drawing.labels) or ";") for drawing in drawings]
    dt.train(cells, folder / "labels", task="multi-label", **common)
    block = DataBlock(
        (ImageBlock, RegressionBlock(n_out=2)),
        get_y=lambda path: (by_name[path.name].size, by_name[path.name].light),
    )
    dt.train(drawings[0].path.parent, folder / "numbers", block=block, target_names=("size", "light"), **common)
    return {"classification": kept, "multi-label": folder / "labels", "regression": folder / "numbers"}


@pytest.fixture(scope="module")
def trio(kinds: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server of all three tasks; its history is everybody's."""
    bundles = tuple(f"{name}={path}" for name, path in zip(("colours", "shapes", "sizes"), kinds.values(), strict=True))
    options = ServeOptions(bundles, store=str(tmp_path_factory.mktemp("trio") / "store.db"), watch_s=None, max_batch=1)
    with TestClient(create_app(build(options)), base_url="http://localhost") as client:
        yield client


MODELS = {"colours": "classification", "shapes": "multi-label", "sizes": "regression"}


def check_problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """That it is a problem detail of that kind; the problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:drivetrain:problem:{slug}", problem
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert "\n" not in problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    return problem


def fine(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# Predict


@pytest.mark.parametrize("model", MODELS)
def test_it_answers_as_the_command_does(
    trio: TestClient, kinds: dict[str, Path], drawings: tuple[Drawing, ...], model: str, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(drawings[0].path.read_bytes()[:200])
    paths = [*(drawing.path for drawing in drawings[:3]), broken]
    done = CliRunner().invoke(command_line, ["predict", str(kinds[MODELS[model]]), *map(str, paths), "--json"])
    expected = json.loads(done.stdout)
    files = [("images", (path.name, path.read_bytes())) for path in paths]
    answer = fine(trio.post("/v1/predict", params={"model": model}, files=files))
    found = answer["predictions"]
    assert answer["bundle_id"] == json.loads((kinds[MODELS[model]] / "manifest.json").read_bytes())["bundle_id"]
    assert answer["model"] == model
    assert len(found) == len(expected) == 4
    for one, other, path in zip(found, expected, paths, strict=True):
        assert set(one) == PREDICTION | {"id", "input_sha256"}
        assert one["path"] == path.name
        for name in PREDICTION - {"path"}:
            # Batches of other sizes may round differently in the last bits.
            assert_close(one[name], other[name])
        assert one["input_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found[3]["verdict"] == "unreadable"
    assert found[3]["error"].startswith("truncated")


def assert_close(one: Any, other: Any) -> None:
    if isinstance(other, dict):
        assert set(one) == set(other)
        for name in other:
            assert_close(one[name], other[name])
    elif isinstance(other, float):
        assert one == pytest.approx(other, abs=1e-5, rel=1e-5)
    else:
        assert one == other


def test_json_gives_what_a_form_gives(client: TestClient) -> None:
    images = [jpeg(1), jpeg(2)]
    by_form = fine(client.post("/v1/predict", **form(*images)))
    body = {"images": [{"data": b64(images[0]), "name": "0.jpg"}, {"data": b64(images[1]), "name": "up/1.jpg"}]}
    by_json = fine(client.post("/v1/predict", json=body))
    for one, other in zip(by_form["predictions"], by_json["predictions"], strict=True):
        assert {name: one[name] for name in PREDICTION} == {name: other[name] for name in PREDICTION}
        assert one["id"] != other["id"]


def test_timings_are_there_and_add_up(client: TestClient) -> None:
    timings = fine(client.post("/v1/predict", **form(jpeg())))["timings"]
    assert set(timings) == {"queue_ms", "decode_ms", "network_ms", "store_ms", "total_ms"}
    assert all(value >= 0 for value in timings.values())
    assert timings["total_ms"] >= timings["decode_ms"] + timings["network_ms"] + timings["store_ms"]


def test_a_version_can_be_named(make_client: MakeClient, kept: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(kept, tmp_path / "other"))
    new, old = new_version(other), json.loads((kept / "manifest.json").read_bytes())["bundle_id"]
    client = make_client(bundles=(f"x={kept}", f"x={other}"))
    assert fine(client.post("/v1/predict", **form(jpeg())))["bundle_id"] == new
    assert fine(client.post("/v1/predict", params={"version": old}, **form(jpeg())))["bundle_id"] == old
    check_problem(client.post("/v1/predict", params={"version": "none"}, **form(jpeg())), 404, "not-found")
    listed = fine(client.get("/v1/models"))["models"]
    assert [(model["version"], model["default"], model["current"]) for model in listed] == [
        (old, False, False),
        (new, True, True),
    ]


# Request ids


def test_a_request_has_an_id_that_finds_its_answers(client: TestClient) -> None:
    answer = client.post("/v1/predict", **form(jpeg(1), jpeg(2)))
    given = fine(answer)["request_id"]
    assert given == answer.headers["x-request-id"]
    client.post("/v1/predict", **form(jpeg(3)))
    found = fine(client.get("/v1/predictions", params={"request_id": given}))["predictions"]
    assert {entry["id"] for entry in found} == {one["id"] for one in fine(answer)["predictions"]}


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        ("my-Id_1.2", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("a b", False),
        ("ä", False),
        ("", False),
        ("a;b", False),
    ],
)
def test_a_callers_own_id_is_kept_if_it_is_a_plain_one(trio: TestClient, sent: str, echoed: bool) -> None:
    answer = trio.get("/v1/whoami", headers={b"X-Request-ID": sent.encode()})  # type: ignore[dict-item]
    assert (answer.headers["x-request-id"] == sent) is echoed
    assert answer.headers["x-request-id"]


# What is kept


def with_place(data: bytes) -> bytes:
    """The picture with a place and an owner in its EXIF."""
    image = Image.open(io.BytesIO(data))
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Drosselweg 7"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif, quality=95)
    return out.getvalue()


def test_kept_images_have_lost_their_metadata(client: TestClient) -> None:
    sent = with_place(jpeg())
    assert b"Drosselweg" in sent
    (one,) = fine(client.post("/v1/predict", **form(sent)))["predictions"]
    assert one["input_sha256"] == hashlib.sha256(sent).hexdigest()
    answer = client.get(f"/v1/inputs/{one['input_sha256']}")
    assert answer.headers["content-type"] == "image/jpeg"
    assert b"Drosselweg" not in answer.content
    assert b"Exif" not in answer.content
    kept, given = (np.asarray(Image.open(io.BytesIO(data))) for data in (answer.content, sent))
    assert np.array_equal(kept, given)


def test_an_heic_photo_is_answered_and_kept_as_a_picture_any_browser_shows(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (96, 64), (200, 30, 20))).save(out, quality=90)
    sent = out.getvalue()
    (one,) = fine(client.post("/v1/predict", **form(sent)))["predictions"]
    assert (one["verdict"] != "unreadable", one["error"]) == (True, None)
    answer = client.get(f"/v1/inputs/{one['input_sha256']}")
    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as kept:
        assert kept.size == (96, 64)
    small = client.get(f"/v1/inputs/{one['input_sha256']}?size=64")
    assert small.headers["content-type"] == "image/jpeg"
    (model,) = fine(client.get("/v1/models"))["models"]
    assert "image/heic" in json.dumps(model)
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    (one,) = fine(client.post("/v1/predict", **form(sent)))["predictions"]
    assert one["verdict"] == "unreadable"
    assert "pip install pi-heif" in one["error"]


def test_metadata_are_kept_where_that_is_asked_for(make_client: MakeClient) -> None:
    client, sent = make_client(keep_metadata=True), with_place(jpeg())
    (one,) = fine(client.post("/v1/predict", **form(sent)))["predictions"]
    assert client.get(f"/v1/inputs/{one['input_sha256']}").content == sent


@pytest.mark.parametrize(
    ("rule", "hashed", "stored"),
    [("none", False, False), ("hash", True, False), ("keep", True, True), ("7d", True, True)],
)
def test_the_rule_says_what_is_kept(make_client: MakeClient, rule: str, hashed: bool, stored: bool) -> None:
    client, sent = make_client(images=rule), jpeg()
    sha256 = hashlib.sha256(sent).hexdigest()
    (one,) = fine(client.post("/v1/predict", **form(sent)))["predictions"]
    assert one["input_sha256"] == (sha256 if hashed else None)
    entry = fine(client.get(f"/v1/predictions/{one['id']}"))
    assert entry["input_sha256"] == one["input_sha256"]
    assert entry["input"] == (f"/v1/inputs/{sha256}" if stored else None)
    assert client.get(f"/v1/inputs/{sha256}").status_code == (200 if stored else 404)


def test_thumbnails_are_small_jpegs_of_the_same_picture(client: TestClient) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (300, 150), (200, 30, 20, 255)).save(out, "PNG")
    (one,) = fine(client.post("/v1/predict", **form(out.getvalue())))["predictions"]
    place = f"/v1/inputs/{one['input_sha256']}"
    assert client.get(place).headers["content-type"] == "image/png"
    thumbnail = client.get(place, params={"size": 100})
    assert thumbnail.headers["content-type"] == "image/jpeg"
    small = Image.open(io.BytesIO(thumbnail.content))
    assert (small.format, small.size) == ("JPEG", (100, 50))
    red, green, blue = small.convert("RGB").getpixel((50, 25))  # type: ignore[misc]
    assert red > 180 > 60 > max(green, blue)
    for size in ("15", "1025", "x", "-1"):
        check_problem(client.get(place, params={"size": size}), 422, "unprocessable")


@pytest.mark.parametrize("name", ["0" * 64, "A" * 64, "x", "..%2f..%2fetc%2fpasswd", "0" * 63, "%00"])
def test_an_image_that_is_not_there_is_not_found(trio: TestClient, name: str) -> None:
    check_problem(trio.get(f"/v1/inputs/{name}"), 404, "not-found")


# History


def test_history_is_read_page_by_page_from_the_newest_back(client: TestClient) -> None:
    sent = []
    for number in range(4):
        sent += fine(client.post("/v1/predict", **form(jpeg(2 * number), jpeg(2 * number + 1))))["predictions"]
    found, cursor, pages = [], None, 0
    while True:
        page = fine(client.get("/v1/predictions", params={"limit": 3, **({"cursor": cursor} if cursor else {})}))
        assert set(page) == {"predictions", "next", "searched_to"}
        assert len(page["predictions"]) <= 3
        found += page["predictions"]
        pages += 1
        cursor = page["next"]
        if cursor is None:
            break
        assert pages < 20
    assert [entry["id"] for entry in found] == sorted((one["id"] for one in sent), reverse=True)
    assert pages >= 3
    by_id = {one["id"]: one for one in sent}
    for entry in found:
        assert {name: entry[name] for name in PREDICTION} == {name: by_id[entry["id"]][name] for name in PREDICTION}


def test_an_entry_says_everything_about_an_answer(client: TestClient) -> None:
    metadata = {
        "camera": "cam 1",
        "site": "Köln",
        "group": "video 7",
        "taken_at": "2026-03-01T12:00:00+01:00",
        "extra": {"gain": 1.5, "tags": ["ä", None, True], "熊": {"x": -1}},
    }
    answer = fine(client.post("/v1/predict", **form(jpeg(), metadata=json.dumps(metadata))))
    (one,) = answer["predictions"]
    entry = fine(client.get(f"/v1/predictions/{one['id']}"))
    assert entry["metadata"] == {**metadata, "taken_at": "2026-03-01T11:00:00Z"}
    assert (entry["model"], entry["bundle_id"], entry["request_id"]) == (
        "farben",
        answer["bundle_id"],
        answer["request_id"],
    )
    assert entry["facts"] == {"width": 64, "height": 48}
    assert entry["at"].endswith("Z")
    assert set(entry["timings"]) == {"queue_ms", "decode_ms", "network_ms", "total_ms"}
    assert fine(client.get("/v1/predictions"))["predictions"] == [entry]
    check_problem(client.get("/v1/predictions/" + "0" * 32), 404, "not-found")


def test_history_is_searched(client: TestClient) -> None:
    ids = []
    for number, colour in enumerate([(220, 30, 20), (20, 190, 60), (30, 40, 210)]):
        out = io.BytesIO()
        Image.new("RGB", (20, 16), colour).save(out, "PNG")
        metadata = json.dumps({"camera": f"c{number}", "site": "s", "group": f"g{number % 2}"})
        ids += [
            one["id"]
            for one in fine(client.post("/v1/predict", **form(out.getvalue(), metadata=metadata)))["predictions"]
        ]
    ids += [one["id"] for one in fine(client.post("/v1/predict", **form(b"no image")))["predictions"]]
    entries = {entry["id"]: entry for entry in fine(client.get("/v1/predictions"))["predictions"]}

    def found(**wanted: str) -> list[int]:
        page = fine(client.get("/v1/predictions", params=wanted))
        return sorted(ids.index(entry["id"]) for entry in page["predictions"])

    assert found() == [0, 1, 2, 3]
    assert found(camera="c1") == [1]
    assert found(site="s", group="g0") == [0, 2]
    assert found(verdict="unreadable") == [3]
    assert found(label="rot") == [0]
    assert found(model="farben") == [0, 1, 2, 3]
    assert found(model="other") == []
    assert found(bundle_id=entries[ids[0]]["bundle_id"], camera="c2") == [2]
    assert found(input_sha256=entries[ids[2]]["input_sha256"]) == [2]
    assert found(since=entries[ids[1]]["at"]) == [1, 2, 3]
    assert found(until=entries[ids[1]]["at"]) == [0]
    refused = client.get("/v1/predictions", params={"image_sha256": entries[ids[2]]["input_sha256"]})
    assert refused.status_code == 422
    assert "'image_sha256' is nothing that answers can be searched by" in refused.json()["detail"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "x"},
        {"cursor": "nonsense"},
        {"cursor": "x" * 501},
        {"verdict": "perhaps"},
        {"since": "2026-01-01T00:00:00"},
        {"until": "today"},
        {"camera": "c" * 201},
    ],
    ids=str,
)
def test_a_search_that_is_none_is_refused(trio: TestClient, query: dict[str, str]) -> None:
    problem = check_problem(trio.get("/v1/predictions", params=query), 422, "unprocessable")
    if "cursor" not in query:
        assert problem["errors"][0]["loc"] == ["query", next(iter(query))]


def test_the_ends_of_the_calendar_are_moments_too(client: TestClient) -> None:
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        answer = client.post("/v1/predict", **form(jpeg(), metadata=json.dumps({"taken_at": moment})))
        assert answer.status_code in (200, 422)
        assert client.get("/v1/predictions", params={"since": moment}).status_code in (200, 422)
    fine(client.get("/v1/predictions"))


# Models


def test_models_are_described(trio: TestClient, kinds: dict[str, Path]) -> None:
    models = {model["name"]: model for model in fine(trio.get("/v1/models"))["models"]}
    assert {name: model["task"] for name, model in models.items()} == MODELS
    assert [name for name, model in models.items() if model["default"]] == ["colours"]
    assert all(model["current"] and model["problem"] is None for model in models.values())
    assert models["shapes"]["outputs"] == list(SHAPES)
    assert models["sizes"]["outputs"] == ["size", "light"]
    assert (models["colours"]["accept"], models["sizes"]["accept"]) != (None, None)
    assert models["sizes"]["accept"] is None
    assert models["shapes"]["gallery"] > 0
    assert models["colours"]["gallery"] == 0
    for name, model in models.items():
        assert model["metrics"]
        fields = {"slug", "name", "of", "value", "low", "high", "format", "better", "unit", "how", "n", "note"}
        assert all(set(metric) == fields for metric in model["metrics"])
        folder, links = kinds[MODELS[name]], model["links"]
        assert fine(trio.get(links["manifest"]))["bundle_id"] == model["version"]
        card, report = trio.get(links["card"]), trio.get(links["report"])
        assert (card.content, card.headers["content-type"]) == (
            (folder / "card.md").read_bytes(),
            "text/markdown; charset=utf-8",
        )
        assert (report.content, report.headers["content-type"]) == (
            (folder / "report.html").read_bytes(),
            "text/html; charset=utf-8",
        )


@pytest.mark.parametrize("below", ["manifest", "card", "report", "gallery/0"])
def test_of_what_is_not_served_there_are_no_files(trio: TestClient, below: str) -> None:
    check_problem(trio.get(f"/v1/models/nothing/versions/1/{below}"), 404, "not-found")
    check_problem(trio.get(f"/v1/models/colours/versions/1/{below}"), 404, "not-found")


def test_training_pictures_are_shown_by_their_row(trio: TestClient) -> None:
    (model,) = (model for model in fine(trio.get("/v1/models"))["models"] if model["name"] == "shapes")
    below = f"/v1/models/shapes/versions/{model['version']}/gallery"
    answer = trio.get(f"{below}/0")
    assert answer.headers["content-type"] == "image/jpeg"
    assert max(Image.open(io.BytesIO(answer.content)).size) <= 128
    check_problem(trio.get(f"{below}/100000"), 404, "not-found")
    check_problem(trio.get(f"{below}/-1"), 422, "unprocessable")
    check_problem(trio.get(f"{below}/x"), 422, "unprocessable")


def test_a_new_version_is_loaded_when_asked(make_client: MakeClient, kept: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(kept, tmp_path / "x.bundle"))
    client = make_client(bundles=(f"x={bundle}",))
    new = new_version(bundle)
    (model,) = fine(client.post("/v1/models/x/reload"))["models"]
    assert (model["version"], model["problem"]) == (new, None)
    (bundle / "model.onnx").write_bytes(b"nonsense")
    (model,) = fine(client.post("/v1/models/x/reload"))["models"]
    assert model["version"] == new
    assert model["problem"]
    assert fine(client.post("/v1/predict", **form(jpeg())))["bundle_id"] == new
    assert "drivetrain_models_refused 1.0" in client.get("/metrics").text
    check_problem(client.post("/v1/models/nothing/reload"), 404, "not-found")


def test_a_request_under_way_is_answered_by_the_version_it_began_with(tmp_path: Path, kept: Path) -> None:
    bundle = Path(shutil.copytree(kept, tmp_path / "x.bundle"))
    with held(tmp_path / "store.db", bundles=(f"x={bundle}",)) as bench:
        old = bench.server.shelf.find().version
        bench.session.go.clear()
        under_way = Beside(lambda: bench.client.post("/v1/predict", **form(jpeg())))
        bench.await_running()
        new = new_version(bundle)
        assert fine(bench.client.post("/v1/models/x/reload"))["models"][0]["version"] == new
        bench.session.go.set()
        assert fine(under_way.result())["bundle_id"] == old
        assert fine(bench.client.post("/v1/predict", **form(jpeg())))["bundle_id"] == new


def test_samples_are_shown(make_client: MakeClient, tmp_path: Path) -> None:
    for label, seed in (("blau", 1), ("rot", 2)):
        (tmp_path / "samples" / label).mkdir(parents=True)
        (tmp_path / "samples" / label / f"{seed}.jpg").write_bytes(jpeg(seed))
    client = make_client(samples=tmp_path / "samples")
    samples = fine(client.get("/v1/samples"))["samples"]
    assert [(sample["name"], sample["label"]) for sample in samples] == [("1.jpg", "blau"), ("2.jpg", "rot")]
    assert [client.get(sample["url"]).content for sample in samples] == [jpeg(1), jpeg(2)]
    check_problem(client.get("/v1/samples/2"), 404, "not-found")


def test_without_samples_there_are_none(trio: TestClient) -> None:
    assert fine(trio.get("/v1/samples")) == {"samples": []}


# Explain


@pytest.mark.parametrize("model", MODELS)
def test_an_answer_is_explained(trio: TestClient, drawings: tuple[Drawing, ...], model: str) -> None:
    data = drawings[0].path.read_bytes()
    before = len(fine(trio.get("/v1/predictions", params={"limit": 200}))["predictions"])
    found = fine(trio.post("/v1/explain", params={"model": model, "similar": 3}, files={"image": ("up/x.png", data)}))
    assert len(fine(trio.get("/v1/predictions", params={"limit": 200}))["predictions"]) == before
    predicted = fine(trio.post("/v1/predict", params={"model": model}, files={"images": ("x.png", data)}))
    for name in PREDICTION:
        assert_close(found["prediction"][name], predicted["predictions"][0][name])
    assert (found["model"], found["bundle_id"]) == (model, predicted["bundle_id"])
    similar = found["similar"]
    assert len(similar) == 3
    assert sorted((one["similarity"] for one in similar), reverse=True) == [one["similarity"] for one in similar]
    assert all(-1 <= one["similarity"] <= 1 for one in similar)
    if model != "colours":
        # It is one of the training images.
        assert similar[0]["similarity"] == pytest.approx(1, abs=1e-3)
        assert trio.get(similar[0]["thumbnail"]).headers["content-type"] == "image/jpeg"
    heat = found["heatmap"]
    assert heat is not None
    assert heat["method"] in ("activation", "occlusion")
    kind, _, png = heat["png"].partition(",")
    assert kind == "data:image/png;base64"
    overlay = Image.open(io.BytesIO(base64.b64decode(png)))
    assert overlay.format == "PNG"
    assert heat["width"] / heat["height"] == pytest.approx(overlay.width / overlay.height, rel=0.1)


def test_evidence_may_be_asked_for_any_output(trio: TestClient, drawings: tuple[Drawing, ...]) -> None:
    files = {"image": ("x.png", drawings[0].path.read_bytes())}
    found = fine(trio.post("/v1/explain", params={"model": "shapes", "output": "stripes", "similar": 0}, files=files))
    assert found["heatmap"]["output"] == "stripes"
    assert found["similar"] == []
    without = fine(trio.post("/v1/explain", params={"model": "shapes", "heatmap": "false"}, files=files))
    assert without["heatmap"] is None
    for wrong in ({"output": "circles"}, {"similar": "25"}, {"similar": "-1"}):
        check_problem(trio.post("/v1/explain", params={"model": "shapes", **wrong}, files=files), 422, "unprocessable")


def test_a_kept_image_is_explained_by_its_hash(trio: TestClient) -> None:
    (one,) = fine(trio.post("/v1/predict", **form(jpeg(77))))["predictions"]
    found = fine(trio.post("/v1/explain", json={"input_sha256": one["input_sha256"]}))
    assert found["prediction"]["probs"] == pytest.approx(one["probs"], abs=1e-5)
    check_problem(trio.post("/v1/explain", json={"input_sha256": "0" * 64}), 404, "not-found")
    check_problem(trio.post("/v1/explain", json={"input_sha256": "x"}), 422, "unprocessable")
    check_problem(trio.post("/v1/explain", json=[]), 422, "unprocessable")
    check_problem(
        trio.post("/v1/explain", content=b"{", headers={"content-type": "application/json"}), 400, "bad-request"
    )


def test_only_one_readable_image_is_explained(trio: TestClient) -> None:
    check_problem(trio.post("/v1/explain", files={"image": ("x", b"no image")}), 422, "unprocessable")
    two = [("image", ("x", jpeg(1))), ("image", ("y", jpeg(2)))]
    check_problem(trio.post("/v1/explain", files=two), 422, "unprocessable")


# Open Inference Protocol


def infer(client: TestClient, model: str, tensor: dict[str, Any], **more: Any) -> httpx.Response:
    return client.post(f"/v2/models/{model}/infer", json={"inputs": [tensor], **more})


def outputs_of(answer: Any) -> dict[str, Any]:
    return {tensor["name"]: tensor for tensor in answer["outputs"]}


def test_the_server_and_its_models_say_what_they_are(trio: TestClient) -> None:
    about = fine(trio.get("/v2"))
    assert about["name"] == "drivetrain"
    assert set(about) == {"name", "version", "extensions"}
    assert fine(trio.get("/v2/health/live")) == {"live": True}
    assert fine(trio.get("/v2/health/ready")) == {"ready": True}
    for name, task in MODELS.items():
        model = fine(trio.get(f"/v2/models/{name}"))
        (version,) = model["versions"]
        assert fine(trio.get(f"/v2/models/{name}/versions/{version}")) == model
        assert [tensor["datatype"] for tensor in model["inputs"]] == ["BYTES", "FP32"]
        names = [tensor["name"] for tensor in model["outputs"]]
        assert names[0] == ("values" if task == "regression" else "probabilities")
        assert ("label" in names) is (task == "classification")
        for below in ("", f"/versions/{version}"):
            assert fine(trio.get(f"/v2/models/{name}{below}/ready"))["ready"] is True
    check_problem(trio.get("/v2/models/nothing"), 404, "not-found")
    check_problem(trio.get("/v2/models/colours/versions/nothing/ready"), 404, "not-found")


@pytest.mark.parametrize("model", MODELS)
def test_image_files_and_their_pixels_infer_what_predict_says(
    trio: TestClient, kinds: dict[str, Path], drawings: tuple[Drawing, ...], model: str
) -> None:
    files = [drawing.path.read_bytes() for drawing in drawings[:2]]
    expected = fine(trio.post("/v1/predict", params={"model": model}, **form(*files)))
    manifest = dt.load(kinds[MODELS[model]], golden=False).manifest
    spec = manifest.input.preprocess
    pixels_NKHW = np.stack([apply(decode(data, spec.decode_size).image, spec) for data in files])
    by_image = infer(
        trio,
        model,
        {"name": "image", "datatype": "BYTES", "shape": [2], "data": [b64(data) for data in files]},
        id="mine",
    )
    flat = {
        "name": "pixels",
        "datatype": "FP32",
        "shape": list(pixels_NKHW.shape),
        "data": pixels_NKHW.ravel().tolist(),
    }
    nested = {**flat, "data": pixels_NKHW.tolist()}
    answers = [fine(by_image), fine(infer(trio, model, flat)), fine(infer(trio, model, nested))]
    assert [answer["id"] for answer in answers] == ["mine", None, None]
    for answer in answers:
        assert (answer["model_name"], answer["model_version"]) == (model, expected["bundle_id"])
        outputs = outputs_of(answer)
        numbers = outputs["values" if model == "sizes" else "probabilities"]
        assert numbers["shape"] == [2, len(manifest.outputs)]
        wanted = [
            prediction["values"][name]["value"] if model == "sizes" else prediction["probs"][name]
            for prediction in expected["predictions"]
            for name in manifest.outputs
        ]
        assert numbers["data"] == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        assert outputs["verdict"]["data"] == [prediction["verdict"] for prediction in expected["predictions"]]
        if model == "colours":
            assert outputs["label"]["data"] == [prediction["label"] for prediction in expected["predictions"]]
        else:
            assert "label" not in outputs


def test_an_unreadable_image_has_no_numbers(trio: TestClient) -> None:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [2], "data": [b64(jpeg()), b64(b"no image")]}
    outputs = outputs_of(fine(infer(trio, "colours", tensor)))
    assert outputs["probabilities"]["data"][3:] == [None] * 3
    assert outputs["label"]["data"][1] == ""
    assert outputs["verdict"]["data"][1] == "unreadable"


def test_outputs_can_be_chosen(trio: TestClient) -> None:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [b64(jpeg())]}
    chosen = fine(infer(trio, "colours", tensor, outputs=[{"name": "verdict"}]))
    assert list(outputs_of(chosen)) == ["verdict"]
    check_problem(infer(trio, "colours", tensor, outputs=[{"name": "heat"}]), 422, "unprocessable")


IMAGE = {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["QUJD"]}
PIXELS = {"name": "pixels", "datatype": "FP32", "shape": [1, 3, 8, 8], "data": [0.5] * 192}
WRONG_TENSORS: dict[str, tuple[dict[str, Any], int]] = {
    "another name": ({**IMAGE, "name": "input"}, 422),
    "another type": ({**IMAGE, "datatype": "FP32"}, 422),
    "another shape": ({**IMAGE, "shape": [2]}, 422),
    "two dimensions": ({**IMAGE, "shape": [1, 1]}, 422),
    "no base64": ({**IMAGE, "data": ["!"]}, 422),
    "numbers for images": ({**IMAGE, "data": [7]}, 422),
    "too many": ({**IMAGE, "shape": [65], "data": ["QUJD"] * 65}, 413),
    "pixels of another size": ({**PIXELS, "shape": [1, 3, 8, 9], "data": [0.5] * 216}, 422),
    "pixels too few": ({**PIXELS, "data": [0.5] * 191}, 422),
    "pixels of text": ({**PIXELS, "data": ["x"] * 192}, 422),
    "pixels in rows of other lengths": ({**PIXELS, "data": [[0.5], [0.5, 0.5]]}, 422),
    "pixels beyond float32": ({**PIXELS, "data": [1e39] * 192}, 422),
    "pixels of nothing": ({**PIXELS, "data": [None] * 192}, 422),
    "a shape beyond memory": ({**PIXELS, "shape": [64, 3, 1 << 31, 1 << 31]}, 422),
    "no shape": ({**PIXELS, "shape": []}, 422),
    "a negative shape": ({**PIXELS, "shape": [-1, 3, 8, 8]}, 422),
}


@pytest.mark.parametrize(("tensor", "status"), WRONG_TENSORS.values(), ids=WRONG_TENSORS.keys())
def test_tensors_that_do_not_fit_are_refused(trio: TestClient, tensor: dict[str, Any], status: int) -> None:
    check_problem(infer(trio, "colours", tensor), status, {413: "too-large", 422: "unprocessable"}[status])


def test_inferences_are_stored_as_predictions_are(trio: TestClient) -> None:
    answer = infer(trio, "colours", {**IMAGE, "data": [b64(jpeg(99))]})
    found = fine(trio.get("/v1/predictions", params={"request_id": answer.headers["x-request-id"]}))["predictions"]
    assert [entry["input_sha256"] for entry in found] == [hashlib.sha256(jpeg(99)).hexdigest()]
    answer = infer(trio, "colours", PIXELS)
    found = fine(trio.get("/v1/predictions", params={"request_id": answer.headers["x-request-id"]}))["predictions"]
    assert [(entry["input_sha256"], entry["input"]) for entry in found] == [(None, None)]


# Keys

OPEN = ["/", "/docs", "/openapi.json", "/v1/whoami", "/v2/health/live", "/v2/health/ready"]
NEEDED = {
    Role.PREDICT: [
        "GET /v1/models",
        "GET /v1/samples",
        "GET /v2",
        "GET /v2/models/farben",
        "POST /v1/predict",
        "POST /v1/explain",
        "POST /v2/models/farben/infer",
    ],
    Role.REVIEW: ["GET /v1/predictions", "GET /v1/predictions/x", "GET /v1/inputs/x"],
    Role.ADMIN: ["GET /metrics", "POST /v1/models/farben/reload"],
}


def test_every_route_wants_its_role(make_client: MakeClient, tmp_path: Path) -> None:
    roles = list(Role)
    keys = dict(zip(roles, with_keys(tmp_path / "store.db", *roles), strict=True))
    client = make_client()
    for path in OPEN:
        assert client.get(path).status_code == 200, path
    for needed, routes in NEEDED.items():
        for route in routes:
            answer = client.request(*route.split())
            check_problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")
            for role, headers in keys.items():
                answer = client.request(*route.split(), headers=headers)
                if role.may(needed):
                    assert answer.status_code not in (401, 403), (route, role)
                else:
                    check_problem(answer, 403, "forbidden")


def test_whoami_is_never_an_error(make_client: MakeClient, client: TestClient, tmp_path: Path) -> None:
    open_to_all = fine(client.get("/v1/whoami"))
    assert (open_to_all["keys_required"], open_to_all["role"], open_to_all["name"]) == (False, "admin", None)
    (key,) = with_keys(tmp_path / "keys.db", Role.REVIEW)
    closed = make_client(store=str(tmp_path / "keys.db"))
    assert fine(closed.get("/v1/whoami", headers=key)) == {
        "keys_required": True,
        "role": "review",
        "name": "review 0",
        "version": open_to_all["version"],
        "desk": None,
        "blind": False,
    }
    for headers in ({}, {"Authorization": "Bearer dt_wrong"}):
        assert fine(closed.get("/v1/whoami", headers=headers))["role"] is None


def test_a_stored_image_may_be_explained_to_reviewers_only(make_client: MakeClient, tmp_path: Path) -> None:
    predict, review = with_keys(tmp_path / "store.db", Role.PREDICT, Role.REVIEW)
    client = make_client()
    (one,) = fine(client.post("/v1/predict", **form(jpeg()), headers=predict))["predictions"]
    body = {"input_sha256": one["input_sha256"]}
    check_problem(client.post("/v1/explain", json=body, headers=predict), 403, "forbidden")
    fine(client.post("/v1/explain", json=body, headers=review))


def test_a_key_has_its_rate(make_client: MakeClient, tmp_path: Path) -> None:
    limited, other = with_keys(tmp_path / "store.db", Role.PREDICT, Role.PREDICT, per_minute=3)
    client = make_client()
    fine(client.post("/v1/predict", **form(jpeg(1), jpeg(2)), headers=limited))
    problem = check_problem(
        client.post("/v1/predict", **form(jpeg(1), jpeg(2)), headers=limited), 429, "too-many-requests"
    )
    assert "3 images a minute" in problem["detail"]
    fine(client.post("/v1/predict", **form(jpeg(1), jpeg(2)), headers=other))


# Full, late, down


def test_a_full_queue_turns_away_and_answers_what_it_took(tmp_path: Path) -> None:
    with held(tmp_path / "store.db", queue=2) as bench:
        bench.session.go.clear()
        first = Beside(lambda: bench.client.post("/v1/predict", **form(jpeg(1))))
        bench.await_running()
        second = Beside(lambda: bench.client.post("/v1/predict", **form(jpeg(2), jpeg(3))))
        bench.await_queued()
        bench.await_queued()
        problem = check_problem(bench.client.post("/v1/predict", **form(jpeg(4))), 503, "overloaded")
        assert "2 images wait" in problem["detail"]
        # Health is no question of the queue.
        fine(bench.client.get("/v2/health/ready"))
        bench.session.go.set()
        assert [len(fine(one.result())["predictions"]) for one in (first, second)] == [1, 2]
        assert len(fine(bench.client.get("/v1/predictions"))["predictions"]) == 3


def test_who_fills_the_queue_is_told_so_while_others_get_in(tmp_path: Path) -> None:
    one, two = with_keys(tmp_path / "store.db", Role.PREDICT, Role.PREDICT)
    with held(tmp_path / "store.db", queue=8) as bench:
        bench.session.go.clear()

        def send(count: int, key: dict[str, str]) -> httpx.Response:
            return bench.client.post("/v1/predict", **form(*map(jpeg, range(count))), headers=key)

        under_way = [Beside(lambda: send(1, one))]
        bench.await_running()
        bench.await_queued()
        for count, key in ((4, one), (1, two)):
            under_way.append(Beside(lambda count=count, key=key: send(count, key)))  # type: ignore[misc]
            bench.await_queued()
        problem = check_problem(send(1, one), 429, "too-many-requests")
        assert "your share of the queue" in problem["detail"]
        under_way.append(Beside(lambda: send(1, two)))
        bench.await_queued()
        bench.session.go.set()
        assert [len(fine(each.result())["predictions"]) for each in under_way] == [1, 4, 1, 1]


def test_a_request_is_given_up_when_its_time_is_over(tmp_path: Path) -> None:
    with held(tmp_path / "store.db") as bench:
        bench.session.go.clear()
        check_problem(bench.client.post("/v1/predict?timeout_ms=1", **form(jpeg(1))), 503, "deadline")
        check_problem(bench.client.post("/v1/predict?timeout_ms=1", **form(jpeg(2))), 503, "deadline")
        for wrong in ("0", "-1", "x", "600001", "1.5"):
            answer = bench.client.post(f"/v1/predict?timeout_ms={wrong}", **form(jpeg(2)))
            check_problem(answer, 422, "unprocessable")
        bench.session.go.set()
        fine(bench.client.post("/v1/predict?timeout_ms=60000", **form(jpeg(3))))


def test_the_servers_own_deadline_holds_too(tmp_path: Path) -> None:
    with held(tmp_path / "store.db", deadline_s=0.01) as bench:
        bench.session.go.clear()
        check_problem(bench.client.post("/v1/predict?timeout_ms=600000", **form(jpeg(1))), 503, "deadline")


def test_nothing_is_answered_that_was_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise StoreError("the disk at /srv/secret is full")

    with held(tmp_path / "store.db") as bench:
        monkeypatch.setattr(bench.server.store, "append", full)
        answer = bench.client.post("/v1/predict", **form(jpeg()))
        check_problem(answer, 503, "store-unavailable")
        assert "probs" not in answer.text
        assert "/srv/secret" not in answer.text
        monkeypatch.undo()
        assert fine(bench.client.get("/v1/predictions"))["predictions"] == []


def test_while_the_store_is_down_work_is_refused_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise StoreError("the database at db.secret:5432 is down")

    with held(tmp_path / "store.db") as bench:
        for method in ("append", "check", "page", "record", "input"):
            monkeypatch.setattr(bench.server.store, method, down)
        bench.client.post("/v1/predict", **form(jpeg()))
        for path in ("/v1/predictions", "/v1/predictions/x", "/v1/inputs/" + "0" * 64, "/v2/health/ready"):
            answer = bench.client.get(path)
            check_problem(answer, 503, "store-unavailable")
            assert "secret" not in answer.text
        check_problem(bench.client.post("/v1/predict", **form(jpeg())), 503, "store-unavailable")
        check_problem(bench.client.post("/v1/explain", json={"input_sha256": "0" * 64}), 503, "store-unavailable")
        fine(bench.client.get("/v1/models"))
        fine(bench.client.get("/v2/health/live"))
        assert "drivetrain_store_up 0.0" in bench.client.get("/metrics").text
        monkeypatch.undo()


def test_a_server_that_goes_down_says_so(tmp_path: Path) -> None:
    with held(tmp_path / "store.db") as bench:
        bench.server.state.draining = True
        check_problem(bench.client.post("/v1/predict", **form(jpeg())), 503, "draining")
        check_problem(bench.client.get("/v2/health/ready"), 503, "draining")
        fine(bench.client.get("/v2/health/live"))


def test_closing_answers_what_was_accepted_and_stores_it(tmp_path: Path) -> None:
    with held(tmp_path / "store.db") as bench:
        fine(bench.client.post("/v1/predict", **form(*map(jpeg, range(5)))))
    with held(tmp_path / "store.db") as bench:
        assert len(fine(bench.client.get("/v1/predictions"))["predictions"]) == 5


# Limits


def test_limits_hold_before_anything_is_decoded(make_client: MakeClient) -> None:
    client = make_client(max_body_mb=1, max_images=2, max_megapixels=0.01)
    check_problem(client.post("/v1/predict", content=b"x" * (1 << 20) + b"x"), 413, "too-large")
    pieces = (b"x" * 65536 for _ in range(20))  # without a length
    check_problem(client.post("/v1/predict", content=pieces), 413, "too-large")
    check_problem(client.post("/v1/predict", **form(jpeg(1), jpeg(2), jpeg(3))), 413, "too-large")
    check_problem(client.post("/v1/predict", json={"images": ["QUJD"] * 3}), 413, "too-large")
    fine(client.post("/v1/predict", **form(jpeg(1, (100, 100)))))
    problem = check_problem(client.post("/v1/predict", **form(jpeg(1), jpeg(2, (101, 100)))), 422, "unprocessable")
    said = "0.02 million pixels (101×100); at most 0.01 million: send it smaller"
    assert problem["errors"] == [{"loc": ["images", 1], "msg": said}]
    assert problem["detail"] == f"image 2 (1.jpg) has {said}"
    check_problem(client.post("/v1/explain", files={"image": ("x", jpeg(2, (101, 100)))}), 422, "unprocessable")
    tensor = {**IMAGE, "data": [b64(jpeg(2, (101, 100)))]}
    check_problem(infer(client, "farben", tensor), 422, "unprocessable")
    assert len(fine(client.get("/v1/predictions"))["predictions"]) == 1


def test_bodies_of_other_kinds_and_malformed_ones_are_refused(trio: TestClient) -> None:
    check_problem(
        trio.post("/v1/predict", content=jpeg(), headers={"content-type": "image/jpeg"}), 415, "unsupported-media"
    )
    check_problem(
        trio.post("/v1/predict", content=b"{", headers={"content-type": "application/json"}), 400, "bad-request"
    )
    problem = check_problem(trio.post("/v1/predict", json={"images": 7}), 422, "unprocessable")
    assert problem["errors"][0]["loc"] == ["images"]
    check_problem(trio.post("/v1/predict", **form(jpeg(), metadata="{")), 400, "bad-request")


def test_other_methods_are_not_allowed(trio: TestClient) -> None:
    for method, path, allowed in (
        ("DELETE", "/v1/models", "GET"),
        ("PUT", "/v1/predict", "POST"),
        ("OPTIONS", "/v1/predict", "POST"),
    ):
        answer = trio.request(method, path)
        check_problem(answer, 405, "method-not-allowed")
        assert allowed in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v2/health/live", "/v2/health/ready", "/openapi.json"])
def test_head_says_what_get_would_without_the_body(trio: TestClient, path: str) -> None:
    got, head = trio.get(path), trio.head(path)
    assert head.status_code == 200
    assert head.content == b""
    for name in ("content-type", "content-length", "content-security-policy"):
        assert head.headers[name] == got.headers[name]
    assert trio.head("/nothing").status_code == 404
