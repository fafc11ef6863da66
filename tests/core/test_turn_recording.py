"""A recorded turn comes back whole, and runs again the same every time."""

from __future__ import annotations

import stat
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from core.app.brain import Brain
from core.app.error_words import error_words
from core.app.recorded_turn import EarlierTurn, RecordedTurn, read_turn, write_turn
from core.app.replay import answer_again, clock_of, live_through, settings_of
from core.app.turn_recording import TurnRecording
from core.messages import (
    Heard,
    Listening,
    ReplyUnderWay,
    Sentence,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    Utterance,
)
from core.turns import Timings, TurnRecord
from core.utils.config import Config, LlmConfig
from core.utils.errors import ConfigError
from llm.responder import SKILLS
from stt.pocketsphinx_engine import word_decoder
from tests.fakes import VirtualClock
from tests.fresh_voice import spoken_afresh

SOUND = (0.3 * np.sin(np.arange(16_000) / 9)).astype(np.float32)
LISTENING = Listening("base", "en", "fr", (8000, 16_000))


def recorder(folder: Path, clock: VirtualClock) -> TurnRecording:
    return TurnRecording(folder, Config(), clock.now, clock.monotonic, lambda: SKILLS)


def converse(recording: TurnRecording, clock: VirtualClock, turn: int, heard: bool = True) -> None:
    started = SpeechStarted(turn, 0, clock.monotonic())
    recording.note(started)
    for message in (started, SpeechChunk(turn, 0, SOUND[:8000])):
        recording.take(message)
    clock.advance(1.0)
    recording.note(Utterance(turn, 0, SOUND[:8000], False, clock.monotonic()))
    for message in (SpeechChunk(turn, 0, SOUND[8000:]), final := Utterance(turn, 0, SOUND, True, clock.monotonic())):
        recording.take(message)
    recording.note(final)
    clock.advance(0.25)
    recording.note(
        Transcript(turn, 0, "what time is it", 15, "en", True, 1.0, False, "words", True, listening=LISTENING)
    )
    clock.advance(0.25)
    recording.note(Sentence(turn, 0, 0, "It is noon.", True))
    if heard:
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
    assert np.array_equal(turn.samples, SOUND), "rounded, it is heard otherwise"
    assert (turn.turn, turn.transcript, turn.reply) == (4, "what time is it", "It is noon.")
    assert [message["type"] for message in turn.messages] == [
        "SpeechStarted", "Utterance", "Utterance", "Transcript", "Sentence", "Heard",
    ]  # fmt: skip
    assert turn.messages[-1]["s"] == pytest.approx(1.5)
    assert turn.began_at is not None
    assert (turn.heard_at - turn.began_at).total_seconds() == pytest.approx(1.0)
    assert [(step.kind, step.begin, step.end, step.s) for step in turn.steps] == [
        ("SpeechStarted", 0, 0, 0.0),
        ("SpeechChunk", 0, 8000, 0.0),
        ("SpeechChunk", 8000, 16_000, 1.0),
        ("Utterance", 0, 16_000, 1.25),
    ], "what was understood is answered when the words are there"
    assert (turn.listening, turn.answers, turn.earlier) == (LISTENING, SKILLS, ())


def test_what_was_said_before_is_kept_with_a_turn_and_counted_from_its_beginning(tmp_path: Path) -> None:
    clock = VirtualClock()
    recording = recorder(tmp_path, clock)
    for number in (4, 5):
        converse(recording, clock, number)
        if number == 5:
            recording.note(ReplyUnderWay(5, 0))
        recording.note(SpeechStarted(number + 1, 0, clock.monotonic(), number))
        recording.keep(TurnRecord(number, "x", "en", "words", 1.0, "y", Timings()))()
        clock.advance(3.0)
    converse(recording, clock, 6)
    recording.keep(TurnRecord(6, "x", "en", "words", 1.0, "y", Timings()))()
    turns = {turn.turn: turn for turn in map(read_turn, tmp_path.iterdir())}
    assert [(earlier.turn, earlier.text) for earlier in turns[5].earlier] == [(4, "what time is it")]
    first, second = turns[6].earlier
    assert (first.turn, first.by_model, second.by_model, second.supersedes) == (4, False, True, 4)
    assert (first.sentences, second.source) == (("It is noon.",), "words")
    assert second.s == pytest.approx(-0.25), "its words were there that long before the turn began"


def test_a_turn_that_was_broken_off_is_kept_with_the_next_or_at_the_end(tmp_path: Path) -> None:
    """Who speaks over a reply, or goes on, ends the turn before: nobody is told that it was finished."""
    clock = VirtualClock()
    recording = recorder(tmp_path, clock)
    for number in (4, 5, 6):
        converse(recording, clock, number, heard=False)
    recording.note(SpeechStarted(7, 0, clock.monotonic()))
    recording.keep(TurnRecord(5, "x", "en", "words", 1.0, "y", Timings()))()
    kept = sorted(read_turn(file).turn for file in tmp_path.iterdir())
    recording.rest()()
    turns = {turn.turn: turn for turn in map(read_turn, tmp_path.iterdir())}
    assert (kept, sorted(turns)) == ([4, 5], [4, 5, 6])
    assert [earlier.turn for earlier in turns[6].earlier] == [4, 5]


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
    (tmp_path / "turn-20200101-000000-1.zip.part").write_bytes(b"half of one, from a crash")
    for number in range(1, 6):
        converse(recording, clock, number)
        recording.keep(TurnRecord(number, "x", "en", "words", 1.0, "y", Timings()))()
    assert sorted(read_turn(file).turn for file in tmp_path.iterdir()) == [3, 4, 5]


def test_a_disk_that_cannot_be_written_to_is_told_once(tmp_path: Path) -> None:
    folder, told = tmp_path / "recordings", []
    folder.write_text("a file in the way")
    clock = VirtualClock()
    recording = TurnRecording(folder, Config(), clock.now, clock.monotonic, tell=told.append)
    for number in (1, 2):
        converse(recording, clock, number)
        recording.keep(TurnRecord(number, "x", "en", "words", 1.0, "y", Timings()))()
    assert told == [f"{folder}: turns are not recorded (File exists); make room there, or make it writable"]
    assert "ne sont pas enregistrés" in error_words(told[0], "fr")


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
        clock = clock_of(turn)
        with Brain(Config(), clock, tmp_path / str(number), turn.language) as brain:
            answered = answer_again(settings_of(turn, []), turn, brain, clock)
        assert answered is not None
        outcomes.append(answered.record)
    assert outcomes[0] == outcomes[1]
    assert (outcomes[0].transcript, outcomes[0].reply) == ("what time is it", "It's 2:30 PM.")
    assert threading.active_count() == threads


def test_the_engines_of_then_hear_and_answer_unless_others_are_set(tmp_path: Path) -> None:
    settings = Config().model_dump(mode="json")
    turn = RecordedTurn(7, datetime.now(UTC), "en", "", "", settings, ())
    clock = VirtualClock()
    recording = recorder(tmp_path, clock)
    converse(recording, clock, 4)
    recording.keep(TurnRecord(4, "x", "en", "words", 1.0, "y", Timings()))()
    heard = read_turn(next(tmp_path.iterdir()))
    then = settings_of(heard, [])
    assert (then.stt.engine, then.stt.model, then.llm.engine) == ("whisper", "base", SKILLS)
    then = settings_of(replace(heard, listening=None, answers="other"), [])
    assert (then.stt.engine, then.stt.model, then.llm.engine) == ("pocketsphinx", None, "auto")
    now = settings_of(heard, ["stt.engine=pocketsphinx", "llm.engine=mlx"])
    assert (now.stt.engine, now.llm.engine) == ("pocketsphinx", "mlx")
    assert settings_of(turn, []).stt.engine == "auto", "a file of version 1 does not tell"


@pytest.mark.parametrize(
    ("said", "then", "replied"),
    [
        (["what is two plus two"], "plus five", "That's 9."),
        (["set a timer for ten minutes"], "how long is left on the timer", "5 minutes left on the timer."),
        (["set a timer for ten minutes", "cancel the timer"], "undo that", "I put the 10 minute timer back."),
    ],
)
def test_skills_go_on_from_what_was_said_before(tmp_path: Path, said: list[str], then: str, replied: str) -> None:
    earlier = tuple(
        EarlierTurn(3 + number, -300.0 + number, text, "en", "grammar", ("Fine.",), by_model=False)
        for number, text in enumerate(said)
    )
    turn = RecordedTurn(9, datetime(2026, 11, 28, 7, 30, tzinfo=UTC), "en", then, "", {}, (), earlier=earlier)
    clock = clock_of(turn)
    with Brain(Config(), clock, tmp_path, "en") as brain:
        live_through(turn, brain, clock)
        assert brain.responder.reply(then, "en", 1).text.startswith(replied)


def test_words_that_were_gone_on_with_are_taken_back_again_and_a_models_stand_as_they_were(tmp_path: Path) -> None:
    earlier = (
        EarlierTurn(3, -9.0, "who was ada lovelace", "en", "whisper", ("A mathematician.",), by_model=True),
        EarlierTurn(4, -5.0, "what is two plus two", "en", "grammar", ("That's 4.",), by_model=False),
        EarlierTurn(5, -3.0, "what is two plus two plus three", "en", "grammar", ("7.",), by_model=False, supersedes=4),
    )
    turn = RecordedTurn(9, datetime(2026, 11, 28, tzinfo=UTC), "en", "", "", {}, (), earlier=earlier)
    clock = clock_of(turn)
    with Brain(Config(), clock, tmp_path, "en") as brain:
        live_through(turn, brain, clock)
        exchanges = brain.conversation.exchanges
    assert [exchange.user for exchange in exchanges] == [earlier[0].text, earlier[2].text]
    assert exchanges[0].reply == "A mathematician."
    assert all(exchange.heard_whole for exchange in exchanges)


def test_what_is_set_now_counts_more_than_what_was_set_then(tmp_path: Path) -> None:
    settings = Config(llm=LlmConfig(temperature=0.2)).model_dump(mode="json") | {"record": True}
    turn = RecordedTurn(7, datetime.now(UTC), "en", "", "", settings, ())
    config = settings_of(turn, ["llm.max_tokens=99"])
    assert (config.llm.temperature, config.llm.max_tokens, config.record) == (0.2, 99, False)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [({"stt": 5}, "stt"), ({"vad": None}, "vad"), ({"nonsense": {}}, "nonsense"), ({"stt": {"gone": 1}}, "stt.gone")],
)
def test_settings_that_nobody_has_are_told_with_the_file_and_a_cure(
    tmp_path: Path, settings: dict[str, object], wrong: str
) -> None:
    clock = VirtualClock()
    recording = recorder(tmp_path, clock)
    converse(recording, clock, 4)
    recording.rest()()
    (file,) = tmp_path.iterdir()
    heard = read_turn(file)
    with pytest.raises(ConfigError, match=rf"turn-.*zip: .*{wrong}.*; if another version made"):
        settings_of(replace(heard, settings=heard.settings | settings), [], file)


def test_a_setting_that_the_recording_lacks_can_be_set(tmp_path: Path) -> None:
    turn = RecordedTurn(7, datetime.now(UTC), "en", "", "", {"vad": {}, "stt": {"open_weight": 0.5}}, ())
    config = settings_of(turn, ["vad.threshold=0.61", "language=fr"])
    assert (config.vad.threshold, config.language, config.stt.open_weight) == (0.61, "fr", 0.5)
