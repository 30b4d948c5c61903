"""Makes ``tests/bundles/v4-*``, a bundle of schema version 4 of each kind, and ``answers_v4.json``. Run once.

    python tests/bundles/make_v4.py

It was run with the last drivetrain that wrote version 4 (a later one writes a later version), which trained on drawn pictures
with a tiny network: a 3×3 convolution, a ReLU, a mean over 16×16 pixels. The report's page is left out to keep them small.
``answers_v4.json`` holds what that drivetrain answered to each bundle's golden images and to plain colours, and to
pictures of more than 8 bits; floating-point numbers are written so that they are read back to the bit;
reasons are written as they have been since: ``code`` and ``text``.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from making import backbone, reseal  # noqa: E402
from PIL import Image  # noqa: E402

import drivetrain as dt  # noqa: E402
from drawn import draw_deep, draw_several  # noqa: E402
from drivetrain.data.block.blocks import ImageBlock, RegressionBlock  # noqa: E402
from drivetrain.data.block.datablock import DataBlock  # noqa: E402

NAMES = ("v4-classes", "v4-labels", "v4-numbers", "v4-grades")
COLOURS = ((30, 40, 210), (20, 190, 60), (200, 150, 20), (128, 128, 130))


def answers(bundle: Path, deep: tuple[Path, ...]) -> list[dict[str, Any]]:
    predictor = dt.load(bundle)
    golden = sorted(path for path in (bundle / "golden").iterdir() if path.suffix in (".png", ".jpg"))
    said = []
    for name, source in [
        *((path.name, path) for path in golden),
        *((",".join(map(str, colour)), Image.new("RGB", (20, 16), colour)) for colour in COLOURS),
        *((path.name, path) for path in deep),
    ]:
        answer = predictor.predict(source).to_json()
        said.append({"of": name, **{key: answer[key] for key in answer if key != "path"}})
    return said


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        drawings = draw_several(folder / "drawn", 30)
        by_name = {drawing.path.name: drawing for drawing in drawings}
        common: dict[str, Any] = {
            "backbone": str(backbone(folder, "tests/bundles/make_v4.py")),
            "use_cache": False,
            "gallery": 0,
        }
        classes = [(d.path, "bright" if d.light > 200 else "dim" if d.light > 160 else "dark") for d in drawings]
        dt.train(classes, folder / "v4-classes", name="light", **common)
        labels = [(d.path, ";".join(d.labels) or ";") for d in drawings]
        dt.train(labels, folder / "v4-labels", name="shapes", task="multi-label", **common)
        grades = [(path, {"dark": "1", "dim": "2", "bright": "3"}[light]) for path, light in classes]
        dt.train(grades, folder / "v4-grades", name="brightness", task="ordinal", **common)
        block = DataBlock(
            (ImageBlock, RegressionBlock(n_out=2)),
            get_y=lambda path: (by_name[path.name].size, by_name[path.name].light),
        )
        numbers = {"name": "sizes", "block": block, "target_names": ("size", "light")}
        dt.train(folder / "drawn", folder / "v4-numbers", **numbers, **common)
        for name in NAMES:
            reseal(folder / name)
            shutil.rmtree(HERE / name, ignore_errors=True)
            shutil.copytree(folder / name, HERE / name)
        deep = draw_deep(folder / "deep")
        kept = {name: answers(HERE / name, deep) for name in NAMES}
    text = json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
    (HERE / "answers_v4.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
