"""A recorded turn comes back whole, and runs again the same every time."""

from __future__ import annotations

import stat
import threading
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from core.app.brain import Brain
from core.app.replay import StillClock, answer_again, settings_of
from core.app.turn_recording import RecordedTurn, TurnRecording, began_at, read_turn, write_turn
from core.messages import Heard, Sentence, SpeechStarted, Transcript, Utterance
from core.turns import Timings, TurnRecord
from core.utils.config import Config, LlmConfig
from core.utils.errors import AudioFileError
from stt.pocketsphinx_engine import word_decoder
from tests.fakes import VirtualClock
from tests.fresh_voice import spoken_afresh

SOUND = (0.3 * np.sin(np.arange(16_000) / 9)).astype(np.float32)


def recorder(folder: Path, clock: VirtualClock) -> TurnRecording:
    return TurnRecording(folder, Config(), clock.now, clock.monotonic)


def converse(recording: TurnRecording, clock: VirtualClock, turn: int) -> None:
    recording.note(SpeechStarted(turn, 0, clock.monotonic()))
    clock.advance(1.0)
    recording.note(Utterance(turn, 0, SOUND[:8000], False, clock.monotonic()))
    recording.note(Utterance(turn, 0, SOUND, True, clock.monotonic()))
    recording.note(Transcript(turn, 0, "what time is it", 15, "en", True))
    clock.advance(0.5)
    recording.note(Sentence(turn, 0, 0, "It is noon.", True))
    recording.note(Heard(turn, 0, 0, 11, finished=True))


def test_a_turn_is_written_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    clock = VirtualClock()
    recording = recorder(tmp_path / "recordings", clock)
    converse(recording, clock, 4)
    recording.note(SpeechStarted(3, 0, 0.0))
    recording.keep(TurnRecord(4, "what time is it", "en", "words", 1.0, "It is noon.", Timings()))()
    (file,) = (tmp_path / "recordings").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    turn = read_turn(file)
    assert np.allclose(turn.samples, SOUND, atol=1e-4)
    assert (turn.turn, turn.transcript, turn.reply) == (4, "what time is it", "It is noon.")
    assert [message["type"] for message in turn.messages] == [
        "SpeechStarted", "Utterance", "Utterance", "Transcript", "Sentence", "Heard",
    ]  # fmt: skip
    assert turn.messages[-1]["s"] == pytest.approx(1.5)
    assert (turn.heard_at - began_at(turn)).total_seconds() == pytest.approx(1.0)


def test_only_the_turn_that_ended_is_written(tmp_path: Path) -> None:
    clock = VirtualClock()
    recording = recorder(tmp_path / "recordings", clock)
    converse(recording, clock, 4)
    recording.keep(TurnRecord(3, "", "en", "words", 1.0, "", Timings()))()
    assert not (tmp_path / "recordings").exists()


def test_only_the_latest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.app.turn_recording.KEPT", 3)
    clock = VirtualClock()
    recording = recorder(tmp_path, clock)
    for number in range(1, 6):
        converse(recording, clock, number)
        recording.keep(TurnRecord(number, "x", "en", "words", 1.0, "y", Timings()))()
    assert sorted(read_turn(file).turn for file in tmp_path.iterdir()) == [3, 4, 5]


def test_a_disk_that_cannot_be_written_to_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "recordings").write_text("a file in the way")
    clock = VirtualClock()
    recording = recorder(tmp_path / "recordings", clock)
    for number in (1, 2):
        converse(recording, clock, number)
        recording.keep(TurnRecord(number, "x", "en", "words", 1.0, "y", Timings()))()
    assert caplog.text.count("turns are not recorded") == 1


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="cannot be read"):
        read_turn(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(AudioFileError, match="is no recording of a turn"):
        read_turn(tmp_path / "text.zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as parts:
        parts.writestr("turn.json", "{}")
        parts.writestr("sound.wav", b"")
    with pytest.raises(AudioFileError, match="is no recording of a turn"):
        read_turn(tmp_path / "empty.zip")


def test_a_turn_runs_again_the_same_every_time_at_the_time_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a machine so busy that the larger model of words takes four times as long to load."""
    heard_at = datetime(2026, 11, 26, 14, 30, 20, tzinfo=UTC)
    settings = Config(llm=LlmConfig(engine="skills")).model_dump(mode="json")
    settings["stt"]["engine"], settings["tts"]["engine"] = "pocketsphinx", "espeak"
    (sound,) = spoken_afresh(["what time is it"], tmp_path)
    turn = RecordedTurn(7, heard_at, "en", "what time is it", "It's 2:30 PM.", settings, (), sound)
    file = tmp_path / "turn.zip"
    write_turn(file, turn)
    turn = read_turn(file)
    outcomes = []
    threads = threading.active_count()
    for number in range(2):
        if number == 1:
            monkeypatch.setattr("stt.transcriber.word_decoder", lambda: [word_decoder() for _ in range(4)].pop())
        with Brain(Config(), StillClock(began_at(turn)), tmp_path / str(number), turn.language) as brain:
            answered = answer_again(settings_of(turn, []), turn, brain)
        assert answered is not None
        outcomes.append(answered.record)
    assert outcomes[0] == outcomes[1]
    assert (outcomes[0].transcript, outcomes[0].reply) == ("what time is it", "It's 2:30 PM.")
    assert threading.active_count() == threads


def test_what_is_set_now_counts_more_than_what_was_set_then(tmp_path: Path) -> None:
    settings = Config(llm=LlmConfig(temperature=0.2)).model_dump(mode="json") | {"record": True}
    turn = RecordedTurn(7, datetime.now(UTC), "en", "", "", settings, ())
    config = settings_of(turn, ["llm.max_tokens=99"])
    assert (config.llm.temperature, config.llm.max_tokens, config.record) == (0.2, 99, False)
