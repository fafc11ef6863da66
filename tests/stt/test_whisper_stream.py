"""Whisper while the user speaks: what stays, what is left for the end, and that the work grows with the sound alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.messages import EchoDropped, Samples, SpeechChunk, SpeechStarted, Transcript, Utterance
from core.utils.whisper.backend import WindowRequest
from core.utils.whisper.results import Decoded, Piece
from stt.whisper_stream import LONGEST_PASS_S
from stt.whisper_transcriber import Surroundings, WhisperSettings, WhisperTranscriber
from tests.stt.scripted_whisper import (
    RATE,
    LoudIsVoice,
    Scores,
    ScriptedBackend,
    Speech,
    WorkingClock,
    hear,
    last,
    loaded,
    speak,
)

ENGLISH = ("en",)
WINDOW_FRAMES = round((LONGEST_PASS_S + 1.0) * 100)
"""the longest pass and its margin"""


def words_of_no_language(count: int) -> list[str]:
    """A text with a pattern would be taken for a loop."""
    letters = np.random.default_rng(7)
    return [
        "".join(letters.choice(list("abdefgiklmnoprstuvz"), letters.integers(2, 8))) + str(number % 7)
        for number in range(count)
    ]


def monologue(words: int, pause_every: int = 9) -> Speech:
    said = words_of_no_language(words)
    return speak(" ".join(f"{word} ..." if number % pause_every == 8 else word for number, word in enumerate(said)))


def listening(speech: Speech, pass_s: float = 0.05) -> tuple[WhisperTranscriber, ScriptedBackend, WorkingClock]:
    backend = ScriptedBackend(speech)
    clock = WorkingClock(backend, pass_s)
    return loaded(backend, around=Surroundings(LoudIsVoice(), clock=clock)), backend, clock


def stable_texts(messages: list[Transcript | EchoDropped]) -> list[str]:
    return [message.text[: message.stable] for message in messages if isinstance(message, Transcript)]


def test_words_come_while_the_user_speaks_and_stay():
    speech = speak("what time is it in Paris and in New York now")
    stage, _, clock = listening(speech)
    messages = hear(stage, speech.samples, clock=clock)
    stable = stable_texts(messages)
    assert len({text for text in stable if text}) >= 4
    for earlier, later in pairwise(stable):
        assert later.startswith(earlier)
    final = last(messages)
    assert (final.text, final.stable, final.language, final.final) == (speech.text, len(speech.text), "en", True)
    assert (final.source, final.complete) == ("whisper", False)
    assert 0.8 < final.confidence < 0.83


def test_a_pass_about_every_half_second():
    speech = monologue(20)
    stage, backend, clock = listening(speech)
    hear(stage, speech.samples, clock=clock)
    seconds = len(speech.samples) / RATE
    assert len(backend.requests) == pytest.approx(seconds / 0.512, abs=2)


def test_a_busy_machine_drops_passes_and_loses_no_word():
    speech = monologue(40)
    stage, backend, clock = listening(speech, pass_s=1.5)
    assert last(hear(stage, speech.samples, clock=clock)).text == speech.text
    assert len(backend.requests) <= len(speech.samples) / RATE / 1.5 / 2 + 2


def test_at_the_end_only_the_tail_is_decoded():
    speech = monologue(60)
    stage, backend, clock = listening(speech)
    assert last(hear(stage, speech.samples, clock=clock)).text == speech.text
    assert backend.generated[-1] <= 6
    assert backend.requests[-1].stream.draft
    assert backend.requests[-1].frames <= WINDOW_FRAMES


class LateBackend(ScriptedBackend):
    """Hears "battle" for "matter" until the sound is whole, where it is not told how the text begins."""

    def _heard(self, samples: Samples) -> tuple[Piece, ...]:
        whole = self.speech is None or len(samples) >= len(self.speech.samples)
        return tuple(
            piece if whole or piece.text != " matter" else self._piece(" battle", piece.start_s or 0.0, 0.3)
            for piece in super()._heard(samples)
        )


def late() -> tuple[WhisperTranscriber, WorkingClock, Speech]:
    speech = speak("it is a matter of course to him")
    backend = LateBackend(speech)
    clock = WorkingClock(backend)
    return loaded(backend, around=Surroundings(LoudIsVoice(), clock=clock)), clock, speech


def test_what_two_looks_agreed_on_wrongly_the_whole_sound_puts_right():
    stage, clock, speech = late()
    messages = hear(stage, speech.samples, clock=clock)
    assert any(text.startswith("it is a battle") for text in stable_texts(messages)), "else nothing was put right"
    assert last(messages).text == speech.text


def test_what_a_pause_has_put_right_stays_so_when_the_user_goes_on():
    stage, clock, speech = late()
    hear(stage, speech.samples, clock=clock, final=False)
    longer = np.concatenate([speech.samples, np.zeros(RATE, np.float32)])
    list(stage.process(SpeechStarted(1, 1, clock.monotonic())))
    texts = stable_texts(list(stage.process(SpeechChunk(1, 1, longer[len(speech.samples) :]))))
    assert not any("battle" in text for text in texts)
    assert last(list(stage.process(Utterance(1, 1, longer, True, 0.0)))).text == speech.text


@pytest.mark.parametrize("pause_every", [9, 1000])
def test_a_long_monologue_is_linear_work(pause_every: int):
    """Encoder frames and tokens of a minute are at most twice those of half a minute, and windows are bounded."""
    costs = []
    for words in (80, 160):
        speech = monologue(words, pause_every)
        stage, backend, clock = listening(speech)
        assert last(hear(stage, speech.samples, clock=clock)).text == speech.text
        assert max(request.frames for request in backend.requests) <= WINDOW_FRAMES
        passes = len(speech.samples) / RATE / 0.512 + 2
        assert backend.frames <= passes * WINDOW_FRAMES
        costs.append((backend.frames, sum(backend.generated)))
    (frames, tokens), (more_frames, more_tokens) = costs
    assert frames < 31_000
    assert more_frames <= 2.1 * frames
    assert more_tokens <= 2.1 * tokens


def test_stable_words_are_not_generated_again():
    speech = monologue(40)
    stage, backend, clock = listening(speech)
    hear(stage, speech.samples, clock=clock)
    assert sum(backend.generated) < 6 * len(backend.requests)


@pytest.mark.parametrize(
    "said",
    ["stop stop stop stop stop", "call me at five five five five five one two", "no no no no no no not that one"],
)
def test_who_says_a_word_again_and_again_is_heard_to_the_end(said: str):
    speech = speak(said)
    stage, _, clock = listening(speech)
    assert last(hear(stage, speech.samples, clock=clock)).text == said


@pytest.mark.parametrize("partial_ms", [0, 500])
@pytest.mark.parametrize("words", [100, 200])
def test_more_than_thirty_seconds_at_once(words: int, partial_ms: int):
    speech = monologue(words)
    assert len(speech.samples) > 30 * RATE
    backend = ScriptedBackend(speech)
    stage = loaded(backend, WhisperSettings("there", ENGLISH, partial_ms=partial_ms))
    final = list(stage.process(Utterance(1, 0, speech.samples, True, 0.0)))
    assert last(final).text == speech.text
    assert len(backend.requests) <= len(speech.samples) / RATE / 20 + 2


def test_the_user_goes_on_after_a_pause():
    speech = speak("set a timer ... for ten minutes please and thank everybody")
    pause = round((speech.words[2].end_s + 0.3) * RATE)
    stage, backend, _ = listening(speech)
    list(stage.process(SpeechStarted(1, 0, 0.0)))
    list(stage.process(SpeechChunk(1, 0, speech.samples[:pause])))
    first = last(list(stage.process(Utterance(1, 0, speech.samples[:pause], False, 0.0))))
    assert (first.text, first.final, first.revision) == ("set a timer", False, 0)
    list(stage.process(SpeechStarted(1, 1, 0.0)))
    list(stage.process(SpeechChunk(1, 1, speech.samples[pause:])))
    second = last(list(stage.process(Utterance(1, 1, speech.samples, True, 0.0))))
    assert (second.text, second.final, second.revision) == (speech.text, True, 1)
    assert len(backend.requests) <= 4


def test_no_word_is_stable_before_the_language_is():
    speech = speak("bonjour tout le monde comment allez vous ce matin ici")
    backend = ScriptedBackend(speech, Scores(languages=(("fr", 0.97), ("en", 0.03))))
    clock = WorkingClock(backend)
    stage = loaded(backend, WhisperSettings("there"), Surroundings(LoudIsVoice(), clock=clock))
    messages = [message for message in hear(stage, speech.samples, clock=clock) if isinstance(message, Transcript)]
    assert {message.language for message in messages if message.stable} == {"fr"}
    assert last(messages).text == speech.text


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(["", " ...", " ... ..."]), min_size=1, max_size=60),
    st.floats(0.0, 2.0),
    st.sampled_from([160, 512, 4000]),
)
def test_whatever_the_pace_the_stable_text_only_grows_and_all_words_are_there(
    pauses: list[str], pass_s: float, chunk: int
):
    said = words_of_no_language(len(pauses))
    speech = speak(" ".join(word + pause for word, pause in zip(said, pauses, strict=True)))
    stage, _, clock = listening(speech, pass_s)
    messages = hear(stage, speech.samples, clock=clock, chunk=chunk)
    stable = stable_texts(messages)
    for earlier, later in pairwise(stable):
        assert later.startswith(earlier)
    assert last(messages).text == speech.text


class MistimedBackend(ScriptedBackend):
    """Each edge between two words is told up to so many seconds too early or too late, as alignment does."""

    def __init__(self, speech: Speech, error_s: float, seed: int) -> None:
        super().__init__(speech)
        self._error_s = error_s
        self._drawn = np.random.default_rng(seed)

    def decode_window(self, samples: Samples, request: WindowRequest) -> Decoded:
        decoded = super().decode_window(samples, request)
        if not request.stream.timed or not decoded.pieces:
            return decoded
        edges = np.array([*(piece.start_s for piece in decoded.pieces), decoded.pieces[-1].end_s], float)
        told = np.maximum.accumulate((edges + self._drawn.uniform(-self._error_s, self._error_s, len(edges))).clip(0.0))
        pieces = (
            replace(piece, start_s=float(begin), end_s=float(end))
            for piece, (begin, end) in zip(decoded.pieces, pairwise(told), strict=True)
        )
        return replace(decoded, pieces=tuple(pieces))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.sampled_from(["", "", "", " ..."]), min_size=20, max_size=45),
    st.floats(0.0, 0.08),
    st.integers(0, 1000),
    st.floats(0.1, 0.6),
)
def test_wherever_it_is_cut_and_however_words_are_timed_none_is_doubled_or_lost(
    pauses: list[str], error_s: float, seed: int, before_s: float
):
    said = words_of_no_language(len(pauses))
    speech = speak(" ".join(word + pause for word, pause in zip(said, pauses, strict=True)), before_s=before_s)
    backend = MistimedBackend(speech, error_s, seed)
    clock = WorkingClock(backend)
    stage = loaded(backend, around=Surroundings(LoudIsVoice(), clock=clock))
    assert last(hear(stage, speech.samples, clock=clock)).text == speech.text
    assert any(request.stream.timed for request in backend.requests), "else nothing was cut"
