"""Write ``web/openapi.json``, ``web/desk-openapi.json`` and ``web/label-openapi.json``: the documents of the APIs of the server
and of the desks for cleaning and for labelling, as they give them; the typed clients are generated from these."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from drivetrain.desk import application as desk_application
from drivetrain.desk.label_application import create_label_app
from drivetrain.desk.label_start import LabelDeskOptions, build_label_desk
from drivetrain.desk.start import DeskOptions
from drivetrain.desk.start import build as build_desk
from drivetrain.serve.application import create_app, openapi
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.start import build
from drivetrain.training.options import TrainOptions
from drivetrain.workbench.label_set import LabelOptions

WEB = Path(__file__).resolve().parent
# Any bundle will do: the document does not depend on what is served.
BUNDLE = WEB.parent / "tests" / "bundles" / "v1"


def document() -> str:
    """The server's document as it stands in the file."""
    with tempfile.TemporaryDirectory() as folder:
        server = build(ServeOptions((str(BUNDLE),), store=str(Path(folder) / "store.db"), max_batch=1))
        try:
            return written(openapi(create_app(server)))
        finally:
            server.engine.close()
            server.store.close()


def desk_document() -> str:
    """The desk's document as it stands in the file; nothing is surveyed for it."""
    with tempfile.TemporaryDirectory() as folder:
        return written(desk_application.create_app(build_desk(DeskOptions(folder, TrainOptions()))).openapi())


def label_document() -> str:
    """The document of the desk for labelling as it stands in the file; nothing is embedded for it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")  # a folder to label needs something in it
        desk = build_label_desk(LabelDeskOptions(LabelOptions(folder)))
        return written(create_label_app(desk).openapi())


def written(found: dict[str, Any]) -> str:
    """A document as it stands in its file."""
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (WEB / "openapi.json").write_text(document(), encoding="utf-8")
    (WEB / "desk-openapi.json").write_text(desk_document(), encoding="utf-8")
    (WEB / "label-openapi.json").write_text(label_document(), encoding="utf-8")
