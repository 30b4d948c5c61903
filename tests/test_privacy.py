"""Nothing is reported to anybody: no file, no socket and no name look-up beyond what was asked for.

Real commands in processes of their own, with an empty home and an environment that asks for every report there is. Where
strace is installed every connection and every look-up of all their processes is seen; the files are looked at everywhere.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from drivetrain.core.privacy import SWITCHES, report_nothing

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "tests" / "bundles" / "v1"

# What turns reporting on, or is as good as unset. Continuous integration is no user: some libraries are silent there.
WILLING = {
    "ORT_DISABLE_TELEMETRY": "0",
    "HF_HUB_DISABLE_TELEMETRY": "0",
    "GRADIO_ANALYTICS_ENABLED": "True",
    "RAY_USAGE_STATS_ENABLED": "1",
    "DO_NOT_TRACK": "0",
}

OURS = ("home/.cache/drivetrain/", "home/.local/share/drivetrain/")
LOOPBACK = re.compile(r"127\.|0\.0\.0\.0$|::1?$|::ffff:127\.")

TRAIN_PREDICT_SERVE = """
import json, subprocess, sys, urllib.request
source, bundle, picture = sys.argv[1:]
drivetrain = [sys.executable, "-m", "drivetrain"]
subprocess.run([*drivetrain, "train", source, "--out", bundle, "--backbone", "efficientnet-lite0"], check=True)
subprocess.run([*drivetrain, "predict", bundle, picture], check=True)
server = subprocess.Popen([*drivetrain, "serve", bundle, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True)
try:
    text = ""
    while not text.endswith("\\n}\\n"):  # one document, over several lines
        line = server.stdout.readline()
        assert line, text
        text += line
    data = open(picture, "rb").read()
    head = b'--x\\r\\nContent-Disposition: form-data; name="images"; filename="a.jpg"\\r\\n\\r\\n'
    address, kind = json.loads(text)["address"] + "/v1/predict", "multipart/form-data; boundary=x"
    request = urllib.request.Request(address, head + data + b"\\r\\n--x--\\r\\n", {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as response:
        print("answered", len(json.loads(response.read())["predictions"]))
finally:
    server.terminate()
print("ended", server.wait(60))
"""

IMPORT_EVERYTHING = """
import importlib, pkgutil, drivetrain
for module in pkgutil.walk_packages(drivetrain.__path__, "drivetrain.", onerror=lambda name: None):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except (ImportError, drivetrain.DrivetrainError, AttributeError):
        pass  # an extra that is not installed, or a script of migrations, which alembic alone can import
from drivetrain.embed.onnx_runtime import onnx_runtime
onnx_runtime()
print("imported")
"""


@dataclass(frozen=True)
class Seen:
    """What a program did beside its work."""

    said: str
    files: tuple[str, ...]
    """Written below its home and its folder for temporary files, but for ours."""
    outside: tuple[str, ...]
    """Lines of strace: what was sent or connected to other than this machine, and files that a look-up of names reads."""


def watch(command: Sequence[str | Path], folder: Path) -> Seen:
    """Run a program to its good end, in ``folder`` with its home below."""
    for name in ("home", "tmp"):
        (folder / name).mkdir(parents=True)
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT / "src"),
        **WILLING,
    }
    strace, log = _strace(), folder / "log"
    calls = "connect,sendto,sendmsg,sendmmsg,open,openat"
    watching = (
        [strace, "-f", "-qq", "-s", "200", "-e", "signal=none", "-e", f"trace={calls}", "-o", log] if strace else []
    )
    program = subprocess.Popen(
        [*watching, *command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = program.communicate(timeout=120)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)  # whatever a program that failed has left
    assert program.returncode == 0, said
    files = sorted(
        path.relative_to(folder).as_posix()
        for name in ("home", "tmp")
        for path in (folder / name).rglob("*")
        if not path.is_dir()
    )
    lines = log.read_text(errors="replace").splitlines() if strace else []
    return Seen(
        said,
        tuple(name for name in files if not name.startswith(OURS)),
        tuple(line for line in lines if _leaves(line)),
    )


def _strace() -> str | None:
    """The program, where it is installed and may look at others."""
    found = shutil.which("strace")
    works = found and subprocess.run([found, "-qq", "-o", os.devnull, "true"], capture_output=True, check=False)
    return found if works and works.returncode == 0 else None


def _leaves(line: str) -> bool:
    if re.search(r'open(at)?\(.*"/etc/(resolv\.conf|hosts|host\.conf)"', line):
        return True
    addresses = re.findall(r'inet_(?:addr\(|pton\(AF_INET6, )"([^"]+)"', line)
    return any(not LOOPBACK.match(address) for address in addresses)


def test_train_predict_and_serve_report_nothing(pictures: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    for kind in pictures.iterdir():
        (few / kind.name).mkdir(parents=True)
        for picture in sorted(kind.iterdir())[:5]:
            shutil.copy(picture, few / kind.name)
    program = [sys.executable, "-c", TRAIN_PREDICT_SERVE, few, tmp_path / "few.bundle", few / "discs" / "00.jpg"]
    seen = watch(program, tmp_path / "watched")
    assert "answered 1\nended 0" in seen.said
    assert seen.files == ()
    assert seen.outside == ()


def test_no_import_of_any_part_reports_anything(tmp_path: Path) -> None:
    seen = watch([sys.executable, "-c", IMPORT_EVERYTHING], tmp_path / "watched")
    assert "imported" in seen.said
    assert (seen.files, seen.outside) == ((), ())


def test_what_is_watched_for_is_seen(tmp_path: Path) -> None:
    """A file, a socket and a look-up, from a program that has them all; of the two nothing leaves this machine."""
    code = (
        "import contextlib, pathlib, socket\n"
        "(pathlib.Path.home() / '.cache').mkdir()\n"
        "(pathlib.Path.home() / '.cache' / 'device').write_text('x')\n"
        "with contextlib.suppress(OSError):\n"
        "    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 53))\n"  # sends nothing by itself
        "open('/etc/hosts').close()\n"
    )
    seen = watch([sys.executable, "-c", code], tmp_path / "watched")
    assert seen.files == ("home/.cache/device",)
    if _strace() is None:
        pytest.skip("strace is not installed, or may not look at processes; only files were looked at")
    assert ["192.0.2.1" in line or "/etc/hosts" in line for line in seen.outside] == [True, True]


def test_without_the_switch_onnx_runtime_would_report(tmp_path: Path) -> None:
    """In a network of its own, from which nothing gets out: whether the tests above have something to find."""
    apart = next((way for way in (["unshare", "--net"], ["unshare", "-r", "--net"]) if _works([*way, "true"])), None)
    if apart is None or sys.platform != "linux":
        pytest.skip("no network of its own can be made here (unshare --net), so nothing may be let report")
    from importlib.metadata import version

    if tuple(map(int, version("onnxruntime").split(".")[:2])) < (1, 29):
        pytest.skip("ONNX Runtime before 1.29 reports nothing on Linux")
    seen = watch([*apart, sys.executable, "-c", "import onnxruntime"], tmp_path / "watched")
    assert any(name.startswith("home/.cache/Microsoft/") for name in seen.files)


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_every_switch_is_set_whatever_stood_there() -> None:
    environment = {**WILLING, "HOME": "/home/ada"}
    report_nothing(environment)
    assert environment == {**SWITCHES, "HOME": "/home/ada"}
    assert set(WILLING) == set(SWITCHES)
    code = "import json, os, drivetrain; print(json.dumps(dict(os.environ)))"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **WILLING}, capture_output=True, check=True)
    assert json.loads(done.stdout).items() >= SWITCHES.items()


def test_a_runtime_that_was_imported_before_is_silenced(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []
    earlier = ModuleType("onnxruntime")
    earlier.disable_telemetry_events = lambda: told.append(True)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onnxruntime", earlier)
    report_nothing({})
    assert told == [True]


def test_nothing_here_imports_onnx_runtime_past_the_switch() -> None:
    """The package itself is watched by a contract of the layers; this is for what stands beside it."""
    beside = [path for name in ("tests", "benchmarks", "web") for path in (ROOT / name).rglob("*.py")]
    importing = {
        path.relative_to(ROOT).as_posix()
        for path in beside
        if "node_modules" not in path.parts and "onnxruntime" in _imported(path)
    }
    assert importing == {"tests/bundles/make_v1.py"}  # knows nothing of drivetrain on purpose
    text = (ROOT / "tests/bundles/make_v1.py").read_text(encoding="utf-8")
    assert text.index('os.environ["ORT_DISABLE_TELEMETRY"] = "1"') < text.index("import onnxruntime")
    for notebook in (ROOT / "examples").glob("*.ipynb"):
        assert "onnxruntime" not in notebook.read_text(encoding="utf-8")


def _imported(path: Path) -> set[str]:
    text, names = path.read_text(encoding="utf-8"), set[str]()
    for node in ast.walk(ast.parse(text)) if "onnxruntime" in text else ():
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
