"""The real program called by a wake word or a key, and its microphone closed and opened, on a virtual sound card."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from tests.integration.program import Program
from tests.integration.sound_card import SoundCard, spoken

pytestmark = [
    pytest.mark.audio,
    pytest.mark.skipif(shutil.which("flite") is None, reason="no test voice: flite is not installed"),
]
START_S = 30.0
REPLY_S = 15.0
QUESTION = "what is three times four"


def start(home: Path, card: SoundCard, *settings: str) -> Program:
    options = [option for setting in settings for option in ("--set", setting)]
    program = Program(home, ["talk", "--offline", *options], card.variables, keyboard=True)
    program.wait_for(r"^\[(listening|say|press)", START_S)
    card.wait_for_silence(5.0, quiet_s=0.3)
    return program


def first_state(program: Program) -> str:
    return next(line for line in program.lines if line.startswith("["))


def answered(program: Program, card: SoundCard, text: str) -> str:
    said = card.say(spoken(text, "awb", "flite"))
    card.wait_for_sound(REPLY_S, since=said.ends)
    reply = program.wait_for(r"^merline: (.*)", REPLY_S).group(1)
    card.wait_for_silence(REPLY_S, quiet_s=0.5)
    return reply


def unanswered(program: Program, card: SoundCard, text: str) -> bool:
    """Whether nothing came of it for a second and a half after its end: a command is answered within a second."""
    program.skip()
    said = card.say(spoken(text, "awb", "flite"))
    try:
        card.wait_for_sound(said.ends - card.now + 1.5, since=said.starts)
    except TimeoutError:
        return not any(line.startswith("you:") for line in program.unread())
    return False


@pytest.mark.skipif(importlib.util.find_spec("pymicro_wakeword") is None, reason="needs the extra wake")
def test_with_a_wake_word_only_what_follows_it_is_meant(tmp_path: Path, sound_card: SoundCard):
    with start(tmp_path, sound_card, "wake.mode=word", "wake.follow_up_s=5") as program:
        assert first_state(program).lower().startswith("[say “okay nabu"), "it does not listen, and does not say so"
        assert unanswered(program, sound_card, QUESTION)
        assert "12" in answered(program, sound_card, f"okay nah boo, {QUESTION}")
        assert "35" in answered(program, sound_card, "what is five times seven"), "a follow-up"
        assert "18" in answered(program, sound_card, "okay nah boo, what is nine plus nine"), "one that is called to"
        program.wait_for(r"^\[say .okay nabu", 10)
        assert unanswered(program, sound_card, QUESTION)
        assert program.interrupt() == 0


def test_with_the_key_only_what_follows_it_is_meant(tmp_path: Path, sound_card: SoundCard):
    with start(tmp_path, sound_card, "wake.mode=key", "wake.follow_up_s=3") as program:
        assert first_state(program) == "[press the space bar]"
        assert unanswered(program, sound_card, QUESTION)
        program.press(" ")
        program.wait_for(r"^\[listening", 5)
        assert "12" in answered(program, sound_card, QUESTION)
        program.wait_for(r"^\[press the space bar", 10)
        assert program.interrupt() == 0


def test_a_closed_microphone_is_closed_and_can_be_opened_again(tmp_path: Path, sound_card: SoundCard):
    with start(tmp_path, sound_card) as program:
        both = sound_card.open_streams()
        program.press("m")
        program.wait_for(r"^\[MICROPHONE OFF", 5)
        assert sound_card.open_streams() == both - 1
        assert unanswered(program, sound_card, QUESTION)
        program.press("m")
        program.wait_for(r"^\[listening", 5)
        assert sound_card.open_streams() == both
        assert "12" in answered(program, sound_card, QUESTION)
        assert "goes off" in answered(program, sound_card, "stop listening")
        program.wait_for(r"^\[MICROPHONE OFF", 5)
        assert sound_card.open_streams() == both - 1
        assert program.interrupt() == 0
