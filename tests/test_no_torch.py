"""Nothing that the default install brings along needs torch: train and predict run where it cannot be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

BLOCKED = ("torch", "torchvision", "timm", "fastai", "sklearn", "matplotlib", "pandas", "ray", "tensorflow", "cv2")

BLOCK = f"""
import sys

class Blocked:
    names = {BLOCKED!r}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocked())
"""

TRAIN_AND_PREDICT = """
source, out, cache = sys.argv[1:]
import pytest

import drivetrain as dt
result = dt.train(source, out, backbone="efficientnet-lite0", cache=cache)
predictor = dt.load(out)
evaluation = dt.evaluate(predictor, source, keep_leaks=True)
import json
print(json.dumps({
    "verdicts": [str(p.verdict) for p in predictor.predict_many([source + "/discs/00.jpg", source + "/nothing.jpg"])],
    "judged": len(evaluation.items),
    "loaded": sorted(name for name in sys.modules if name.partition(".")[0] in Blocked.names),
}))
"""


def test_the_block_holds() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCK + "import sklearn"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "sklearn is blocked" in done.stderr


def test_train_evaluate_and_predict_without_torch(pictures: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + TRAIN_AND_PREDICT, str(pictures), str(tmp_path / "b"), str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["verdicts"][0] in ("accept", "review")
    assert document["verdicts"][1] == "unreadable"
    assert document["judged"] == 60
    assert document["loaded"] == []
