"""The options of ``drivetrain serve``: bounds and words of what is refused, and how they travel to other processes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from drivetrain.core.errors import UsageError
from drivetrain.serve.options import ServeOptions, serve_options, table
from drivetrain.serve.settings import Settings
from drivetrain.serve.start import _handed_over


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"target_ms": 0.5}, "target_ms is 0.5; it must be 1 or more"),
        ({"max_batch": 0}, "max_batch is 0; it must be 1 or more"),
        ({"max_wait_ms": -1.0}, "max_wait_ms is -1.0; it must be 0 or more"),
        ({"queue": 0}, "queue is 0; it must be 1 or more"),
        ({"workers": 0}, "workers is 0; it must be 1 or more"),
        ({"deadline_s": 0.0}, "deadline_s is 0.0; it must be 0.001 or more"),
        ({"deadline_s": float("inf")}, "deadline_s is inf; it must be 0.001 or more"),
        ({"drain_s": float("nan")}, "drain_s is nan; it must be 0 or more"),
        ({"watch_s": 0.0}, "watch_s is 0.0; it must be 0.01 or more"),
        ({"processes": 0}, "processes is 0; it must be 1 or more"),
        ({"max_body_mb": 0}, "max_body_mb is 0; it must be 1 or more"),
        ({"max_images": 0}, "max_images is 0; it must be 1 or more"),
        ({"upload_s": 0.0}, "upload_s is 0.0; it must be more than 0"),
        ({"upload_s": float("inf")}, "upload_s is inf; it must be more than 0"),
        ({"max_megapixels": 0.0}, "max_megapixels is 0.0; it must be more than 0, and at most 89.48"),
        ({"max_megapixels": float("nan")}, "max_megapixels is nan; it must be more than 0, and at most 89.48"),
        ({"max_megapixels": 90.0}, "max_megapixels is 90.0; it must be more than 0, and at most 89.48"),
        ({"port": 70_000}, "port is 70000; it must be 0 to 65535"),
        ({"log": "xml"}, "log is 'xml'; it must be one of 'text', 'json'"),
        ({"images": "some"}, "some"),
    ],
)
def test_what_is_out_of_range_is_refused_before_anything_starts(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        Settings.of(ServeOptions(("b",), **choice))
    assert message in str(refused.value)


def test_options_come_to_another_process_as_they_are() -> None:
    every: dict[str, Any] = {
        "host": "::1", "port": 0, "store": "s.db", "images": "hash", "keep_metadata": True, "processes": 3,
        "target_ms": 250.0, "max_batch": 4, "max_wait_ms": 2.5, "queue": 9, "workers": 2, "deadline_s": 3.0,
        "max_body_mb": 7, "max_images": 8, "max_megapixels": 12.5, "memory": 1 << 30, "upload_s": 4.0,
        "samples": Path("a/b"), "drain_s": 5.0, "log": "json", "log_requests": True, "golden": False,
        "verify": Path("key.pub"), "other_classes": True, "watch_s": None, "on_alarm": "tell",
        "webhook": "https://h/x", "webhook_secret_file": Path("s"),
    }  # fmt: skip
    assert set(every) == {row.name for row in table()}
    for options in (ServeOptions(("a", "n=b"), **every, memory_held=5), ServeOptions(("a",))):
        assert _handed_over(json.dumps(asdict(options), default=str)) == options


def test_what_is_not_given_has_its_default() -> None:
    assert serve_options(("b",), {"port": None, "samples": "s"}) == ServeOptions(("b",), samples=Path("s"))
    settings = Settings.of(ServeOptions(("b",)))
    assert (settings.target_ms, settings.max_batch, settings.limits.body_bytes) == (500.0, None, 64 << 20)
    assert (settings.loopback, Settings.of(ServeOptions(("b",), host="10.0.0.1")).loopback) == (True, False)


@pytest.mark.processes
@pytest.mark.parametrize("package", ["starlette", "sqlalchemy", "prometheus_client"])
def test_a_package_that_is_not_installed_is_said_in_one_line(package: str) -> None:
    # In a process of its own, in which importing the package fails as it does where there is none.
    program = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from drivetrain.core.errors import UsageError
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.start import build
try:
    build(ServeOptions(("b",)))
except UsageError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"serving needs more packages ({package}" in done.stdout
