"""Whoever goes by the input knows nothing of pixels: outside the rooms that are for images, only a few named modules do."""

from __future__ import annotations

import ast
from pathlib import Path

import drivetrain

SOURCE = Path(drivetrain.__file__).parent

# Rooms that are about images; the one for inputs says of all of them what differs.
ROOMS = (
    *("data/image", "data/block", "curate/gather", "embed"),
    *("model/inputs", "model/explain", "learn/deep", "vision", "report"),
)

# Elsewhere only images have what these are about; docs/decisions/0009 says what.
NAMED = frozenset(
    {
        "app.trace",
        "curate.duplicates",
        "curate.field_slices",
        "curate.medoids",
        "curate.quality",
        "curate.told",
        "data.edits.applying",
        "data.sources.opening",
        "desk.pictures",
        "learn.interpretation",
        "learn.label_interpretation",
        "learn.loss_sheet",
        "learn.number_interpretation",
        "model.arrays",
        "model.first_load",
        "model.gallery",
        "notebook.doubted",
        "notebook.picture",
        "notebook.thumbnails",
        "rollout.sending.case_folder",
        "serve.announcement",
        "serve.options",
        "serve.settings",
        "serve.work.memory_shares",
        "serve.work.pictures",
        "training.bundling",
        "training.gotchas",
        "training.run",
        "training.tuning",
        "training.tuning_loaders",
        "workbench.copies",
        "workbench.survey",
    }
)


def of_pixels(text: str) -> bool:
    """Whether a module imports Pillow, what reads images, or asks for the block of images."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            module, names = node.module or "", [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            module, names = node.names[0].name, []
        else:
            continue
        if module.split(".")[0] == "PIL" or "data.image" in f".{module}." or module.startswith("image."):
            return True
        if module.endswith("data") and "image" in names:
            return True
        if module.endswith("inputs.image") or (node.__class__ is ast.ImportFrom and "ImageInput" in names):
            return True
    return False


def test_only_the_named_modules_know_of_pixels() -> None:
    found = {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path in SOURCE.rglob("*.py")
        if not path.relative_to(SOURCE).as_posix().startswith(tuple(f"{room}/" for room in ROOMS))
        and of_pixels(path.read_text(encoding="utf-8"))
    }
    assert found - NAMED == set(), "go by the input (model/inputs/input.py), or say in docs/decisions/0009 why not"
    assert NAMED - found == set(), "these know nothing of pixels any more; take them off the list"


def test_imports_of_pixels_are_seen() -> None:
    for text in (
        "from PIL import Image",
        "import PIL.Image",
        "from ...data.image.decode import decode",
        "def f():\n    from ..data.image import preprocess",
        "from ..image.files import IMAGES",
        "from ..data import image",
        "from ..model.inputs.image import ImageInput",
    ):
        assert of_pixels(text), text
    assert not of_pixels("from ..model.inputs.input import Input")
