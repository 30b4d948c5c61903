"""Each kind of app for real: what it asks for is installed into an environment of its own, it is started, and used.

Each carries the drivetrain that runs these tests, as the command packs it by itself. Notebook and Space are driven in
Chromium; the container's steps are carried out below a folder that stands for its root.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from container_file import Built, build, context, parse
from environments import kept_environment
from PIL import Image

import drivetrain as dt
from browsing import expect
from drivetrain.core.types import Verdict
from drivetrain.handover.hand_over import Target, hand_over
from drivetrain.notebook.answer import label_words, suggestion_words, verdict_words

pytestmark = pytest.mark.installs

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests" / "bundles" / "v1"
START_S = 60


@pytest.fixture(scope="session")
def bundles() -> tuple[Path, ...]:
    """One of labels and one of numbers; read only."""
    return tuple(ROOT / "tests" / "bundles" / name for name in ("v2-labels", "v2-numbers"))


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that the kept bundle knows: green."""
    path = tmp_path_factory.mktemp("picture") / "wiese & <b>.png"
    Image.new("RGB", (200, 150), (20, 190, 60)).save(path)
    return path


@pytest.fixture(scope="session")
def said(picture: Path) -> dict[str, Any]:
    """What ``drivetrain predict --json`` says of the picture."""
    command = [sys.executable, "-m", "drivetrain.cli.main", "predict", KEPT, picture, "--json"]
    [answer] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert answer["label"] == "grün"
    return dict(answer)


@contextmanager
def installed(folder: Path, target: Target, bundle: Path = KEPT) -> Iterator[tuple[Path, Path]]:
    """The app's folder and the ``bin`` of an environment with what it asks for."""
    app = hand_over(bundle, target, folder / "app").out
    with kept_environment(app) as made:
        yield app, made / "bin"


def alone(bin_folder: Path, home: Path, **more: str) -> dict[str, str]:
    """An environment that knows nothing of where the tests run."""
    return {"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", **more}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def started(
    command: list[str | Path], folder: Path, environment: dict[str, str], ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is ready; it is ended with all it has started."""
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )

        def said_so_far() -> str:
            log.seek(0)
            return log.read().decode(errors="replace")

        try:
            end_s = time.monotonic() + START_S
            while not ready():
                assert server.poll() is None, said_so_far()
                assert time.monotonic() < end_s, said_so_far()
                time.sleep(0.1)
            yield server
        finally:
            _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ask all of its processes to end, and see to it."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answers(url: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    return ask


@contextmanager
def visit(browser: Any, url: str) -> Iterator[Any]:
    """A page; that it asked nobody but the server for anything is checked when it is left."""
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    asked: list[Any] = []
    page.on("request", lambda request: asked.append(request))
    page.goto(url)
    page.get_by_role("button", name="Classify").wait_for(timeout=1000 * START_S)
    try:
        yield page
        outside = {
            request.url
            for request in asked
            if not request.url.startswith((url, url.replace("http", "ws"), "data:", "blob:"))
            and request.failure != "csp"
        }
        assert outside == set()
    finally:
        page.close()


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


# Space


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    with installed(tmp_path_factory.mktemp("space"), Target.SPACE) as done:
        yield done


def test_a_space_answers_in_the_browser(
    space: tuple[Path, Path], browser: Any, picture: Path, said: dict[str, Any], tmp_path: Path
) -> None:
    app, bin_folder = space
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    environment = alone(bin_folder, tmp_path, GRADIO_SERVER_PORT=str(port), GRADIO_TEMP_DIR=str(tmp_path / "uploads"))
    before = sorted(path.relative_to(app) for path in app.rglob("*"))
    with started([bin_folder / "python", "app.py"], app, environment, answers(url)), visit(browser, url) as page:
        button = page.get_by_role("button", name="Classify")
        button.click()
        page.get_by_text("There is no picture yet").wait_for()
        choose = page.locator("input[type=file]").first
        choose.set_input_files(picture)
        page.get_by_role("button", name="Clear").or_(page.get_by_label("Remove Image")).first.wait_for()
        button.click()
        page.locator(".answer").wait_for()
        assert page.locator(".answer .label").inner_text() == said["label"]
        shown = page.locator(".answer").inner_text()
        assert all(percent(p) in shown for p in said["probs"].values() if p > 0.001)
        assert page.locator(".verdict").get_attribute("data-verdict") == said["verdict"]
        # Programs get what the command line prints.
        called = ask_gradio(url, picture)
        assert called["label"] == said["label"]
        assert called["probs"] == pytest.approx(said["probs"], abs=1e-6)
        # An example: a golden image, answered at once.
        page.locator(".gallery-item, .gallery button").first.click()
        page.locator(".answer .label", has_text="blau").wait_for()
        # Neither a broken picture nor no picture at all stops it.
        for name, data in (("cut.jpg", (KEPT / "golden" / "3.jpg").read_bytes()[:400]), ("no.png", b"words")):
            (tmp_path / name).write_bytes(data)
            page.reload()
            button.wait_for()
            choose.set_input_files(tmp_path / name)
            page.wait_for_timeout(800)
            button.click()
            page.locator(".verdict[data-verdict=unreadable]").wait_for()
    assert sorted(path.relative_to(app) for path in app.rglob("*") if "__pycache__" not in path.parts) == before


def ask_gradio(url: str, picture: Path) -> dict[str, Any]:
    """The second output of the endpoint ``predict``, through Gradio's HTTP interface."""
    boundary = "x" * 30
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
    [path] = post(f"{url}gradio_api/upload", head + picture.read_bytes() + f"\r\n--{boundary}--\r\n".encode(), boundary)
    body = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
    event = post(f"{url}gradio_api/call/predict", json.dumps(body).encode())["event_id"]
    with urllib.request.urlopen(f"{url}gradio_api/call/predict/{event}", timeout=30) as response:
        line = next(line for line in response.read().decode().splitlines() if line.startswith("data: ["))
    return dict(json.loads(line.removeprefix("data: "))[1])


def post(url: str, body: bytes, boundary: str | None = None, **headers: str) -> Any:
    kind = f"multipart/form-data; boundary={boundary}" if boundary else "application/json"
    request = urllib.request.Request(url, body, {"Content-Type": kind, **headers})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


ASK = """
import importlib.util, json, pathlib, sys
said = []
for folder in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("app", pathlib.Path(folder) / "app.py")
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    said.append([app.EXAMPLES[0], *app.classify(app.EXAMPLES[0]), *app.classify(None)])
print(json.dumps(said))
"""


def test_spaces_of_other_tasks_answer(space: tuple[Path, Path], bundles: tuple[Path, ...], tmp_path: Path) -> None:
    apps = [hand_over(bundle, Target.SPACE, tmp_path / bundle.name).out for bundle in bundles]
    command = [space[1] / "python", "-c", ASK, *apps]
    done = subprocess.run(command, env=alone(space[1], tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for bundle, (example, html, details, hint, nothing) in zip(
        bundles, json.loads(done.stdout.splitlines()[-1]), strict=True
    ):
        predictor = dt.load(bundle)
        expected = predictor.predict(example)
        if expected.verdict is Verdict.REVIEW:
            assert f">{suggestion_words(expected, predictor.manifest)}</p>" in html
            assert "<h2" not in html
        else:
            assert f">{label_words(expected, predictor.manifest)}</h2>" in html
        assert verdict_words(expected, predictor.manifest) in html
        assert details["labels"] == list(expected.labels)
        assert details["values"].keys() == expected.values.keys()
        assert nothing is None
        assert "There is no picture yet" in hint


# Notebook


def test_a_notebook_answers_in_the_browser_through_voila(
    browser: Any, picture: Path, said: dict[str, Any], tmp_path: Path
) -> None:
    with installed(tmp_path / "notebook", Target.NOTEBOOK) as (app, bin_folder):
        port = free_port()
        url = f"http://127.0.0.1:{port}/"
        environment = alone(bin_folder, tmp_path)
        command: list[str | Path] = [bin_folder / "voila", "app.ipynb", "--no-browser", f"--port={port}"]
        # A large photo, beyond the 10 MB that a notebook's server takes by itself.
        large = tmp_path / "large.bmp"
        Image.new("RGB", (2400, 2000), (220, 30, 20)).save(large)
        assert large.stat().st_size > 12 << 20
        broken = tmp_path / "broken.jpg"
        broken.write_bytes((KEPT / "golden" / "3.jpg").read_bytes()[:400])
        health = answers(f"{url}voila/static/voila.js")
        with started(command, app, environment, health), visit(browser, url) as page:
            button = page.get_by_role("button", name="Classify")
            button.click()
            page.get_by_text("There is no picture yet").wait_for()
            choose(page, [picture, broken, large])
            page.get_by_text("3 pictures chosen").wait_for()
            # By the keyboard alone.
            button.focus()
            page.keyboard.press("Enter")
            page.get_by_text("2 pictures answered, 1 cannot be read").wait_for()
            assert page.locator(".answer .label").all_inner_texts() == [said["label"], "No answer", "rot"]
            shown = page.locator(".answer").first.inner_text()
            assert all(percent(p) in shown for p in said["probs"].values() if p > 0.001)
            verdicts = [one.get_attribute("data-verdict") for one in page.locator(".verdict").all()]
            assert verdicts == [said["verdict"], "unreadable", "accept"]
            assert page.get_by_role("img", name=picture.name).evaluate("image => image.naturalWidth") == 200
            # Others have other answers: what was shown goes away with the choice of another file.
            choose(page, [broken])
            page.get_by_text("1 picture chosen").wait_for()
            expect(page.locator(".answer")).to_have_count(0)
            # The folder, with training images in the bundle, is not given out.
            for name in ("bundle/golden/3.jpg", "app.ipynb", "bundle/manifest.json"):
                with pytest.raises(urllib.error.HTTPError, match=r"40[34]"):
                    urllib.request.urlopen(f"{url}voila/files/{name}", timeout=10)


def choose(page: Any, files: list[Path]) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose pictures").click()
    chooser.value.set_files(files)


# Container


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Built, list[Any]]]:
    """The Dockerfile's steps, carried out; what is left is the last stage."""
    folder = tmp_path_factory.mktemp("docker")
    app = hand_over(KEPT, Target.DOCKER, folder / "app").out
    stages = parse((app / "Dockerfile").read_text(encoding="utf-8"))
    sent = context(app, folder / "sent")
    assert sorted(path.name for path in sent.iterdir()) == ["bundle", "requirements.txt", "wheels"]
    yield build(stages, sent, folder / "root"), stages
    shutil.rmtree(folder)


def test_the_image_holds_what_serving_needs_and_no_more(image: tuple[Built, list[Any]]) -> None:
    built, _ = image
    code = (
        "import importlib.util, json, drivetrain.cli.main, fastapi, uvicorn, sqlalchemy; "
        "print(json.dumps([n for n in ('torch', 'pytest', 'mypy', 'gradio', 'ipywidgets', 'pip', 'hatchling', 'sklearn') "
        "if importlib.util.find_spec(n)]))"
    )
    python = built.path("/opt/drivetrain/bin/python")
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
    assert not built.path("/build").exists()
    assert dt.load(built.path("/srv/bundle")).parity is not None


def test_a_container_asks_for_keys_answers_and_ends_well(
    image: tuple[Built, list[Any]], picture: Path, said: dict[str, Any]
) -> None:
    built, stages = image
    last = stages[-1]
    entry, command = last.only("ENTRYPOINT").words, last.only("CMD").words
    port = str(free_port())
    here = [built.here(word).replace("8000", port) for word in command]
    data, environment = built.path("/data"), {"LANG": "C.UTF-8", **built.environment}
    program = shutil.which(entry[0], path=environment["PATH"])
    assert program is not None
    assert Path(program).is_relative_to(built.root)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *words], cwd=data, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    before = files_but_data(built)
    refused = run(*here)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "keys add" in refused.stderr
    made = run("keys", "add", "first", "--role", "predict")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert key.startswith("dt_")

    probe = re.fullmatch(r"(?:--\S+ )+CMD (\[.*\])", last.only("HEALTHCHECK").text)
    assert probe
    check = [built.here(word).replace("8000", port) for word in json.loads(probe[1])]

    def healthy() -> bool:
        return subprocess.run(check, env=environment, capture_output=True, timeout=30, check=False).returncode == 0

    assert not healthy()
    with started([program, *here], data, environment, healthy) as server:
        body = (
            b'--xxx\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'
            + picture.read_bytes()
            + b"\r\n--xxx--\r\n"
        )
        url = f"http://127.0.0.1:{port}/v1/predict"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            post(url, body, "xxx")
        [answer] = post(url, body, "xxx", Authorization=f"Bearer {key}")["predictions"]
        assert (answer["label"], answer["verdict"]) == (said["label"], said["verdict"])
        assert answer["probs"] == pytest.approx(said["probs"], abs=1e-6)
        # What ``docker stop`` sends, to the one process that the exec form starts.
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert [path.name for path in data.iterdir() if path.name.startswith("drivetrain.db")]
    assert files_but_data(built) == before, "a read-only root would not do"


def files_but_data(built: Built) -> set[tuple[Path, int]]:
    data = built.path("/data")
    return {
        (path, path.lstat().st_mtime_ns)
        for path in built.root.rglob("*")
        if not path.is_relative_to(data) and not path.is_dir()
    }
