"""The document the console's client of the desk is generated from is the desk's own, and answers are as it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sets import desk_of

from drivetrain.desk.application import create_app

WEB = Path(__file__).resolve().parents[2] / "web"


def test_the_console_knows_the_api_as_it_is(tmp_path: Path) -> None:
    kept = json.loads((WEB / "desk-openapi.json").read_text(encoding="utf-8"))
    own = json.loads(json.dumps(create_app(desk_of(tmp_path)).openapi()))
    assert kept == own, "the desk's API has changed; run: make openapi"


def test_the_clients_types_are_those_of_the_document() -> None:
    types = (WEB / "src" / "api" / "desk.d.ts").read_text(encoding="utf-8")
    document = json.loads((WEB / "desk-openapi.json").read_text(encoding="utf-8"))
    for name in document["components"]["schemas"]:
        assert re.search(rf"^\s+{re.escape(name)}: ", types, re.MULTILINE), f"{name} is missing; run: make openapi"
    for path in document["paths"]:
        assert f'"{path}"' in types
