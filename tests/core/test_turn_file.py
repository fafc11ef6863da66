"""The record of turns on the disk, and what `turns` says of it."""

from __future__ import annotations

import argparse
import json
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import core.app.turn_file as turn_file
from core.app import turns
from core.app.assistant import EngineNames
from core.app.turn_file import PastTurn, TurnFile, read_turns
from core.turns import Timings, TurnRecord
from core.utils.config import Config
from core.utils.errors import ConfigError, DataError
from core.utils.waterfall import PARTS, Waterfall

ENGINES = EngineNames("silero", "whisper", "qwen", "espeak")
USUAL = Waterfall(900.0, 350.0, 80.0, 100.0, 50.0, 40.0, 120.0, 1500.0)


def record(turn: int, waterfall: Waterfall = USUAL) -> TurnRecord:
    return TurnRecord(turn, "what time is it", "en", "words", 1.0, "It is noon.", Timings(), waterfall)


def make(path: Path, words: bool = True) -> TurnFile:
    return TurnFile(path, lambda: datetime(2026, 11, 26, 12, 0, tzinfo=UTC), lambda: ENGINES, words)


def past(number: int, **parts: float) -> PastTurn:
    plain = {name: getattr(USUAL, name) for name in PARTS} | parts
    return PastTurn("2026-11-26T12:00:00.000+00:00", number, ENGINES, Waterfall(**plain))


def found_slow(turn: PastTurn, among: list[PastTurn]) -> bool:
    wait = turns.waited_for(turn, among)
    assert wait is not None
    return wait.slow


def test_a_turn_is_read_as_it_was_kept_and_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "turns.jsonl"
    make(path).keep(record(3))
    (kept,) = read_turns(path)
    assert (kept.turn, kept.engines, kept.waterfall_ms) == (3, ENGINES, USUAL)
    assert (kept.transcript, kept.reply) == ("what time is it", "It is noon.")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_memory_no_words_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "turns.jsonl"
    make(path, words=False).keep(record(3))
    assert "time" not in path.read_text().replace("timings", "")
    assert read_turns(path)[0].waterfall_ms == USUAL


def test_the_file_keeps_the_latest_turns_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_file, "KEPT", 5)
    path = tmp_path / "turns.jsonl"
    for number in range(8):
        make(path).keep(record(number))
    file = make(path)
    for number in range(8, 23):
        file.keep(record(number))
    numbers = [turn.turn for turn in read_turns(path)]
    assert numbers == list(range(23 - len(numbers), 23))
    assert 5 <= len(numbers) <= 10
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_of_a_file_that_has_grown_large_the_end_alone_is_read_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """300 MB took 80 s and 1 GB of memory."""
    path = tmp_path / "turns.jsonl"
    file = make(path)
    for number in range(60):
        file.keep(record(number))
    line = path.stat().st_size // 60
    monkeypatch.setattr(turn_file, "MOST_BYTES", 10 * line + line // 2)
    monkeypatch.setattr(turn_file, "KEPT", 4)
    read = []
    decoded = turn_file._from_json
    monkeypatch.setattr(turn_file, "_from_json", lambda plain: read.append(plain) or decoded(plain))
    assert [turn.turn for turn in read_turns(path)] == list(range(52, 60))
    assert len(read) == 8
    make(path).keep(record(60))
    assert [turn.turn for turn in read_turns(path)] == [56, 57, 58, 59, 60]
    assert len(path.read_text().splitlines()) == 5


def test_a_line_larger_than_what_is_looked_at_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "turns.jsonl"
    path.write_text("x" * 5000)
    monkeypatch.setattr(turn_file, "MOST_BYTES", 2000)
    assert read_turns(path) == []
    make(path).keep(record(1))
    assert [turn.turn for turn in read_turns(path)] == [1]


def test_a_folder_that_cannot_be_written_to_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = make(tmp_path / "gone" / "turns.jsonl")
    file.keep(record(1))
    file.keep(record(2))
    assert caplog.text.count("turns are not recorded") == 1


@pytest.mark.parametrize(
    ("good", "damaged"),
    [
        ('"turn": 1', '"turn": Infinity'),
        ('"heard": 1500.0', '"heard": NaN'),
        ('"heard": 1500.0', '"heard": -Infinity'),
        ('"heard": 1500.0', '"heard": 1e300'),
        ('"reply": "', '"reply": "\\ud800'),
    ],
)
def test_what_could_not_be_shown_is_damaged(tmp_path: Path, good: str, damaged: str) -> None:
    path = tmp_path / "turns.jsonl"
    make(path).keep(record(1))
    line = path.read_text()
    assert good in line
    with path.open("a") as out:
        out.write(line.replace(good, damaged) + "[" * 200_000 + "\n")
    make(path).keep(record(2))
    assert [turn.turn for turn in read_turns(path)] == [1, 2]


@pytest.mark.parametrize("damage", ["{", "[]", "null", '{"turn": 1}', '{"turn": 1, "waterfall_ms": 3}', "\x00\xff"])
def test_a_damaged_line_costs_itself_alone(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "turns.jsonl"
    make(path).keep(record(1))
    with path.open("a") as out:
        out.write(damage + "\n")
    make(path).keep(record(2))
    assert [turn.turn for turn in read_turns(path)] == [1, 2]


def test_a_line_that_broke_off_does_not_take_the_next_one_with_it(tmp_path: Path) -> None:
    path = tmp_path / "turns.jsonl"
    make(path).keep(record(1))
    with path.open("a") as out:
        out.write('{"at": "2026-11')
    make(path).keep(record(2))
    assert [turn.turn for turn in read_turns(path)] == [1, 2]


def test_what_separates_lines_elsewhere_does_not_separate_turns(tmp_path: Path) -> None:
    path = tmp_path / "turns.jsonl"
    said = "one\u2028two\x85three\nfour"
    make(path).keep(replace(record(1), reply=said))
    assert [turn.reply for turn in read_turns(path)] == [said]


def test_a_file_that_cannot_be_read_is_named_and_costs_no_conversation(tmp_path: Path) -> None:
    path = tmp_path / "turns.jsonl"
    path.mkdir()
    make(path).keep(record(1))
    with pytest.raises(DataError, match=r"turns\.jsonl: cannot be read \(.+\); "):
        read_turns(path)


def test_the_parts_of_the_wait_add_up() -> None:
    assert USUAL.waited == 350 + 80 + 100 + 50 + 40 + 120
    assert Waterfall(900.0, 350.0, 80.0).waited is None
    assert Waterfall(endpoint=300.0, stt=50.0, first_clause=5.0, first_audio=90.0).waited == 445.0


def test_a_slow_turn_names_the_part_that_took_longer_than_it_usually_does() -> None:
    before = [past(number, stt=80.0 + number) for number in range(5)]
    slow = past(9, stt=90.0, prefill=900.0)
    wait = turns.waited_for(slow, [*before, slow])
    assert wait is not None
    assert wait.slow
    reason = wait.longest
    assert (reason.part, reason.took_ms, reason.usual_ms) == ("prefill", 900.0, 100.0)
    assert "the language model reading: 900 ms, usually 100" in turns.lines(slow, [*before, slow])[-1]


def test_a_part_that_is_always_long_is_no_reason() -> None:
    before = [past(number, prefill=2000.0) for number in range(5)]
    slow = past(9, prefill=2010.0, first_audio=600.0)
    wait = turns.waited_for(slow, [*before, slow])
    assert wait is not None
    assert (wait.slow, wait.longest.part) == (True, "first_audio")


def test_nothing_is_slow_before_something_is_usual_or_by_other_engines() -> None:
    slow = past(9, prefill=900.0)
    assert not found_slow(slow, [past(1), past(2), slow])
    others = [PastTurn(turn.at, turn.turn, EngineNames("a", "b", "c", "d"), USUAL) for turn in map(past, range(9))]
    assert not found_slow(slow, [*others, slow])
    assert not found_slow(past(9), [past(number) for number in range(5)])


def test_the_longest_part_of_a_turn_is_known_before_anything_is_usual() -> None:
    wait = turns.latest_wait([past(1), past(2, stt=600.0), replace(past(3), waterfall_ms=Waterfall(900.0, 350.0))])
    assert wait is not None
    assert (wait.waited_ms, wait.usual_ms, wait.slow) == (1260.0, None, False)
    assert (wait.longest.part, wait.longest.took_ms, wait.longest.usual_ms) == ("stt", 600.0, None)
    assert turns.latest_wait([replace(past(3), waterfall_ms=Waterfall(900.0, 350.0))]) is None


def test_bars_follow_each_other() -> None:
    drawn = turns.bars(USUAL)
    assert len(drawn) == len(PARTS)
    bars = [line[17 : 17 + turns.WIDTH] for line in drawn[1:-1]]
    ends = 0
    for bar in bars:
        begins = len(bar) - len(bar.lstrip(" "))
        assert abs(begins - ends) <= 1
        ends = len(bar.rstrip(" "))
    assert ends == turns.WIDTH


def arguments(last: int, as_json: bool) -> argparse.Namespace:
    return argparse.Namespace(last=last, json=as_json)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path))
    return tmp_path


def test_the_command_shows_the_last_turns(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = make(home / "turns.jsonl")
    for number in range(6):
        file.keep(record(number, Waterfall(900.0, 350.0, 900.0 if number == 5 else 80.0, first_audio=100.0)))
    assert turns.run(arguments(2, as_json=False), Config()) == 0
    shown = capsys.readouterr().out
    assert "turn 4" in shown
    assert "turn 3" not in shown
    assert "slow because of understanding the words: 900 ms, usually 80" in shown
    assert turns.run(arguments(1, as_json=True), Config()) == 0
    (turn,) = json.loads(capsys.readouterr().out)["turns"]
    assert turn["waterfall_ms"]["stt"] == 900.0
    assert turn["slow_because"]["part"] == "stt"
    assert turn["waited_ms"] == 1350.0


def test_the_command_says_when_there_is_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert turns.run(arguments(5, as_json=False), Config()) == 0
    assert "talk first" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="--last 0"):
        turns.run(arguments(0, as_json=False), Config())
