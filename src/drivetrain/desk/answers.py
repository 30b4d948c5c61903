"""The answers of the desk's API. The console's types are generated from them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..core.told_how import ToldHow
from ..data.edits.edit import Fate

State = Literal["surveying", "ready", "refitting", "failed"]


class Answer(BaseModel):
    """The base of all: plain data that does not change."""

    model_config = ConfigDict(frozen=True)


class Reason(Answer):
    """One reason for suspicion."""

    code: str = Field(description="Never changes", examples=["label"])
    text: str = Field(description="The reason in words")


class Place(Answer):
    """An item's label and fate at one moment."""

    label: str | None
    labels: list[str] | None = Field(description="One by one, where an item may have any number of them")
    fate: Fate


class EditAnswer(Answer):
    """One change that a person made."""

    id: str
    at: datetime
    by: str
    item: str | None = Field(description="The item's id; null where the set has no such item any more")
    name: str
    before: Place
    after: Place
    why: str
    how: ToldHow
    step: str | None = Field(description="Shared by the edits of one step, which are undone together")
    undoes: str | None = Field(description="Id of the edit that this one takes back")
    redoes: str | None = Field(description="Id of the edit that this one makes again")


class ItemAnswer(Answer):
    """An item as it stands."""

    id: str = Field(description="Short, the same as long as the item has its name, and safe in an address")
    name: str
    label: str | None
    labels: list[str] | None = Field(description="One by one, where an item may have any number of them")
    suggested: str | None = Field(
        description="The label that the other items suggest; null where they suggest no other"
    )
    score: float = Field(description="0 to 1: the larger, the more suspicious; 0 where nothing is known against it")
    reasons: list[Reason] = Field(description="The strongest first")
    fate: Fate
    content: str | None = Field(
        description="Names the item's bytes: send it as `v` with its pictures, which may be kept for good then"
    )
    last_edit: str | None = Field(description="Id of the item's last edit: send it as `seen` with a change")
    by: str | None = Field(description="Who made the last edit")
    width: int | None
    height: int | None


class ItemPage(Answer):
    """A stretch of a list of items."""

    version: int = Field(description="Version of the ranking that the list follows")
    total: int
    items: list[ItemAnswer]


class ItemDetail(ItemAnswer):
    """An item with what speaks for and against it."""

    neighbours: list[ItemAnswer] = Field(description="The items that made it suspicious: its nearest, or its copies")
    history: list[EditAnswer] = Field(description="Its edits, the oldest first")
    probs: dict[str, float] = Field(
        description="The answer of a model that has not seen its group: probabilities, or numbers; empty where there is none"
    )


class Ranking(Answer):
    """The order of suspicion, and whether a newer one is being worked out."""

    version: int = Field(description="Grows with every ranking; 0 before the first")
    state: State
    problem: str | None = Field(description="Why the last survey or refit failed; the ranking before it stands")
    stage: str | None = Field(description="The step that a survey is at")
    items_done: int
    items_total: int
    seconds: float | None = Field(description="From the newest edit until this ranking stood")


class Fates(Answer):
    """Numbers of items by fate."""

    open: int
    kept: int
    removed: int


class LeftOut(Answer):
    """A file that could not be used."""

    name: str
    reason: str
    detail: str


class DeskAnswer(Answer):
    """The whole desk at a glance."""

    source: str
    task: str | None = Field(description="Null until the source has been read")
    mode: Literal["clean", "label"]
    outputs: list[str] = Field(description="The names that a label can have")
    labels: dict[str, int] = Field(description="How many items in the set have each")
    items: int = Field(description="Items in all, removed ones included")
    fates: Fates
    relabelled: int = Field(description="Items in the set whose label is not the one that they had before any edit")
    suspects: int = Field(description="Items with a reason for suspicion")
    ranking: Ranking
    can_undo: bool
    can_redo: bool
    last_edit_id: str | None
    unfit: str | None = Field(description="Why nothing can be learned of the set yet; null where something can")
    left_out: list[LeftOut] = Field(description="Files that could not be used, at most 100")
    left_out_total: int
    notes: list[str] = Field(description="How the source was taken, in sentences")
    log: str = Field(description="The file in which edits are kept")
    lost: list[str] = Field(description="Names of edited items that are not in the set any more, at most 100")


class Overtaken(Answer):
    """An edit of somebody else's that the writer had not seen, and that has been overruled now."""

    item: str | None
    name: str
    edit: EditAnswer


class Recorded(Answer):
    """Edits that are on disk: they survive whatever happens from here on."""

    edits: list[EditAnswer]
    overtaken: list[Overtaken]
    last_edit_id: str | None


class Stepped(Answer):
    """Edits that take a step back, or make it again."""

    edits: list[EditAnswer]
    last_edit_id: str | None


class Changes(Answer):
    """Edits and rankings since."""

    edits: list[EditAnswer] = Field(description="Everybody's, the oldest first")
    more: bool = Field(description="True where there are more than fit; ask again at once")
    restart: bool = Field(description="True where `after` is not known here; load everything anew")
    last_edit_id: str | None
    ranking: Ranking


class DuplicateGroup(Answer):
    """Pictures that are one picture."""

    kind: str = Field(description="The surest look by which all of them are joined: exact, hash, crop or embedding")
    items: list[ItemAnswer]
    proposed: str = Field(description="Id of the item to keep")
    why: str


class Duplicates(Answer):
    """All groups of copies, the largest first."""

    version: int
    total: int
    groups: list[DuplicateGroup]


class Share(Answer):
    """A share with its two-sided interval."""

    value: float
    low: float
    high: float


class Difference(Answer):
    """A difference with its interval, and how it was found."""

    value: float
    low: float
    high: float
    method: str
    n: int = Field(description="Items that both were judged by")
    groups: int = Field(description="Independent groups among them")


class AuditAnswer(Answer):
    """An audit, as far as it has been answered."""

    drawn: int = Field(description="0 before the first audit")
    answered: int
    error_rate: Share | None = Field(
        description="The share of wrong labels in the set, 95 %; null where nothing can be said yet"
    )
    go_on: bool | None = Field(description="Whether looking further is worth it; null while too little is known")
    text: list[str] = Field(description="What is known, in sentences")


class CurvePoint(Answer):
    """The figure with so many labelled items to learn from."""

    n: int
    accuracy: float
    low: float
    high: float


class Purchase(Answer):
    """The worth of a number of labels, as an estimate."""

    labels: int
    gain: float
    low: float
    high: float
    text: str


class Outlook(Answer):
    """The prospects of going on, as estimates from what has been seen."""

    text: str
    if_50_more: Purchase | None
    if_cleaned: Purchase | None


class Gain(Answer):
    """The gain of this session's edits."""

    figure: str = Field(description="The name of the figure compared, such as accuracy")
    higher_is_better: bool
    before: Share | None
    after: Share | None
    difference: Difference | None
    edited: int = Field(
        description="Items kept, relabelled or removed in this session; relabelled and removed ones do not count"
    )
    note: str | None = Field(description="Why something cannot be said, or how to read it")
    curve: list[CurvePoint]
    curve_note: str | None
    outlook: Outlook
    pending: bool = Field(description="True where a newer curve and outlook are being worked out; ask again in a while")
    version: int = Field(description="Version of the ranking that before and after are about")
    curve_version: int = Field(
        description="Version of the ranking that curve and outlook are about; 0 where there are none"
    )
