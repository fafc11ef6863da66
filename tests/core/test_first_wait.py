"""Who waits for a new language model is told why, once and in their language; who does not wait is told nothing."""

from __future__ import annotations

import io
import threading

import pytest

from core.app.first_wait import WORDS, FirstWait
from core.messages import Language


class Heard(io.StringIO):
    """A stream that says when something was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def flush(self) -> None:
        self.written.set()


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_long_wait_is_told_once(language: Language) -> None:
    stream = Heard()
    wait = FirstWait(language, stream, after_s=0.0)
    with wait.watched():
        assert stream.written.wait(10.0)
    stream.written.clear()
    with wait.watched():
        assert not stream.written.wait(0.05)
    assert stream.getvalue() == f"{WORDS[language]}\n"


def test_a_short_wait_is_told_nothing_of() -> None:
    stream = Heard()
    wait = FirstWait("en", stream, after_s=3600.0)
    with wait.watched():
        pass
    assert not stream.written.wait(0.05)


def test_once_the_model_has_answered_nothing_is_told() -> None:
    stream = Heard()
    wait = FirstWait("en", stream, after_s=0.0)
    wait.over()
    with wait.watched():
        assert not stream.written.wait(0.1)
