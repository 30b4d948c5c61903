"""A case on its way to a server: its files, and what is known of it beside them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class OutgoingCase:
    """One case to be sent."""

    key: str
    """The sender's own name for it, in ASCII: sent a second time, it is the first one again."""
    files: tuple[Path, ...]
    """The pictures. The model answers the first, and people see all."""
    at: str | None = None
    due: str | None = None
    slices: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Anything else that people should see beside it."""
    known: str | None = None
    """The right answer of a seeded case."""

    def document(self) -> dict[str, Any]:
        """Return what is said of it, as the server reads it; what nobody said is left out."""
        said = {
            "key": self.key,
            "at": self.at,
            "due": self.due,
            "slices": dict(self.slices),
            "group": self.group,
            "metadata": dict(self.metadata),
            "known": self.known,
        }
        return {name: value for name, value in said.items() if value not in (None, {})}


def form_of(document: Mapping[str, Any], pictures: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Write a case as ``multipart/form-data``: the type of the body, with its boundary, and the body.

    ``pictures`` are names and bytes; a name that a header cannot carry is left to its ASCII part.
    """
    boundary = f"drivetrain-{secrets.token_hex(16)}"
    parts = [_part(boundary, 'name="case"', "application/json", json.dumps(document).encode())]
    for name, data in pictures:
        plain = "".join(one if " " <= one <= "~" and one not in '"\\' else "_" for one in name)
        parts.append(_part(boundary, f'name="images"; filename="{plain}"', "application/octet-stream", data))
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _part(boundary: str, disposition: str, kind: str, data: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {kind}\r\n\r\n"
    return b"".join((head.encode(), data, b"\r\n"))
