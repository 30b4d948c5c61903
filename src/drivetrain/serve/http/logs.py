"""Logs as JSON, a line an event, with the request's id; for people, plain lines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

from ...core.visible import visible, visible_json

FIELDS = ("request_id", "method", "route", "status", "seconds", "client")

Style = Literal["json", "text"]


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write RFC 3339 time, level, logger, message, and the fields of a request's line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({name: getattr(record, name) for name in FIELDS if hasattr(record, name)})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return visible_json(json.dumps(line, ensure_ascii=False, default=str))


class PlainLines(logging.Formatter):
    """Time, message, and for a request how long it took."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line, and a traceback below it where there is one."""
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        seconds, request_id = getattr(record, "seconds", None), getattr(record, "request_id", None)
        took = "" if seconds is None else f"  {seconds * 1000:.1f} ms"
        took += "" if request_id is None else f"  {request_id}"
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        text = visible(f"{clock}  {level}{record.getMessage()}{took}")
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def set_up(style: Style, *, requests: bool, stream: TextIO | None = None) -> None:
    """Send everything to ``stream`` (stderr); ``requests`` False leaves out a line for each request."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else PlainLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("drivetrain").setLevel(logging.INFO)
    logging.getLogger("drivetrain.requests").setLevel(logging.INFO if requests else logging.WARNING)
