"""The name of whoever runs a program, where they have given none."""

from __future__ import annotations

import getpass


def user_name() -> str:
    """The name of this machine's user."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name
        return "unnamed"
