"""The fresh data: read as `evaluate` reads them, and answered by the bundle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UsageError
from ..core.ports import Progress
from ..core.types import Dataset
from ..evaluation.evaluation import Evaluation
from ..evaluation.run import evaluate
from ..model.manifest import Manifest
from ..model.predictor import Predictor
from .field_data import FieldData
from .told import ToldStore, told_items

Source = str | Path | Dataset | FieldData | Iterable[object]


@dataclass(frozen=True)
class Reading:
    """The way in which the fresh data are read."""

    split: str | None = None
    delimiter: str | None = None
    normalise_labels: bool = False
    splits: str | None = None
    cache: Path | None = None
    use_cache: bool = True
    edits: bool = True

    def told(self, store: ToldStore, manifest: Manifest) -> FieldData:
        """Return what a store holds to certify a bundle by, which `answered` then takes.

        Raises:
            UsageError: these are ways to read files.
            DataError, StoreError: as `told_items` raises them.
        """
        if self.split is not None or self.splits is not None or self.delimiter is not None:
            raise UsageError(
                "a store has neither splits nor texts of several labels; leave out --split, --splits, --delimiter"
            )
        return told_items(store, manifest)

    def answered(self, predictor: Predictor, source: Source, progress: Progress) -> Evaluation:
        """Return the answers to all images but copies of training images, with the truth; warnings are told.

        Raises:
            SourceError, DataError: as `evaluate` raises them.
        """
        found = evaluate(
            predictor,
            source.dataset if isinstance(source, FieldData) else source,
            split=self.split,
            delimiter=self.delimiter,
            normalise_labels=self.normalise_labels,
            splits=self.splits,
            edits=self.edits,
            cache=self.cache,
            use_cache=self.use_cache,
            progress=progress,
        )
        for warning in found.warnings:
            progress.say(warning)
        return found
