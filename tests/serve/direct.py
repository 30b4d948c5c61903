"""The application asked without a network between: on one loop, with several requests under way at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Headers = tuple[tuple[bytes, bytes], ...]

HOST = (b"host", b"localhost")


@dataclass(frozen=True)
class Sent:
    """A request, byte for byte. ``route`` is its path in the OpenAPI document, ``how`` says how it was made."""

    how: str
    route: str
    method: str
    path: str
    query: bytes = b""
    headers: Headers = ()
    body: bytes = b""

    def dump(self) -> str:
        """Everything that is needed to send it again."""
        head = [
            f"{self.how}: {self.method} {self.path!r}?{self.query!r}",
            *(f"  {name!r}: {value!r}" for name, value in self.headers),
        ]
        return "\n".join([*head, self.body.hex()])


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str:
        """One header, empty where there is none."""
        return self.headers.get(name.encode(), b"").decode("latin-1")

    def json(self) -> Any:
        """The body as JSON; numbers that are none are refused."""

        def refuse(name: str) -> float:
            raise ValueError(f"{name} is not JSON")

        return json.loads(self.body.decode("utf-8"), parse_constant=refuse)


async def ask(app: Any, sent: Sent) -> Answer:
    """Send one request; whoever sends stays on the line until the answer is there."""
    answer = Answer()
    body: list[bytes] = [sent.body]

    async def receive() -> dict[str, Any]:
        if body:
            return {"type": "http.request", "body": body.pop(), "more_body": False}
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert not answer.status, "two answers"
            answer.status = message["status"]
            answer.headers = dict(message["headers"])
        else:
            answer.body += message.get("body", b"")

    names = {name for name, _ in sent.headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": sent.method,
        "scheme": "http",
        "path": sent.path,
        "raw_path": sent.path.encode("utf-8", "replace"),
        "root_path": "",
        "query_string": sent.query,
        "headers": [*(() if b"host" in names else (HOST,)), *sent.headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    await app(scope, receive, send)
    return answer


async def ask_all(app: Any, requests: Iterable[Sent], judge: Callable[[Sent, Answer], None], at_once: int = 12) -> int:
    """Send them in order with ``at_once`` under way, and judge each answer; how many there were."""
    count = 0
    waiting = iter(requests)

    async def client() -> None:
        nonlocal count
        for sent in waiting:
            count += 1
            try:
                answer = await ask(app, sent)
            except Exception as error:
                raise AssertionError(f"the application raised {error!r} at\n{sent.dump()[:20000]}") from error
            judge(sent, answer)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(client())
    return count
