"""The integration check: every part imports, is joined, and answers; both verdicts of `check` on the real program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.app.assistant import Assistant, SoundEnds
from core.app.brain import Brain
from core.messages import Sentence, TurnFailed, Utterance
from core.stage import StageThread
from core.utils.clock import SystemClock
from core.utils.config import Config
from core.utils.errors import InferenceError
from tests.fakes import ListInbox
from tests.integration.program import run
from tests.integration.sound_card import SoundCard

PYTHON_THREADS_AT_MOST = 6


def joined(folder: Path, brain: Brain) -> Assistant:
    from audio.files import FileSpeaker
    from audio.front_end import FrontEnd

    speaker = FileSpeaker(SystemClock())
    config = Config()
    ends = SoundEnds(ListInbox(), speaker, FrontEnd(config.echo, speaker.far_end))
    assistant = Assistant(config, SystemClock(), ends, brain)
    assistant.join(assistant.engines())
    return assistant


def test_the_pipeline_has_six_threads_at_most(tmp_path: Path):
    with Brain(Config(), folder=tmp_path) as brain:
        threads = joined(tmp_path, brain).pipeline.threads
    assert len(threads) <= PYTHON_THREADS_AT_MOST
    assert all(isinstance(thread, StageThread) for thread in threads)


def test_a_lost_turn_is_said_aloud_and_the_next_one_is_answered(tmp_path: Path):
    with Brain(Config(), folder=tmp_path) as brain:
        assistant = joined(tmp_path, brain)
        pipeline, said = assistant.pipeline, []
        pipeline.observe(Sentence, said.append)
        pipeline.load()
        transcriber = next(thread.stage for thread in pipeline.threads if thread.name == "stt")

        def fail(message: object) -> object:
            raise InferenceError("the recogniser choked; say it again")
            yield

        transcriber.process = fail  # type: ignore[method-assign, assignment]
        turn = assistant.turns.open()
        import numpy as np

        pipeline.threads[1].inbox.put(Utterance(turn, 0, np.zeros(1600, np.float32), True, 0.0))  # type: ignore[attr-defined]
        pipeline.drain()
        pipeline.close()
    assert [sentence.text for sentence in said] == ["Sorry, that went wrong."]


def test_a_turn_lost_on_the_way_to_the_speaker_is_silent():
    assert TurnFailed(1, 0, "tts", "no voice").silent
    assert not TurnFailed(1, 0, "stt", "no words").silent


@pytest.mark.audio
def test_all_is_well_on_a_machine_with_a_sound_card(tmp_path: Path, sound_card: SoundCard):
    done = run(tmp_path, "check", **sound_card.variables)
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, done.stdout + done.stderr
    assert "safe to launch" in last
    assert "not safe" not in last


@pytest.mark.audio
def test_the_same_in_json(tmp_path: Path, sound_card: SoundCard):
    found = json.loads(run(tmp_path, "check", "--json", **sound_card.variables).stdout)
    assert found["safe"] is True
    assert {"microphone", "speaker", "question", "models", "packages"} <= {check["name"] for check in found["checks"]}
    devices = [check for check in found["checks"] if check["name"] in ("PortAudio", "microphone", "speaker")]
    assert sum(check["seconds"] for check in devices) < 10, "the devices' limits do not depend on the machine"
