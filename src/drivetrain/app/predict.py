"""Predict files, folders and patterns, in the order they were given."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import SourceError
from ..core.types import Prediction
from ..data.sources import open_source


def expand(paths: Sequence[str]) -> list[Path]:
    """Files as they are, folders as the images below them, patterns as what they match (sorted).

    A file that does not exist stays in the list: it is answered as unreadable.

    Raises:
        SourceError: a folder or pattern holds no image.
    """
    files: list[Path] = []
    for text in paths:
        path = Path(text)
        if path.is_dir():
            files += [item.path for item in open_source(path, labelled=False).items]
        elif path.exists() or not glob.has_magic(text):
            files.append(path)
        else:
            matched = sorted(Path(name) for name in glob.glob(text, recursive=True))  # noqa: PTH207  # a user's pattern
            if not matched:
                raise SourceError(f"no file matches {text!r}; quote the pattern and check the folder")
            for match in matched:
                files += [item.path for item in open_source(match, labelled=False).items] if match.is_dir() else [match]
    return files


def to_json(prediction: Prediction) -> dict[str, object]:
    """One entry of what ``predict --json`` prints."""
    return {
        "path": prediction.path,
        "label": prediction.label,
        "confidence": prediction.confidence,
        "probs": dict(prediction.probs),
        "verdict": str(prediction.verdict),
        "error": prediction.error,
    }
