"""What Merline asks of the Hugging Face hub, through huggingface_hub's own client: a list of files, and their bytes.

Bytes come in one plain stream that can begin anywhere. hf_hub_download is not used: since huggingface_hub 1.18 it
begins every file anew (its issue 4196), and what it has fetched becomes visible in pieces of 10 MB only.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn, TypeVar

from core.utils.errors import MissingDependencyError, ModelError

logger = logging.getLogger(__name__)

T = TypeVar("T")

UNAUTHORISED = 401
FORBIDDEN = 403
NOT_FOUND = 404
PARTIAL_CONTENT = 206
PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""refusals that another attempt may not meet"""
WORTH_BYTES = 64 * 1024
"""A connection that brings less in `stall_s` is as good as dead."""


@dataclass(frozen=True, slots=True)
class HubOptions:
    """How long to wait for what."""

    endpoint: str | None = None
    """another server; None: HF_ENDPOINT, else the public hub"""
    offline: bool = False
    answer_s: float = 2.0
    """until the hub's first answer: whoever waits for a download must learn within 3 s that there is no network"""
    stall_s: float = 20.0
    """a connection from which nothing worth mentioning has come for so long is given up"""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository. One of the two checksums is there, except from a server that gives neither."""

    path: str
    """with slashes"""
    size_bytes: int
    sha256: str | None = None
    """of files in large file storage"""
    git_blob: str | None = None
    """git's SHA-1 of the others"""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at one commit."""

    name: str
    commit: str
    files: tuple[RemoteFile, ...]


class ConnectionLostError(Exception):
    """The bytes stopped coming: another attempt from there may succeed. Stays inside core.utils."""


class HubSilentError(ModelError):
    """The hub does not answer, whatever it is asked for."""


class Hub:
    """One hub. Every failure is a ModelError that says what to do, or ConnectionLostError in the middle of a file."""

    def __init__(self, options: HubOptions | None = None) -> None:
        self._options = options or HubOptions()

    def repository(self, name: str, revision: str) -> Repository:
        """The files of a repository, answered or refused within `answer_s`."""
        if self._options.offline:
            raise ModelError(f"{name}: --offline forbids fetching; start once without it")
        client = self._api()
        options = self._options

        def ask() -> Any:
            return client.model_info(name, revision=revision, files_metadata=True, timeout=options.answer_s)

        with self._explained(name):
            info = _within(options.answer_s, ask, (_transport_error(), OSError, ValueError))
        files = tuple(_file(name, sibling) for sibling in info.siblings or ())
        return Repository(name, str(info.sha or revision), files)

    @contextmanager
    def opened(self, repository: Repository, file: RemoteFile, start: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Where the bytes really begin (0 where the server cannot go on from `start`), and the bytes."""
        from huggingface_hub import get_session, hf_hub_url

        client_parts: Any = import_module("huggingface_hub.utils")
        options = self._options
        url = hf_hub_url(repository.name, file.path, revision=repository.commit, endpoint=options.endpoint)
        headers = client_parts.build_hf_headers() | {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        timeout = (options.stall_s, options.stall_s, options.stall_s, options.stall_s)
        request: AbstractContextManager[Any] = get_session().stream("GET", url, headers=headers, timeout=timeout)
        with self._explained(f"{repository.name}/{file.path}", under_way=True), request as response:
            client_parts.hf_raise_for_status(response)
            begins = start if response.status_code == PARTIAL_CONTENT else 0
            yield begins, _watched(response.iter_bytes(), options.stall_s)

    def _api(self) -> Any:
        try:
            from huggingface_hub import HfApi
        except ImportError as error:
            raise MissingDependencyError(
                "models are fetched through huggingface_hub, which is not installed; "
                "install the larger packages: MERLINE_EXTRAS=full python3 main.py models download"
            ) from error
        return HfApi(endpoint=self._options.endpoint)

    @contextmanager
    def _explained(self, what: str, under_way: bool = False) -> Iterator[None]:
        """Turn the client's errors into ours."""
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

        try:
            yield
        except OfflineModeIsEnabled as error:
            raise ModelError(f"{what}: HF_HUB_OFFLINE forbids fetching; start once without it") from error
        except HfHubHTTPError as error:
            if under_way and error.response.status_code in PASSING:
                raise ConnectionLostError(f"the server answered {error.response.status_code}") from error
            _refused(what, error)
        except (_transport_error(), TimeoutError) as error:
            reason = str(error) or type(error).__name__
            if under_way:
                raise ConnectionLostError(reason) from error
            raise HubSilentError(
                f"{what}: {self._place()} does not answer ({reason}); check the network, or try again later. "
                "What is already on this machine works without"
            ) from error
        except ValueError as error:
            raise ModelError(
                f"{what}: {self._place()} does not speak like a hub ({error}); check HF_ENDPOINT"
            ) from error

    def _place(self) -> str:
        from huggingface_hub import constants

        return self._options.endpoint or str(constants.ENDPOINT)


def _transport_error() -> type[Exception]:
    """The base of the errors of the HTTP library below: httpx, or httpx2 in later versions of huggingface_hub."""
    from huggingface_hub.errors import HfHubHTTPError

    base: type[Exception] = HfHubHTTPError.__bases__[0]
    return base


def _refused(what: str, error: Any) -> NoReturn:
    """Explain an answer that is a refusal."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    status = error.response.status_code
    logger.debug("the hub's refusal", exc_info=error)
    if isinstance(error, GatedRepoError):
        reason = "its owner asks you to accept terms; do so on its page at the hub, then `hf auth login`, and try again"
    elif isinstance(error, RepositoryNotFoundError) or status == NOT_FOUND:
        reason = "the hub does not have it (any more), or it is private; check for a newer Merline, or `hf auth login`"
    elif status in (UNAUTHORISED, FORBIDDEN):
        reason = "the hub does not let you in; renew your access by `hf auth login`, or remove it by `hf auth logout`"
    else:
        reason = f"the hub answered with error {status}; try again later"
    raise ModelError(f"{what}: {reason}") from error


def _file(repository: str, sibling: Any) -> RemoteFile:
    path = str(sibling.rfilename)
    if sibling.size is None:
        raise ModelError(f"{repository}/{path}: the hub does not say how large it is; check HF_ENDPOINT")
    if sibling.lfs is not None:
        return RemoteFile(path, int(sibling.size), sha256=str(sibling.lfs.sha256))
    return RemoteFile(path, int(sibling.size), git_blob=sibling.blob_id)


def _within(seconds: float, call: Callable[[], T], expected: tuple[type[Exception], ...]) -> T:
    """The call's result, one of `expected` as it raises, or TimeoutError.

    It is a daemon thread that waits and may be left behind: looking up a server's name has no timeout of its own.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            results.append(call())
        except expected as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="merline-hub", daemon=True)
    thread.start()
    thread.join(seconds)
    if results:
        return results[0]
    if errors:
        raise errors[0]
    raise TimeoutError(f"no answer in {seconds:g} s")


def _watched(chunks: Iterator[bytes], stall_s: float) -> Iterator[bytes]:
    """The chunks; TimeoutError when in `stall_s` no more than a trickle has come."""
    since_s, came = time.monotonic(), 0
    for chunk in chunks:
        yield chunk
        came += len(chunk)
        now_s = time.monotonic()
        if now_s - since_s > stall_s:
            if came < WORTH_BYTES:
                raise TimeoutError(f"only {came} bytes came in {stall_s:g} s")
            since_s, came = now_s, 0
