"""What follows from a known question's answer: which part is at fault, and that a misheard voice is not the model's."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.app.known_turns import KNOWN, TERMINATED, Known, Turn, ask, judge, warnings_of
from core.utils.config import PROJECT_FOLDER

FULL = {"vad": "silero", "stt": "whisper", "llm": "mlx", "tts": "melo"}
DATE, FRANCE, FRENCH = KNOWN


def turn(
    known: Known, transcript: str | None = None, reply: str = "", typed: str | None = None, **engines: str
) -> Turn:
    heard = known.question.capitalize() + "?" if transcript is None else transcript
    return Turn(heard, reply, {**FULL, **engines}, {"total": 900.0, "stt": None}, typed)


@pytest.mark.parametrize(
    ("known", "told", "outcome", "says"),
    [
        (FRANCE, turn(FRANCE, reply="Paris."), "pass", "0.9 s after"),
        (FRANCE, turn(FRANCE, "What is the capital on France?", "Paris."), "pass", "on France"),
        (FRANCE, turn(FRANCE, reply="Lyon."), "fail", "that is not the answer"),
        (FRANCE, turn(FRANCE, "which city is it", "Rome.", typed="Paris."), "warn", "misheard"),
        (FRANCE, turn(FRANCE, "which city is it", "Rome.", typed="Lyon."), "fail", "in writing"),
        (FRENCH, turn(FRENCH, "c'est la force", "Oui.", typed="Paris."), "warn", "misheard"),
        (FRANCE, turn(FRANCE, reply="Paris.", tts="espeak"), "warn", "only the small engines: espeak"),
        (DATE, turn(DATE, reply="It's Friday, November 27, 2026.", llm="skills"), "pass", "2026"),
        (DATE, turn(DATE, "what is it", "I can't help with that.", llm="skills"), "fail", "misheard"),
        (DATE, turn(DATE, "what do you eat", "No.", stt="pocketsphinx", llm="skills"), "warn", "small engine"),
        (DATE, Turn("", "", FULL, {}), "fail", "misheard"),
    ],
)
def test_the_verdict(known: Known, told: Turn, outcome: str, says: str):
    finding = judge(known, told)
    assert (finding.outcome, says in finding.text) == (outcome, True), finding
    assert (finding.cure == "") is (outcome == "pass")


def test_espeak_is_no_small_engine_where_no_voice_of_the_language_is_wanted():
    answered = turn(FRENCH, reply="Paris.", tts="espeak")
    assert [judge(FRENCH, answered, voiced).outcome for voiced in (True, False)] == ["warn", "pass"]
    assert judge(FRENCH, turn(FRENCH, reply="Paris.", tts="espeak", stt="pocketsphinx"), False).outcome == "warn"
    assert judge(FRENCH, turn(FRENCH, reply="Lyon.", tts="espeak"), False).outcome == "fail"


def test_what_was_warned_of_meanwhile_is_told_with_the_answer():
    with warnings_of("llm", "core") as warned:
        for _ in range(2):
            logging.getLogger("llm.language_answers").warning("turn %d: a tool call is refused: no such tool", 1)
        logging.getLogger("core.app").info("nothing of interest")
        logging.getLogger("urllib3").warning("of another's")
    logging.getLogger("llm").warning("later")
    assert warned == ["turn 1: a tool call is refused: no such tool"]
    answered = Turn("what is it", "I can't do that.", FULL, {}, notes=warned)
    assert judge(FRANCE, answered).text.startswith(f"{answered.told}: ")
    assert "a tool call is refused: no such tool" in answered.told
    assert len(turn(FRANCE, reply="so " * 1000).told) < 500


@pytest.mark.skipif(sys.platform == "win32", reason="the script is a shell's")
def test_who_waits_for_an_answer_is_told_for_how_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told, go = tmp_path / "told", tmp_path / "go"
    told.write_text(json.dumps({"transcript": "a", "reply": "b", "engines": FULL, "timings_ms": {}}))
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\nwhile [ ! -e {go} ]; do sleep 0.02; done\ncat {told}\n")
    slow.chmod(0o755)
    monkeypatch.setattr("core.app.known_turns.LOOK_S", 0.01)
    monkeypatch.setattr(sys, "executable", str(slow))
    waited: list[float] = []

    def waiting(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            go.touch()

    answered = ask(0, (), waiting)
    assert isinstance(answered, Turn)
    assert answered.reply == "b"
    assert waited[:3] == sorted(waited[:3])
    assert waited[0] > 0


@pytest.mark.skipif(sys.platform == "win32", reason="a process on Windows is not told that its parent has gone")
def test_a_question_ends_with_the_check_that_asked_it_and_leaves_no_folder(tmp_path: Path):
    nobody = "0"
    done = subprocess.run(
        [sys.executable, "-m", "core.app.known_turns", nobody, "0", "--set", "llm.engine=skills"],
        cwd=PROJECT_FOLDER,
        env={**os.environ, "MERLINE_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)},
        capture_output=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )
    assert (done.returncode, done.stdout) == (TERMINATED, b"")
    assert [left.name for left in tmp_path.iterdir() if left.name != "home"] == []
