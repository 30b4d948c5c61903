"""Cleaning a data set in a notebook, by the name that fastai and its book use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path

from ..core.errors import UsageError
from ..core.user_name import user_name
from ..data.block.loader import DataLoaders
from ..model.predictor import Predictor, load
from ..notebook.cleaner import Cleaner, Look, widgets_module
from ..notebook.doubted import Doubts
from ..notebook.progress import here
from ..training.options import TrainOptions
from .doubting import of_bundle, of_learner, of_loaders
from .learner import VisionLearner

Cleanable = VisionLearner | DataLoaders | Predictor | str | Path


class ImageClassifierCleaner(Cleaner):
    """Thumbnails in the order of a model's doubts, each with a menu to keep it, to delete it, or to give it another label.

    Marks stand in the log of edits beside the data from the moment they are made, so that they outlive menus and kernels, and
    whatever reads the data applies them. To move the files as well::

        for idx in cleaner.delete(): cleaner.fns[idx].unlink()
        for idx, cat in cleaner.change(): shutil.move(str(cleaner.fns[idx]), path/cat)
    """

    def __init__(
        self,
        learn: Cleanable,
        data: str | Path | None = None,
        opts: Sequence[str] = (),
        height: int = 128,
        width: int = 256,
        max_n: int = 30,
        *,
        by: str | None = None,
        backbone: str = TrainOptions.backbone,
        cache: str | Path | None = None,
    ) -> None:
        """Find out what the model doubts.

        Args:
            learn: a `VisionLearner`, a DataBlock's loaders, or a bundle: its path, or a `Predictor`.
            data: the folder, table or archive that a bundle is used on.
            opts: labels to choose from beside those of the data.
            height: the greatest height of a thumbnail, in pixels.
            width: its greatest width.
            max_n: thumbnails on a page.
            by: whose marks these are; by default those of this machine's user.
            backbone: the network whose features tell of loaders without a learner.
            cache: the folder for features and unpacked archives; by default the user's.

        Raises:
            UsageError: ipywidgets is missing, or ``learn`` gives no classes or is something else.
            DataError: the data or the log of edits beside them cannot be read.
        """
        widgets_module()
        look = Look(height, width, max_n)
        doubts = _doubts(learn, data, backbone, None if cache is None else Path(cache))
        super().__init__(doubts, opts, look, user_name() if by is None else by, lambda: datetime.now(UTC))


def _doubts(learn: object, data: str | Path | None, backbone: str, cache: Path | None) -> Doubts:
    if isinstance(learn, VisionLearner):
        return of_learner(learn, data)
    if isinstance(learn, DataLoaders):
        return of_loaders(learn, data, backbone, here(), cache)
    if isinstance(learn, Predictor):
        return of_bundle(learn, data, here(), cache)
    if isinstance(learn, str | PathLike):
        return of_bundle(load(Path(learn)), data, here(), cache)
    raise UsageError(
        f"ImageClassifierCleaner received {type(learn).__name__}; give a learner, a DataBlock's loaders, or a bundle with data="
    )
