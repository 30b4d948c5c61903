"""The default place of the store of predictions."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

ENVIRONMENT = "DRIVETRAIN_STORE"
FILE_NAME = "store.sqlite"


def default_store_url() -> str:
    """Return ``$DRIVETRAIN_STORE``, or a file in the platform's folder for this user's data."""
    return os.environ.get(ENVIRONMENT) or str(Path(platformdirs.user_data_dir("drivetrain")) / FILE_NAME)
