"""A model fetched by a child process: what it tells, how it fails, and that it ends when it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.app.model_fetch import FetchState, ModelFetch
from core.utils.hub import HubOptions
from core.utils.model_store import PARTS, ModelStore
from tests.hub_server import Fault, HubServer, SilentServer

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (extra `full`)")

NAME = "whisper-tiny"
HELD_BYTES = 300_000
FILES = {
    "config.json": b"{}",
    "model.bin": bytes(700_000),
    "tokenizer.json": b'{"version": "1.0"}',
    "vocabulary.txt": b"a\nb\n",
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer({"Systran/faster-whisper-tiny": FILES}) as running:
        monkeypatch.setenv("MERLINE_HOME", str(tmp_path))
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield running


@pytest.fixture
def fetch(server: HubServer) -> Iterator[ModelFetch]:
    running = ModelFetch(NAME)
    yield running
    running.close()


def wait_until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30.0
    while not true():
        assert time.monotonic() < deadline_s, "it did not come to that"
        threading.Event().wait(0.01)


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "core.app.model_fetch" in one.cmdline()]


def test_it_brings_the_model_and_tells_how_far_it_is(server: HubServer, tmp_path: Path, fetch: ModelFetch):
    wait_until(lambda: fetch.state().done)
    state = fetch.state()
    assert state.failure is None
    assert state.progress is not None
    assert state.progress.total_bytes == sum(map(len, FILES.values()))
    assert ModelStore(tmp_path / "models").find(NAME) is not None


def test_a_hub_that_answers_late_is_waited_for(server: HubServer, tmp_path: Path):
    """Nobody waits for what is fetched beside a conversation, as they do who ask for a download."""
    server.faults["Systran/faster-whisper-tiny"] = [Fault(late_s=1.5 * HubOptions().answer_s)]
    fetch = ModelFetch(NAME)
    try:
        wait_until(lambda: fetch.state().done or fetch.state().failure is not None)
        assert fetch.state().failure is None
    finally:
        fetch.close()


def test_closed_in_the_middle_it_is_gone_at_once_and_the_next_goes_on(server: HubServer, tmp_path: Path):
    server.faults["model.bin"] = [Fault(hold_at=HELD_BYTES)]
    first = ModelFetch(NAME)
    parts = tmp_path / "models" / NAME / PARTS
    wait_until(lambda: sum(path.stat().st_size for path in parts.glob("*")) == HELD_BYTES)
    (child,) = children()
    assert child.nice() > psutil.Process().nice()
    first.close()
    assert children() == []
    assert not first.state().done
    second = ModelFetch(NAME)
    wait_until(lambda: second.state().done)
    second.close()
    second.close()
    assert server.ranges("model.bin") == [None, f"bytes={HELD_BYTES}-"]


def test_a_hub_that_does_not_answer_is_told_from_a_refusal(server: HubServer, monkeypatch: pytest.MonkeyPatch):
    with SilentServer() as endpoint:
        """closed again, it takes no connections"""
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    fetch = ModelFetch(NAME)
    try:
        wait_until(lambda: fetch.state().failure is not None)
        assert fetch.state().hub_silent
    finally:
        fetch.close()


def test_a_refusal_is_told_with_its_cure(server: HubServer):
    server.repositories.clear()
    fetch = ModelFetch(NAME)
    wait_until(lambda: fetch.state().failure is not None)
    assert "the hub does not have it" in (fetch.state().failure or "")
    assert not fetch.state().hub_silent
    fetch.close()


def test_a_child_that_is_killed_is_a_failure(server: HubServer):
    server.faults["model.bin"] = [Fault(hold_at=HELD_BYTES)]
    fetch = ModelFetch(NAME)
    wait_until(lambda: server.ranges("model.bin") != [])
    children()[0].kill()
    wait_until(lambda: fetch.state() != FetchState() and fetch.state().failure is not None)
    assert "ended early" in (fetch.state().failure or "")
    fetch.close()
