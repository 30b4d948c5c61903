"""Makes ``tests/bundles/v1``, a bundle of schema version 1 that every later reader must load. Run once; kept for the record.

    python tests/bundles/make_v1.py

It imports nothing of drivetrain on purpose: what is written here is the format, not what today's code makes of it.
The network tells red, green and blue apart: a 1×1 convolution, a mean over 8×8 pixels, unit length, a linear head.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before ONNX Runtime is imported

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from safetensors.numpy import save

OUT = Path(__file__).parent / "v1"
CLASSES = ["blau", "grün", "rot"]
COLOURS = {"blau": (30, 40, 210), "grün": (20, 190, 60), "rot": (220, 30, 20)}
BETA, ACCEPT, WIDTH, SIDE = 1.25, 0.9, 4, 8


def make_model() -> bytes:
    mix = np.array([[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1], [0.3, 0.3, 0.3]], np.float32)
    head = np.array([[-1, -1, 4], [-1, 4, -1], [4, -1, -1], [0, 0, 0]], np.float32)
    weights = {
        "mix": mix[:, :, None, None],
        "mix.bias": np.full(4, 0.05, np.float32),
        "head": head,
        "head.bias": np.zeros(3, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["pixels", "mix", "mix.bias"], ["mixed"], kernel_shape=[1, 1]),
        helper.make_node("Relu", ["mixed"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
        helper.make_node("LpNormalization", ["flat"], ["embedding"], axis=1, p=2),
        helper.make_node("Gemm", ["embedding", "head", "head.bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "drivetrain",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", WIDTH]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(CLASSES)]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def picture(colour: tuple[int, int, int], kind: str) -> bytes:
    """20×16 pixels of a colour that fades to the right."""
    fade = np.linspace(1, 0.6, 20)[None, :, None]
    pixels = np.broadcast_to(np.array(colour) * fade, (16, 20, 3)).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **({"quality": 90} if kind == "JPEG" else {}))
    return buffer.getvalue()


def run(session: ort.InferenceSession, data: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Resized pixels (H, W, 3), embedding and logits of one image file."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    tensor = ((pixels.astype(np.float64) / 255 - 0.5) / 0.5).astype(np.float32).transpose(2, 0, 1)[None]
    embedding, logits = session.run(["embedding", "logits"], {"pixels": tensor})
    return pixels, embedding[0], logits[0]


def probabilities(logits: np.ndarray) -> np.ndarray:
    exp = np.exp(BETA * (logits.astype(np.float64) - logits.max()))
    return exp / exp.sum()


def main() -> None:
    model = make_model()
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    images = {f"{i}.png": picture(COLOURS[name], "PNG") for i, name in enumerate(CLASSES)}
    images["3.jpg"] = picture((200, 60, 50), "JPEG")
    answers = [run(session, data) for data in images.values()]
    entries = []
    for file, (_, _, logits) in zip(images, answers, strict=True):
        probs = probabilities(logits)
        best = int(probs.argmax())
        entries.append(
            {
                "file": file,
                "lossless": file.endswith(".png"),
                "label": CLASSES[best],
                "confidence": round(float(probs[best]), 6),
                "verdict": "accept" if probs[best] >= ACCEPT else "review",
            }
        )
    n = len(answers)
    arrays = {
        "embeddings_ND": np.stack([embedding for _, embedding, _ in answers]).astype(np.float16),
        "labels_N": np.array([0, 1, 2, 2], np.int64),
        "groups_N": np.arange(n, dtype=np.int64),
        "oof_logits_NC": np.stack([logits for _, _, logits in answers]),
        "pixels_sha256_N32": np.stack(
            [np.frombuffer(hashlib.sha256(pixels.tobytes()).digest(), np.uint8) for pixels, _, _ in answers]
        ),
        "frequencies_NKK": np.zeros((n, 16, 16), np.float16),
    }
    share = {"value": 1.0, "low": 0.51, "high": 1.0, "method": "Wilson 95 %"}
    manifest = {
        "schema_version": 1,
        "name": "Farben",
        "bundle_id": hashlib.sha256(model).hexdigest()[:16],
        "created_at": "2026-11-21T12:00:00+0000",
        "task": "classification",
        "classes": CLASSES,
        "preprocess": {
            "orient": "exif",
            "mode": "RGB",
            "resize": {"method": "squish", "size": [SIDE, SIDE], "filter": "bilinear"},
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "decode_floor": None,
        },
        "embedding_width": WIDTH,
        "backbone": {
            "name": "colour-mix",
            "fingerprint": hashlib.sha256(b"colour-mix").hexdigest(),
            "licence": "Apache-2.0",
            "source": "tests/bundles/make_v1.py",
            "blocks": ["head"],
            "views": ["plain"],
        },
        "calibration": {"method": "temperature", "beta": BETA, "fitted_on": "out-of-fold logits of 4 images"},
        "accept": {
            "confidence": ACCEPT,
            "certified": False,
            "coverage": 1.0,
            "error": {**share, "value": 0.0, "low": 0.0},
        },
        "metrics": {
            "accuracy": share,
            "accuracy_random_split": 1.0,
            "accuracy_with_leak": None,
            "balanced_accuracy": 1.0,
            "log_loss": 0.01,
            "ece": 0.01,
            "auc": None,
            "how": "Out of fold, 2 folds that keep groups together",
        },
        "data": {
            "fingerprint": hashlib.sha256(b"four pictures").hexdigest(),
            "source": "colours",
            "images": n,
            "skipped": 0,
            "per_class": {"blau": 1, "grün": 1, "rot": 2},
            "groups_duplicates": 0,
            "groups_user": 0,
        },
        "training": {"penalty": 1.0, "balance": "none", "seed": 0, "folds": 2, "trials": []},
        "versions": {"drivetrain": "0.1.0", "numpy": "2.4", "onnxruntime": "1.31", "pillow": "13.0", "python": "3.11"},
    }
    expected = {
        "pixels_GHWK": np.stack([pixels for pixels, _, _ in answers]),
        "logits_GC": np.stack([logits for _, _, logits in answers]),
    }
    files = {
        "manifest.json": (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode(),
        "model.onnx": model,
        "arrays.safetensors": save(arrays),
        "card.md": b"# Farben\n",
        "report.html": b"<!doctype html><title>Farben</title><p>A report.\n",
        "golden/golden.json": (json.dumps({"images": entries}, indent=2, ensure_ascii=False) + "\n").encode(),
        "golden/expected.safetensors": save(expected),
        **{f"golden/{name}": data for name, data in images.items()},
    }
    for name, data in files.items():
        (OUT / name).parent.mkdir(parents=True, exist_ok=True)
        (OUT / name).write_bytes(data)
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    (OUT / "SHA256SUMS").write_bytes(sums.encode())


if __name__ == "__main__":
    main()
