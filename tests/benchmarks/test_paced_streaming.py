"""Speech in real time without waiting: the clock jumps to the next sound, and a slow engine makes it come late."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from benchmarks.stt_parts.paced import PacedClock, ScriptedWords, script
from benchmarks.stt_parts.streaming import stream
from core.messages import SAMPLE_RATE_HZ, Samples
from core.utils.whisper.backend import WindowRequest
from core.utils.whisper.options import TranscribeOptions
from core.utils.whisper.results import Decoded, DetectedLanguage, Segment, TranscriptionInfo


class QuickEngine:
    """Takes no time, says nothing, and remembers what it was made to do."""

    name, device, compute_type = "quick", "cpu", "float32"
    languages: tuple[str, ...] = ("en", "fr")

    def __init__(self) -> None:
        self.asked: list[WindowRequest] = []

    def decode_window(self, samples: Samples, request: WindowRequest) -> Decoded:
        self.asked.append(request)
        return Decoded("", (), -0.2, 0.01, "en", 1.0)

    def transcribe(self, samples: Samples, options: TranscribeOptions) -> tuple[Iterator[Segment], TranscriptionInfo]:
        raise NotImplementedError("the stage asks for windows only")

    def detect_language(self, samples: Samples) -> DetectedLanguage:
        raise NotImplementedError("the stage asks for windows only")


def test_the_clock_jumps_ahead_and_never_back() -> None:
    clock = PacedClock()
    began = clock.monotonic()
    clock.wait_until(began + 100.0)
    assert clock.monotonic() >= began + 100.0
    clock.wait_until(began + 50.0)
    assert clock.monotonic() >= began + 100.0


@pytest.mark.parametrize("seconds", [1.0, 3.0, 10.0, 30.0])
def test_the_stage_gives_every_word_of_the_script(seconds: float) -> None:
    speech = script(seconds)
    streamed = stream(QuickEngine(), speech)
    assert streamed.text == " ".join(word.text.strip() for word in speech.words)
    assert all(later > earlier for earlier, later in pairwise(streamed.passes_s))
    assert len(streamed.partials_s) <= len(streamed.passes_s) <= seconds / 0.5


def test_only_what_is_not_settled_yet_is_generated() -> None:
    speech, engine = script(10.0), QuickEngine()
    stream(engine, speech)
    tokens = sum(len(word.tokens) for word in speech.words)
    assert engine.asked[-1].max_new_tokens < tokens / 2


def test_a_window_within_the_script_has_the_words_that_lie_in_it() -> None:
    speech = script(10.0)
    third, sixth = speech.words[2], speech.words[5]
    assert third.start_s is not None
    assert sixth.end_s is not None
    begin, end = (round(edge * SAMPLE_RATE_HZ) for edge in (third.start_s, sixth.end_s))
    words = ScriptedWords(QuickEngine(), speech)
    decoded = words.decode_window(speech.samples[begin : end + 1], WindowRequest(1000, 100, "en"))
    assert [piece.text for piece in decoded.pieces] == [word.text for word in speech.words[2:6]]
    assert decoded.pieces[0].start_s == pytest.approx(0.0, abs=0.001)
