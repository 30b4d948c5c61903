"""File names of uploads as clients write them, sent to a server as people start it: curl, and bytes on a socket."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import KEPT, Running, jpeg, serving

pytestmark = pytest.mark.processes

B = b"0123456789abcdef"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("names")
    with serving(KEPT, store=folder / "store.db", log=folder / "log") as running:
        yield running


def posted(server: Running, disposition: bytes) -> tuple[int, dict[str, Any]]:
    """Send a form of one picture, to the byte; returns status and document."""
    head = b"Content-Disposition: form-data; " + disposition + b"\r\nContent-Type: image/jpeg\r\n\r\n"
    body = b"--" + B + b"\r\n" + head + jpeg() + b"\r\n--" + B + b"--\r\n"
    request = (
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: multipart/form-data; boundary=%b\r\nContent-Length: %d\r\n\r\n" % (B, len(body))
    )
    with socket.create_connection(("127.0.0.1", server.port), 30) as line:
        line.sendall(request + body)
        answer = b"".join(iter(lambda: line.recv(65_536), b""))
    top, _, document = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), json.loads(document)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b"name=\"images\"; filename*=UTF-8''na%C3%AFve.jpg", "naïve.jpg"),
        (b"name=images; filename=\"plain.jpg\"; filename*=UTF-8''%E7%86%8A.jpg", "熊.jpg"),
        (b"name=images; filename*=iso-8859-1'de'b%E4r.jpg; filename=bear.jpg", "bär.jpg"),
        (b'name="images"; filename="..\\..\\b\xc3\xa4r.jpg"', "bär.jpg"),
        (b'name="images"; filename="b\xe4r.jpg"', "b\ufffdr.jpg"),
    ],
)
def test_a_server_reads_names_in_both_forms(server: Running, disposition: bytes, name: str) -> None:
    status, document = posted(server, disposition)
    assert status == 200, document
    assert [one["path"] for one in document["predictions"]] == [name]


@pytest.mark.parametrize(
    ("disposition", "status", "missing"),
    [
        (b"name=images", 422, "the part 'images' has no filename"),
        (b"name=images; filename*=na%C3%AFve.jpg", 400, "without a charset and two apostrophes"),
        (b"name=images; filename*=UTF-8''%FF.jpg", 400, "that is not UTF-8, as it says"),
        (b"filename*=UTF-8''a.jpg", 400, "form-data with a name"),
    ],
)
def test_a_server_says_what_a_part_lacks(server: Running, disposition: bytes, status: int, missing: str) -> None:
    found, document = posted(server, disposition)
    assert found == status
    assert missing in str(document["detail"])


def test_curl_sends_a_name_of_any_text(server: Running, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    name = 'na"ï;ve 熊.jpg'
    (tmp_path / "1.jpg").write_bytes(jpeg())
    field = f'images=@{tmp_path}/1.jpg;filename="na\\"ï;ve 熊.jpg"'
    command = [curl, "-s", "-F", field, f"{server.address}/v1/predict"]
    answer = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert answer["predictions"][0]["path"].replace("%22", '"') == name
