"""A server on this machine that speaks OpenAI's chat protocol, well or badly, as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STREAM = "text/event-stream"


class ChatServer(ThreadingHTTPServer):
    """`answers` are used up in order, the last one again and again; each writes to a Wire."""

    daemon_threads = True

    def __init__(self, *answers: Callable[[Wire], None]) -> None:
        super().__init__(("127.0.0.1", 0), Wire)
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.broken = threading.Event()
        """a client has gone away"""
        self.go_on = threading.Event()
        """what a slow answer waits for"""

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Wire(BaseHTTPRequestHandler):
    server: ChatServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(json.loads(body))
        self.server.headers.append(dict(self.headers))
        self.server.paths.append(self.path)
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        try:
            answer(self)
        except OSError:
            self.server.broken.set()

    def begin(self, status: int = 200, kind: str = STREAM, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, text: str) -> None:
        self.wfile.write(text.encode())
        self.wfile.flush()

    def event(self, **delta: Any) -> None:
        self.send(f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta, 'finish_reason': None}]})}\n\n")

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


def saying(*words: str, done: bool = True) -> Callable[[Wire], None]:
    def answer(wire: Wire) -> None:
        wire.begin()
        wire.send(": a comment\n\n")
        wire.event(role="assistant", content="")
        for word in words:
            wire.event(content=word)
        if done:
            wire.send("data: [DONE]\n\n")

    return answer


def refusing(status: int) -> Callable[[Wire], None]:
    return lambda wire: wire.begin(status, "application/json", Location="http://127.0.0.1:9/")


@contextmanager
def serving(*answers: Callable[[Wire], None]) -> Iterator[ChatServer]:
    server = ChatServer(*answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
