"""Several engines as one: whoever can speaks, the rest of a lost text is spoken by the next, and that is said once."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest

from core.messages import Mark
from core.utils.errors import InferenceError, ModelLoadError
from tts.engine import SpeechPiece, SpokenLanguage
from tts.fallback import FallbackEngine


class WordEngine:
    """A piece of a tenth of a second a word; fails to load, or before a certain word."""

    def __init__(self, name: str, languages: tuple[SpokenLanguage, ...] = ("en",), rate_hz: int = 8000) -> None:
        self.name = name
        self.languages = languages
        self.sample_rate_hz = rate_hz
        self.cannot_load = ""
        self.cannot_say = ""
        self.failure: Exception = InferenceError("choked")
        self.said: list[str] = []
        self.closed = 0

    def load(self) -> None:
        if self.cannot_load:
            raise ModelLoadError(self.cannot_load)

    def pause_ms(self, text: str) -> int:
        return len(self.name)

    def synthesize(self, text: str, language: SpokenLanguage, rate_factor: float) -> Iterator[SpeechPiece]:
        words = list(re.finditer(r"\S+", text))
        for number, word in enumerate(words, 1):
            if word[0] == self.cannot_say:
                raise self.failure
            self.said.append(word[0])
            time_s = np.arange(self.sample_rate_hz // 10) / self.sample_rate_hz
            samples = np.sin(2 * np.pi * 440 * time_s).astype(np.float32)
            yield SpeechPiece(samples, (Mark(len(samples), word.end()),), last=number == len(words))

    def close(self) -> None:
        self.closed += 1


def test_the_next_engine_says_what_is_left_and_it_is_told_once() -> None:
    told: list[str] = []
    fine, plain = WordEngine("fine", rate_hz=16_000), WordEngine("plain")
    engine = FallbackEngine([fine, plain], told.append)
    engine.load()
    fine.cannot_say = "three"
    for failure in (InferenceError("choked"), RuntimeError("out of memory"), ValueError("odd")):
        fine.failure, fine.said, plain.said = failure, [], []
        pieces = list(engine.synthesize("one two three four", "en", 1.0))
        assert (fine.said, plain.said) == (["one", "two"], ["three", "four"])
        assert [piece.last for piece in pieces] == [False, False, False, True]
        marks = [mark.characters for piece in pieces for mark in piece.marks]
        assert marks == [3, 7, 13, 18]
        assert sum(len(piece.samples) for piece in pieces) == pytest.approx(4 * 1600, abs=4)
        assert all(0 <= mark.sample <= len(piece.samples) for piece in pieces for mark in piece.marks)
        assert (engine.name, engine.pause_ms("")) == ("plain", 5)
    assert told == ["plain speaks where fine cannot: choked"]
    fine.cannot_say = ""
    assert len(list(engine.synthesize("one", "en", 1.0))) == 1
    assert (engine.name, engine.pause_ms("")) == ("fine", 4)
    engine.close()
    assert (fine.closed, plain.closed) == (1, 1)


def test_another_language_is_the_next_engines() -> None:
    fine, plain = WordEngine("fine"), WordEngine("plain", ("en", "fr"))
    engine = FallbackEngine([fine, plain])
    engine.load()
    assert engine.languages == ("en", "fr")
    list(engine.synthesize("oui", "fr", 1.0))
    assert (fine.said, plain.said) == ([], ["oui"])
    with pytest.raises(InferenceError, match="no voice for 'es'; there are en, fr"):
        next(engine.synthesize("si", "es", 1.0))


def test_where_nobody_can_the_text_is_lost() -> None:
    engines = [WordEngine("fine"), WordEngine("plain")]
    for one in engines:
        one.cannot_say = "two"
    engine = FallbackEngine(engines)
    engine.load()
    with pytest.raises(InferenceError, match="plain cannot say 'one two': choked"):
        list(engine.synthesize("one two", "en", 1.0))


def test_an_engine_that_does_not_load_is_done_without_unless_it_is_required() -> None:
    told: list[str] = []
    fine, plain = WordEngine("fine"), WordEngine("plain")
    fine.cannot_load = "its files are damaged; fetch them again"
    engine = FallbackEngine([fine, plain], told.append)
    engine.load()
    assert (engine.name, engine.sample_rate_hz) == ("plain", 8000)
    assert told == ["plain speaks instead: its files are damaged; fetch them again"]
    with pytest.raises(ModelLoadError, match="damaged"):
        FallbackEngine([fine, plain], required=True).load()
    plain.cannot_load = "gone too"
    with pytest.raises(ModelLoadError, match="damaged"):
        engine.load()
    with pytest.raises(InferenceError, match="call load"):
        _ = engine.sample_rate_hz


def test_closing_the_stream_closes_the_engines_stream() -> None:
    fine = WordEngine("fine")
    engine = FallbackEngine([fine])
    engine.load()
    stream = engine.synthesize("one two three", "en", 1.0)
    next(stream)
    stream.close()
    assert fine.said == ["one"]
