"""`chat` as a person or a script uses it: the real program, lines in, lines out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.app.assistant import EngineNames
from core.app.turn_file import FILE, TurnFile
from core.turns import Timings, TurnRecord
from core.utils.clock import SystemClock
from core.utils.waterfall import Waterfall
from tests.integration.program import run


def chat(home: Path, *lines: str, language: str = "en") -> list[str]:
    done = run(home, "chat", "--language", language, text="\n".join(lines) + "\n")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_one_reply_a_line_in_a_pipe(tmp_path: Path):
    replies = chat(tmp_path, "what time is it", "", "what is twelve times seven?", "and plus five", "stop")
    assert len(replies) == 4
    assert re.search(r"\d{1,2}:\d\d", replies[0])
    assert "84" in replies[1]
    assert "89" in replies[2]


def test_french_in_a_french_session_and_in_an_english_one(tmp_path: Path):
    asked = ("quelle heure est-il ?", "regle un minuteur de 5 min", "combien font 12 fois 7 ?")
    for language in ("fr", "en"):
        hour, timer, product = chat(tmp_path / language, *asked, language=language)
        assert re.search(r"\d{1,2} h", hour)
        assert "5 min" in timer
        assert "84" in product


def test_what_was_noted_is_there_after_a_restart(tmp_path: Path):
    chat(tmp_path, "add milk to my shopping list", "set a pasta timer for 10 minutes")
    listed, timers = chat(tmp_path, "what's on my shopping list?", "how long is left on the pasta timer?")
    assert "milk" in listed
    assert "pasta" in timers
    assert re.search(r"9|10", timers)


def test_never_mind_undoes(tmp_path: Path):
    replies = chat(tmp_path, "note: call the dentist", "never mind", "read my notes")
    assert "dentist" in replies[0].lower()
    assert "dentist" not in replies[2].lower()


@pytest.mark.parametrize(
    "line", ["who is the president of France", "😀😀", "\x00\x07", "a" * 20_000, "';drop table x;--"]
)
def test_what_it_cannot_do_it_says_in_one_short_sentence(tmp_path: Path, line: str):
    (reply,) = chat(tmp_path, line)
    assert "sorry" in reply.lower()
    assert len(reply) < 100


def test_bytes_that_are_no_text_do_not_end_it(tmp_path: Path):
    import subprocess
    import sys

    from tests.integration.program import ROOT, variables

    done = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "chat"],
        input=b"\xff\xfe\x80\nwhat is 2 plus 2\n",
        env=variables(tmp_path),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert b"4" in done.stdout.splitlines()[1]


def test_why_the_last_spoken_answer_was_slow_is_told_from_the_record_on_the_disk(tmp_path: Path):
    (nothing,) = chat(tmp_path, "why was that slow?")
    assert "no answer before" in nothing
    engines = EngineNames("silero", "whisper", "skills", "espeak")
    kept = TurnFile(tmp_path / FILE, SystemClock().now, lambda: engines, words=True)
    for stt_ms in (80.0, 90.0, 100.0, 1600.0):
        waterfall = Waterfall(1000.0, 350.0, stt_ms, first_clause=1.0, first_audio=100.0)
        kept.keep(TurnRecord(1, "what time is it", "en", "words", 1.0, "It's noon.", Timings(), waterfall))
    english, french = chat(tmp_path, "Why did that take so long?", "pourquoi c'était si long ?")
    assert english == (
        "The last time we spoke, it took 2.1 seconds from your last word to my first sound. "
        "What took longer than usual was understanding the words: 1.6 seconds, usually 0.1."
    )
    assert french.startswith("La dernière fois que nous avons parlé, il s'est passé 2,1 secondes entre")
    assert "compréhension de vos mots : 1,6 seconde, d'habitude 0,1" in french
