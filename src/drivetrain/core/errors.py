"""Every error a user can meet.

DrivetrainError
├── UsageError            wrong option or argument; exit code 2
├── DataError             the data cannot be used as given; exit code 2
│   ├── SourceError       a folder, table or archive cannot be read as a labelled data set
│   ├── StepError         one step of a DataBlock or a loader failed on one item; says which
│   └── ImageError        one file is not a usable image (skipped and counted, never fatal)
├── CacheError            the cache of embeddings cannot be read or tidied (a run goes on without); exit code 2
├── StoreError            the store of predictions cannot be reached, read or written; exit code 2
├── LogError              the log of a rollout says what cannot have happened; exit code 2
├── WeightsError          a weight file or backbone cannot be used; exit code 2
└── BundleError           a bundle cannot be trusted or read; exit code 2
    ├── ChecksumError     a file is missing, cut short or altered
    ├── SchemaError       the manifest is malformed or from a newer version
    └── ParityError       this machine does not reproduce the golden predictions

A message is one line: what was received, then what to do.
"""

from __future__ import annotations


class DrivetrainError(Exception):
    """Base of all errors raised on purpose."""


class UsageError(DrivetrainError):
    """An option or argument is wrong."""


class DataError(DrivetrainError):
    """The data cannot be used as given."""


class SourceError(DataError):
    """A folder, table or archive cannot be read as a labelled data set."""


class StepError(DataError):
    """A step of a DataBlock or a loader failed: ``step`` is its name, ``item`` the item it worked on."""

    def __init__(self, step: str, item: str, detail: str) -> None:
        # All go to the base class, so that a copy sent from another process can be put together again.
        super().__init__(step, item, detail)
        self.step = step
        self.item = item
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.step} failed on {self.item}: {self.detail}"


LIBRARY_MISSING = "library missing"
"""The reason of an `InputError` for a file whose format is read by a package that is not installed here."""


class InputError(DataError):
    """One file is not usable as an input; ``reason`` is a short stable code for counting.

    Codes that speak of the bytes: ``empty``, ``not an image``, ``truncated``, ``too large``, ``damaged``; of the moment:
    those in ``PASSING``. `LIBRARY_MISSING` is one of these: nothing is wrong with the file.
    """

    PASSING = frozenset({"missing", "unreadable", "changed", "out of memory", LIBRARY_MISSING})

    def __init__(self, reason: str, detail: str) -> None:
        # Both go to the base class, so that a copy sent from another process can be put together again.
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class ImageError(InputError):
    """One file is not a usable image."""


class CacheError(DrivetrainError):
    """The cache of embeddings cannot be read or tidied."""


class StoreError(DrivetrainError):
    """The store of predictions cannot be reached, read or written."""


class LogError(DrivetrainError):
    """The log of a rollout cannot be read, or says what cannot have happened after what stands before it."""


class WeightsError(DrivetrainError):
    """A weight file or backbone cannot be used."""


class BundleError(DrivetrainError):
    """A bundle cannot be trusted or read."""


class ChecksumError(BundleError):
    """A file of the bundle is missing, cut short or altered."""


class SchemaError(BundleError):
    """The manifest is malformed, or written by a newer version."""


class ParityError(BundleError):
    """This machine does not reproduce the bundle's golden predictions."""
