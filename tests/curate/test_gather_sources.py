"""One suite for every source, each against a host that answers as the service does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from gathering import HASTY, fetching, files, gather, lines, now
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivetrain.curate.gather.addresses import checked_url
from drivetrain.curate.gather.api import Api
from drivetrain.curate.gather.clock import Clock
from drivetrain.curate.gather.inaturalist import INaturalist
from drivetrain.curate.gather.licences import is_open
from drivetrain.curate.gather.openverse import Openverse
from drivetrain.curate.gather.refusal import NotFetchedError
from drivetrain.curate.gather.run import Order
from drivetrain.curate.gather.source import text_of
from drivetrain.curate.gather.sources import SOURCES
from drivetrain.curate.gather.wikimedia import Wikimedia, plain_text
from drivetrain.data.provenance.codec import from_line, to_line
from drivetrain.data.provenance.line import Provenance
from drivetrain.data.sources.opening import open_source
from picture_services import SERVICES, Service
from web_host import Reply, Web, as_json, web_host

BY_API = [name for name in SERVICES if name != "ddgs"]


@pytest.fixture
def web() -> Iterator[Web]:
    with web_host() as host:
        yield host


@pytest.fixture
def api() -> Iterator[Api]:
    clock = Clock(monotonic, lambda: 0.5)
    with fetching(clock=clock) as fetcher:
        yield Api(fetcher, clock, now)


def test_every_source_is_held_to_the_suite() -> None:
    assert set(SERVICES) == set(SOURCES)
    assert [SOURCES[name]().name for name in SOURCES] == list(SOURCES)


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("pages", [0.4, 1.0, 2.3])
def test_all_pages_are_read_to_the_end(web: Web, api: Api, tmp_path: Path, name: str, pages: float) -> None:
    size = {"openverse": 20, "wikimedia": 50, "inaturalist": 400, "ddgs": 100}[name]
    with SERVICES[name](web, round(pages * size), tmp_path) as service:
        found = list(service.source.search("grizzly bear", api, only_open=False))
        wanted = [service.wanted(number) for number in range(service.count)]
        got = [(one.url, one.licence) for one in found]
        assert (sorted(got) if name == "ddgs" else got) == (sorted(wanted) if name == "ddgs" else wanted)
        assert "grizzly bear" in " ".join(service.requests[0].query.values())
        assert all(one.page and one.title for one in found)
        assert all(one.author for one in found) == (name != "ddgs")
        assert all(one.licence_url for one in found if one.licence.startswith("cc"))


@pytest.mark.parametrize("name", SERVICES)
def test_no_page_is_asked_for_before_it_is_needed(web: Web, api: Api, tmp_path: Path, name: str) -> None:
    with SERVICES[name](web, 1000, tmp_path) as service:
        search = service.source.search("bear", api, only_open=False)
        assert service.requests == []
        assert len(list(islice(search, service.page))) == service.page
        assert len(service.requests) == 1
        next(search)
        assert len(service.requests) == 2


@pytest.mark.parametrize("name", BY_API)
def test_nothing_found_is_no_error(web: Web, api: Api, tmp_path: Path, name: str) -> None:
    with SERVICES[name](web, 0, tmp_path) as service:
        assert list(service.source.search("bear", api, only_open=False)) == []


@pytest.mark.parametrize("name", BY_API)
def test_a_service_that_is_busy_is_asked_again_when_it_says(web: Web, api: Api, tmp_path: Path, name: str) -> None:
    with SERVICES[name](web, 30, tmp_path) as service:
        service.before = [as_json({"detail": "Request was throttled."}, 429, {"Retry-After": "1"})]
        assert len(list(service.source.search("bear", api, only_open=False))) == 30
        first, second = [one.at_s for one in service.requests][:2]
        assert second - first >= 1.0


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_does_not_answer_says_so(web: Web, api: Api, tmp_path: Path, name: str) -> None:
    with SERVICES[name](web, 30, tmp_path) as service:
        service.before = [Reply(status=500)] * 10
        with pytest.raises(NotFetchedError) as caught:
            list(service.source.search("bear", api, only_open=False))
        assert caught.value.reason == "host error"
        assert caught.value.passing


@pytest.mark.parametrize("name", BY_API)
@pytest.mark.parametrize("body", [b"<html>maintenance</html>", b"[]", b"{", b"[" * 100_000])
def test_an_answer_that_is_no_document_says_so(web: Web, api: Api, tmp_path: Path, name: str, body: bytes) -> None:
    with SERVICES[name](web, 30, tmp_path) as service:
        service.before = [Reply(body, "application/json")]
        with pytest.raises(NotFetchedError, match="no JSON"):
            list(service.source.search("bear", api, only_open=False))


FIELDS = {
    *("url", "title", "creator", "license", "license_version", "license_url", "foreign_landing_url", "index"),
    *("thumburl", "mime", "value", "descriptionurl"),
    *("license_code", "login", "name", "uri", "id", "preferred_common_name"),
}

ODD = [None, 7, "x", [], {}, {"results": 3}, {"url": None}, {"photos": [{}]}, {"imageinfo": [{"mime": "image/jpeg"}]}]


@pytest.mark.parametrize("name", BY_API)
def test_odd_rows_are_passed_over(web: Web, api: Api, tmp_path: Path, name: str) -> None:
    with SERVICES[name](web, 30, tmp_path) as service:
        document = {"page_count": 1, "results": ODD, "query": {"pages": ODD}, "continue": None}
        service.before = [as_json(document), as_json({"page_count": "many", "results": None, "query": []})]
        assert list(service.source.search("bear", api, only_open=False)) == []
        assert list(service.source.search("bear", api, only_open=False)) == []


@pytest.mark.parametrize("name", BY_API)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_documents_of_any_form_are_read_or_passed_over(
    web: Web, api: Api, tmp_path: Path, name: str, data: Any
) -> None:
    """Fields that the service has, each with anything in it: what is found can be asked for, and written down."""
    texts = st.sampled_from(["\ud800 <b>\x00", "http://photos.test/a.jpg", "image/jpeg", "by", "ſ\u202e", ""])
    leaves = st.none() | st.integers() | st.floats() | st.lists(st.none(), max_size=1) | texts
    texts_often = texts | texts | texts | leaves
    flat = st.fixed_dictionaries(dict.fromkeys(sorted(FIELDS), texts_often))

    def holding(row: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
        held = {field: st.just([row]) | leaves for field in ("photos", "imageinfo")}
        held |= {
            field: st.just(row) | leaves for field in ("user", "taxon", "Artist", "LicenseShortName", "ObjectName")
        }
        return st.fixed_dictionaries(held).map(lambda one: {**row, **one, "extmetadata": {**row, **one}})

    row = flat.flatmap(holding).flatmap(holding)
    document: dict[str, Any] = {"results": [data.draw(row), data.draw(leaves)], "page_count": data.draw(leaves)}
    document["query"] = {"pages": [data.draw(row), data.draw(leaves)]}
    with SERVICES[name](web, 0, tmp_path) as service:
        service.before = [as_json(document), as_json({})]
        for one in service.source.search("bear", api, only_open=False):
            origin = Provenance(
                "a", "", name, now(), one.url, one.page, one.licence, one.licence_url, one.author, one.title
            )
            assert from_line(to_line(origin).encode().decode()) == origin
            with suppress(NotFetchedError):
                checked_url(one.url)


@pytest.mark.parametrize("name", BY_API)
def test_requests_keep_the_distance_that_the_service_asks_for(web: Web, api: Api, name: str, tmp_path: Path) -> None:
    with SERVICES[name](web, 900, tmp_path) as service:
        slow: dict[str, Openverse | Wikimedia | INaturalist] = {
            "openverse": Openverse(web.url("", "api.openverse.test"), interval_s=0.3),
            "wikimedia": Wikimedia(web.url("", "commons.test"), interval_s=0.3),
            "inaturalist": INaturalist(web.url("", "api.inaturalist.test"), interval_s=0.3),
        }
        list(islice(slow[name].search("bear", api, only_open=False), 2 * service.page + 1))
        times = [one.at_s for one in service.requests]
        assert len(times) == 3
        assert min(b - a for a, b in pairwise(times)) >= 0.2


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("only_open", [False, True])
def test_pictures_come_with_their_origin(web: Web, tmp_path: Path, name: str, only_open: bool) -> None:
    into = tmp_path / "bears"
    with SERVICES[name](web, 24, tmp_path) as service:
        (tally,) = gather_by(service, into, only_open)
    wanted = [service.wanted(number)[1] for number in range(24)]
    wanted = [licence for licence in wanted if is_open(licence) or not only_open]
    assert sorted(line.licence for line in lines(into)) == sorted(wanted)
    assert len(files(into)) == tally.got == len(wanted)
    for line in lines(into):
        assert (line.source, line.query, line.label_how) == (name, "bear", "query")
        assert line.name.startswith("bear/")
        assert line.page
        assert line.at == now()


def gather_by(service: Service, into: Path, only_open: bool) -> list[object]:
    clock = Clock(monotonic, lambda: 0.5)
    with fetching(HASTY, clock=clock) as fetcher:
        found = service.source.search("bear", Api(fetcher, clock, now), only_open=only_open)
        return [*gather(into, Order("bear", "bear", service.name, found, 100, only_open))]


def test_openverse_is_never_asked_for_more_than_it_shows_without_a_key(web: Web, api: Api, tmp_path: Path) -> None:
    with SERVICES["openverse"](web, 1000, tmp_path) as service:
        assert len(list(service.source.search("bear", api, only_open=False))) == 240
        assert {one.query["page_size"] for one in service.requests} == {"20"}
        service.before = [*(Reply(status=200, kind="application/json", body=b'{"page_count": 9, "results": [{}]}'),)]
        service.before.append(as_json({"detail": "too deep"}, 401))
        assert list(service.source.search("bear", api, only_open=False)) == []


def test_wikimedia_is_left_alone_while_its_databases_lag(web: Web, api: Api, tmp_path: Path) -> None:
    with SERVICES["wikimedia"](web, 3, tmp_path) as service:
        lag = {"error": {"code": "maxlag", "info": "Waiting for a database server: 7 seconds lagged"}}
        service.before = [as_json(lag, headers={"Retry-After": "1"})]
        assert len(list(service.source.search("bear", api, only_open=False))) == 3
        first, second = [one.at_s for one in service.requests]
        assert second - first >= 1.0
        service.before = [as_json({"error": {"code": "badvalue", "info": "Unrecognized value"}})]
        with pytest.raises(NotFetchedError, match="Wikimedia says: Unrecognized value"):
            list(service.source.search("bear", api, only_open=False))


def test_wikimedia_s_authors_are_words(web: Web, api: Api, tmp_path: Path) -> None:
    with SERVICES["wikimedia"](web, 3, tmp_path) as service:
        assert [one.author for one in service.source.search("bear", api, only_open=False)] == [
            "Ada 0",
            "Ada 1",
            "Ada 2",
        ]
    assert plain_text("<p>Photo:&nbsp;Ada<br><b>Lovelace</b> &lt;3</p><script>") == "Photo: AdaLovelace <3"


def test_photos_of_one_observation_are_one_group(web: Web, api: Api, tmp_path: Path) -> None:
    with SERVICES["inaturalist"](web, 6, tmp_path) as service:
        groups = [one.group for one in service.source.search("bear", api, only_open=False)]
        assert groups == [f"inaturalist {1_000_000 - n}" for n in (0, 0, 1, 1, 2, 2)]
        assert "photo_license" not in service.requests[0].query
        list(service.source.search("bear", api, only_open=True))
        assert service.requests[-1].query["photo_license"].startswith("cc0,cc-by,")


def test_what_shows_one_individual_stays_together_when_it_is_read(web: Web, tmp_path: Path) -> None:
    with SERVICES["inaturalist"](web, 8, tmp_path) as service:
        gather_by(service, tmp_path / "bears", False)
    items = open_source(tmp_path / "bears").items
    assert [Counter(item.group for item in items)[f"inaturalist {1_000_000 - n}"] for n in range(4)] == [2, 2, 2, 2]
    assert {item.label for item in items} == {"bear"}


def test_search_engines_are_not_even_asked_where_a_licence_is_wanted(web: Web, api: Api, tmp_path: Path) -> None:
    with SERVICES["ddgs"](web, 6, tmp_path) as service:
        assert list(service.source.search("bear", api, only_open=True)) == []
        assert service.requests == []


def test_half_characters_do_not_reach_a_file() -> None:
    assert text_of("a \ud83d bear") == "a ? bear"
    with pytest.raises(NotFetchedError, match="no address"):
        checked_url("http://photos.test/\ud83d.jpg")


def test_the_command_offers_every_source() -> None:
    from drivetrain.cli.gathering import SourceChoice

    assert [choice.value for choice in SourceChoice] == list(SOURCES)
