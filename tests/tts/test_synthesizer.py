"""The speaking stage: marks in the written text, the chime, endings, failures, and other engines behind it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.messages import Language, Mark, Sentence, Speech
from core.utils.config import TtsConfig
from core.utils.errors import InferenceError
from core.utils.voice import Voice, VoiceSettings
from tts.chime import DURATION_S
from tts.clauses import CLAUSE_PAUSE_MS, SENTENCE_PAUSE_MS
from tts.engine import SpeechPiece
from tts.espeak import EspeakEngine
from tts.synthesizer import Synthesizer

pytest.importorskip("espeakng_loader")
RATE_HZ = 22_050
PAUSE_MS = 70


class ToneEngine:
    """One constant piece a word, in one language; may fail. Records what it was asked."""

    name = "tone"
    sample_rate_hz = 8000
    languages: tuple[Language, ...] = ("en",)

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: list[tuple[str, Language, float]] = []
        self.stopped_early = 0
        self.closed = False
        self._failure = failure

    def load(self) -> None:
        return

    def pause_ms(self, text: str) -> int:
        return PAUSE_MS

    def synthesize(self, text: str, language: Language, rate_factor: float) -> Iterator[SpeechPiece]:
        self.asked.append((text, language, rate_factor))
        words = text.split(" ")
        finished = False
        try:
            for count in range(1, len(words) + 1):
                if self._failure is not None and text != "ready":
                    raise self._failure
                marks = (Mark(80, len(" ".join(words[:count]))),)
                yield SpeechPiece(np.full(800, 0.5, np.float32), marks, last=count == len(words))
            finished = True
        finally:
            self.stopped_early += not finished

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def synthesizer() -> Iterator[Synthesizer]:
    stage = Synthesizer(TtsConfig(), VoiceSettings())
    stage.load()
    yield stage
    stage.close()


def sentence(text: str, last: bool = True, language: Language = "en", chime: bool = False) -> Sentence:
    return Sentence(turn=3, revision=1, index=2, text=text, last=last, language=language, chime=chime)


def duration_s(speeches: list[Speech]) -> float:
    return sum(len(speech.samples) / speech.sample_rate_hz for speech in speeches)


def said(speeches: list[Speech]) -> list[int]:
    return [mark.characters for speech in speeches for mark in speech.marks]


def test_chunks_carry_the_sentence_and_end_it_once(synthesizer: Synthesizer) -> None:
    speeches = list(synthesizer.process(sentence("It is 7:05 PM in Paris.")))
    assert {(s.turn, s.revision, s.index, s.sample_rate_hz) for s in speeches} == {(3, 1, 2, RATE_HZ)}
    assert [s.ends_sentence for s in speeches] == [False] * (len(speeches) - 1) + [True]
    assert [s.last for s in speeches] == [False] * (len(speeches) - 1) + [True]
    assert all(s.samples.dtype == np.float32 for s in speeches)


def test_only_the_last_sentence_ends_the_turn(synthesizer: Synthesizer) -> None:
    speeches = list(synthesizer.process(sentence("One moment.", last=False)))
    assert speeches[-1].ends_sentence
    assert not any(s.last for s in speeches)


def test_marks_count_the_written_text(synthesizer: Synthesizer) -> None:
    text = "It is 12.5 km, or $5.20 away."
    speeches = list(synthesizer.process(sentence(text)))
    assert [text[:count] for count in said(speeches)] == [
        "It",
        "It is",
        "It is 12.5 km,",
        "It is 12.5 km, or",
        "It is 12.5 km, or $5.20",
        text,
    ]


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec=None), max_size=80), st.sampled_from(["en", "fr"]), st.booleans())
def test_any_text_is_spoken_to_its_end(text: str, language: Language, last: bool) -> None:
    stage = Synthesizer(TtsConfig(), VoiceSettings())
    stage.load()
    speeches = list(stage.process(sentence(text, last, language)))
    assert [s.ends_sentence for s in speeches] == [False] * (len(speeches) - 1) + [True]
    assert speeches[-1].last is last
    counts = said(speeches)
    assert counts == sorted(set(counts))
    assert (counts[-1] if counts else 0) == len(text)
    for speech in speeches:
        assert np.isfinite(speech.samples).all()
        assert all(0 <= mark.sample <= len(speech.samples) for mark in speech.marks)


def test_empty_text_ends_the_turn_without_sound(synthesizer: Synthesizer) -> None:
    (speech,) = synthesizer.process(sentence(""))
    assert (len(speech.samples), speech.ends_sentence, speech.last) == (0, True, True)


def test_text_without_words_is_said_without_sound(synthesizer: Synthesizer) -> None:
    (speech,) = synthesizer.process(sentence(" \u200d* ", last=False))
    assert (len(speech.samples), speech.ends_sentence, speech.last) == (0, True, False)
    assert said([speech]) == [4]


def test_chime_comes_first_and_says_nothing(synthesizer: Synthesizer) -> None:
    plain = list(synthesizer.process(sentence("Tea is ready.")))
    chimed = list(synthesizer.process(sentence("Tea is ready.", chime=True)))
    extra = duration_s(chimed) - duration_s(plain)
    assert DURATION_S < extra < DURATION_S + 0.1
    first_marked = next(i for i, speech in enumerate(chimed) if speech.marks)
    assert duration_s(chimed[:first_marked]) >= DURATION_S
    assert np.abs(chimed[0].samples).max() > 0.1


def test_chime_alone(synthesizer: Synthesizer) -> None:
    speeches = list(synthesizer.process(sentence("", chime=True)))
    assert duration_s(speeches) > DURATION_S
    assert [speech.last for speech in speeches] == [False] * (len(speeches) - 1) + [True]


@pytest.mark.parametrize(
    ("text", "pause_ms"), [("Yes.", SENTENCE_PAUSE_MS), ("Yes,", CLAUSE_PAUSE_MS), ("Yes", CLAUSE_PAUSE_MS)]
)
def test_espeak_pauses_by_punctuation(text: str, pause_ms: int) -> None:
    assert EspeakEngine(TtsConfig()).pause_ms(text) == pause_ms


def test_the_engines_pause_follows_unless_the_turn_ends() -> None:
    stage = Synthesizer(TtsConfig(), VoiceSettings(), ToneEngine())
    stage.load()
    more, end = (list(stage.process(sentence("Yes.", last))) for last in (False, True))
    assert duration_s(more) - duration_s(end) == pytest.approx(PAUSE_MS / 1000)
    assert not more[-1].samples[800:].any()


def test_rate_is_the_one_of_the_moment() -> None:
    engine, voice = ToneEngine(), VoiceSettings(Voice(rate=1.5))
    stage = Synthesizer(TtsConfig(), voice, engine)
    stage.load()
    list(stage.process(sentence("one")))
    voice.change(rate_factor=0.5)
    list(stage.process(sentence("two")))
    assert [(text, rate) for text, _, rate in engine.asked[-2:]] == [("one", 1.5), ("two", 0.75)]


def test_engine_gets_words_not_figures() -> None:
    engine = ToneEngine()
    stage = Synthesizer(TtsConfig(), VoiceSettings(), engine)
    stage.load()
    list(stage.process(sentence("[[3]] km/h <b>")))
    assert not set("[]<>/3") & set(engine.asked[-1][0])


def test_missing_language_is_said_once_and_another_voice_speaks(caplog: pytest.LogCaptureFixture) -> None:
    engine = ToneEngine()
    stage = Synthesizer(TtsConfig(), VoiceSettings(), engine)
    stage.load()
    with caplog.at_level(logging.WARNING, logger="tts.languages"):
        for _ in range(3):
            assert list(stage.process(sentence("bonjour tout le monde", language="fr")))[-1].last
    assert [record.getMessage() for record in caplog.records] == [
        "no voice for 'fr' is installed; speaking with the 'en' voice instead"
    ]
    assert {language for _, language, _ in engine.asked} == {"en"}


@pytest.mark.parametrize("failure", [OSError("gone"), RuntimeError("broken"), InferenceError("lost")])
def test_engine_failure_loses_the_turn_only(failure: Exception) -> None:
    stage = Synthesizer(TtsConfig(), VoiceSettings(), ToneEngine(failure))
    stage.load()
    for _ in range(2):
        with pytest.raises(InferenceError, match=str(failure)):
            list(stage.process(sentence("hello")))


def test_closing_the_stream_stops_the_engine() -> None:
    engine = ToneEngine()
    stage = Synthesizer(TtsConfig(), VoiceSettings(), engine)
    stage.load()
    stream = stage.process(sentence("one two three"))
    next(stream)
    assert engine.stopped_early == 0
    stream.close()
    assert engine.stopped_early == 1
    assert list(stage.process(sentence("go on")))[-1].last
    stage.close()
    assert engine.closed


def test_a_better_engine_takes_over_between_two_turns() -> None:
    first, second = ToneEngine(), ToneEngine()
    second.sample_rate_hz = 16_000
    stage = Synthesizer(TtsConfig(), VoiceSettings(), first)
    stage.load()
    list(stage.process(sentence("one", last=False)))
    assert stage.offer(second)
    assert not stage.close_retired()
    list(stage.process(sentence("two")))
    assert stage.sample_rate_hz == 16_000
    assert (stage.close_retired(), first.closed) == (True, True)
    assert {speech.sample_rate_hz for speech in stage.process(sentence("three", chime=True))} == {16_000}
    assert [text for text, _, _ in first.asked] == ["ready", "one", "two"]
    stage.close()
    assert second.closed
    assert not stage.offer(ToneEngine())


def test_it_takes_over_at_once_where_nothing_is_said_and_after_a_turn_that_was_cut_off() -> None:
    engines = [ToneEngine() for _ in range(3)]
    stage = Synthesizer(TtsConfig(), VoiceSettings(), engines[0])
    stage.load()
    stage.offer(engines[1])
    assert stage.close_retired()
    stream = stage.process(sentence("one two three", last=False))
    next(stream)
    stage.offer(engines[2])
    assert not stage.close_retired()
    stream.close()
    assert stage.close_retired()
    assert [engine.closed for engine in engines] == [True, True, False]


def test_a_sentence_in_another_language_is_spoken_in_its_voice() -> None:
    engine = ToneEngine()
    engine.languages = ("en", "fr")
    stage = Synthesizer(TtsConfig(), VoiceSettings(), engine)
    stage.load()
    for text in ("Il est dix heures et demie.", "It is half past ten.", "Paris."):
        list(stage.process(sentence(text)))
    assert [language for _, language, _ in engine.asked[1:]] == ["fr", "en", "en"]
    stage = Synthesizer(TtsConfig(language="fr"), VoiceSettings(), engine)
    list(stage.process(sentence("It is half past ten.")))
    assert engine.asked[-1][1] == "fr"
