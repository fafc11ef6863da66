from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from core.utils.config import VadConfig
from stt.voice_activity_detection import Continued, Onset, Overlong, Rejected, Started, VadEvent, VoiceActivityDetection

CHUNK_S = 0.032
CONFIG = VadConfig(
    pre_roll_ms=96, onset_ms=60, far_end_onset_ms=60, min_speech_ms=190, far_end_min_speech_ms=350, gap_ms=64
)


class ScriptedEngine:
    """Rates a chunk by its first sample: the test writes the ratings into the sound."""

    name = "scripted"
    chunk_samples = 512

    def probability(self, samples: NDArray[np.float32]) -> float:
        return float(samples[0])

    def reset(self) -> None:
        pass


class CertainEngine(ScriptedEngine):
    """Hears a voice in everything."""

    def probability(self, samples: NDArray[np.float32]) -> float:
        return 0.9


def sound(ratings: Iterable[float]) -> NDArray[np.float32]:
    return np.repeat(np.array(list(ratings), np.float32), 512)


def run(
    ratings: Iterable[float], config: VadConfig = CONFIG, far_end: bool = False, piece: int = 512, start: float = 10.0
) -> list[VadEvent]:
    detection = VoiceActivityDetection(config, ScriptedEngine())
    samples = sound(ratings)
    events: list[VadEvent] = []
    for index in range(0, len(samples), piece):
        events += detection.process(samples[index : index + piece], start + index / 16_000, far_end)
    return events


def kinds(events: Iterable[VadEvent]) -> list[type]:
    return [type(event) for event in events if not isinstance(event, Continued)]


def test_speech_gives_an_onset_after_two_chunks_and_a_start_after_the_least_length() -> None:
    detection = VoiceActivityDetection(CONFIG, ScriptedEngine())
    seen: list[tuple[int, VadEvent]] = []
    for index, rating in enumerate([0.0] * 5 + [0.9] * 8):
        seen += [(index, event) for event in detection.process(sound([rating]), 10.0 + index * CHUNK_S)]
    (onset_chunk, onset), (start_chunk, start) = seen[:2]
    assert isinstance(onset, Onset)
    assert onset_chunk == 6
    assert onset.at == pytest.approx(10.0 + 5 * CHUNK_S)
    assert isinstance(start, Started)
    assert start_chunk == 10
    assert start.at == pytest.approx(10.0 + 5 * CHUNK_S)
    assert start.voiced_until == pytest.approx(10.0 + 11 * CHUNK_S)


def test_pre_roll_keeps_the_sound_before_the_first_voiced_chunk_and_nothing_older() -> None:
    ratings = [0.01, 0.02, 0.03, 0.04, 0.05, *[0.9] * 8]
    start = next(event for event in run(ratings) if isinstance(event, Started))
    assert [round(float(value), 2) for value in start.samples[::512]] == [0.03, 0.04, 0.05, *[0.9] * 6]


def test_a_click_is_rejected_and_never_starts_speech() -> None:
    assert kinds(run([0.0] * 3 + [0.9] * 2 + [0.0] * 10)) == [Onset, Rejected]


def test_one_loud_chunk_is_not_even_an_onset() -> None:
    assert kinds(run([0.0] * 3 + [0.9] + [0.0] * 10)) == []


def test_hysteresis_a_rating_between_the_thresholds_keeps_speech_but_never_begins_it() -> None:
    assert run([0.4] * 30) == []
    continued = [event for event in run([0.9] * 7 + [0.4] * 5 + [0.3] * 2) if isinstance(event, Continued)]
    assert [event.voiced for event in continued] == [True] * 6 + [False] * 2
    assert continued[-1].voiced_until == pytest.approx(10.0 + 12 * CHUNK_S)


def test_the_end_of_speech_is_that_of_the_sound_not_of_the_engines_decay() -> None:
    detection = VoiceActivityDetection(CONFIG, CertainEngine())
    half = sound([0.5])
    half[256:] = 0.005
    samples = np.concatenate((sound([0.5] * 8), half, sound([0.005] * 3)))
    events = [event for event in detection.process(samples, 10.0) if isinstance(event, Continued)]
    assert [event.voiced for event in events][-4:] == [True, False, False, False]
    assert events[-1].voiced_until == pytest.approx(10.0 + 8 * CHUNK_S + 0.016, abs=0.01)


def test_a_short_gap_inside_the_first_syllables_does_not_reject() -> None:
    assert kinds(run([0.9] * 3 + [0.0] * 2 + [0.9] * 5)) == [Onset, Started]


def test_while_the_assistant_is_audible_a_voice_must_be_surer_and_longer() -> None:
    assert run([0.7] * 30, far_end=True) == []
    assert kinds(run([0.9] * 9 + [0.0] * 5, far_end=True)) == [Onset, Rejected]
    events = run([0.9] * 12, far_end=True)
    assert kinds(events) == [Onset, Started]
    assert all(event.far_end for event in events if isinstance(event, Started))


def test_too_long_speech_ends_once_and_needs_silence_before_the_next_onset() -> None:
    config = CONFIG.model_copy(update={"max_speech_s": 1.0})
    events = run([0.9] * 100, config)
    assert kinds(events) == [Onset, Started, Overlong]
    assert kinds(run([0.9] * 60 + [0.0] + [0.9] * 8, config)) == [Onset, Started, Overlong, Onset, Started]


@pytest.mark.parametrize("piece", [160, 320, 511, 700, 4096])
def test_the_events_do_not_depend_on_how_the_sound_is_cut(piece: int) -> None:
    ratings = [0.0] * 4 + [0.9] * 9 + [0.1] * 6
    whole, cut = run(ratings), run(ratings, piece=piece)
    assert kinds(whole) == kinds(cut) == [Onset, Started]
    first, second = (next(e for e in events if isinstance(e, Started)) for events in (whole, cut))
    assert first.at == pytest.approx(second.at)
    assert np.array_equal(first.samples, second.samples)


def test_after_end_the_next_voice_is_a_new_onset() -> None:
    detection = VoiceActivityDetection(CONFIG, ScriptedEngine())
    first = list(detection.process(sound([0.9] * 8), 0.0))
    assert detection.speaking
    detection.end()
    assert not detection.speaking
    second = list(detection.process(sound([0.9] * 8), 8 * CHUNK_S))
    assert kinds(first) == kinds(second) == [Onset, Started]
