"""The command line as a person or a program calls it: in a process of its own, or (much quicker) in this one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Done:
    """What a finished command left."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Stdout as the one JSON document it must be."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line on stderr of a command that could not be carried out."""
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        return lines[0]


class CommandLine(Protocol):
    """Runs ``drivetrain`` to its end."""

    def __call__(self, *arguments: str | Path, cwd: Path | None = None) -> Done:
        """Exit code and what was said."""
        ...


@dataclass(frozen=True)
class InProcess:
    """Through the entry point, with streams of its own."""

    cache: Path

    def __call__(self, *arguments: str | Path, cwd: Path | None = None) -> Done:
        from drivetrain.cli.main import run

        streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
        before, cache_before = sys.argv, os.environ.get("DRIVETRAIN_CACHE")
        sys.argv, os.environ["DRIVETRAIN_CACHE"] = ["drivetrain", *map(str, arguments)], str(self.cache)
        code: Any = None
        try:
            with (
                contextlib.redirect_stdout(streams[0]),
                contextlib.redirect_stderr(streams[1]),
                contextlib.chdir(cwd or Path.cwd()),
            ):
                run()
        except SystemExit as leaving:
            code = leaving.code
        finally:
            sys.argv = before
            if cache_before is None:
                del os.environ["DRIVETRAIN_CACHE"]
            else:
                os.environ["DRIVETRAIN_CACHE"] = cache_before
        out, err = (stream.buffer.getvalue().decode() for stream in streams)  # type: ignore[attr-defined]
        return Done(int(code or 0), out, err)


@dataclass(frozen=True)
class OwnProcess:
    """As a shell starts it."""

    environment: dict[str, str]

    def command(self, *arguments: str | Path) -> list[str]:
        """What to start."""
        return [sys.executable, "-m", "drivetrain.cli.main", *map(str, arguments)]

    def __call__(
        self, *arguments: str | Path, cwd: Path | None = None, encoding: str = "utf-8", **environment: str
    ) -> Done:
        done = subprocess.run(
            self.command(*arguments),
            cwd=cwd,
            env=self.environment | environment,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Done(done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding))


@dataclass(frozen=True)
class TrainedByCommand:
    """A bundle of three classes of drawn pictures, and what the command that made it said."""

    bundle: Path
    source: Path
    done: Done
