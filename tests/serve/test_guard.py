"""Keys: who may do what, keys that are revoked, and how many images a minute."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import MemoryStore, is_down
from starlette.requests import Request

from drivetrain.core.records import ApiKey, Role
from drivetrain.serve.access import Caller, Guard
from drivetrain.serve.http.problems import Problem
from drivetrain.store.new_key import new_key

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw, "client": ("10.0.0.7", 5000)})


def bearer(secret: str) -> Request:
    return request(authorization=f"Bearer {secret}")


class Clock:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="module")
def keys() -> dict[Role, tuple[str, ApiKey]]:
    """A secret and its key for each role."""
    return {role: new_key(f"of {role}", role) for role in Role}


@pytest.fixture
def store(keys: dict[Role, tuple[str, ApiKey]]) -> MemoryStore:
    return MemoryStore([key for _, key in keys.values()])


@pytest.fixture
def guard(store: MemoryStore) -> Guard:
    return Guard(store, loopback=False)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("needed", Role)
def test_a_role_may_do_what_those_below_it_may(
    guard: Guard, keys: dict[Role, tuple[str, ApiKey]], role: Role, needed: Role
) -> None:
    order = [Role.PREDICT, Role.REVIEW, Role.ADMIN]
    secret, key = keys[role]
    if order.index(role) >= order.index(needed):
        assert guard.admit(bearer(secret), needed) == Caller(role, key.id, key)
    else:
        with pytest.raises(Problem, match=f"role {needed}; this one has {role}") as caught:
            guard.admit(bearer(secret), needed)
        assert caught.value.status == 403


@pytest.mark.parametrize("scheme", ["Bearer {}", "bearer {}", "BEARER  {} "])
def test_a_key_is_sent_as_a_bearer_token(guard: Guard, keys: dict[Role, tuple[str, ApiKey]], scheme: str) -> None:
    secret, key = keys[Role.REVIEW]
    caller = guard.caller(request(authorization=scheme.format(secret)))
    assert caller is not None
    assert caller.key == key


def test_a_key_may_come_in_a_header_of_its_own(guard: Guard, keys: dict[Role, tuple[str, ApiKey]]) -> None:
    secret, key = keys[Role.REVIEW]
    for sent in (request(x_api_key=secret), request(x_api_key=secret, authorization="Basic dXNlcjpwYXNz")):
        caller = guard.caller(sent)
        assert caller is not None
        assert caller.key == key


WRONG = {
    "nothing": {},
    "empty": {"authorization": ""},
    "no token": {"authorization": "Bearer "},
    "another scheme": {"authorization": "Basic {}"},
    "no scheme": {"authorization": "{}"},
    "cut": {"authorization": "Bearer {:.20}"},
    "longer": {"authorization": "Bearer {}x"},
    "not ASCII": {"authorization": "Bearer {}\xe4"},
    "the hash": {"authorization": "Bearer HASH"},
    "the id": {"authorization": "Bearer ID"},
    "empty header": {"x_api_key": ""},
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG.keys())
def test_without_a_valid_key_nobody_passes(
    guard: Guard, keys: dict[Role, tuple[str, ApiKey]], headers: dict[str, str]
) -> None:
    secret, key = keys[Role.ADMIN]
    sent = request(
        **{n: v.format(secret).replace("HASH", key.secret_sha256).replace("ID", key.id) for n, v in headers.items()}
    )
    assert guard.caller(sent) is None
    with pytest.raises(Problem) as caught:
        guard.admit(sent, Role.PREDICT)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer ")
    assert secret[:20] not in caught.value.detail


def test_a_revoked_key_stops_working_at_the_next_look(
    guard: Guard, store: MemoryStore, keys: dict[Role, tuple[str, ApiKey]]
) -> None:
    secret, key = keys[Role.ADMIN]
    store.known = tuple(replace(one, revoked_at=NOW) if one == key else one for one in store.known)
    guard.refresh()
    assert guard.caller(bearer(secret)) is None
    with pytest.raises(Problem, match="not known or was revoked"):
        guard.admit(bearer(secret), Role.PREDICT)
    # The others go on.
    assert guard.caller(bearer(keys[Role.PREDICT][0])) is not None


def test_a_new_key_works_after_the_next_look(guard: Guard, store: MemoryStore) -> None:
    secret, key = new_key("new", Role.PREDICT)
    assert guard.caller(bearer(secret)) is None
    store.known = (*store.known, key)
    guard.refresh()
    assert guard.caller(bearer(secret)) == Caller(Role.PREDICT, key.id, key)


def test_keys_stay_known_while_the_store_is_down(
    guard: Guard, store: MemoryStore, keys: dict[Role, tuple[str, ApiKey]]
) -> None:
    store.failure = is_down()
    guard.refresh()
    assert guard.caller(bearer(keys[Role.PREDICT][0])) is not None


def test_a_guard_whose_keys_are_all_gone_lets_nobody_in(store: MemoryStore, guard: Guard) -> None:
    store.known = ()
    guard.refresh()
    assert guard.caller(request()) is None


def test_an_open_server_lets_everybody_do_everything() -> None:
    guard = Guard(MemoryStore(), loopback=True)
    for sent in (request(), bearer("dt_wrong")):
        assert guard.admit(sent, Role.ADMIN) == Caller(Role.ADMIN, "10.0.0.7")


def status_of(guard: Guard, sent: Request) -> int:
    """200 where it is let in."""
    try:
        guard.admit(sent, Role.PREDICT)
    except Problem as problem:
        return problem.status
    return 200


def test_from_the_first_key_on_a_server_is_closed_for_good() -> None:
    store = MemoryStore()
    guard = Guard(store, loopback=True)
    assert guard.open_to_all
    secret, key = new_key("first", Role.ADMIN)
    store.known = (key,)
    guard.refresh()
    assert not guard.open_to_all
    assert (status_of(guard, request()), status_of(guard, bearer(secret))) == (401, 200)
    # The last is revoked, here and at the next start.
    store.known = (replace(key, revoked_at=NOW),)
    guard.refresh()
    for one in (guard, Guard(store, loopback=True)):
        assert not one.open_to_all
        assert (status_of(one, request()), status_of(one, bearer(secret))) == (401, 401)
    # The store is put back from a time before the key.
    store.known = ()
    guard.refresh()
    assert status_of(guard, request()) == 401


def test_an_open_server_that_cannot_read_its_keys_answers_nobody() -> None:
    store = MemoryStore()
    guard = Guard(store, loopback=True)
    store.failure = is_down()
    guard.refresh()
    assert status_of(guard, request()) == 503
    assert guard.caller(request()) is None
    unread = Guard(store, loopback=True)
    assert status_of(unread, request()) == 503
    store.failure = None
    for one in (guard, unread):
        one.refresh()
        assert status_of(one, request()) == 200


# Rates


def limited(per_minute: int | None, clock: Clock, share: int = 1) -> tuple[Guard, Caller]:
    _, key = new_key("limited", Role.PREDICT, per_minute)
    return Guard(MemoryStore([key]), loopback=False, share=share, clock=clock), Caller(Role.PREDICT, key.id, key)


def passed(guard: Guard, caller: Caller, images: int = 1, most: int = 10_000) -> int:
    """How many such requests pass, one after the other, until one does not."""
    for number in range(most):
        try:
            guard.count(caller, images)
        except Problem:
            return number
    return most


def test_a_key_without_a_rate_has_none() -> None:
    guard, caller = limited(None, Clock())
    assert passed(guard, caller, 64, most=1000) == 1000


def test_a_minutes_worth_passes_at_once_and_then_as_time_does() -> None:
    clock = Clock()
    guard, caller = limited(60, clock)
    assert passed(guard, caller) == 60
    clock.now_s += 5.0
    assert passed(guard, caller) == 5
    clock.now_s += 3600.0
    assert passed(guard, caller, images=10) == 6


def test_who_is_turned_away_learns_when_to_come_back() -> None:
    clock = Clock()
    guard, caller = limited(7, clock)
    passed(guard, caller)
    with pytest.raises(Problem, match="7 images a minute") as caught:
        guard.count(caller, 3)
    problem = caught.value
    assert (problem.slug, problem.status) == ("too-many-requests", 429)
    # Three images are 25.7 s: a whole second less would be too early.
    assert problem.retry_after_s == 26
    clock.now_s += problem.retry_after_s
    guard.count(caller, 3)


def test_being_turned_away_costs_nothing() -> None:
    clock = Clock()
    guard, caller = limited(60, clock)
    passed(guard, caller)
    assert passed(guard, caller) == 0
    clock.now_s += 1.0
    assert passed(guard, caller) == 1


def test_a_request_larger_than_the_rate_passes_now_and_then() -> None:
    clock = Clock()
    guard, caller = limited(10, clock)
    guard.count(caller, 40)
    clock.now_s += 60 * 4 - 1
    with pytest.raises(Problem):
        guard.count(caller, 40)
    clock.now_s += 2
    guard.count(caller, 40)


def test_keys_have_rates_of_their_own() -> None:
    clock = Clock()
    (_, one), (_, two) = (new_key(name, Role.PREDICT, 5) for name in "ab")
    guard = Guard(MemoryStore([one, two]), loopback=False, clock=clock)
    callers = [Caller(Role.PREDICT, key.id, key) for key in (one, two)]
    assert [passed(guard, caller) for caller in callers] == [5, 5]


def test_processes_share_a_rate() -> None:
    clock = Clock()
    guard, caller = limited(60, clock, share=3)
    assert passed(guard, caller) == 20
    clock.now_s += 60.0
    assert passed(guard, caller) == 20


def test_even_a_rate_smaller_than_the_processes_lets_some_through() -> None:
    clock = Clock()
    guard, caller = limited(1, clock, share=4)
    found = 0
    for _ in range(3600):
        clock.now_s += 1.0
        found += passed(guard, caller)
    # A fourth of one image a minute for an hour, and the one it began with.
    assert found == pytest.approx(15, abs=1)


def test_a_rate_that_is_changed_counts_from_then_on() -> None:
    clock = Clock()
    guard, caller = limited(5, clock)
    assert passed(guard, caller) == 5
    assert caller.key is not None
    assert passed(guard, replace(caller, key=replace(caller.key, per_minute=8))) == 8


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 500),
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(1, 64), st.floats(0, 30)), min_size=1, max_size=60),
)
def test_no_pattern_of_requests_gets_more_than_the_rate(
    per_minute: int, share: int, pattern: list[tuple[int, float]]
) -> None:
    clock = Clock()
    guard, caller = limited(per_minute, clock, share)
    start_s, images, last = clock.now_s, 0, 0
    for count, pause_s in pattern:
        clock.now_s += pause_s
        if passed(guard, caller, count, most=1):
            images, last = images + count, count
    minutes = (clock.now_s - start_s) / 60
    # A minute's worth at the start, what time gave, and the last one that may overdraw.
    assert images <= per_minute / share * (1 + minutes) + last + 1e-6
