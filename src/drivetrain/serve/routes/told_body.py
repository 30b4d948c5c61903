"""Bodies in which a person tells something in JSON: small, and read within limits once the caller is known.

FastAPI would read a body that it knows the form of whole, however long, and before it asks who sends it.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from ..http.body import BodyReader
from ..http.json_body import read_json
from ..http.problems import Problem
from ..http.uploads import is_json, unprocessable

Told = TypeVar("Told", bound=BaseModel)


async def told_body(
    bodies: BodyReader, request: Request, client: str, form: type[Told], *, most_bytes: int, most_values: int
) -> Told:
    """Read a body of that form.

    Raises:
        Problem: it is no JSON (400, 415), too large (413), of another form (422), or there is no room or time for it.
        Gone: the client has left.
    """
    given = request.headers.get("content-type", "")
    if not is_json(given):
        raise Problem(
            "unsupported-media", f"the body is {given[:80] or 'of no stated type'!r}; send it as application/json"
        )

    def read(data: bytes) -> Told:
        try:
            return form.model_validate(read_json(data, "the body", values=most_values))
        except ValidationError as error:
            raise unprocessable(error) from None

    async with bodies.read(request, client, most_bytes) as body:
        return await body.read(read, cost=0, aside=False)
