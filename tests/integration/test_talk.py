"""The real program on a real (virtual) sound card: spoken to, interrupted, unplugged, echoed at, and ended."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks import corpora
from core.app.turn_file import FILE as TURNS
from tests.integration.listening import decoded
from tests.integration.program import Program, run
from tests.integration.room import EchoSettings
from tests.integration.sound_card import RATE_HZ, SoundCard, spoken

pytestmark = [
    pytest.mark.audio,
    pytest.mark.skipif(shutil.which("flite") is None, reason="no test voice: flite is not installed"),
]
ASSETS = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))
START_S = 30.0
REPLY_S = 15.0
VOICE = "awb"
"""a flite voice; the recogniser's starting mean and decoding schedule were chosen with it among others, so this is
not a measure of accuracy on unknown voices (`bench stt_commands` comes closer)"""


def question(text: str, voice: str = VOICE) -> np.ndarray:
    return spoken(text, voice, "flite")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the program that the tests share."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def running(home: Path, sound_card: SoundCard) -> Iterator[Callable[[], Program]]:
    """One program for the tests that need none of their own, as a person's that runs all day; after its end another."""
    programs: list[Program] = []

    def program() -> Program:
        if not programs or programs[-1].process.poll() is not None:
            programs.append(start(home, sound_card))
        return programs[-1]

    yield program
    for one in programs:
        one.end()


@pytest.fixture
def merline(running: Callable[[], Program], sound_card: SoundCard) -> Program:
    """The program, listening."""
    program = running()
    sound_card.wait_for_silence(REPLY_S, quiet_s=0.3)
    program.skip()
    return program


def start(home: Path, card: SoundCard, *settings: str) -> Program:
    options = [option for setting in settings for option in ("--set", setting)]
    program = Program(home, ["talk", "--offline", *options], card.variables)
    program.wait_for(r"^\[listening", START_S)
    card.wait_for_silence(5.0, quiet_s=0.3)
    return program


def ask(program: Program, card: SoundCard, text: str, voice: str = VOICE) -> tuple[str, float]:
    """Ask aloud; the reply's text and the card time at which its sound began."""
    program.skip()
    said = card.say(question(text, voice))
    began = card.wait_for_sound(REPLY_S, since=said.ends)
    reply = program.wait_for(r"^merline: (.*)", REPLY_S).group(1)
    card.wait_for_silence(REPLY_S, quiet_s=0.5)
    return reply, began


def said_in(reply: np.ndarray) -> str:
    """The number that a recorded reply says."""
    # no two of these sound alike: where the recording begins decides between "seventeen" and "seventy"
    numbers = "nineteen | forty two | forty eight | seventy two | eighty | eighty four | eighty five | ninety four"
    words = decoded(reply, RATE_HZ, f"(that's | it's | that is) ({numbers})")
    return words.removeprefix("that's ").removeprefix("it's ").removeprefix("that is ")


STRANGERS = "ked_diphone"
"""a festival voice that no benchmark and no other test uses, so that nothing can have been tuned on it"""


@pytest.mark.skipif(shutil.which("text2wave") is None, reason="no stranger's voice: festival is not installed")
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("could you tell me what day it is", lambda: rf"{time.strftime('%A')}"),
        ("how many minutes are there in two hours", lambda: r"\b120\b"),
        ("what is six times seven", lambda: r"\b42\b"),
    ],
)
def test_a_stranger_with_words_of_their_own_is_understood(
    merline: Program, sound_card: SoundCard, text: str, meant: Callable[[], str]
):
    assert text not in Path(corpora.__file__).with_name("commands.py").read_text(), "the wording was tuned on"
    said = sound_card.say(spoken(text, STRANGERS, "festival"))
    began = sound_card.wait_for_sound(REPLY_S, since=said.ends)
    assert re.search(meant(), merline.wait_for(r"^merline: (.*)", REPLY_S).group(1))
    sound_card.wait_for_silence(REPLY_S, quiet_s=0.5)
    reply = sound_card.recorded(began - 0.1)
    assert np.abs(reply).max() > 0.05
    assert "seven" not in text or said_in(reply) == "forty two"


def test_why_an_answer_was_slow_is_told_aloud_from_its_record(merline: Program, sound_card: SoundCard):
    ask(merline, sound_card, "what time is it")
    reply, _ = ask(merline, sound_card, "why was that so slow")
    told = re.match(r"It took ([\d.]+) seconds? from your last word to my first sound", reply)
    assert told, reply
    assert float(told[1]) > 0.0


def test_a_spoken_question_is_answered_aloud_with_the_right_content(merline: Program, sound_card: SoundCard):
    reply, began = ask(merline, sound_card, "what is twelve times seven")
    assert "84" in reply
    assert said_in(sound_card.recorded(began - 0.1)) == "eighty four"


def test_a_timer_rings_by_itself(merline: Program, sound_card: SoundCard):
    reply, _ = ask(merline, sound_card, "set a timer for five seconds")
    assert "5 seconds" in reply
    rang = merline.wait_for(r"^merline: (.*done.*)", 20).group(1)
    assert "5 seconds" in rang


def test_a_timer_survives_kill_9_and_tells_that_it_is_overdue(tmp_path: Path, sound_card: SoundCard):
    with start(tmp_path, sound_card) as program:
        said = sound_card.say(question("set a timer for five seconds"))
        told = sound_card.wait_for_sound(REPLY_S, since=said.ends)
        assert "5 seconds" in program.wait_for(r"^merline: (.*)", REPLY_S).group(1)
        program.process.send_signal(signal.SIGKILL)
        program.process.wait(5)
    sound_card.wait_until(told + 5.0)
    with start(tmp_path, sound_card) as program:
        assert "timer" in program.wait_for(r"^merline: (.*)", 20).group(1)


def test_a_microphone_that_goes_is_said_and_used_again_when_it_is_back(merline: Program, sound_card: SoundCard):
    ask(merline, sound_card, "what time is it")
    sound_card.unplug_microphone()
    try:
        merline.wait_for(r"^\* .*microphone", 6.0)
    finally:
        sound_card.plug_microphone()
    merline.wait_for(r"^\* .*microphone", 10.0)
    merline.wait_for(r"^merline: .*microphone.* back", 15.0)
    sound_card.wait_for_silence(REPLY_S, quiet_s=0.5)
    reply, _ = ask(merline, sound_card, "what is three times four")
    assert "12" in reply


def test_a_sound_server_that_hangs_in_mid_reply_is_told_while_it_does_and_costs_nothing_else(
    merline: Program, sound_card: SoundCard
):
    said = sound_card.say(question("what can you do"))
    sound_card.wait_for_sound(REPLY_S, since=said.ends)
    merline.skip()
    sound_card.freeze(True)
    try:
        merline.wait_for(r"^\* .*speaker.* gone", 10.0)
    finally:
        sound_card.freeze(False)
    merline.wait_for(r"^\* .*speaker.* back", 10.0)
    sound_card.wait_for_silence(2 * REPLY_S, quiet_s=2.0)  # the rest of a long reply
    reply, _ = ask(merline, sound_card, "what is three times four")
    assert "12" in reply


def test_a_second_one_is_refused_while_the_first_talks_on(merline: Program, sound_card: SoundCard, home: Path):
    second = run(home, "talk", "--offline", **sound_card.variables)
    assert second.returncode == 1
    assert "already talking" in second.stderr
    reply, _ = ask(merline, sound_card, "what is three times four")
    assert "12" in reply


def test_ctrl_c_leaves_no_process_and_no_open_device(merline: Program, sound_card: SoundCard):
    assert sound_card.open_streams() >= 2
    children = psutil.Process(merline.process.pid).children(recursive=True)
    began = time.monotonic()
    assert merline.interrupt() == 0
    print(f"ended after {time.monotonic() - began:.1f} s")
    assert sound_card.open_streams() == 0
    assert [child for child in children if child.is_running()] == []
    assert "Goodbye" in merline.lines[-1]


def test_what_each_stage_did_can_be_kept_as_a_trace(tmp_path: Path, sound_card: SoundCard):
    with start(tmp_path, sound_card, "log.trace=true") as program:
        ask(program, sound_card, "what time is it")
        assert program.interrupt() == 0
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {"listen", "stt", "llm", "tts", "play"} <= {event["name"] for event in events}


def test_turns_that_were_cut_off_are_in_the_record_too(tmp_path: Path, sound_card: SoundCard):
    """By the user's voice, and by the end of the program."""
    with start(tmp_path, sound_card, "log.turns=true") as program:
        for following in ("what time is it", ""):
            program.skip()
            said = sound_card.say(question("what can you do"))
            began = sound_card.wait_for_sound(REPLY_S, since=said.ends)
            sound_card.wait_until(began + 1.0)
            if following:
                ask(program, sound_card, following)
        assert program.interrupt() == 0
    kept = [json.loads(line) for line in (tmp_path / TURNS).read_text().splitlines()]
    assert [turn["transcript"] for turn in kept] == ["what can you do", "what time is it", "what can you do"]
    assert all(turn["waterfall_ms"]["heard"] > 0 for turn in kept)


def test_without_a_microphone_it_explains_and_offers_chat(tmp_path: Path, sound_card: SoundCard):
    done = run(tmp_path, "talk", "--offline", **{**sound_card.variables, "PULSE_SERVER": "unix:/nowhere"})
    assert done.returncode == 3
    assert "no microphone was found" in done.stderr
    assert "no speaker was found" in done.stderr
    assert "chat" in done.stderr
    assert "Traceback" not in done.stderr


LOUDSPEAKERS = EchoSettings(
    response=ASSETS / "rir" / "rir1.wav", gain_db=-10.0, drift_ppm=100.0, noise=ASSETS / "noise" / "noise2.wav"
)


@pytest.fixture(scope="module")
def over_loudspeakers(tmp_path_factory: pytest.TempPathFactory, sound_card: SoundCard) -> Iterator[Program]:
    """It has said one reply, by which the canceller learns the room."""
    with start(tmp_path_factory.mktemp("loud"), sound_card) as program:
        with sound_card.echo(LOUDSPEAKERS):
            ask(program, sound_card, "what can you do")
        yield program


@pytest.mark.skipif(not ASSETS.exists(), reason=f"no room responses: {ASSETS} is not there (set MERLINE_ASSETS)")
class TestSelfEcho:
    """The speaker's sound comes back into the microphone through a room at -10 dB, with noise and 100 ppm drift."""

    ASKED = (
        ("what can you do", "I can"),
        ("what time is it", r"\d{1,2}:\d\d"),
        ("what is the date today", r"\d"),
        ("how many miles is ten kilometers", r"\b6\.2"),
        ("what day is it today", "day"),
    )
    ASKED_WITHOUT = (
        ("what time is it", r"\d{1,2}:\d\d"),
        ("what is three times four", r"\b12\b"),
        ("what day is it today", "day"),
        ("set a timer for twenty minutes", "20 minutes"),
        ("cancel the timer", "timer"),
    )

    @pytest.mark.parametrize("turns", [10, pytest.param(20, marks=pytest.mark.slow)])
    def test_of_many_turns_in_a_row_none_is_its_own(self, tmp_path: Path, sound_card: SoundCard, turns: int):
        """Half of them over loudspeakers, then as many over headphones."""
        wrong = []
        with start(tmp_path, sound_card) as program:
            with sound_card.echo(LOUDSPEAKERS):
                for text, meant in islice(cycle(self.ASKED), turns // 2):
                    program.skip()
                    sound_card.say(question(text))
                    reply = program.wait_for(r"^merline: (.*)", 30).group(1)
                    sound_card.wait_for_silence(30, quiet_s=1.5)
                    wrong += [] if re.search(meant, reply) else [(text, reply)]
            for text, meant in islice(cycle(self.ASKED_WITHOUT), turns // 2):
                reply, _ = ask(program, sound_card, text)
                wrong += [] if re.search(meant, reply) else [(text, reply)]
            assert program.interrupt() == 0
        dropped = [line for line in program.lines if "my own voice, ignored" in line]
        print(f"turns that echo opened and the guard dropped: {len(dropped)}")
        assert wrong == [], "\n".join(program.lines)
        assert sum(line.startswith("you: ") for line in program.lines) == turns, "\n".join(program.lines)
        assert dropped == [], "\n".join(program.lines)

    def test_the_room_is_hard_enough_without_the_canceller_it_does(self, tmp_path: Path, sound_card: SoundCard):
        off = ("echo.canceller=off", "echo.guard=false")
        with start(tmp_path, sound_card, *off) as program, sound_card.echo(LOUDSPEAKERS):
            sound_card.say(question("what can you do"))
            program.wait_for(r"^\[speaking", 30)
            program.skip()
            assert program.wait_for(r"^\[hearing you", 20)
            program.interrupt()

    @pytest.mark.parametrize("after_s", [0.7, 1.6, 2.9])
    def test_the_user_s_voice_silences_it_over_loudspeakers_too(
        self, over_loudspeakers: Program, sound_card: SoundCard, after_s: float
    ):
        with sound_card.echo(LOUDSPEAKERS):
            said = sound_card.say(question("what can you do"))
            began = sound_card.wait_for_sound(REPLY_S, since=said.ends)
            sound_card.wait_until(began + after_s)
            over_loudspeakers.skip()
            cut = sound_card.say(question("hold on for a moment"))
            quiet = sound_card.wait_for_silence(REPLY_S, quiet_s=0.5)
            print(f"silent {1000 * (quiet - cut.starts):.0f} ms after the voice began")
            # the reply would go on for some seconds; how fast it stops is a figure of bench voice
            assert cut.starts - 1.0 < quiet < cut.ends + 1.0
            # which words survive both speaking at once is another matter
            over_loudspeakers.wait_for(r"^\[hearing you", REPLY_S)
            # what is answered to them comes back too: a reply without an echo is taken for one over headphones
            sound_card.wait_for_silence(REPLY_S, quiet_s=3.0)
