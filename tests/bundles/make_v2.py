"""Makes ``tests/bundles/v2-*``, a bundle of schema version 2 of each kind, and ``answers.json``. Run once; kept for the record.

    python tests/bundles/make_v2.py

It was run with the last drivetrain that wrote version 2 (a later one writes a later version), which trained on drawn pictures
with a tiny network: a 3×3 convolution, a ReLU, a mean over 16×16 pixels. The report's page is left out to keep them small.
``answers.json`` holds what that drivetrain answered to each bundle's golden images and to plain colours, v1's included;
floating-point numbers are written so that they are read back to the bit.
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

from drivetrain.data.blocks import ImageBlock, RegressionBlock  # noqa: E402
from drivetrain.data.datablock import DataBlock  # noqa: E402
from making import backbone, reseal  # noqa: E402
from PIL import Image  # noqa: E402

import drivetrain as dt  # noqa: E402
from drawn import draw_several  # noqa: E402

COLOURS = ((30, 40, 210), (20, 190, 60), (200, 150, 20), (128, 128, 130))


def answers(bundle: Path) -> list[dict[str, Any]]:
    predictor = dt.load(bundle)
    golden = sorted(path for path in (bundle / "golden").iterdir() if path.suffix in (".png", ".jpg"))
    said = []
    for name, source in [
        *((path.name, path) for path in golden),
        *((",".join(map(str, colour)), Image.new("RGB", (20, 16), colour)) for colour in COLOURS),
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
            "backbone": str(backbone(folder, "tests/bundles/make_v2.py")),
            "use_cache": False,
            "gallery": 0,
        }
        classes = [(d.path, "bright" if d.light > 200 else "dim" if d.light > 160 else "dark") for d in drawings]
        dt.train(classes, folder / "v2-classes", name="light", **common)
        labels = [(d.path, ";".join(d.labels) or ";") for d in drawings]
        dt.train(labels, folder / "v2-labels", name="shapes", task="multi-label", **common)
        block = DataBlock(
            (ImageBlock, RegressionBlock(n_out=2)),
            get_y=lambda path: (by_name[path.name].size, by_name[path.name].light),
        )
        numbers = {"name": "sizes", "block": block, "target_names": ("size", "light")}
        dt.train(folder / "drawn", folder / "v2-numbers", **numbers, **common)
        for name in ("v2-classes", "v2-labels", "v2-numbers"):
            reseal(folder / name)
            shutil.rmtree(HERE / name, ignore_errors=True)
            shutil.copytree(folder / name, HERE / name)
    kept = {name: answers(HERE / name) for name in ("v1", "v2-classes", "v2-labels", "v2-numbers")}
    text = json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
    (HERE / "answers.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
