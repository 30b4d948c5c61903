"""A hub on this machine that answers what huggingface_hub asks the real one when it downloads a file.

HEAD and GET of ``/OWNER/NAME/resolve/REVISION/FILE``. Small files are served in place; a large one (``.onnx`` and its
data) redirects to storage on another host name, with its size and SHA-256 in headers, as files under Git LFS do. The
status codes and ``X-Error-Code`` are the hub's. Faults are switched on per file.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_secret"


@dataclass
class Repository:
    """Commits by branch or tag, and the files of each commit."""

    commits: dict[str, dict[str, bytes]]
    refs: dict[str, str]
    gated: bool = False
    private: bool = False


def commit_id(label: str) -> str:
    return hashlib.sha1(label.encode()).hexdigest()


@dataclass
class Hub:
    """The content, the faults and the log of a running server."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    faults: dict[str, Callable[["Handler", bytes], bool]] = field(default_factory=dict)
    """By file name: called with the handler and what is left to send; True when it has answered itself."""
    log: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, path, range) of every request."""
    url: str = ""

    def add(self, name: str, files: dict[str, bytes], label: str = "first", **more: bool) -> str:
        """Put a commit on ``main``; returns its id."""
        commit = commit_id(label)
        repository = self.repositories.setdefault(name, Repository({}, {}, **more))
        repository.commits[commit] = files
        repository.refs["main"] = commit
        return commit

    def asked(self, method: str, part: str) -> int:
        return sum(1 for made, path, _ in self.log if made == method and part in path)


class Handler(BaseHTTPRequestHandler):
    """One request. ``hub`` is set on the class by `serve`."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on standard error."""

    def reply(self, status: int, content: bytes = b"", *, body: bool = True, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _answer(self, *, body: bool) -> None:
        self.hub.log.append((self.command, self.path, self.headers.get("Range", "")))
        if self.path.startswith("/cdn/"):
            self._stored(body=body)
        elif "/resolve/" in self.path:
            self._resolve(body=body)
        else:
            self.reply(404, body=body)

    def _resolve(self, *, body: bool) -> None:
        name, _, rest = self.path.lstrip("/").partition("/resolve/")
        revision, _, filename = rest.partition("/")
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not known):
            if known:
                return self.reply(404, body=body, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
            return self.reply(401, body=body, X_Error_Message="Invalid username or password.")
        if repository.gated and not known:
            message = f"Access to model {name} is restricted."
            return self.reply(403, body=body, X_Error_Code="GatedRepo", X_Error_Message=message)
        commit = repository.refs.get(revision, revision)
        if commit not in repository.commits:
            return self.reply(404, body=body, X_Error_Code="RevisionNotFound", X_Error_Message="Invalid rev id")
        content = repository.commits[commit].get(filename)
        if content is None:
            return self.reply(
                404, body=body, X_Error_Code="EntryNotFound", X_Error_Message="Entry not found", X_Repo_Commit=commit
            )
        if ".onnx" in filename:
            digest = hashlib.sha256(content).hexdigest()
            # The storage is another host, as far as the client can tell.
            storage = self.hub.url.replace("127.0.0.1", "localhost")
            return self.reply(
                302,
                body=body,
                Location=f"{storage}/cdn/{name}/{commit}/{filename}",
                X_Repo_Commit=commit,
                X_Linked_Etag=f'"{digest}"',
                X_Linked_Size=str(len(content)),
                ETag='"pointer"',
            )
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        return self.reply(200, content, body=body, X_Repo_Commit=commit, ETag=f'"{blob}"', Accept_Ranges="bytes")

    def _stored(self, *, body: bool) -> None:
        _, _, owner, name, commit, filename = self.path.split("/", 5)
        content = self.hub.repositories[f"{owner}/{name}"].commits[commit][filename]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        fault = self.hub.faults.get(filename)
        if body and fault is not None and fault(self, content[start:]):
            self.close_connection = True
            return
        if start:
            total = len(content)
            self.reply(206, content[start:], body=body, Content_Range=f"bytes {start}-{total - 1}/{total}")
        else:
            self.reply(200, content, body=body, Accept_Ranges="bytes")


class Server:
    """The hub on a free port, in a thread, until it is closed."""

    def __init__(self) -> None:
        self.hub = Hub()
        handler = type("BoundHandler", (Handler,), {"hub": self.hub})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.hub.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
