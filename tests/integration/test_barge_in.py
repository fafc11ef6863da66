"""A voice over a long answer, on the virtual sound card: "mhm" lets it go on to its end, "stop" ends it for good."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.integration.program import Program, run
from tests.integration.sound_card import RATE_HZ, SoundCard, spoken
from tests.integration.voices import Engine

pytestmark = [
    pytest.mark.audio,
    pytest.mark.skipif(shutil.which("flite") is None, reason="no test voice: flite is not installed"),
]
START_S = 30.0
REPLY_S = 15.0
VOICE = "awb"
LEVEL = 1e-2
ANSWER_S = 6.1
"""the long answer's voice without its pauses: 6.33 s"""
QUIET_S = 2.0
"""longer than it is held where nothing else wants the processors"""
QUESTION = "what can you do"
ASKED = 3
"""times at most: on a busy machine the card itself may swallow words"""
LATE = "nobody said in time what a voice over the reply was"
"""so it says itself where a busy machine gave the recogniser no time: whatever was said counts as words then"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def merline(home: Path, sound_card: SoundCard) -> Iterator[Program]:
    """The program, listening."""
    with Program(home, ["talk", "--offline", "--log-level", "debug"], sound_card.variables) as program:
        program.wait_for(r"^\[listening", START_S)
        sound_card.wait_for_silence(5.0, quiet_s=0.3)
        yield program


def ask_something_long(program: Program, card: SoundCard, until_s: float) -> float:
    """Ask, and let the answer be heard for so long; the card time at which it began."""
    for _ in range(ASKED):
        card.wait_for_silence(REPLY_S, quiet_s=0.5, level=LEVEL)
        program.skip()
        said = card.say(spoken(QUESTION, VOICE, "flite"))
        if program.wait_for(r"^you: (.*)", REPLY_S).group(1) == QUESTION:
            break
    began = card.wait_for_sound(REPLY_S, since=said.ends, level=LEVEL)
    card.wait_for_sound(REPLY_S, since=began + until_s, level=LEVEL)
    return began


def voiced_s(sound: np.ndarray) -> float:
    """How long something was heard, in blocks of 10 ms."""
    blocks = sound[: len(sound) // 480 * 480].reshape(-1, 480)
    return float(np.count_nonzero(np.abs(blocks).max(axis=1) > LEVEL)) / 100


def longest_pause_s(sound: np.ndarray) -> float:
    """The longest stretch between two sounds."""
    loud = np.flatnonzero(np.abs(sound) > LEVEL)
    return float(np.diff(loud).max()) / RATE_HZ


@pytest.mark.parametrize("word", [("mm hmm", "en-gb", "espeak-ng"), ("okay", VOICE, "flite")])
def test_mhm_holds_a_long_answer_for_a_moment_and_it_goes_on_to_its_end(
    merline: Program, sound_card: SoundCard, word: tuple[str, str, Engine]
):
    """espeak-ng spells "mhm" as three letters; "mm hmm" it says as people do. Its British "okay" is often misheard."""
    for _ in range(ASKED):
        lines = len(merline.lines)
        began = ask_something_long(merline, sound_card, 1.5)
        said = sound_card.say(spoken(*word))
        merline.wait_for(r"^merline: I can tell the time.*shopping list", 2 * REPLY_S)
        merline.wait_for(r"^\[listening", REPLY_S)
        ended = sound_card.wait_for_silence(REPLY_S, quiet_s=0.5, level=LEVEL)
        if not any(LATE in line for line in merline.lines[lines:]):
            break
    sound = sound_card.recorded(began - 0.1, ended)
    assert voiced_s(sound) > ANSWER_S, "\n".join(["words were lost", *merline.lines])
    assert ended > said.ends + 2.0
    assert longest_pause_s(sound) > 0.4, "it is silent while the user speaks"
    words = [line for line in merline.lines if line.startswith("you: ")]
    assert words[-1] == f"you: {QUESTION}", "mhm was no turn"


@pytest.mark.parametrize("word", ["stop", "wait"])
def test_stop_ends_it_for_good(merline: Program, sound_card: SoundCard, word: str):
    began = ask_something_long(merline, sound_card, 1.5)
    said = sound_card.say(spoken(word, VOICE, "flite"))
    silent = sound_card.wait_for_silence(REPLY_S, quiet_s=QUIET_S, level=LEVEL)
    print(f"silent {1000 * (silent - said.starts):.0f} ms after the voice began")
    # how fast it stops is a figure of bench voice
    assert said.starts - 1.0 < silent
    assert voiced_s(sound_card.recorded(began - 0.1, silent)) < ANSWER_S - 1.0, "and nothing follows"
    merline.wait_for(rf"^you: .*{word}", REPLY_S)


def test_only_what_was_heard_counts_as_said(merline: Program, home: Path):
    """Of the answers of the tests above; it ends the program they share."""
    assert merline.interrupt() == 0
    exported = home / "mine.json"
    run(home, "data", "export", str(exported))
    turns = [turn for turn in json.loads(exported.read_text())["data"]["turns"] if turn["user"]]
    cut = [asked for asked, then in pairwise(turns) if then["user"].endswith(("stop", "wait"))]
    assert len(cut) >= 2
    for asked in cut:
        assert asked["user"] == QUESTION
        assert asked["heard"] != ""
        assert asked["reply"].startswith(asked["heard"])
        assert len(asked["heard"]) < len(asked["reply"])
