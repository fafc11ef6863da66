"""`say` with an engine that cannot say everything: the rest is said, what is left out is named."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audio.files import FileSpeaker
from audio.player import Player
from audio.wav import read_wav
from core.app.say import run, sentences, spoken
from core.messages import Mark, Sentence
from core.utils.clock import SystemClock
from core.utils.config import Config
from core.utils.errors import InferenceError
from core.utils.voice import VoiceSettings
from tts.engine import SpeechPiece, SpokenLanguage
from tts.synthesizer import Synthesizer

SENTENCE_S = 0.5


class Choosy:
    """A voice that says each text in half a second, and no text with one of its words in it."""

    name = "choosy"
    sample_rate_hz = 16_000
    languages: tuple[SpokenLanguage, ...] = ("en", "fr")

    def __init__(self, *unsayable: str) -> None:
        self._unsayable = unsayable

    def load(self) -> None:
        """Nothing to load."""

    def pause_ms(self, text: str) -> int:
        return 0

    def synthesize(self, text: str, language: SpokenLanguage, rate_factor: float) -> Iterator[SpeechPiece]:
        if any(word in text for word in self._unsayable):
            raise InferenceError(f"no sound for {text!r}")
        samples = np.full(int(SENTENCE_S * self.sample_rate_hz), 0.1, np.float32)
        yield SpeechPiece(samples, (Mark(0, len(text)),), last=True)

    def close(self) -> None:
        """Nothing to give back."""


def say(text: str, out: Path, *unsayable: str) -> int:
    return run(argparse.Namespace(text=[text], language="en", out=out), Config(), Choosy(*unsayable))


@pytest.mark.parametrize(
    ("unsayable", "sentence"), [("morning", "Good morning."), ("cold", "It is cold."), ("goodbye", "And goodbye.")]
)
def test_what_cannot_be_said_is_named_and_the_rest_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], unsayable: str, sentence: str
) -> None:
    out = tmp_path / "said.wav"
    assert say("Good morning. It is cold. And goodbye.", out, unsayable) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"left out: {sentence!r} (")
    assert len(told.splitlines()) == 1
    assert read_wav(out).seconds == pytest.approx(2 * SENTENCE_S, abs=0.01)


def test_all_that_can_be_said_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "said.wav"
    assert say("Good morning. It is cold.", out) == 0
    assert not capsys.readouterr().err


def test_nothing_that_can_be_said_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InferenceError, match="no sound for 'Good morning"):
        say("Good morning. It is cold.", tmp_path / "said.wav", "morning", "cold")


def test_what_was_said_before_a_lost_last_sentence_is_heard_to_its_end() -> None:
    voice, speaker = VoiceSettings(), FileSpeaker(SystemClock())
    synthesizer = Synthesizer(Config().tts, voice, Choosy("goodbye"))
    synthesizer.load()
    player = Player(speaker, SystemClock())
    left_out: list[tuple[Sentence, InferenceError]] = []
    for piece in spoken(synthesizer, sentences("Good morning. And goodbye.", "en"), left_out):
        for _ in player.process(piece):
            continue
    assert not player.playing
    assert speaker.recording.seconds == pytest.approx(SENTENCE_S, abs=0.01)
    assert [sentence.text for sentence, _ in left_out] == ["And goodbye."]
