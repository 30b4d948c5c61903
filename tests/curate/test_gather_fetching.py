"""Fetching from a host that does all that hosts do."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from time import monotonic

import pytest
from gathering import AGENT, HASTY, fetching, here_only, now

from drivetrain.curate.gather.addresses import Addresses, checked_url, is_any, is_public
from drivetrain.curate.gather.clock import Clock
from drivetrain.curate.gather.fetcher import Fetcher
from drivetrain.curate.gather.refusal import NotFetchedError, StoppedError
from drivetrain.curate.gather.robots import Rule, forbids_training, parse
from picture_services import certificates, tls_host
from web_host import Reply, Web, photo, web_host


@pytest.fixture
def web() -> Iterator[Web]:
    with web_host() as host:
        yield host


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with fetching() as one:
        yield one


def reason(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(NotFetchedError) as caught:
        fetcher.picture(url)
    return caught.value.reason


def test_a_picture_comes_as_it_is_and_the_host_is_told_who_asks(web: Web, fetcher: Fetcher) -> None:
    data = photo(1)
    assert fetcher.picture(web.add("/a.jpg", Reply(data))).body == data
    assert {one.headers["user-agent"] for one in web.asked} == {AGENT}
    assert web.asked[-1].headers["accept-encoding"] == "identity"
    assert "cookie" not in web.asked[-1].headers


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        (Reply(status=404), "not found"),
        (Reply(status=410), "not found"),
        (Reply(status=403), "forbidden"),
        (Reply(status=418), "host error"),
        (Reply(b"<html>", "text/html; charset=utf-8"), "not an image"),
        (Reply(b"{}", "application/json"), "not an image"),
        (Reply(photo(1), headers={"Content-Encoding": "br"}), "damaged"),
        (Reply(b"no gzip", headers={"Content-Encoding": "gzip"}), "damaged"),
        (Reply(bytes(2 << 20)), "too large"),
        (Reply(endless=True), "too large"),
        (Reply(photo(1), length=1 << 19), "truncated"),
        (Reply(photo(1)[:60], drip_s=0.1), "timeout"),
        (Reply(photo(1), before_s=5), "timeout"),
        (Reply(gzip.compress(bytes(64 << 20)), headers={"Content-Encoding": "gzip"}), "too large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_used_is_refused_for_its_reason(web: Web, reply: Reply, wanted: str) -> None:
    begun = monotonic()
    with fetching(replace(HASTY, retries=1, idle_s=0.8, total_s=2)) as fetcher:
        assert reason(fetcher, web.add("/a.jpg", reply)) == wanted
    assert monotonic() - begun < 10


def test_a_packed_body_is_unpacked(web: Web, fetcher: Fetcher) -> None:
    reply = Reply(gzip.compress(photo(3)), headers={"Content-Encoding": "gzip"})
    assert fetcher.picture(web.add("/a.jpg", reply)).body == photo(3)


def test_headers_that_drip_for_ever_end_in_time() -> None:
    """Each byte comes within the longest pause; only the whole request takes too long."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server, fetching(replace(HASTY, retries=0)) as fetcher:

        def drip() -> None:
            client, _ = server.accept()
            client.recv(4096)
            with suppress(OSError):  # the other side has had enough
                for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100:
                    client.send(bytes([byte]))
                    time.sleep(0.2)

        threading.Thread(target=drip, daemon=True).start()
        begun = monotonic()
        assert reason(fetcher, f"http://slow.test:{server.getsockname()[1]}/a.jpg") == "robots"
        assert monotonic() - begun < 12


def test_a_host_that_is_busy_is_asked_again_when_it_says(web: Web, fetcher: Fetcher) -> None:
    answers = iter([Reply(status=429, headers={"Retry-After": "1"}), Reply(status=503), Reply(photo(1))])
    url = web.add("/a.jpg", lambda _: next(answers))
    assert fetcher.picture(url).body == photo(1)
    first, second, third = [one.at_s for one in web.asked if one.path == "/a.jpg"]
    assert second - first >= 1.0
    assert third - second >= 0.02


def test_a_pause_holds_for_all_that_is_asked_of_the_host(web: Web, fetcher: Fetcher) -> None:
    busy = iter([Reply(status=429, headers={"Retry-After": "2"}), Reply(photo(1))])
    first = web.add("/busy.jpg", lambda _: next(busy))
    other = web.add("/other.jpg", Reply(photo(2)))
    away = web.add("/away.jpg", Reply(photo(3)), "elsewhere.test")
    fetcher.picture(web.add("/robots-are-read.jpg", Reply(photo(4))))
    threads = [threading.Thread(target=fetcher.picture, args=(first,))]
    threads[0].start()
    time.sleep(0.3)
    for url in (other, away):
        threads.append(threading.Thread(target=fetcher.picture, args=(url,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    times = {one.path: one.at_s for one in web.asked}
    refused = next(one.at_s for one in web.asked if one.path == "/busy.jpg")
    assert times["/other.jpg"] - refused >= 2.0
    assert times["/away.jpg"] - refused < 1.9


def test_a_moment_as_retry_after_and_one_that_is_too_far_away(web: Web, fetcher: Fetcher) -> None:
    later = format_datetime(now() + timedelta(hours=1))
    assert reason(fetcher, web.add("/a.jpg", Reply(status=503, headers={"Retry-After": later}))) == "throttled"
    assert web.count("/a.jpg") == 1


def test_what_stays_busy_is_given_up(web: Web, fetcher: Fetcher) -> None:
    assert reason(fetcher, web.add("/a.jpg", Reply(status=429))) == "throttled"
    assert reason(fetcher, web.add("/b.jpg", Reply(status=500))) == "host error"
    assert web.count("/a.jpg") == web.count("/b.jpg") == 1 + HASTY.retries


def test_redirects_are_followed_but_not_for_ever(web: Web, fetcher: Fetcher) -> None:
    web.add("/to/photo.jpg", Reply(photo(1)), "moved.test")
    web.add("/b.jpg", Reply(status=302, headers={"Location": web.url("/to/photo.jpg", "moved.test")}))
    assert fetcher.picture(web.add("/a.jpg", Reply(status=301, headers={"Location": "b.jpg"}))).body == photo(1)
    assert web.count("/robots.txt") == 2  # each host is asked for its own rules
    assert reason(fetcher, web.add("/loop", Reply(status=307, headers={"Location": "/loop"}))) == "redirects"


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://host.test/a.jpg", "gopher://host.test", "//", "a\x00b"])
def test_only_web_addresses_are_asked_also_after_redirects(web: Web, fetcher: Fetcher, where: str) -> None:
    with pytest.raises(NotFetchedError, match="no address"):
        checked_url(where)
    if where.isprintable() and where != "//":
        assert reason(fetcher, web.add("/a.jpg", Reply(status=302, headers={"Location": where}))) == "no address"


@pytest.mark.parametrize(
    "where", ["http://[", "http://a:99999999/", "http://\xff\xfe.test/", "http://" + "a" * 300 + "/", "//", ""]
)
def test_redirects_to_nowhere_are_no_fault_of_ours(web: Web, where: str) -> None:
    with fetching(resolve=Addresses().resolve, allowed=is_any) as fetcher:
        url = web.add("/a.jpg", Reply(status=302, headers={"Location": where}), "127.0.0.1")
        assert reason(fetcher, url) in ("no address", "no host", "redirects")


def test_no_password_goes_into_the_record() -> None:
    with pytest.raises(NotFetchedError, match="a user or a password"):
        checked_url("https://ada:secret@host.test/a.jpg")


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
        *("255.255.255.255", "192.0.2.1", "2001:db8::1", "64:ff9b::169.254.169.254", "::ffff:10.0.0.1", "ff02::1"),
    ],
)
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_outside_are(address: str) -> None:
    assert is_public(address)


INSIDE = ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f000001", "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]"]


@pytest.mark.parametrize("host", INSIDE)
def test_this_machine_is_not_asked_in_whatever_way_it_is_written(web: Web, host: str) -> None:
    """The system itself looks the names up, as it does for a person."""
    with fetching(resolve=Addresses().resolve, allowed=is_public) as fetcher:
        web.replies[f"{host}/a.jpg"] = Reply(photo(1))
        assert reason(fetcher, f"http://{host}:{web.port}/a.jpg") in ("private address", "no host")
    assert web.asked == []
    with fetching(resolve=Addresses().resolve, allowed=is_any) as fetcher:
        web.replies["127.0.0.1/a.jpg"] = Reply(photo(1))
        assert fetcher.picture(f"http://127.0.0.1:{web.port}/a.jpg").body == photo(1)


@pytest.mark.parametrize("private", ["127.0.0.2", "10.0.0.1", "169.254.169.254", "[::1]"])
def test_a_redirect_does_not_lead_inside(web: Web, fetcher: Fetcher, private: str) -> None:
    where = f"http://{private}:{web.port}/secret"
    assert reason(fetcher, web.add("/a.jpg", Reply(status=302, headers={"Location": where}))) == "private address"
    assert {one.path for one in web.asked} == {"/robots.txt", "/a.jpg"}


def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_checked(web: Web) -> None:
    """A name that changes between look and connection (DNS rebinding) is connected to as it was looked at."""
    looked: list[str] = []

    def changing(host: str, _port: int) -> list[str]:
        looked.append(host)
        return ["127.0.0.1"] if len(looked) == 1 else ["127.0.0.2"]

    with fetching(resolve=changing) as fetcher:
        url = web.add("/a.jpg", Reply(photo(1)), "rebinding.test")
        assert fetcher.picture(url).body == photo(1)
        assert looked == ["rebinding.test"]  # robots.txt and the picture came over one connection
        web.add("/a.jpg", Reply(photo(1), before_s=0.4), "rebinding.test")
        with ThreadPoolExecutor(2) as pool:
            errors = [one.exception() for one in [pool.submit(fetcher.picture, url) for _ in range(2)]]
    # The one that took the old connection came through; the other looked again, and was refused.
    assert len(looked) == 2
    assert sorted(str(error).partition(":")[0] for error in errors) == ["None", "private address"]


def test_a_name_of_which_one_address_lies_inside_is_refused(web: Web) -> None:
    with fetching(resolve=lambda _h, _p: ["127.0.0.1", "10.0.0.1"]) as fetcher:
        assert reason(fetcher, web.add("/a.jpg", Reply(photo(1)))) == "private address"
    assert web.asked == []


def test_an_unknown_name_and_a_closed_port(fetcher: Fetcher) -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    with fetching(resolve=unknown) as lost:
        assert reason(lost, "http://nowhere.test/a.jpg") == "no host"
    assert reason(fetcher, "http://photos.test:1/a.jpg") in ("connection", "robots")


ROBOTS = b"""
User-agent: *
Disallow: /

User-agent: Drivetrain
User-agent: other
Disallow: /private/
Allow: /private/open
Disallow: /*.gif$
Crawl-delay: 0.3
"""


def test_robots_txt_is_kept_to(web: Web, fetcher: Fetcher) -> None:
    web.add("/robots.txt", Reply(ROBOTS, "text/plain"))
    for path in ("/a.jpg", "/private/a.jpg", "/private/open.jpg", "/a.gif", "/a.gif.jpg", "/pri%76ate/b.jpg"):
        web.add(path, Reply(photo(1)))
    assert fetcher.picture(web.url("/a.jpg"))
    assert fetcher.picture(web.url("/private/open.jpg"))
    assert fetcher.picture(web.url("/a.gif.jpg"))
    for path in ("/private/a.jpg", "/a.gif", "/pri%76ate/b.jpg"):
        assert reason(fetcher, web.url(path)) == "robots"
        assert web.count(path) == 0
    assert web.count("/robots.txt") == 1
    times = [one.at_s for one in web.asked if one.path != "/robots.txt"]
    assert min(b - a for a, b in pairwise(times)) >= 0.2


@pytest.mark.parametrize(("status", "asked"), [(404, True), (403, True), (500, False), (429, False)])
def test_a_host_without_rules_and_one_whose_rules_cannot_be_had(
    web: Web, fetcher: Fetcher, status: int, asked: bool
) -> None:
    web.add("/robots.txt", Reply(status=status))
    url = web.add("/a.jpg", Reply(photo(1)))
    if asked:
        assert fetcher.picture(url)
    else:
        assert reason(fetcher, url) == "robots"
        assert web.count("/a.jpg") == 0


def test_a_robots_txt_that_does_not_end_is_read_as_far_as_it_must_be(web: Web, fetcher: Fetcher) -> None:
    web.add(
        "/robots.txt", Reply(b"User-agent: *\nDisallow: /no\n" + b"# far more\n" * 5000, "text/plain", endless=True)
    )
    assert fetcher.picture(web.add("/a.jpg", Reply(photo(1))))
    assert reason(fetcher, web.add("/no.jpg", Reply(photo(1)))) == "robots"


@pytest.mark.parametrize(
    ("rule", "path", "fits"),
    [
        ("/a*b$", "/a/x/b", True),
        ("/a*b$", "/a/b/c", False),
        ("/a*b$", "/ab", True),
        ("/*.gif$", "/.gif", True),
        ("/a$", "/a", True),
        ("/a$", "/ab", False),
        ("*", "/anything", True),
        ("/**x", "/yx", True),
        ("/a*aa$", "/aa", False),
        ("/a*b*c", "/a-c-b", False),
    ],
)
def test_stars_stand_for_anything(rule: str, path: str, fits: bool) -> None:
    assert Rule(rule, False).fits(path) == fits


def test_rules_that_would_take_for_ever_do_not() -> None:
    hostile = f"user-agent: *\ndisallow: /{'a*' * 5000}b$\n".encode()
    begun = monotonic()
    assert parse(hostile, "drivetrain").allows(f"http://h/{'a' * 8000}")
    assert monotonic() - begun < 5


def test_rules_for_nobody_in_particular_and_the_longest() -> None:
    text = parse(b"Disallow: /lost\nUser-agent: *\nAllow: /a\nDisallow: /a/b\nAllow: /a/b\nDisallow:\n", "drivetrain")
    assert text.allows("http://h/lost")
    assert text.allows("http://h/a/b")  # allow wins a tie
    assert not parse(b"user-agent: *\ndisallow: /*?size=", "drivetrain").allows("http://h/x?size=3")
    assert parse(b"user-agent: drivetrainer\ndisallow: /", "drivetrain").allows("http://h/x")


@pytest.mark.parametrize(
    ("tag", "forbidden"),
    [
        ("noai", True),
        ("noindex, noimageai", True),
        ("NoAI", True),
        ("drivetrain: noai", True),
        ("otherbot: noai", False),
        ("otherbot: noindex\nnoai", True),
        ("noindex", False),
        ("unavailable_after: 25 Jun 2030 15:00:00 PST, noai", True),
        ("max-image-preview: none", False),
    ],
)
def test_pictures_kept_from_training_are_not_taken(web: Web, fetcher: Fetcher, tag: str, forbidden: bool) -> None:
    assert forbids_training(tag, "drivetrain") == forbidden
    url = web.add("/a.jpg", Reply(photo(1), headers={"X-Robots-Tag": tag}))
    if forbidden:
        assert reason(fetcher, url) == "noai"
    else:
        assert fetcher.picture(url)


def test_few_are_asked_of_one_host_at_one_time(web: Web) -> None:
    urls = [
        web.add(f"/{n}.jpg", Reply(photo(n), before_s=0.1), host) for n in range(8) for host in ("one.test", "two.test")
    ]
    with fetching(replace(HASTY, a_host=2)) as fetcher:
        threads = [threading.Thread(target=fetcher.picture, args=(url,)) for url in urls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert web.most_at_once == {"one.test": 2, "two.test": 2}
    assert sum(one.path.endswith(".jpg") for one in web.asked) == 16


def test_a_run_that_is_stopped_lets_go_of_a_slow_host_at_once(web: Web) -> None:
    clock = Clock(monotonic, lambda: 0.5)
    url = web.add("/a.jpg", Reply(photo(1), before_s=3))
    with fetching(replace(HASTY, idle_s=60, total_s=60), clock=clock) as fetcher:
        threading.Timer(0.3, clock.stop).start()
        begun = monotonic()
        with pytest.raises(StoppedError):
            fetcher.picture(url)
        assert monotonic() - begun < 2


def test_connections_are_used_again(web: Web) -> None:
    looked: list[str] = []

    def counting(host: str, port: int) -> list[str]:
        looked.append(host)
        return list(here_only(host, port))

    with fetching(resolve=counting) as one:
        for n in range(5):
            one.picture(web.add(f"/{n}.jpg", Reply(photo(n))))
    assert looked == ["photos.test"]


@pytest.mark.parametrize("known", [True, False])
def test_a_host_has_to_prove_its_name_by_the_name_and_not_by_the_address(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """The connection goes to an address; the certificate is still that of the name."""
    authority, leaf = certificates(tmp_path, "secure.test")
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    web.add("/a.jpg", Reply(photo(1)), "secure.test")
    web.add("/a.jpg", Reply(photo(1)), "other.test")
    with tls_host(web, leaf) as port, fetching(replace(HASTY, retries=0)) as fetcher:
        if known:
            assert fetcher.picture(f"https://secure.test:{port}/a.jpg").body == photo(1)
            assert reason(fetcher, f"https://other.test:{port}/a.jpg") == "robots"  # not even its rules can be had
        else:
            assert reason(fetcher, f"https://secure.test:{port}/a.jpg") == "robots"
    assert web.count("/a.jpg") == known


def test_a_service_may_ask_for_patience(web: Web, fetcher: Fetcher) -> None:
    url = web.add("/v1", Reply(b"{}", "application/json"))
    for _ in range(3):
        fetcher.document(url, 100, 0.3)
    times = [one.at_s for one in web.asked]
    assert min(b - a for a, b in pairwise(times)) >= 0.2
    assert web.count("/robots.txt") == 0
