"""A stage of the real program fails on the virtual sound card: at the wrong moment, and for good."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.program import Program
from tests.integration.sound_card import SoundCard, spoken

pytestmark = [
    pytest.mark.audio,
    pytest.mark.skipif(shutil.which("flite") is None, reason="no test voice: flite is not installed"),
]
PLANTING = Path(__file__).with_name("planting")
START_S, REPLY_S = 60.0, 30.0


def start(home: Path, card: SoundCard) -> Program:
    planting = {"PYTHONPATH": str(PLANTING), "MERLINE_PLANT": str(home / "plant")}
    program = Program(home, ["talk", "--offline"], {**card.variables, **planting})
    program.wait_for(r"^\[listening", START_S)
    card.wait_for_silence(5.0, quiet_s=0.3)
    return program


def ask(program: Program, card: SoundCard, text: str) -> str:
    said = card.say(spoken(text, "awb", "flite"))
    card.wait_for_sound(REPLY_S, since=said.ends)
    reply = program.wait_for(r"^merline: (?!turn )(.*)", REPLY_S).group(1)
    card.wait_for_silence(REPLY_S, quiet_s=0.5)
    return reply


def test_what_fails_while_the_user_speaks_is_done_again_at_the_end(tmp_path: Path, sound_card: SoundCard) -> None:
    """An apology came over the user's own words, and the answer behind it."""
    with start(tmp_path, sound_card) as program:
        for stage in ("stt", "llm"):
            (tmp_path / "plant").write_text(f"{stage} MemoryError")
            assert "went wrong" not in ask(program, sound_card, "what is twelve times seven")
            assert not (tmp_path / "plant").exists(), "it has failed"
        assert not [line for line in program.lines if "turn was lost" in line]
        assert program.interrupt() == 0


def test_a_stage_that_crashes_ends_the_program_and_loses_no_timer(tmp_path: Path, sound_card: SoundCard) -> None:
    with start(tmp_path, sound_card) as program:
        assert "20 minutes" in ask(program, sound_card, "set a timer for twenty minutes")
        (tmp_path / "plant").write_text("tts ZeroDivisionError")
        sound_card.say(spoken("what time is it", "awb", "flite"))
        program.wait_for("the tts stage crashed: planted", REPLY_S)
        assert program.process.wait(10) == 1
        assert sound_card.open_streams() == 0
    with start(tmp_path, sound_card) as program:
        assert "left on the" in ask(program, sound_card, "how long is left on the timer")
