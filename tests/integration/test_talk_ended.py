"""`talk` ended by Ctrl-C at its worst moments, on the virtual sound card: Whisper loads, a language model writes."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.program import ROOT, Program
from tests.integration.sound_card import SoundCard, spoken

MODEL = ROOT / "tests" / "models" / "ctranslate2-int8"
START_S, REPLY_S, END_S = 60.0, 30.0, 15.0
ENDED = (0, 130)
"""by itself, or while packages are imported"""

pytestmark = [
    pytest.mark.audio,
    pytest.mark.skipif(shutil.which("flite") is None, reason="no test voice: flite is not installed"),
]


def talk(home: Path, card: SoundCard, *settings: str) -> Program:
    options = [option for setting in settings for option in ("--set", setting)]
    return Program(home, ["talk", "--offline", "--log-level", "debug", *options], card.variables)


def ended_well(program: Program, card: SoundCard) -> bool:
    code = program.interrupt(END_S)
    output = "\n".join(program.lines)
    assert code in ENDED, output
    assert "terminate called" not in output
    assert "Fatal Python error" not in output
    return card.open_streams() == 0


@pytest.mark.skipif(importlib.util.find_spec("faster_whisper") is None, reason="needs the extra full")
@pytest.mark.parametrize("moment", [r"DEBUG .*the plan:", r"INFO .*Whisper .* on cpu"])
def test_while_whisper_loads(tmp_path: Path, sound_card: SoundCard, moment: str) -> None:
    with talk(tmp_path, sound_card, "stt.engine=whisper", f"stt.model={MODEL}") as program:
        program.wait_for(moment, START_S)
        assert ended_well(program, sound_card)


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="needs the extra full")
def test_while_a_language_model_writes(tmp_path: Path, sound_card: SoundCard) -> None:
    sys.path.insert(0, str(ROOT / "tests" / "core_models"))
    from tiny import tiny_model

    model = tiny_model(tmp_path / "tiny", "qwen2")
    endless = ("llm.engine=mlx", f"llm.model={model}", "llm.max_tokens=4000", "llm.context_tokens=8192")
    with talk(tmp_path, sound_card, *endless, "stt.engine=pocketsphinx") as program:
        program.wait_for(r"^\[listening", START_S)
        sound_card.wait_for_silence(5.0, quiet_s=0.5)
        sound_card.say(spoken("tell me a very long story about the sea", "awb", "flite"))
        program.wait_for(r"^you: ", REPLY_S)
        assert ended_well(program, sound_card)
