"""Every error a user can meet.

DrivetrainError
├── UsageError            wrong option or argument; exit code 2
├── DataError             the data cannot be used as given; exit code 2
│   ├── SourceError       a folder, table or archive cannot be read as a labelled data set
│   └── ImageError        one file is not a usable image (skipped and counted, never fatal)
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


class ImageError(DataError):
    """One file is not a usable image; ``reason`` is a short stable code for counting.

    Codes: ``missing``, ``empty``, ``not an image``, ``truncated``, ``too large``, ``damaged``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


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
