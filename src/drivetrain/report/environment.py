"""The environment of the pages' templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..draw.numbers import unbroken

if TYPE_CHECKING:
    import jinja2


def page_environment() -> jinja2.Environment:
    """Make an environment in which everything is escaped, and a missing name is an error."""
    import jinja2  # imported here, as it costs 50 ms, and most commands render nothing

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = unbroken
    return environment
