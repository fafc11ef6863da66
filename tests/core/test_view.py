"""What people see, from the events alone."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

import pytest

from core.app.scene import WORDS, Muted, Note, Scene
from core.app.view import PlainView, RichView, level_bar, open_view
from core.messages import (
    Attending,
    DeviceEvent,
    EchoDropped,
    Heard,
    PlaybackStarted,
    Sentence,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
)
from core.turns import Timings, TurnRecord
from core.utils.config import ViewConfig

SILENCE = Utterance(1, 0, None, True, 0.0)  # type: ignore[arg-type]


def record(turn: int = 1) -> TurnRecord:
    return TurnRecord(turn, "hello", "en", "grammar", 1.0, "Hi there.", Timings(endpoint=350.0, stt=5.0, total=480.0))


TURN = (
    SpeechStarted(1, 0, 0.0),
    Transcript(1, 0, "hel", 0, "en", final=False),
    SILENCE,
    Transcript(1, 0, "hello", 5, "en", final=True),
    Sentence(1, 0, 0, "Hi there.", True),
    PlaybackStarted(1, 0, 0.0),
    record(),
    Heard(1, 0, 0, 9, finished=True),
)


def test_a_turn_goes_through_all_states_and_leaves_three_lines():
    scene, states, lines = Scene("en"), [], []
    for event in TURN:
        lines += scene.take(event)
        if not states or states[-1] != scene.state:
            states.append(scene.state)
    assert states == ["hearing", "thinking", "speaking", "listening"]
    assert [kind for kind, _ in lines] == ["you", "merline", "timing"]
    assert lines[1] == ("merline", "Hi there.")
    assert "endpoint 350, stt 5, total 480 ms" in lines[2][1]


def test_an_announcement_that_was_taken_back_unheard_is_not_shown():
    scene = Scene("en")
    gone, back = Sentence(1, 0, 0, "It is gone.", True), Sentence(2, 0, 0, "It is back.", True)
    assert [scene.take(event) for event in (gone, back, PlaybackStarted(2, 0, 0.0))] == [[], [], []]
    assert scene.take(Heard(2, 0, 0, 11, finished=True)) == [("merline", "It is back.")]


def test_one_that_was_begun_is_shown_for_itself():
    scene = Scene("en")
    gone, back = Sentence(1, 0, 0, "It is gone.", True), Sentence(2, 0, 0, "It is back.", True)
    scene.take(gone)
    scene.take(PlaybackStarted(1, 0, 0.0))
    assert scene.take(back) == [("merline", "It is gone.")]


def test_nobody_is_heard_by_a_microphone_that_is_gone():
    scene = Scene("en")
    for event in (*TURN[:2], DeviceEvent("input", "lost", "x")):
        scene.take(event)
    assert (scene.state, scene.partial) == ("listening", "")


def test_words_show_as_they_come():
    scene = Scene("en")
    for event in TURN[:2]:
        scene.take(event)
    assert scene.partial == "hel"


def test_a_reply_cut_off_is_shown_once_and_the_next_turn_begins():
    scene = Scene("en")
    lines = [line for event in TURN[:6] for line in scene.take(event)]
    lines += scene.take(SpeechStarted(2, 0, 0.0))
    assert lines == [("you", "hello"), ("merline", "Hi there.")]
    assert scene.state == "hearing"


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (DeviceEvent("output", "changed", "Headset"), "The speaker is now Headset."),
        (EchoDropped(1, "it is noon"), "my own voice, ignored: it is noon"),
        (TurnFailed(1, 0, "stt", "the recogniser choked"), "that turn was lost: the recogniser choked"),
        (Note("installing"), "installing"),
    ],
)
def test_what_happens_besides_is_a_note(event: object, shown: str):
    assert Scene("en").take(event) == [("note", shown)]


@pytest.mark.parametrize("state", ["lost", "silent", "restored", "changed"])
@pytest.mark.parametrize(("kind", "thing"), [("input", "Le micro"), ("output", "Le haut-parleur")])
def test_what_becomes_of_a_device_is_told_in_french(kind: Any, thing: str, state: Any):
    ((_, told),) = Scene("fr").take(DeviceEvent(kind, state, "Casque"))
    assert told.startswith(thing)
    assert "Casque" in told


def test_plain_lines_for_a_pipe(capsys: pytest.CaptureFixture[str]):
    view = PlainView("en")
    view.refresh()
    for event in TURN:
        view.show(event)
    view.close()
    assert capsys.readouterr().out.splitlines() == [
        "[listening]",
        "[hearing you]",
        "[thinking]",
        "you: hello",
        "[speaking]",
        "merline: Hi there.",
        "    turn 1: endpoint 350, stt 5, total 480 ms",
        "[listening]",
        "* Goodbye.",
    ]


class Failing(io.StringIO):
    """A terminal or a file that takes nothing for a while, and remembers how often it was asked."""

    def __init__(self, error: int) -> None:
        super().__init__()
        self.error = error
        self.asked = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.asked += 1
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        return super().write(text)


def test_a_full_disk_costs_lines_and_no_more(monkeypatch: pytest.MonkeyPatch):
    out = Failing(errno.ENOSPC)
    monkeypatch.setattr(sys, "stdout", out)
    view = PlainView("en")
    view.show(Note("lost"))
    view.refresh()
    out.error = 0
    view.show(Note("kept"))
    view.close()
    assert out.getvalue() == "* kept\n* Goodbye.\n"


def test_a_terminal_that_has_gone_is_no_longer_drawn_on(monkeypatch: pytest.MonkeyPatch):
    """Each try would keep what it could not write."""
    out = Failing(0)
    monkeypatch.setattr(sys, "stdout", out)
    view = RichView("en", lambda: -30.0)
    view.refresh()
    out.error = errno.EIO
    view.show(Note("lost"))
    view.refresh()
    asked = out.asked
    for _ in range(3):
        view.show(Note("lost"))
        view.refresh()
    view.close()
    assert out.asked == asked
    assert view._events.empty()


def test_the_line_is_drawn_when_what_it_shows_changes_and_not_otherwise(monkeypatch: pytest.MonkeyPatch):
    """Ten times a second it took more than all that listens for a voice."""
    out = Failing(0)
    monkeypatch.setattr(sys, "stdout", out)
    levels = [-100.0]
    view = RichView("en", lambda: levels[-1])
    noticed = list[bool]()
    view.noticed = lambda: noticed.append(True)

    def drawn() -> bool:
        before = out.asked
        view.refresh()
        return out.asked > before

    assert drawn()
    assert not drawn()
    levels.append(-98.0)
    assert not drawn(), "the same bar"
    levels.append(-30.0)
    assert drawn()
    view.show(Muted(True))
    assert noticed, "whoever draws it may be waiting"
    assert drawn()
    monkeypatch.setattr("rich.console.Console.width", 50)
    assert drawn(), "another width"
    view.close()


def test_a_pipe_that_nobody_reads_any_more_ends_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdout", Failing(errno.EPIPE))
    with pytest.raises(BrokenPipeError):
        PlainView("en").refresh()


@pytest.mark.parametrize(("terminal", "view"), [("dumb", PlainView), ("xterm-256color", RichView)])
def test_a_terminal_that_cannot_go_back_over_a_line_gets_plain_ones(
    monkeypatch: pytest.MonkeyPatch, terminal: str, view: type
):
    """The red line of a closed microphone was never seen on it."""
    monkeypatch.setattr(sys, "stdout", Failing(0))
    monkeypatch.setenv("TERM", terminal)
    opened = open_view(ViewConfig(), "en", lambda: -30.0)
    opened.close()
    assert isinstance(opened, view)


def test_both_languages_have_the_same_words():
    assert WORDS["en"].keys() == WORDS["fr"].keys()


@pytest.mark.parametrize(("level", "filled"), [(-100.0, 0), (-60.0, 0), (-30.0, 6), (0.0, 12), (float("-inf"), 0)])
def test_the_level_bar(level: float, filled: int):
    assert level_bar(level).count("█") == filled


@pytest.mark.parametrize(
    ("phrase", "shown"), [("Okay Nabu", "say “Okay Nabu”"), ("", "press the space bar")], ids=["word", "key"]
)
def test_it_says_how_it_is_called_while_it_does_not_attend(phrase: str, shown: str):
    scene = Scene("en", phrase)
    assert scene.state_words == "listening"
    scene.take(Attending(False, 0.0))
    assert scene.state_words == shown
    for event in TURN[:2]:
        scene.take(event)
    assert scene.state_words == "hearing you"
    scene.take(Attending(True, 1.0))
    scene.take(Heard(1, 0, 0, 9, finished=True))
    assert scene.state_words == "listening"


def test_a_closed_microphone_is_shown_above_all_else(capsys: pytest.CaptureFixture[str]):
    scene = Scene("en")
    for event in TURN[:2]:
        scene.take(event)
    scene.take(Muted(True))
    assert (scene.state_words, scene.partial) == ("MICROPHONE OFF, M switches it on", "")
    scene.take(Muted(False))
    assert scene.state_words == "listening"

    plain = PlainView("fr")
    plain.show(Muted(True))
    plain.refresh()
    assert "[MICRO COUPÉ, M le rallume]" in capsys.readouterr().out


def test_a_closed_microphone_fills_the_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "70")
    view = RichView("en", lambda: -30.0)
    try:
        view.show(Muted(True))
        view.refresh()
        shown = capsys.readouterr().out
    finally:
        view.close()
    assert "MICROPHONE OFF, M switches it on" in shown
    assert "\x1b[1;37;41m" in shown, "white on red"
