"""The ways in which a right answer is found. They have a module of their own, so that the command line need not load NumPy for
them."""

from __future__ import annotations

from enum import StrEnum


class ToldHow(StrEnum):
    """The way in which a person came to a right answer. One told with the model's answer in sight is no test of the model."""

    BLIND = "blind"
    """Without seeing the model's answer."""
    ASSISTED = "assisted"
    """With the model's answer in sight."""
    ADJUDICATED = "adjudicated"
    """By somebody who decided between answers without knowing whose they were."""
