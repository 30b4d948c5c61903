"""Messages of alarms arrive, signed, at least once, however often the receiver fails, and whatever ends meanwhile."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from receiver import Received, receiving
from waiting import LONG_S, Beside

from drivetrain.core.errors import UsageError
from drivetrain.core.records import Alarm, MonitorState
from drivetrain.serve.options import serve_options
from drivetrain.serve.work.webhook import LEASE_S, LONGEST_S, Webhook, read_secret, signature, wait_s
from drivetrain.store.sql_store import SqlStore, open_store

AT = datetime(2026, 11, 30, 14, 2, tzinfo=UTC)
SECRET = b"Drosselweg-7-und-mehr"


class Counts:
    """What became of messages."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def webhook(self, outcome: str) -> None:
        self.outcomes.append(outcome)


class Clock:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = open_store(tmp_path / "store.db")
    yield opened
    opened.close()


def alarm(number: int = 0) -> Alarm:
    return Alarm(f"{number:032x}", "bears", "b" * 16, "trail-4", "score", AT, AT, "unclear", {"images": ["x"]})


def raise_alarms(store: SqlStore, count: int) -> None:
    state = MonitorState("bears", "b" * 16, 1, "{}", AT)
    assert store.advance_monitor(None, state, [alarm(number) for number in range(count)])


def hook(store: SqlStore, url: str, clock: Clock) -> tuple[Webhook, Counts]:
    counts = Counts()
    return Webhook(store, url, SECRET, counts, now=clock, jitter=lambda: 1.0), counts


def waiting(store: SqlStore) -> int:
    return len(store.notices_due(AT + timedelta(days=365), 100))


def check_signature(message: Received, at: datetime) -> None:
    """As the documentation tells a receiver to."""
    found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", message.headers["drivetrain-signature"])
    assert found
    assert int(found[1]) == int(at.timestamp())
    expected = hmac.new(SECRET, found[1].encode() + b"." + message.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(expected, found[2])


def test_a_message_tells_of_the_alarm_and_is_signed(store: SqlStore) -> None:
    raise_alarms(store, 1)
    clock = Clock()
    with receiving() as receiver:
        webhook, counts = hook(store, receiver.url, clock)
        assert webhook.deliver() == 1
        assert webhook.deliver() == 0, "it was told once"
        assert store.clear_alarm(alarm().id, AT, "ada", "lens cleaned") is not None
        assert webhook.deliver() == 1
    raised, cleared = receiver.received
    for message in (raised, cleared):
        check_signature(message, AT)
        assert message.path == "/hook/room-9f2c?key=k3"
        assert message.headers["content-type"] == "application/json"
    told = json.loads(raised.body)
    assert told["event"] == "alarm.raised"
    assert told["id"] == raised.headers["drivetrain-notice"]
    assert told["alarm"]["source"] == "trail-4"
    assert told["alarm"]["acts"] is True
    last = json.loads(cleared.body)
    assert last["event"] == "alarm.cleared"
    assert (last["alarm"]["cleared_by"], last["alarm"]["reason"]) == ("ada", "lens cleaned")
    assert last["alarm"]["acts"] is False
    assert told["id"] != last["id"]
    assert counts.outcomes == ["arrived", "arrived"]


def test_what_was_altered_on_the_way_has_another_signature(store: SqlStore) -> None:
    raise_alarms(store, 1)
    clock = Clock()
    with receiving() as receiver:
        hook(store, receiver.url, clock)[0].deliver()
    (message,) = receiver.received
    with pytest.raises(AssertionError):
        check_signature(Received(message.path, message.headers, message.body.replace(b"trail-4", b"trail-5")), AT)


def test_a_receiver_that_fails_is_asked_again_later_and_later(store: SqlStore) -> None:
    raise_alarms(store, 1)
    clock = Clock()
    with receiving(500, 503, 404) as receiver:
        webhook, counts = hook(store, receiver.url, clock)
        for pause_s in (2, 4, 8):
            assert webhook.deliver() == 0
            assert webhook.deliver() == 0, "not before its time"
            clock.pass_s(pause_s)
        assert webhook.deliver() == 1
    assert len(receiver.received) == 4
    assert len({json.loads(message.body)["id"] for message in receiver.received}) == 1
    assert counts.outcomes == ["failed"] * 3 + ["arrived"]
    assert waiting(store) == 0


def test_an_hour_without_a_receiver_loses_nothing(tmp_path: Path) -> None:
    clock = Clock()
    with receiving() as receiver:
        url = receiver.url
    # Nobody listens there any more. The server is started anew in between.
    for start in range(2):
        store = open_store(tmp_path / "store.db")
        if start == 0:
            raise_alarms(store, 3)
        webhook, counts = hook(store, url, clock)
        for _ in range(30):
            webhook.deliver()
            clock.pass_s(60)
        assert "arrived" not in counts.outcomes
        assert webhook.last_error is not None
        assert waiting(store) == 3
        store.close()
    clock.pass_s(LONGEST_S)
    store = open_store(tmp_path / "store.db")
    with receiving() as back:
        webhook, _ = hook(store, back.url, clock)
        assert webhook.deliver() == 3
    assert {json.loads(message.body)["alarm"]["id"] for message in back.received} == {alarm(n).id for n in range(3)}
    assert waiting(store) == 0
    store.close()


def test_of_two_processes_one_sends_and_what_one_died_with_the_other_sends_later(store: SqlStore) -> None:
    raise_alarms(store, 1)
    clock = Clock()
    # One process has claimed the message, and is gone before it could say what became of it.
    assert len(store.claim_notices(clock(), clock() + timedelta(seconds=LEASE_S), 1)) == 1
    with receiving() as receiver:
        other, _ = hook(store, receiver.url, clock)
        assert other.deliver() == 0
        clock.pass_s(LEASE_S + 1)
        assert other.deliver() == 1
    assert len(receiver.received) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(store: SqlStore, status: int) -> None:
    raise_alarms(store, 1)
    with receiving(status) as receiver:
        webhook, counts = hook(store, receiver.url, Clock())
        webhook.deliver()
    assert [message.path for message in receiver.received] == ["/hook/room-9f2c?key=k3"]
    assert counts.outcomes == ["failed"]


def test_one_that_speaks_no_http_is_tried_again(store: SqlStore) -> None:
    raise_alarms(store, 1)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        webhook, counts = hook(store, f"http://127.0.0.1:{port}/", Clock())
        answering = Beside(lambda: _babble(listening))
        assert webhook.deliver() == 0
        answering.result()
    assert counts.outcomes == ["failed"]
    assert waiting(store) == 1


def _babble(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    connection.recv(1 << 16)
    connection.sendall(b"no http at all\r\n\r\n")
    connection.close()


def test_the_thread_tells_at_once_when_it_is_woken(store: SqlStore) -> None:
    with receiving() as receiver:
        counts = Counts()
        webhook = Webhook(store, receiver.url, SECRET, counts)
        webhook.start()
        raise_alarms(store, 1)
        webhook.wake()
        assert receiver.come.acquire(timeout=LONG_S)
        webhook.close()


def test_neither_the_secret_nor_the_path_is_logged(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    raise_alarms(store, 1)
    clock = Clock()
    with receiving(500) as receiver:
        webhook, _ = hook(store, receiver.url, clock)
        webhook.deliver()
        clock.pass_s(5)
        webhook.deliver()
    assert "it answered 500" in caplog.text
    assert "takes messages again" in caplog.text
    assert SECRET.decode() not in caplog.text
    assert "room-9f2c" not in caplog.text
    assert "k3" not in caplog.text


def test_waits_double_up_to_hours() -> None:
    waits = [wait_s(attempts, 1.0) for attempts in range(1, 60)]
    assert waits[:4] == [2, 4, 8, 16]
    assert waits[-1] == LONGEST_S
    assert waits == sorted(waits)
    assert [wait_s(attempts, 0.0) for attempts in range(1, 60)] == [wait / 2 for wait in waits]


@pytest.mark.parametrize(
    ("content", "fault"), [(b"", "holds 0 bytes"), (b"  short \n", "holds 5 bytes"), (None, "cannot be read")]
)
def test_a_secret_must_be_there_and_long_enough(tmp_path: Path, content: bytes | None, fault: str) -> None:
    file = tmp_path / "hook.secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=fault):
        read_secret(file)


def test_white_space_around_a_secret_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "hook.secret").write_bytes(b" " + SECRET + b"\r\n")
    assert read_secret(tmp_path / "hook.secret") == SECRET


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"webhook": "ftp://h/x", "webhook_secret_file": "s"}, "kind 'ftp'"),
        ({"webhook": "file:///etc/passwd", "webhook_secret_file": "s"}, "kind 'file'"),
        ({"webhook": "hooks.example/x", "webhook_secret_file": "s"}, "without a kind"),
        ({"webhook": "http://", "webhook_secret_file": "s"}, "and a host"),
        ({"webhook": "https://ada:pw@h/", "webhook_secret_file": "s"}, "user or password"),
        ({"webhook": "http://h:99999/", "webhook_secret_file": "s"}, "no address"),
        ({"webhook": "https://h/"}, "needs --webhook-secret-file"),
        ({"webhook_secret_file": "s"}, "there is none"),
        ({"on_alarm": "ignore"}, "review"),
    ],
)
def test_options_that_cannot_be_are_refused(given: dict[str, str], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        serve_options(("bears.bundle",), given).check()


def test_the_documentation_s_way_to_check_a_signature_works() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "monitor-server.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # it is ours, and asserts
    body = b'{"event": "alarm.raised"}'
    header = f"t=1764511320,v1={signature(SECRET, 1764511320, body)}"
    assert names["is_ours"](SECRET, header, body, 1764511320)
    assert not names["is_ours"](SECRET, header, body, 1764511320 + 3600)
    assert not names["is_ours"](SECRET + b"x", header, body, 1764511320)
