"""Names for short notebooks and book chapters: ``from drivetrain.vision import *``.

The names are fastai's where it has them. Needs the extra “deep” (torch).
"""

from __future__ import annotations

from pathlib import Path

from ..app.train import train
from ..core.types import Item, Prediction, Verdict
from ..data.block.blocks import CategoryBlock, ImageBlock, MultiCategoryBlock, RegressionBlock
from ..data.block.datablock import DataBlock
from ..data.block.getters import get_image_files, get_rows
from ..data.block.item_transforms import RandomResizedCrop, Resize, ResizeMethod
from ..data.block.labellers import ColReader, RegexLabeller, parent_label
from ..data.block.ordinal_block import OrdinalBlock
from ..data.block.splitters import (
    ColSplitter,
    GrandparentSplitter,
    GroupSplitter,
    LeakFreeSplitter,
    RandomSplitter,
    TimeSplitter,
)
from ..data.image.verify import verify_images
from ..data.sources.aside import move_aside
from ..data.sources.opening import open_source
from ..learn.deep.augment import Augment, aug_transforms
from ..learn.deep.objective import accuracy, error_rate, label_accuracy, mean_absolute_error
from ..learn.interpretation import Interpretation
from ..model.explain.heatmap import heat_map
from ..model.predictor import Predictor, load
from .cleaning import ImageClassifierCleaner
from .downloading import download_images, search_images_ddg
from .learner import VisionLearner, vision_learner

load_learner = load


class ClassificationInterpretation(Interpretation[Item]):
    """The mistakes of a classifier among its validation items."""

    @classmethod
    def from_learner(cls, learn: VisionLearner) -> ClassificationInterpretation:
        """Judge the learner on its validation items.

        Raises:
            UsageError: it gives no classes.
            DataError: there are no validation items.
        """
        return cls(*learn.class_answers(), learn.network.about.preprocess)


__all__ = [
    "Augment",
    "CategoryBlock",
    "ClassificationInterpretation",
    "ColReader",
    "ColSplitter",
    "DataBlock",
    "GrandparentSplitter",
    "GroupSplitter",
    "ImageBlock",
    "ImageClassifierCleaner",
    "Item",
    "LeakFreeSplitter",
    "MultiCategoryBlock",
    "OrdinalBlock",
    "Path",
    "Prediction",
    "Predictor",
    "RandomResizedCrop",
    "RandomSplitter",
    "RegexLabeller",
    "RegressionBlock",
    "Resize",
    "ResizeMethod",
    "TimeSplitter",
    "Verdict",
    "VisionLearner",
    "accuracy",
    "aug_transforms",
    "download_images",
    "error_rate",
    "get_image_files",
    "get_rows",
    "heat_map",
    "label_accuracy",
    "load_learner",
    "mean_absolute_error",
    "move_aside",
    "open_source",
    "parent_label",
    "search_images_ddg",
    "train",
    "verify_images",
    "vision_learner",
]
