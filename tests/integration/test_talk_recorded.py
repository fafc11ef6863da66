"""The real program records what it is told on a virtual sound card, and replays it in the words it heard then."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.integration.program import run
from tests.integration.sound_card import RATE_HZ, SoundCard, spoken
from tests.integration.test_talk import REPLY_S, start

pytestmark = [
    pytest.mark.audio,
    pytest.mark.skipif(shutil.which("flite") is None, reason="no test voice: flite is not installed"),
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no test voice: espeak-ng is not installed"),
]


def test_turns_are_replayed_in_the_words_and_with_the_reply_of_then(tmp_path: Path, sound_card: SoundCard) -> None:
    """Whatever was heard: a strange voice's words hang on every sample, and on what was heard before."""
    home = tmp_path / "home"
    pause = np.zeros(round(0.55 * RATE_HZ), np.float32)
    resumed = np.concatenate(
        [spoken("set a timer for an hour", "slt", "flite"), pause, spoken("and a half", "slt", "flite")]
    )
    with start(home, sound_card, "record=true", "stt.engine=pocketsphinx", "llm.engine=skills") as program:
        for sound in (
            spoken("who was the first man on the moon", "en-us"),
            spoken("what is seven times eight", "slt", "flite"),
            spoken("and plus nine", "slt", "flite"),
            resumed,
            spoken("tell me about the weather in spain", "en-us"),
        ):
            said = sound_card.say(sound)
            sound_card.wait_for_sound(REPLY_S, since=said.ends)
            sound_card.wait_for_silence(REPLY_S, quiet_s=0.5)
        said = sound_card.say(spoken("what can you do", "slt", "flite"))
        began = sound_card.wait_for_sound(REPLY_S, since=said.ends)
        sound_card.wait_until(began + 0.7)
        sound_card.wait_until(sound_card.say(spoken("what day is tomorrow", "slt", "flite")).ends + 1.0)
        sound_card.wait_for_silence(REPLY_S, quiet_s=1.5)
        assert program.interrupt() == 0
    files = sorted((home / "recordings").iterdir())
    assert len(files) >= 5  # on a busy machine two of the seven may be heard as one
    with ThreadPoolExecutor(2) as two:
        replays = two.map(lambda file: run(tmp_path / file.name, "replay", str(file), "--json", "--offline"), files)
        for file, again in zip(files, replays, strict=True):
            assert again.returncode == 0, f"{file.name}: {again.stdout}{again.stderr}"
            assert json.loads(again.stdout)["same"]
