"""The answers and bodies of a desk for labelling. The console's types are generated from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ..workbench.label_progress import Advice
from ..workbench.label_queue import Chosen
from .answers import Answer, EditAnswer, LeftOut, Overtaken, Share, State
from .bodies import Body, EditsBody, Id, Name, StepBody, Who


class ClassAnswer(Answer):
    """One class, in the order of the keys."""

    name: str
    labels: int = Field(description="Items that have this label")


class LabelState(Answer):
    """The standing of the work."""

    mark: str = Field(description="Changes with everything here; send it as `known` to wait for the next")
    source: str
    mode: Literal["label"] = "label"
    state: State
    problem: str | None = Field(description="Why embedding or the last refit failed")
    unsettled: str | None = Field(description="Why a file could not be put in place, or a store not be told")
    stage: str | None = Field(description="The step that embedding is at")
    items_done: int
    items_total: int
    version: int = Field(description="Grows with every refit; 0 before the first")
    seconds: float | None = Field(description="From the newest label until the model that knows it")
    suggests: bool = Field(description="Whether there is a model that can suggest")
    blind: bool = Field(description="Whether suggestions are hidden until a person asks for them")
    classes: list[ClassAnswer]
    size: int = Field(description="Items to label, copies counted once")
    labelled: int
    none_of_these: int = Field(description="Items left out, as they are of no class")
    skipped: int
    accuracy: Share | None = Field(
        description="Of the model on items like these, with its 95 % interval; null: too few"
    )
    accuracy_note: str
    changed: float | None = Field(description="Share of the answers that the last labels changed")
    advice: Advice
    words: str = Field(description="Whether to go on, in a sentence")
    can_undo: bool
    can_redo: bool
    by: str = Field(description="The name under which a person works who gives none")
    log: str
    into: str | None = Field(description="The folder that gets the labelled pictures; null: they stay where they are")
    left_out: list[LeftOut]
    left_out_total: int
    notes: list[str]


class Suggestion(Answer):
    """The model's answer to an item."""

    label: str
    confidence: float


class AskedItem(Answer):
    """An item to be labelled."""

    id: str
    name: str
    width: int | None
    height: int | None
    chosen: Chosen
    words: str = Field(description="Why it is shown")
    suggestion: Suggestion | None = Field(description="Null without a model, and for items drawn at random")
    last_edit: str | None


class NextItems(Answer):
    """The items to show next, in this order."""

    version: int
    items: list[AskedItem]


class LabelRecorded(Answer):
    """Edits that are on disk: they survive whatever happens from here on."""

    edits: list[EditAnswer]
    overtaken: list[Overtaken]


class ClassAdded(Answer):
    """The name of a new class, as it is written."""

    name: str


class Skipped(Answer):
    """The number of items that are skipped now."""

    skipped: int


class ClassBody(Body):
    """A class to add."""

    by: Who
    name: Name


class SkipBody(Body):
    """An item to be shown later."""

    by: Who
    id: Id
    back: Annotated[bool, Field(description="Take it back: show it again")] = False


SCHEMAS: tuple[type[BaseModel], ...] = (EditsBody, StepBody, ClassBody, SkipBody)
