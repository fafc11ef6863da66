"""The real program with Whisper on the virtual sound card, asked aloud in both languages: a small trained model."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from tests.integration.sound_card import SoundCard, spoken
from tests.integration.test_talk import REPLY_S, start

MODEL = Path(__file__).resolve().parents[1] / "models" / "ctranslate2-int8"
VOICES = {"en": "en-us", "fr": "fr-fr"}
"""espeak-ng's plainest, which the model was trained with, as it was with the questions: the way through is tested"""

pytestmark = [
    pytest.mark.audio,
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no test voice: espeak-ng is not installed"),
    pytest.mark.skipif(
        importlib.util.find_spec("faster_whisper") is None, reason="needs the full extra: pip install faster-whisper"
    ),
]


def test_it_is_asked_in_both_languages_and_answers_in_each(tmp_path: Path, sound_card: SoundCard) -> None:
    with start(tmp_path, sound_card, "stt.engine=whisper", f"stt.model={MODEL}") as program:
        for language, question, reply in (
            ("en", "tell me the time", r"^merline: It's \d"),
            ("fr", "quel jour sommes-nous", r"^merline: Nous sommes"),
            ("fr", "quel jour sommes-nous", r"^merline: Nous sommes"),
            ("en", "what is the date today", r"^merline: It's \w"),
        ):
            program.skip()
            sound_card.say(spoken(question, VOICES[language]))
            program.wait_for(reply, REPLY_S)
            sound_card.wait_for_silence(REPLY_S, quiet_s=0.5)
        assert program.interrupt() == 0
