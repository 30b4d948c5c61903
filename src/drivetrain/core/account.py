"""The name of the account that runs the program, under which the log of edits has whoever gives no name."""

from __future__ import annotations

import getpass

NAMELESS = "somebody"
"""Stands for an account without a name."""


def account_name() -> str:
    """The account's name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return NAMELESS
