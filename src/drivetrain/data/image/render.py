"""Rendering as data: how the values and colours that a file stores become 8-bit sRGB.

Most pictures are 8-bit sRGB already and stay as they are. Others hold more: 16-bit grey of a microscope, floating point of a
thermal camera, the inks of a press. The rule for those is part of a model's preprocessing: it is fixed in training, stored in
the manifest, and the same for every picture afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Finite = Annotated[float, Field(allow_inf_nan=False)]
Range = tuple[Finite, Finite]
"""(low, high): the value that becomes black, and the one that becomes white; values beyond are cut off."""

EIGHT_BITS: Literal["8 bits"] = "8 bits"
RangeWord = Literal["8 bits", "known", "exceeded", "guessed"]
"""The way in which the values of a picture became 8-bit levels. 8 bits: as they are; known: by the range of the rule; exceeded:
by that too, but half of them or more lie beyond it; guessed: by a range guessed from the picture itself."""


class Ranges(BaseModel):
    """The values between black and white, of integers of more than 8 bits and of floating point.

    None: none is known, and it is guessed from each picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    integers: Range | None = None
    floats: Range | None = None

    @model_validator(mode="after")
    def _low_before_high(self) -> Self:
        for name in ("integers", "floats"):
            values = getattr(self, name)
            if values is not None and not values[0] < values[1]:
                raise ValueError(f"ranges.{name} is {list(values)}; the first must be below the second")
        return self

    def of(self, values: NDArray[Any], no_data: float | None) -> Range | None:  # noqa: ARG002  # for subclasses
        """Return the range of a picture's values, by their type; None where it has to be guessed.

        ``no_data``: the value that means nothing in the picture's file.
        """
        return self.floats if np.issubdtype(values.dtype, np.floating) else self.integers

    @property
    def words(self) -> str:
        """The ranges for a person: ``integers 0 to 4095``; empty where none is known."""
        named = (("integers", self.integers), ("floating point", self.floats))
        return ", ".join(f"{name} {known[0]:.9g} to {known[1]:.9g}" for name, known in named if known is not None)


class Render(BaseModel):
    """The rule by which stored values and colours become 8-bit sRGB."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    colour: Literal["srgb", "stored"] = "srgb"
    """srgb: converted by the colour profile in the file, where there is one; stored: profiles are passed over."""
    ranges: Literal["picture"] | Ranges = Ranges()
    """picture: by each picture's own extremes, as bundles of before schema version 4 have it."""

    @property
    def key(self) -> str:
        """The rule in a few characters: equal for rules that give equal pictures."""
        ranges = self.ranges if isinstance(self.ranges, str) else f"{self.ranges.integers}{self.ranges.floats}"
        return f"{self.colour} {ranges}".replace("None", "-")

    @property
    def known(self) -> str:
        """The ranges that are known, in words; empty where there are none."""
        return "" if isinstance(self.ranges, str) else self.ranges.words


SRGB = Render()
"""The rule where nobody has stated another."""

AS_BEFORE = Render(colour="stored", ranges="picture")
"""The rule of bundles of schema versions 1 to 3, which did not say it."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The way that one picture was rendered in."""

    profile: Literal["none", "applied", "ignored"] = "none"
    """ignored: there is a colour profile that cannot be used, so colours were taken as sRGB."""
    range: RangeWord = EIGHT_BITS


AS_STORED = Rendered()
"""The way of a picture that was 8-bit sRGB already, as far as is known."""
