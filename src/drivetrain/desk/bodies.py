"""The bodies that people send to the desk."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ..core.told_how import ToldHow

Name = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"\S")]
Who = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"\S")]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]

MOST_CHANGES = 2000


class Body(BaseModel):
    """The base of all: what is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Relabel(Body):
    """Another label: ``label``, or ``labels`` where an item may have any number of them."""

    label: Name | None = None
    labels: list[Name] | None = Field(None, max_length=500)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.label is None) == (self.labels is None):
            raise ValueError("give one of label and labels")
        return self


class ChangeBody(Body):
    """A person's wish for one item."""

    id: Id
    to: Literal["keep", "remove", "open"] | Relabel = Field(
        description="keep: it is right as it stands; remove: leave it out of the set; open: nobody has looked; or a label"
    )
    why: str = Field("", max_length=1000)
    how: ToldHow = ToldHow.ASSISTED
    seen: Id | None = Field(None, description="Id of the item's last edit that the person had seen")


class EditsBody(Body):
    """Changes that belong together: one step to undo."""

    by: Who
    changes: list[ChangeBody] = Field(min_length=1, max_length=MOST_CHANGES)


class StepBody(Body):
    """The person whose last step is to be taken back, or made again."""

    by: Who


class AuditBody(Body):
    """The size of an audit."""

    size: int = Field(ge=1, le=MOST_CHANGES, description="Items that nobody suspects")


SCHEMAS: tuple[type[BaseModel], ...] = (EditsBody, StepBody, AuditBody)


def described(form: type[BaseModel]) -> dict[str, object]:
    """The entry of a body that is read by hand, for the OpenAPI document."""
    schema = {"$ref": f"#/components/schemas/{form.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
