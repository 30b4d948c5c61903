"""Drivetrain: from a folder of labelled images to a model you can trust in production.

    import drivetrain as dt

    dt.train("bears", out="bears.bundle")
    print(dt.load("bears.bundle").predict("a.jpg").label)

Names are loaded when first used, so importing the package costs nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .core.privacy import report_nothing

report_nothing(os.environ)

if TYPE_CHECKING:
    from .app.train import train
    from .core.errors import DrivetrainError
    from .core.types import Item, Prediction, Verdict
    from .evaluation.evaluation import Evaluation
    from .evaluation.run import evaluate
    from .model.predictor import Predictor, load
    from .training.trained import TrainResult

_HOMES = {
    "train": "app.train",
    "TrainResult": "training.trained",
    "evaluate": "evaluation.run",
    "Evaluation": "evaluation.evaluation",
    "load": "model.predictor",
    "Predictor": "model.predictor",
    "Prediction": "core.types",
    "Verdict": "core.types",
    "Item": "core.types",
    "DrivetrainError": "core.errors",
}

__all__ = [
    "DrivetrainError",
    "Evaluation",
    "Item",
    "Prediction",
    "Predictor",
    "TrainResult",
    "Verdict",
    "__version__",
    "evaluate",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'drivetrain' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
