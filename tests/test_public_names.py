"""The front door: few names, pinned; nothing heavy behind it until it is used; typed; whole in the wheel."""

from __future__ import annotations

import importlib.util
import inspect
import json
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import drivetrain as dt

ROOT = Path(__file__).parent.parent

NAMES = [
    "DrivetrainError",
    "Evaluation",
    "Item",
    "Prediction",
    "Predictor",
    "TrainResult",
    "Verdict",
    "__version__",
    "evaluate",
    "load",
    "train",
]


def modules_after(program: str) -> set[str]:
    """What is imported when a program has run, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_names_are_these_and_no_others() -> None:
    assert dt.__all__ == NAMES
    assert dir(dt) == NAMES
    starred: dict[str, object] = {}
    exec("from drivetrain import *", starred)
    assert sorted(name for name in starred if name != "__builtins__") == sorted(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "__version__"])
def test_every_name_is_there_and_documented(name: str) -> None:
    thing = getattr(dt, name)
    assert inspect.getdoc(thing)
    if inspect.isfunction(thing):
        assert "Raises:" in (thing.__doc__ or "")
        assert all(
            parameter.annotation is not parameter.empty for parameter in inspect.signature(thing).parameters.values()
        )


def test_no_package_takes_the_name_of_a_function() -> None:
    """Importing a package `drivetrain.train` would put it in the place of the function."""
    packages = {module.name for module in pkgutil.iter_modules(dt.__path__)}
    assert "training" in packages
    assert not packages & set(NAMES)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'drivetrain' has no attribute 'trian'"):
        dt.trian  # noqa: B018


@pytest.mark.processes
def test_importing_costs_nothing() -> None:
    loaded = modules_after("import drivetrain; drivetrain.__version__; dir(drivetrain)")
    assert not {"numpy", "PIL", "onnxruntime", "onnx", "typer", "rich", "pydantic", "sklearn", "scipy"} & loaded
    # The probe can fail:
    assert {"numpy", "onnxruntime", "PIL"} & modules_after("import drivetrain; drivetrain.load")


@pytest.mark.processes
def test_help_imports_nothing_heavy() -> None:
    loaded = modules_after(
        "import sys; sys.argv = ['drivetrain', '--help']\nfrom drivetrain.cli.main import run\n" + RUN
    )
    assert "typer" in loaded
    assert not {"numpy", "PIL", "onnxruntime", "pydantic", "scipy", "rich.markdown", "jinja2"} & loaded


RUN = """
try:
    run()
except SystemExit:
    pass
"""


@pytest.mark.processes
def test_loading_imports_nothing_that_trains() -> None:
    bundle = ROOT / "tests" / "bundles" / "v1"
    loaded = modules_after(f"import drivetrain; drivetrain.load({str(bundle)!r}).predict(b'')")
    assert not {"onnx", "sklearn", "jinja2", "matplotlib", "typer"} & loaded
    assert not {name for name in loaded if name.startswith(("drivetrain.app", "drivetrain.learn", "drivetrain.cli"))}


def test_an_error_of_every_kind_is_caught_by_the_one_name(tmp_path: Path) -> None:
    for call in (
        lambda: dt.load(tmp_path / "nothing"),
        lambda: dt.train(tmp_path / "nothing", tmp_path / "b"),
        lambda: dt.train(tmp_path, tmp_path / "b", accept=float("nan")),
        lambda: dt.evaluate(tmp_path / "nothing", tmp_path),
    ):
        with pytest.raises(dt.DrivetrainError):
            call()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"accept": 1.5}, "accept is 1.5; it must be 0 to 1"),
        ({"budget_s": -1}, "budget_s is -1; it must be 0 or more"),
        ({"budget_s": float("nan")}, "budget_s is nan"),
        ({"seed": -1}, "seed is -1; it must be 0 or more"),
        ({"seed": 0.5}, "seed is 0.5; it must be a whole number"),
        ({"workers": 0}, "workers is 0; it must be 1 or more"),
        ({"balance": "equal"}, "balance is 'equal'; it must be one of 'none', 'sqrt', 'classes', 'groups'"),
        ({"resize": "stretch"}, "resize is 'stretch'; it must be one of 'crop', 'pad', 'squish', None"),
    ],
)
def test_choices_that_cannot_be_made_are_refused_at_once(
    tmp_path: Path, choice: dict[str, object], message: str
) -> None:
    with pytest.raises(dt.DrivetrainError, match=message.replace("(", r"\(")):
        dt.train(tmp_path / "nothing", tmp_path / "b", **choice)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in the wheel that is built from this source tree."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", out, ROOT],
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        return archive.namelist()


@pytest.mark.installs
def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: list[str]) -> None:
    package = ROOT / "src" / "drivetrain"
    wanted = {
        f"drivetrain/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {
        "drivetrain/py.typed",
        "drivetrain/report/templates/report.html.j2",
        "drivetrain/report/templates/report.css",
    } <= wanted
    assert wanted <= set(wheel)
    others = {name.split("/")[0] for name in set(wheel) - wanted}
    assert others == {f"drivetrain-{dt.__version__}.dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
