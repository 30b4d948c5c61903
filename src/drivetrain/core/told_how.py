"""The ways in which an answer to a case came about. They have a module of their own, so that the command line need not load
NumPy for them."""

from __future__ import annotations

from enum import StrEnum


class ToldHow(StrEnum):
    """The way in which an answer came about. One told with the model's answer in sight is no test of the model."""

    BLIND = "blind"
    """By a person who did not see the model's answer."""
    ASSISTED = "assisted"
    """By a person with the model's answer in sight."""
    ADJUDICATED = "adjudicated"
    """By somebody who decided between answers without knowing whose they were."""
    OUTCOME = "outcome"
    """By what turned out later: a laboratory's finding, a returned part."""
    MODEL = "model"
    """By the model alone; never a right answer, and never trained on."""

    @property
    def tests_the_model(self) -> bool:
        """Tells whether such an answer may count as evidence for or against the model."""
        return self in {ToldHow.BLIND, ToldHow.ADJUDICATED, ToldHow.OUTCOME}
