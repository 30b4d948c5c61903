"""The network of trainings that are not about the network, see ``backbones/make_tiny.py``."""

from pathlib import Path

TINY = str(Path(__file__).parent / "backbones" / "tiny.onnx")
