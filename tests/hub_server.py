"""A server on this machine that speaks the Hugging Face hub's protocol as far as its client needs, and fails to order.

Speaks: the list of files with sizes and checksums, whole files and ranges of them, and the redirect of large ones to
another address. Does not: sign, compress, or know accounts.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

COMMIT = "c0ffee" + "0" * 34
LARGE_BYTES = 4096
"""from here on a file is in large file storage"""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one answer."""

    cut_at: int | None = None
    """the connection breaks after so many bytes of the answer"""
    hold_at: int | None = None
    """nothing more comes after so many, until the server ends"""
    corrupt: bool = False
    """one byte is another"""
    whole: bool = False
    """a Range is ignored"""
    status: int | None = None
    """refused"""
    code: str = ""
    """of the refusal, in the hub's own header"""
    late_s: float = 0.0
    """the list of files comes, but so much later"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    range_header: str | None


class HubServer:
    """`with HubServer({"owner/name": {"config.json": b"{}"}}) as hub:`; `faults` are used up in order, one a GET."""

    def __init__(self, repositories: Mapping[str, Mapping[str, bytes]]) -> None:
        self.repositories = {name: dict(files) for name, files in repositories.items()}
        self.faults: dict[str, list[Fault]] = {}
        """by the file's name; of the list of files, by the repository's"""
        self.asked: list[Asked] = []
        self.ended = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def ranges(self, file: str) -> list[str | None]:
        """The Range of each time that file's bytes were asked for, after any redirect."""
        asked = [one for one in self.asked if one.method == "GET" and one.path.endswith(f"/{file}")]
        large = [one for one in asked if one.path.startswith("/cdn/")]
        return [one.range_header for one in large or asked]

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class SilentServer:
    """Takes connections and never answers."""

    def __enter__(self) -> str:
        self._socket = socket.create_server(("127.0.0.1", 0))
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: HubServer) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), _HubRequests)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no error here."""


class _HubRequests(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Not on the terminal."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.close_connection = True
        hub, path = self.server.hub, urlsplit(self.path).path
        hub.asked.append(Asked(self.command, path, self.headers.get("Range")))
        if path.startswith("/api/models/"):
            self._list(path.removeprefix("/api/models/").partition("/revision/")[0])
            return
        redirected = path.startswith("/cdn/")
        repository, _, rest = path.removeprefix("/cdn").removeprefix("/").partition("/resolve/")
        name = rest.partition("/")[2]
        content = hub.repositories.get(repository, {}).get(name)
        if content is None:
            self._refuse(404, "EntryNotFound")
        elif _is_large(content) and not redirected:
            headers = {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"'}
            self._send(302, b"", {"Location": f"{hub.endpoint}/cdn{path}", "X-Repo-Commit": COMMIT, **headers})
        else:
            self._file(name, content)

    def _list(self, repository: str) -> None:
        faults = self.server.hub.faults.get(repository)
        files = self.server.hub.repositories.get(repository)
        fault = faults.pop(0) if faults else None
        if fault is not None and fault.late_s:
            self.server.hub.ended.wait(fault.late_s)
        elif fault is not None:
            self._refuse(fault.status or 500, fault.code)
            return
        if files is None:
            self._refuse(404, "RepoNotFound")
        else:
            siblings = [_sibling(name, content) for name, content in files.items()]
            answer = {"id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings}
            self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _file(self, name: str, content: bytes) -> None:
        faults = self.server.hub.faults.get(name) if self.command == "GET" else None
        fault = faults.pop(0) if faults else Fault()
        if fault.status is not None:
            self._refuse(fault.status, fault.code)
            return
        if fault.corrupt:
            content = bytes([content[0] ^ 1]) + content[1:]
        headers = {"ETag": f'"{_git_blob(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        wanted = self.headers.get("Range")
        if wanted is None or fault.whole:
            self._send(200, content, headers, fault)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if start >= len(content):
            self._refuse(416, "")
            return
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206, content[start:], headers, fault)

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code} if code else {})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], fault: Fault | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        fault = fault or Fault()
        stop = fault.cut_at if fault.cut_at is not None else fault.hold_at
        self.wfile.write(body[:stop])
        if fault.hold_at is not None:
            self.wfile.flush()
            self.server.hub.ended.wait(60)


def _is_large(content: bytes) -> bool:
    return len(content) >= LARGE_BYTES


def _sibling(name: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": _git_blob(content)}
    if _is_large(content):
        entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry


def _git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
