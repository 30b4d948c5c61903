"""The report: what a person should see of a training or an evaluation, as plain data, and its one HTML file.

`Report` holds everything the page shows and nothing the page does not; `render` turns it into a single self-contained
document (no network requests, no scripts needed to read it). Every part may be empty; an empty part is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.types import Interval, Skipped


@dataclass(frozen=True)
class Headline:
    """One of the figures on top: ``value`` is ready to read, ``note`` says how it was obtained."""

    name: str
    value: str
    interval: str = ""
    note: str = ""


@dataclass(frozen=True)
class Thumbnail:
    """A small picture: ``jpeg`` bytes (longest side about 160 px)."""

    name: str
    jpeg: bytes


@dataclass(frozen=True)
class Mistake:
    """An item the model got wrong, or had the greatest loss on. ``loss`` in nats, ``confidence`` 0–1 of ``predicted``."""

    thumbnail: Thumbnail
    label: str
    predicted: str
    confidence: float
    p_label: float
    loss: float


@dataclass(frozen=True)
class ClassRow:
    """One class: how many items, and precision and recall (fractions) with 95 % intervals; None where undefined."""

    label: str
    count: int
    precision: Interval | None
    recall: Interval | None


@dataclass(frozen=True)
class ReliabilityBin:
    """Items whose confidence fell in one bin: mean confidence, and accuracy with its interval (fractions)."""

    confidence: float
    accuracy: Interval
    count: int


@dataclass(frozen=True)
class DuplicateGroup:
    """Items that are one picture: ``kind`` is ``exact`` or ``near``. Only a few are pictured when the group is large."""

    kind: str
    size: int
    members: tuple[tuple[Thumbnail, str], ...]
    """(picture, label)."""
    labels: tuple[str, ...]
    """Distinct labels within; more than one is a conflict."""


@dataclass(frozen=True)
class Trial:
    """One configuration that was tried: log-loss in nats with its standard error."""

    name: str
    log_loss: float
    standard_error: float
    chosen: bool
    note: str = ""


@dataclass(frozen=True)
class Report:
    """Everything the page shows."""

    title: str
    subtitle: str
    headlines: tuple[Headline, ...]
    warnings: tuple[str, ...] = ()
    """Sentences a reader must not miss, most important first."""
    classes: tuple[str, ...] = ()
    confusion_CC: tuple[tuple[int, ...], ...] = ()
    """Rows: label; columns: predicted."""
    class_rows: tuple[ClassRow, ...] = ()
    reliability: tuple[ReliabilityBin, ...] = ()
    ece: float | None = None
    """Expected calibration error, a fraction."""
    reliability_note: str = ""
    top_losses: tuple[Mistake, ...] = ()
    confident_mistakes: tuple[Mistake, ...] = ()
    duplicates: tuple[DuplicateGroup, ...] = ()
    duplicates_total: int = 0
    """Number of groups found, of which ``duplicates`` shows the first."""
    duplicates_note: str = ""
    skipped: tuple[Skipped, ...] = ()
    image_sizes: tuple[tuple[int, int], ...] = ()
    """(width, height) in pixels of every image used."""
    input_size: tuple[int, int] | None = None
    """(height, width) the network sees."""
    trials: tuple[Trial, ...] = ()
    run: tuple[tuple[str, str], ...] = ()
    """What was run, on what: (name, value)."""
    seconds: tuple[tuple[str, float], ...] = ()
    """Stages of the run with their wall time."""
    notes: tuple[str, ...] = field(default=())
    """Methods in words, shown at the foot."""
