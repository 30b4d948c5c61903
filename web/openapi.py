"""Write ``web/openapi.json``, the API's document as the server gives it; the typed client is generated from it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from drivetrain.serve.application import create_app, openapi
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.start import build

WEB = Path(__file__).resolve().parent
# Any bundle will do: the document does not depend on what is served.
BUNDLE = WEB.parent / "tests" / "bundles" / "v1"


def document() -> str:
    """The document as it stands in the file."""
    with tempfile.TemporaryDirectory() as folder:
        server = build(ServeOptions((str(BUNDLE),), store=str(Path(folder) / "store.db"), max_batch=1))
        try:
            return json.dumps(openapi(create_app(server)), indent=2, ensure_ascii=False) + "\n"
        finally:
            server.engine.close()
            server.store.close()


if __name__ == "__main__":
    (WEB / "openapi.json").write_text(document(), encoding="utf-8")
