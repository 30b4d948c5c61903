"""A Dockerfile without a container engine: read, looked through, and its steps carried out below a folder.

The folder stands for the root of the image: absolute paths that the file names are turned into paths below it. What makes
users is not carried out, for it would make them on this machine; everything else is.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

OWN_PATHS = ("/build", "/opt", "/srv", "/data")
"""What the file makes; other absolute paths are the base image's."""


@dataclass(frozen=True)
class Instruction:
    """One instruction with its lines put together."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """Exec form as what it lists, shell form as what a shell makes of it."""
        return list(json.loads(self.text)) if self.text.startswith("[") else shlex.split(self.text)


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next."""

    base: str
    name: str | None
    instructions: tuple[Instruction, ...]

    def all(self, name: str) -> list[Instruction]:
        """Those of one kind."""
        return [one for one in self.instructions if one.name == name]

    def only(self, name: str) -> Instruction:
        """The one of its kind."""
        [one] = self.all(name)
        return one


def parse(text: str) -> list[Stage]:
    """Stages of a Dockerfile; anything before the first FROM is refused."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    stages: list[Stage] = []
    for line in joined:
        name, rest = line.split(None, 1)
        if name == "FROM":
            match = re.fullmatch(r"(\S+)(?: AS (\S+))?", rest)
            assert match, line
            stages.append(Stage(match[1], match[2], ()))
        else:
            last = stages.pop()
            stages.append(Stage(last.base, last.name, (*last.instructions, Instruction(name, rest))))
    return stages


def context(folder: Path, out: Path) -> Path:
    """What the builder is sent: everything but what ``.dockerignore`` leaves out (``*``, then names let in again)."""
    rules = [line for line in (folder / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    out.mkdir()
    for rule in rules[1:]:
        assert rule.startswith("!")
        path = folder / rule[1:]
        assert path.exists(), f".dockerignore lets in {path.name}, which is not there"
        (shutil.copytree if path.is_dir() else shutil.copy)(path, out / path.name)
    return out


@dataclass
class Built:
    """An image: its root, and what a container starts with."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """Text with the image's own paths turned into paths of this machine."""
        return re.sub(rf"(?<![\w.])({'|'.join(OWN_PATHS)})(?=[/\s\"':]|$)", rf"{self.root}\1", text)

    def path(self, name: str) -> Path:
        """Where a file of the image lies here."""
        return self.root / name.lstrip("/")


def build(stages: list[Stage], sent: Path, root: Path) -> Built:
    """Carry out every stage; the last is what is left at ``root``."""
    done: dict[str, Path] = {}
    for number, stage in enumerate(stages):
        image = Built(root, {"PATH": "/usr/local/bin:/usr/bin:/bin"})
        root.mkdir()
        if stage is not stages[-1]:
            # The base image's python; in the last stage it must not help out.
            image.environment["PATH"] = f"{Path(sys.executable).parent}:{image.environment['PATH']}"
        workdir = "/"
        for step in stage.instructions:
            if step.name == "WORKDIR":
                workdir = step.text
                image.path(workdir).mkdir(parents=True, exist_ok=True)
            elif step.name == "ENV":
                pairs = [word.partition("=")[::2] for word in shlex.split(step.text)]
                before = image.environment["PATH"]
                image.environment |= {name: image.here(value.replace("${PATH}", before)) for name, value in pairs}
            elif step.name == "COPY":
                _copy(step, done, sent, image, workdir)
            elif step.name == "RUN":
                _run(step, image, workdir)
        if stage is not stages[-1]:
            assert stage.name
            done[stage.name] = root.with_name(f"stage-{number}")
            root.rename(done[stage.name])
    return image


def _copy(step: Instruction, done: dict[str, Path], sent: Path, image: Built, workdir: str) -> None:
    words = step.words
    source = sent
    if words[0].startswith("--from="):
        source = done[words.pop(0).removeprefix("--from=")]
    *names, target = words
    into = image.path(str(PurePosixPath(workdir) / target))
    for name in names:
        found = source / name.lstrip("/")
        if found.is_dir():
            shutil.copytree(found, into, symlinks=True, dirs_exist_ok=True)
        else:
            place = into / found.name if target.endswith("/") else into
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, place)


def _run(step: Instruction, image: Built, workdir: str) -> None:
    commands = []
    for command in step.text.split(" && "):
        words = shlex.split(command)
        if words[0] in ("groupadd", "useradd"):
            assert shutil.which(words[0], path="/usr/sbin:/usr/bin") or sys.platform != "linux"
            continue
        if words[0] == "install":
            words = [word for word in words if not word.startswith(("--owner=", "--group="))]
        commands.append(image.here(shlex.join(words)))
    done = subprocess.run(
        ["/bin/sh", "-ec", " && ".join(commands)],
        cwd=image.path(workdir),
        env={**_PIP, **image.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{step.text}\n{done.stdout}\n{done.stderr}"


# How this machine reaches its package index is no part of the image, and byte code is not waited for.
_PIP = {
    name: value
    for name, value in {**os.environ, "PIP_NO_COMPILE": "1"}.items()
    if name.startswith("PIP_") or name.lower() in ("home", "http_proxy", "https_proxy", "no_proxy", "ssl_cert_file")
}
