"""What goes into an engine ahead of the user's words: when, how much of it, and that it gives way."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from core.utils.errors import InferenceError
from llm.engine import PREFILL_AT_ONCE, ChatMessage, Prompt
from llm.prefill import Prefill


class Reader:
    """An engine as far as it reads: prompts of so many pieces. `reading` is called before each."""

    def __init__(self, pieces: int = 1) -> None:
        self.pieces = pieces
        self.read: list[tuple[str, bool]] = []
        self.fails = False
        self.reading: Any = lambda: None

    def count(self, prompt: Prompt) -> int:
        return PREFILL_AT_ONCE * self.pieces - 1

    def prefill(self, prompt: Prompt, at_most: int = PREFILL_AT_ONCE, whole: bool = False) -> None:
        self.reading()
        if self.fails:
            raise InferenceError("not now")
        self.read.append((prompt.messages[-1].content, whole))


def words(text: str) -> Prompt:
    return Prompt((ChatMessage("user", text),))


def make(reader: Reader) -> Prefill:
    return Prefill(reader)  # type: ignore[arg-type]


def test_where_it_is_slow_words_that_may_change_wait_for_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, clock = Reader(), SimpleNamespace(now=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)

    def slowly() -> None:
        clock.now += 1.0

    reader.reading = slowly
    ahead = make(reader)
    for text, stable in (("why is the", 3), ("why is the sky", 10), ("why is the ski", 10), ("why is the sky", 14)):
        ahead.listen(text, stable, words)
    assert reader.read == [("why is the", True), ("why is the", False), ("why is the sky", True)]


def test_words_are_read_once_until_they_are_answered() -> None:
    reader = Reader()
    ahead = make(reader)
    for text in ("", "why", "why "):
        ahead.listen(text, None, words)
    with ahead.give_way():
        assert reader.read == [("why", True)]
    ahead.listen("why", None, words)
    assert len(reader.read) == 2


def test_what_stands_before_the_words_is_read_piece_by_piece_until_they_come() -> None:
    reader = Reader(pieces=50)
    ahead = make(reader)
    first, go_on = threading.Event(), threading.Event()

    def held() -> None:
        first.set()
        assert go_on.wait(10)

    reader.reading = held
    ahead.begin(lambda: words("before"))
    assert first.wait(10)
    ahead._asked += 1  # words have come, and wait for the piece under way
    go_on.set()
    ahead.wait(10)
    with ahead.give_way():
        assert reader.read == [("before", False)]


def test_whoever_begins_it_while_words_are_answered_does_not_wait() -> None:
    """Else the voice, which is brought back behind the language model, would wait for the reply's end."""
    reader = Reader()
    ahead = make(reader)
    with ahead.give_way():
        bringing = threading.Thread(target=ahead.begin, args=(lambda: words("before"),), daemon=True)
        bringing.start()
        bringing.join(10)
        assert not bringing.is_alive()
        assert reader.read == []
    ahead.wait(10)
    assert reader.read == [("before", False)]


def test_what_fails_costs_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader(pieces=3)
    reader.fails = True
    ahead = make(reader)
    ahead.begin(lambda: words("before"))
    ahead.wait(10)
    ahead.listen("why", None, words)
    assert [record.message.partition(" could")[0] for record in caplog.records] == [
        "the instructions",
        "the words so far",
    ]
    ahead.close()
