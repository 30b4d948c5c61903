"""A backbone from a hub, against a server on this machine that behaves like one (see `fake_hub`).

The client runs in a process of its own, because huggingface_hub reads its settings when it is imported.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fake_hub import TOKEN, Handler, Hub, Server
from onnx import numpy_helper
from small_nets import SIZE, plain_net

from drivetrain.core.errors import UsageError, WeightsError
from drivetrain.core.installation import install_command
from drivetrain.embed.foreign import hub as client
from drivetrain.embed.foreign import onnx_file
from drivetrain.embed.foreign.sidecar import parse_timm

pytestmark = pytest.mark.processes

pytest.importorskip("huggingface_hub", reason="the extra “hub” is not installed")

STATED = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
SIDECAR = json.dumps({"preprocess": STATED, "licence": "MIT"}).encode()
MODEL = plain_net().SerializeToString()

# What timm writes, shortened to what matters and a few keys that do not.
TIMM = {
    "architecture": "resnet10t",
    "num_classes": 1000,
    "pretrained_cfg": {
        "tag": "c3_in1k",
        "custom_load": False,
        "input_size": [3, *SIZE],
        "fixed_input_size": False,
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "crop_mode": "center",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "num_classes": 1000,
        "pool_size": [6, 6],
        "license": "apache-2.0",
        "origin_url": "https://example.org/models",
    },
}

SCRIPT = """
import json, sys
from drivetrain.core.errors import DrivetrainError
from drivetrain.embed import registry
try:
    backbone = registry.resolve("hub:" + sys.argv[1])
    graph = backbone.build(("head",))
    about = {key: getattr(backbone, key) for key in ("name", "fingerprint", "licence", "source")}
    about |= {"preprocess": backbone.preprocess.model_dump(mode="json"), "nodes": len(graph.graph.node)}
except DrivetrainError as error:
    about = {"error": f"{type(error).__name__}: {error}"}
print(json.dumps(about))
"""


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def hub(server: Server) -> Hub:
    return server.hub


@pytest.fixture
def environment(server: Server, tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return kept | {
        "HF_ENDPOINT": server.hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def load(name: str, environment: dict[str, str], **more: str) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, name], env=environment | more, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    about: dict[str, Any] = json.loads(result.stdout)
    assert "\n" not in about.get("error", "")
    return about


def leftovers(environment: dict[str, str]) -> list[str]:
    return [path.name for path in Path(environment["HF_HOME"]).rglob("*.incomplete")]


def test_a_model_and_its_json_are_downloaded_once(hub: Hub, environment: dict[str, str], tmp_path: Path) -> None:
    commit = hub.add("lab/small", {"model.onnx": MODEL, "model.json": SIDECAR, "README.md": b"#"})
    about = load("lab/small", environment)
    assert about["name"] == f"hub:lab/small@{commit}"
    assert about["source"] == f"lab/small@{commit} on {hub.url}"
    assert about["licence"] == "MIT"
    assert about["preprocess"]["resize"]["size"] == list(SIZE)
    # The same files on disk are the same backbone.
    (tmp_path / "model.onnx").write_bytes(MODEL)
    (tmp_path / "model.json").write_bytes(SIDECAR)
    assert about["fingerprint"] == onnx_file.load(tmp_path / "model.onnx").fingerprint
    # What only the model needs is fetched, and only once.
    assert hub.asked("GET", "README") == 0
    assert load("lab/small", environment) == about
    assert hub.asked("GET", "/cdn/lab/small") == 1
    # All files are of the commit that the first one settled.
    assert {path.split("/resolve/")[1].split("/")[0] for _, path, _ in hub.log if ".json" in path} == {commit}


@pytest.mark.parametrize("json_name", ["drivetrain.json", "onnx/model.json"])
def test_a_model_in_the_folder_onnx_is_found(hub: Hub, environment: dict[str, str], json_name: str) -> None:
    hub.add("lab/small", {"onnx/model.onnx": MODEL, json_name: SIDECAR, "config.json": b"{}"})
    assert load("lab/small", environment)["licence"] == "MIT"


def test_a_timm_config_says_how_the_input_is_made(hub: Hub, environment: dict[str, str]) -> None:
    hub.add("timm/resnet10t", {"onnx/model.onnx": MODEL, "config.json": json.dumps(TIMM).encode()})
    about = load("timm/resnet10t", environment)
    assert about["preprocess"]["mean"] == [0.485, 0.456, 0.406]
    assert about["preprocess"]["resize"] == {"method": "crop", "size": list(SIZE), "filter": "bicubic"}
    assert (about["licence"], about["source"]) == ("apache-2.0", "https://example.org/models")


def test_weights_in_a_further_file_come_along(hub: Hub, environment: dict[str, str]) -> None:
    net = plain_net()
    raw = net.graph.initializer[0].raw_data
    onnx.external_data_helper.set_external_data(net.graph.initializer[0], "model.onnx_data", 0, len(raw))
    net.graph.initializer[0].ClearField("raw_data")
    files = {"onnx/model.onnx": net.SerializeToString(), "drivetrain.json": SIDECAR}
    hub.add("lab/large", {**files, "onnx/model.onnx_data": raw})
    assert load("lab/large", environment)["nodes"] == 5
    hub.add("lab/without", files, label="without")
    assert (
        "has no onnx/model.onnx_data, where onnx/model.onnx keeps weights" in load("lab/without", environment)["error"]
    )


def test_a_revision_pins_a_commit(hub: Hub, environment: dict[str, str]) -> None:
    old = hub.add("lab/small", {"model.onnx": MODEL, "model.json": SIDECAR})
    new = hub.add(
        "lab/small", {"model.onnx": plain_net(opset=18).SerializeToString(), "model.json": SIDECAR}, label="second"
    )
    hub.repositories["lab/small"].refs["v1"] = old
    by_branch, by_tag, by_commit = (load(f"lab/small{part}", environment) for part in ("", "@v1", f"@{old}"))
    assert by_branch["name"] == f"hub:lab/small@{new}"
    assert by_tag == by_commit
    assert by_tag["name"] == f"hub:lab/small@{old}"
    assert by_tag["fingerprint"] != by_branch["fingerprint"]


def test_a_branch_that_moved_is_followed(hub: Hub, environment: dict[str, str]) -> None:
    hub.add("lab/small", {"model.onnx": MODEL, "model.json": SIDECAR})
    first = load("lab/small", environment)
    hub.add("lab/small", {"model.onnx": MODEL, "model.json": SIDECAR.replace(b"MIT", b"BSD")}, label="second")
    assert load("lab/small", environment)["licence"] == "BSD"
    assert load(first["name"].removeprefix("hub:"), environment) == first


# What may be missing


def test_a_repository_that_is_not_there_is_named(hub: Hub, environment: dict[str, str]) -> None:
    expected = f"WeightsError: {hub.url} has no model lab/nothing that you may see; check the name, or set HF_TOKEN"
    assert load("lab/nothing", environment)["error"] == expected
    assert load("lab/nothing", environment, HF_TOKEN=TOKEN)["error"] == expected


def test_a_private_repository_opens_with_the_token(hub: Hub, environment: dict[str, str]) -> None:
    hub.add("lab/private", {"model.onnx": MODEL, "model.json": SIDECAR}, private=True)
    assert "that you may see; check the name, or set HF_TOKEN" in load("lab/private", environment)["error"]
    assert "that you may see" in load("lab/private", environment, HF_TOKEN="hf_wrong")["error"]
    assert load("lab/private", environment, HF_TOKEN=TOKEN)["licence"] == "MIT"


def test_a_gated_repository_says_where_to_ask(hub: Hub, environment: dict[str, str]) -> None:
    hub.add("lab/gated", {"model.onnx": MODEL, "model.json": SIDECAR}, gated=True)
    assert f"is gated: accept its terms at {hub.url}/lab/gated" in load("lab/gated", environment)["error"]


def test_a_revision_that_is_not_there_is_named(hub: Hub, environment: dict[str, str]) -> None:
    hub.add("lab/small", {"model.onnx": MODEL, "model.json": SIDECAR})
    assert "lab/small has no revision v9; name a branch, tag or commit" in load("lab/small@v9", environment)["error"]


def test_files_that_are_not_there_are_named(hub: Hub, environment: dict[str, str]) -> None:
    hub.add("lab/torch", {"pytorch_model.bin": b"x"})
    assert "has no model.onnx or onnx/model.onnx" in load("lab/torch", environment)["error"]
    hub.add("lab/bare", {"model.onnx": MODEL}, label="bare")
    assert "has no drivetrain.json, model.json or config.json" in load("lab/bare", environment)["error"]
    hub.add("lab/other", {"model.onnx": MODEL, "config.json": b'{"model_type": "vit"}'}, label="other")
    assert "has no pretrained_cfg; put a drivetrain.json beside the model" in load("lab/other", environment)["error"]
    hub.add("lab/slip", {"model.onnx": MODEL, "model.json": b'{"preproces": {}}'}, label="slip")
    assert "model.json of lab/slip@" in load("lab/slip", environment)["error"]


# What may go wrong on the way


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub: Hub, environment: dict[str, str]) -> None:
    def cut_once(handler: Handler, content: bytes) -> bool:
        if hub.asked("GET", "/cdn/") > 1:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) - 1000])
        handler.wfile.flush()
        return True

    # The client writes in pieces of 10 MiB, so a smaller file would start anew. The graph does not use this weight.
    net = plain_net()
    net.graph.initializer.append(
        numpy_helper.from_array(np.random.default_rng(0).standard_normal(3 << 20, np.float32), "ballast")
    )
    hub.add("lab/small", {"model.onnx": net.SerializeToString(), "model.json": SIDECAR})
    hub.faults["model.onnx"] = cut_once
    assert load("lab/small", environment)["licence"] == "MIT"
    ranges = [asked for method, path, asked in hub.log if method == "GET" and path.startswith("/cdn/")]
    assert ranges == ["", f"bytes={10 << 20}-"]
    assert not leftovers(environment)


def test_a_transfer_that_stays_short_is_an_error_and_can_be_tried_again(hub: Hub, environment: dict[str, str]) -> None:
    def short(handler: Handler, content: bytes) -> bool:
        handler.reply(200, content[:-100])
        return True

    hub.add("lab/small", {"model.onnx": MODEL, "model.json": SIDECAR})
    hub.faults["model.onnx"] = short
    assert "model.onnx of lab/small could not be downloaded" in load("lab/small", environment)["error"]
    del hub.faults["model.onnx"]
    assert load("lab/small", environment)["licence"] == "MIT"


def test_content_that_is_not_what_was_announced_is_refused(hub: Hub, environment: dict[str, str]) -> None:
    def altered(handler: Handler, content: bytes) -> bool:
        handler.reply(200, content[:-1] + bytes([content[-1] ^ 1]))
        return True

    hub.add("lab/small", {"model.onnx": MODEL, "model.json": SIDECAR})
    hub.faults["model.onnx"] = altered
    assert (
        "model.onnx of lab/small is damaged: its SHA-256 is not the announced"
        in load("lab/small", environment)["error"]
    )


@pytest.mark.parametrize("config", ["model.json", "config.json"])
def test_a_file_that_is_no_model_is_refused(hub: Hub, environment: dict[str, str], config: str) -> None:
    sidecar = SIDECAR if config == "model.json" else json.dumps(TIMM).encode()
    hub.add("lab/small", {"model.onnx": MODEL[:-200], config: sidecar})
    assert "is cut short or not an ONNX file" in load("lab/small", environment)["error"]


def test_a_server_that_fails_is_an_error(hub: Hub, environment: dict[str, str]) -> None:
    hub.add("lab/small", {"model.onnx": MODEL, "model.json": SIDECAR})
    hub.faults["model.onnx"] = lambda handler, _: handler.reply(500) is None
    assert "model.onnx of lab/small could not be downloaded: " in load("lab/small", environment)["error"]


def test_a_client_that_was_killed_half_way_starts_again(hub: Hub, environment: dict[str, str]) -> None:
    half, gone = threading.Event(), threading.Event()

    def stall(handler: Handler, content: bytes) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])
        handler.wfile.flush()
        half.set()
        gone.wait(60)
        return True

    hub.add("lab/small", {"model.onnx": MODEL, "model.json": SIDECAR})
    hub.faults["model.onnx"] = stall
    killed = subprocess.Popen([sys.executable, "-c", SCRIPT, "lab/small"], env=environment, stdout=subprocess.PIPE)
    try:
        assert half.wait(60)
    finally:
        killed.kill()
        killed.communicate()
        gone.set()
    del hub.faults["model.onnx"]
    assert load("lab/small", environment)["licence"] == "MIT"


# Without a connection


def test_what_is_in_the_cache_works_offline(server: Server, environment: dict[str, str]) -> None:
    commit = server.hub.add("lab/small", {"onnx/model.onnx": MODEL, "onnx/model.json": SIDECAR})
    online = load("lab/small", environment)
    asked = len(server.hub.log)
    assert load("lab/small", environment, HF_HUB_OFFLINE="1") == online
    assert load(f"lab/small@{commit}", environment, HF_HUB_OFFLINE="1") == online
    assert len(server.hub.log) == asked
    server.close()
    assert load(f"lab/small@{commit}", environment) == online


def test_offline_without_a_copy_says_so(environment: dict[str, str]) -> None:
    error = load("lab/small", environment, HF_HUB_OFFLINE="1")["error"]
    assert error.endswith("it is not in the cache: HF_HUB_OFFLINE is set; unset it once")


def test_a_name_that_is_none_is_a_usage_error() -> None:
    for name in ("small", "a/b/c", "lab/", "lab/small@", "lab/sm all"):
        with pytest.raises(UsageError, match="write OWNER/NAME or OWNER/NAME@REVISION"):
            client.load(name)
    with pytest.raises(UsageError, match="not a name a hub can have"):
        client.load("../x")


def test_a_missing_client_is_asked_for() -> None:
    script = "import sys; sys.modules['huggingface_hub'] = None\n" + SCRIPT
    result = subprocess.run([sys.executable, "-c", script, "lab/small"], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout)["error"] == (
        f"WeightsError: to load lab/small from a hub, {install_command('hub')}"
    )


# timm's config


def timm(**more: Any) -> bytes:
    return json.dumps({"pretrained_cfg": {**TIMM["pretrained_cfg"], **more}}).encode()  # type: ignore[dict-item]


@pytest.mark.parametrize(("mode", "method"), [("center", "crop"), ("squash", "squish"), ("border", "pad")])
def test_timms_crop_modes_have_our_names(mode: str, method: str) -> None:
    sidecar = parse_timm(timm(crop_mode=mode, interpolation="bilinear"), (None, None), "config.json")
    resize = sidecar.preprocess_for((None, None), "config.json").resize
    assert (resize.method, resize.size, resize.filter) == (method, SIZE, "bilinear")


def test_a_size_that_the_graph_fixes_stands_above_timms() -> None:
    sidecar = parse_timm(timm(), (32, None), "config.json")
    assert sidecar.preprocess_for((32, None), "config.json").resize.size == (32, SIZE[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"interpolation": "nearest"}, r"pretrained_cfg\.interpolation: .* \(got 'nearest'\)"),
        ({"input_size": [1, 28, 28]}, r"pretrained_cfg\.input_size"),
        ({"mean": None}, r"pretrained_cfg\.mean"),
    ],
)
def test_what_timm_can_do_and_we_cannot_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        parse_timm(timm(**change), (None, None), "config.json")
    assert "\n" not in str(caught.value)
