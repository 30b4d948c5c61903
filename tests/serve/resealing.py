"""A new version of a bundle, made of an old one, with sums that fit again."""

from __future__ import annotations

import hashlib
import json
from itertools import count
from pathlib import Path

_NUMBERS = count(1)


def reseal(bundle: Path) -> None:
    """Write sums that fit what the folder holds now."""
    files = sorted(path for path in bundle.rglob("*") if path.is_file() and not path.name.startswith("SHA256SUMS"))
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(bundle).as_posix()}\n" for file in files
    ]
    (bundle / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def new_version(bundle: Path) -> str:
    """Give the bundle another id; that id."""
    place = bundle / "manifest.json"
    document = json.loads(place.read_bytes())
    document["bundle_id"] = f"{next(_NUMBERS):016x}"
    place.write_text(json.dumps(document), encoding="utf-8")
    reseal(bundle)
    return str(document["bundle_id"])
