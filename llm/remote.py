"""A language model on a server that speaks OpenAI's chat protocol, such as Ollama, vLLM or llama.cpp's own.

Nothing is sent but to the configured address, no redirection is followed, and the key comes from the environment
alone. While nothing comes, empty pieces do, so that a reply can be cancelled at any time.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from core.utils.errors import ConfigError, InferenceError, ModelLoadError
from llm.engine import PREFILL_AT_ONCE, Prompt, without_calls
from llm.server_events import ReplyEvents, WrongProtocolError

logger = logging.getLogger(__name__)

ENGINE = "openai"
KEYS = ("MERLINE_LLM_API_KEY", "OPENAI_API_KEY")
"""environment variables, the first that is set counts"""
LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
LOOK_S = 0.1
"""between two looks whether something has come"""
CHARACTERS_A_TOKEN = 3
"""a low guess for English and French"""
MOST_CHARACTERS_A_TOKEN = 12
"""a high one: a server that goes on beyond it does not heed `max_tokens`"""
_BUSY = frozenset((408, 429, 500, 502, 503, 504))


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """Which server, and how long to wait for it."""

    base_url: str
    """e.g. http://localhost:11434/v1"""
    model: str
    max_tokens: int = 256
    context_tokens: int = 4096
    temperature: float = 0.7
    timeout_s: float = 30.0
    """without a sign of life"""
    retry_s: float = 0.5
    """before the one other attempt"""
    offline: bool = False


@dataclass(frozen=True, slots=True)
class _Failure:
    """What went wrong, and whether another attempt may not meet it."""

    text: str
    passing: bool


class RemoteModel:
    """Implements llm.engine.Engine."""

    name = ENGINE
    is_small = False
    """whoever runs a server chose a model that uses tools"""

    def __init__(self, settings: RemoteSettings, environ: Mapping[str, str] | None = None) -> None:
        self._settings = settings
        environ = os.environ if environ is None else environ
        self._key = next((key for name in KEYS if (key := environ.get(name, "").strip())), "")

    @property
    def elsewhere(self) -> bool:
        """Whether the server is another machine."""
        return urlsplit(self._settings.base_url).hostname not in LOOPBACK

    @property
    def context_tokens(self) -> int:
        """As configured: a server does not tell."""
        return self._settings.context_tokens

    def load(self) -> None:
        """Check the address; nothing is asked of the server yet. Raises ConfigError, ModelLoadError."""
        base_url = self._settings.base_url
        try:
            parts = urlsplit(base_url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ConfigError(f"llm.base_url: {base_url!r} is no address ({error})") from error
        if parts.scheme not in ("http", "https") or not self._host:
            raise ConfigError(f"llm.base_url: {base_url!r} must be like http://localhost:11434/v1")
        if self._settings.offline and self._host not in LOOPBACK:
            raise ModelLoadError(f"llm.base_url: {base_url} is on the network, and --offline forbids using it")
        if self._key and parts.scheme == "http" and self._host not in LOOPBACK:
            logger.warning("the key goes to %s unencrypted; use https", self._host)
        self._secure = parts.scheme == "https"
        self._path = f"{parts.path.rstrip('/')}/chat/completions"

    def close(self) -> None:
        """Every reply gives its own connection back."""

    def count(self, prompt: Prompt) -> int:
        """A guess by length."""
        characters = sum(len(message.content) + 16 for message in prompt.messages)
        return (characters + len(json.dumps([tool.as_json() for tool in prompt.tools]))) // CHARACTERS_A_TOKEN

    def prefill(self, prompt: Prompt, at_most: int = PREFILL_AT_ONCE, whole: bool = False) -> None:
        """Nothing: the server sees a prompt once it is whole."""

    def answer(self, prompt: Prompt) -> Iterator[str]:
        """The reply as it comes; closing the iterator closes the connection. Raises InferenceError."""
        body = json.dumps(self._request(prompt)).encode()
        failure = None
        for attempt in range(2):
            if attempt:
                yield from _wait(self._settings.retry_s)
            failure = yield from self._attempt(body)
            if failure is None:
                return
            if not failure.passing:
                break
            logger.warning("the language model's server: %s", failure.text)
        assert failure is not None
        raise InferenceError(f"{self._settings.base_url}: {failure.text}")

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        settings = self._settings
        messages = [{"role": message.role, "content": message.content} for message in without_calls(prompt.messages)]
        request = {
            "model": settings.model,
            "messages": messages,
            "stream": True,
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
        }
        offered = prompt.tools if prompt.calls else ()
        return {**request, "tools": [tool.as_json() for tool in offered]} if offered else request

    def _attempt(self, body: bytes) -> Generator[str, None, _Failure | None]:
        """One request. Returns what failed before the first words; raises InferenceError for what fails after."""
        exchange = _Exchange(self._connection(), self._path, body, self._key)
        events = ReplyEvents()
        begun = False
        left = self._settings.max_tokens * MOST_CHARACTERS_A_TOKEN
        last_s = time.monotonic()
        try:
            while True:
                try:
                    line = exchange.lines.get(timeout=LOOK_S)
                except queue.Empty:
                    if time.monotonic() - last_s > self._settings.timeout_s:
                        return self._failed(
                            _Failure(f"has not answered for {self._settings.timeout_s:g} s", False), begun
                        )
                    yield ""
                    continue
                last_s = time.monotonic()
                if isinstance(line, _Failure):
                    return self._failed(line, begun)
                try:
                    pieces = events.take(line)
                except WrongProtocolError as error:
                    return self._failed(_Failure(str(error), False), begun)
                for piece in pieces or [""]:
                    begun = begun or bool(piece)
                    left -= len(piece)
                    yield piece
                if left < 0 and not events.ended:
                    logger.warning("the language model's server does not heed max_tokens; its reply is ended here")
                    return None
                if events.ended:
                    return None
                if line is None:
                    return self._failed(_Failure("broke the reply off", True), begun)
        finally:
            exchange.close()

    def _failed(self, failure: _Failure, begun: bool) -> _Failure:
        if begun:
            raise InferenceError(f"{self._settings.base_url}: {failure.text} in the middle of a reply")
        return failure

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=self._settings.timeout_s)


class _Exchange:
    """One request, its answer read line by line on a thread of its own into `lines`; None is the end."""

    def __init__(self, connection: http.client.HTTPConnection, path: str, body: bytes, key: str) -> None:
        self.lines: queue.Queue[bytes | _Failure | None] = queue.Queue(64)
        self._connection = connection
        self._closed = threading.Event()
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._thread = threading.Thread(
            target=self._read, args=(path, body, headers), name="merline-llm-server", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End it wherever it is; the server learns of it by the closed connection."""
        self._closed.set()
        sock = self._connection.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                logger.debug("the server had closed already")
        self._thread.join(LOOK_S)

    def _read(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        try:
            self._connection.request("POST", path, body, headers)
            answer = self._connection.getresponse()
            if answer.status != http.client.OK:
                self._put(_Failure(_refusal(answer.status), answer.status in _BUSY))
                return
            while line := answer.readline(1 << 20):
                if not self._put(line):
                    return
            self._put(None)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
            self._put(
                _Failure(f"does not answer ({reason}); is the server running?", not isinstance(error, TimeoutError))
            )
        finally:
            self._connection.close()

    def _put(self, line: bytes | _Failure | None) -> bool:
        """False once nobody reads any more."""
        while not self._closed.is_set():
            try:
                self.lines.put(line, timeout=LOOK_S)
            except queue.Full:
                continue
            return True
        return False


def _wait(seconds: float) -> Iterator[str]:
    nobody = threading.Event()
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        nobody.wait(LOOK_S)
        yield ""


def _refusal(status: int) -> str:
    if status in (401, 403):
        return f"refuses the key (error {status}); set {KEYS[0]} in the environment"
    if status == 404:
        return "knows no such model or path (error 404); check llm.model and llm.base_url"
    if status == 429:
        return "has too much to do (error 429); try again later"
    if 300 <= status < 400:
        return f"wants to redirect (error {status}), which is not followed; set llm.base_url to where it leads"
    return f"refuses the request (error {status}); its log may say why"
