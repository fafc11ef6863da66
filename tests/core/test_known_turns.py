"""What follows from a known question's answer: which part is at fault, and that a misheard voice is not the model's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.app.known_turns import KNOWN, TERMINATED, Known, Turn, judge
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
