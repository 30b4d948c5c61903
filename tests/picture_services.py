"""The services that find pictures, as they answer: pages, limits and licences of each, on a host of this machine.

Every service has the same pictures, numbered from 0; what differs is how it tells of them.
"""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivetrain.curate.gather.ddgs_images import DdgsImages
from drivetrain.curate.gather.inaturalist import INaturalist
from drivetrain.curate.gather.openverse import Openverse
from drivetrain.curate.gather.source import Source
from drivetrain.curate.gather.wikimedia import Wikimedia
from web_host import Asked, Reply, Web, as_json, handler, photo

Page = dict[str, Any]


@dataclass
class Service:
    """A service with ``count`` pictures of whatever is asked for, and the adapter that asks it."""

    web: Web
    name: str
    count: int
    source: Source
    path: str
    page: int
    """The pictures of one page."""
    licences: tuple[str, ...]
    """The licences that its pictures have in turn, by their short names."""
    before: list[Reply] = field(default_factory=list)
    """What is answered first, one after the other."""

    @property
    def requests(self) -> list[Asked]:
        """The requests for documents."""
        return [one for one in self.web.asked if one.path == self.path]

    def wanted(self, number: int) -> tuple[str, str]:
        """Address and licence of a picture."""
        return self.web.url(f"/photos/{number}/large.jpg"), self.licences[number % len(self.licences)]


def _serve(service: Service, answer: Callable[[Asked], Reply], host: str) -> Service:
    def reply(asked: Asked) -> Reply:
        return service.before.pop(0) if service.before else answer(asked)

    service.web.add(service.path, reply, host)
    for number in range(service.count):
        service.web.add(f"/photos/{number}/large.jpg", Reply(photo(number)))
    return service


@contextmanager
def openverse(web: Web, count: int, _folder: Path) -> Iterator[Service]:
    """Pages of 20, and no more of them than 12; larger ones are refused without a key."""
    licences = ("cc-by-2.0", "cc0-1.0", "pdm-1.0", "cc-by-nc-sa-3.0")
    told = (("by", "2.0"), ("cc0", "1.0"), ("pdm", "1.0"), ("by-nc-sa", "3.0"))
    adapter = Openverse(web.url("", "api.openverse.test"), interval_s=0.0)
    service = Service(web, "openverse", count, adapter, "/v1/images/", 20, licences)

    def row(n: int) -> Page:
        licence, version = told[n % 4]
        return {
            "id": f"{n:08x}",
            "title": f"Picture {n}",
            "url": service.wanted(n)[0],
            "foreign_landing_url": f"https://archive.example/{n}",
            "creator": f"Ada {n}",
            "creator_url": None,
            "license": licence,
            "license_version": version,
            "license_url": f"https://creativecommons.org/licenses/{licence}/{version}/",
            "width": 96,
        }

    def answer(asked: Asked) -> Reply:
        size, page = int(asked.query.get("page_size", 20)), int(asked.query.get("page", 1))
        if size > 20:
            return as_json({"detail": "page_size may not exceed 20 for anonymous requests"}, 401)
        pages = min(-(-count // size), 12)
        if page > max(pages, 1):
            return as_json({"detail": "Invalid page."}, 400)
        rows = [row(n) for n in range(count)[(page - 1) * size : page * size]]
        return as_json({"result_count": count, "page_count": pages, "page_size": size, "page": page, "results": rows})

    yield _serve(service, answer, "api.openverse.test")


@contextmanager
def wikimedia(web: Web, count: int, _folder: Path) -> Iterator[Service]:
    """Pages of 50 that name the next by ``continue``; authors are HTML; the order is in ``index``."""
    licences = ("cc-by-sa-4.0", "public-domain", "gfdl")
    told = ("CC BY-SA 4.0", "Public domain", "GFDL")
    adapter = Wikimedia(web.url("", "commons.test"), interval_s=0.0)
    service = Service(web, "wikimedia", count, adapter, "/w/api.php", 50, licences)

    def row(n: int) -> Page:
        url = service.wanted(n)[0]
        about = {
            "url": url.replace("large", "original"),
            "thumburl": url,
            "descriptionurl": f"https://commons.example/wiki/File:{n}.jpg",
            "mime": "image/jpeg",
            "extmetadata": {
                "Artist": {"value": f'<a href="//commons.example/User:{n}">Ada {n}</a>', "source": "commons-desc-page"},
                "LicenseShortName": {"value": told[n % 3], "source": "commons-desc-page", "hidden": ""},
                "ObjectName": {"value": f"Picture {n}"},
            },
        }
        return {"pageid": n + 1, "ns": 6, "title": f"File:{n}.jpg", "index": n + 1, "imageinfo": [about]}

    def answer(asked: Asked) -> Reply:
        query = asked.query
        if "drivetrain" not in asked.headers.get("user-agent", ""):
            return Reply(b"Please set a user-agent", "text/plain", 403)
        assert (query["generator"], query["gsrnamespace"], query["maxlag"]) == ("search", "6", "5")
        start, limit = int(query.get("gsroffset", 0)), min(int(query["gsrlimit"]), 50)
        rows = [row(n) for n in range(count)[start : start + limit]]
        document: Page = {"batchcomplete": True}
        if rows:
            document["query"] = {"pages": list(reversed(rows))}
        if start + limit < count:
            document["continue"] = {"gsroffset": start + limit, "continue": "gsroffset||"}
        return as_json(document)

    yield _serve(service, answer, "commons.test")


@contextmanager
def inaturalist(web: Web, count: int, _folder: Path) -> Iterator[Service]:
    """Observations, newest first, 200 at most, two photos each; some photos keep all rights."""
    licences = ("cc-by-nc-4.0", "all-rights-reserved", "cc0-1.0", "cc-by-4.0")
    told = ("cc-by-nc", None, "cc0", "cc-by")
    adapter = INaturalist(web.url("", "api.inaturalist.test"), interval_s=0.0)
    service = Service(web, "inaturalist", count, adapter, "/v1/observations", 400, licences)

    def observation(number: int) -> Page:
        shown = [n for n in (2 * number, 2 * number + 1) if n < count]
        return {
            "id": 1_000_000 - number,
            "uri": f"https://www.inaturalist.example/observations/{number}",
            "quality_grade": "research",
            "user": {"login": f"ada{number}", "name": "" if number % 2 else f"Ada {number}"},
            "taxon": {"name": "Ursus arctos", "preferred_common_name": "Brown Bear"},
            "photos": [
                {
                    "id": n,
                    "license_code": told[n % 4],
                    "url": service.wanted(n)[0].replace("large", "square"),
                    "attribution": "(c) Ada",
                }
                for n in shown
            ],
        }

    def answer(asked: Asked) -> Reply:
        query = asked.query
        size = min(int(query["per_page"]), 200)
        assert (query["order_by"], query["order"]) == ("id", "desc")
        below = int(query.get("id_below", 2_000_000))
        everything = [observation(n) for n in range(-(-count // 2))]
        rest = [one for one in everything if one["id"] < below]
        return as_json({"total_results": len(rest), "page": 1, "per_page": size, "results": rest[:size]})

    yield _serve(service, answer, "api.inaturalist.test")


@contextmanager
def ddgs(web: Web, count: int, folder: Path) -> Iterator[Service]:
    """DuckDuckGo behind a proxy, asked by the client of ddgs itself, over TLS with an authority of the test's own."""
    service = Service(web, "ddgs", count, DdgsImages(), "/i.js", 100, ("unknown",))

    def answer(asked: Asked) -> Reply:
        if asked.path == "/":
            return Reply(b'<html><script>vqd="4-1234567890";</script></html>', "text/html")
        if asked.query.get("vqd") != "4-1234567890":
            return Reply(b"If this persists", "text/plain", 403)
        start = int(asked.query.get("s", 0))
        rows = [
            {
                "title": f"Bear number {n}",
                "image": service.wanted(n)[0],
                "thumbnail": f"https://thumbs.example/{n}",
                "url": f"https://page.example/{n}",
                "height": 72,
                "width": 96,
                "source": "Bing",
            }
            for n in range(count)[start : start + 100]
        ]
        return as_json({"query": asked.query["q"], "results": rows})

    _serve(service, answer, "duckduckgo.com")
    web.add("/", answer, "duckduckgo.com")
    authority, leaf = certificates(folder, "duckduckgo.com")
    with _proxy(web, leaf) as address:
        service.source = DdgsImages(proxy=address, verify=str(authority), interval_s=0.0)
        yield service


SERVICES = {"openverse": openverse, "wikimedia": wikimedia, "inaturalist": inaturalist, "ddgs": ddgs}


def certificates(folder: Path, host: str) -> tuple[Path, Path]:
    """An authority, and a certificate with its key that it has given to a host."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.UTC)

    def certificate(name: str, key: Any, issuer: str, signer: Any, extension: Any) -> x509.Certificate:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

        return (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(signer, hashes.SHA256())
        )

    root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = certificate("test authority", root, "test authority", root, x509.BasicConstraints(True, None))
    leaf = certificate(host, own, "test authority", root, x509.SubjectAlternativeName([x509.DNSName(host)]))
    pem = serialization.Encoding.PEM
    key = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "authority.pem").write_bytes(authority.public_bytes(pem))
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(pem) + key)
    return folder / "authority.pem", folder / "leaf.pem"


@contextmanager
def tls_host(web: Web, leaf: Path) -> Iterator[int]:
    """The host of ``web``, over TLS; the value entered is its port."""

    def serve(client: socket.socket) -> None:
        _serve_tls(web, client, leaf)

    with _listening(serve) as port:
        yield port


@contextmanager
def _proxy(web: Web, leaf: Path) -> Iterator[str]:
    """A proxy whose every tunnel ends here."""

    def tunnel(client: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(4096)
        assert request.startswith(b"CONNECT duckduckgo.com:443 "), request
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        _serve_tls(web, client, leaf)

    with _listening(tunnel) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port at which every connection is served by a thread of its own."""

    def served(client: socket.socket) -> None:
        with suppress(OSError), client:
            serve(client)

    def accept(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=served, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def _serve_tls(web: Web, client: socket.socket, leaf: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf)
    context.set_alpn_protocols(["http/1.1"])
    with context.wrap_socket(client, server_side=True) as secure:
        handler(web)(secure, ("127.0.0.1", 0), None)  # type: ignore[arg-type]  # it asks its server for nothing
