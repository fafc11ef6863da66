"""Keys and a spoken wish close and open the microphone; what was being said then is nobody's."""

from __future__ import annotations

import pytest

from core.app.desk_keys import DeskKeys
from core.app.scene import Muted
from llm.skills.base import Session


class Typed:
    """Keys a test presses."""

    def __init__(self, there: bool = True) -> None:
        self.there = there
        self.waiting: list[str] = []
        self.file = None

    def pressed(self) -> list[str]:
        keys, self.waiting = self.waiting, []
        return keys


class Desk:
    """Everything the keys act on, remembering what was done in order."""

    def __init__(self, there: bool = True) -> None:
        self.keys = Typed(there)
        self.session = Session()
        self.at_rest = True
        self.done: list[object] = []
        self.desk = DeskKeys(self.keys, self, self, self.session, self.done.append)

    def call(self) -> None:
        self.done.append("called")

    def drop_utterance(self) -> None:
        self.done.append("dropped")

    def mute(self, on: bool) -> None:
        self.done.append(f"mute {on}")

    def press(self, keys: str) -> list[object]:
        self.keys.waiting = list(keys)
        self.done.clear()
        self.desk.look()
        return list(self.done)


def test_m_closes_and_opens_the_microphone():
    desk = Desk()
    assert desk.press("m") == ["dropped", "mute True", Muted(True)]
    assert desk.press("") == []
    assert desk.press("m") == ["mute False", Muted(False)]
    assert desk.press("mm") == ["dropped", "mute True", Muted(True), "mute False", Muted(False)]


def test_the_space_bar_calls_it_and_opens_a_closed_microphone():
    desk = Desk()
    assert desk.press(" ") == ["called"]
    desk.press("m")
    assert desk.press(" ") == ["mute False", Muted(False), "called"]
    assert desk.press("xyz\n") == []


def test_every_other_key_may_be_the_answer_to_a_question_and_m_and_the_space_bar_never_are():
    desk, answers = Desk(), list[str]()
    desk.desk.other = answers.append
    assert desk.press("m y\n") == ["dropped", "mute True", Muted(True), "mute False", Muted(False), "called"]
    assert answers == ["y", "\n"]


def test_a_spoken_wish_is_done_when_the_reply_to_it_has_been_heard():
    desk = Desk()
    assert desk.session.can_mute
    desk.session.mute_wanted, desk.at_rest = True, False
    assert desk.press("") == []
    desk.at_rest = True
    assert desk.press("") == ["dropped", "mute True", Muted(True)]
    assert not desk.session.mute_wanted
    assert desk.press("") == []


@pytest.mark.parametrize("there", [True, False])
def test_only_where_a_key_could_open_it_again_may_a_voice_close_it(there: bool):
    assert Desk(there).session.can_mute is there


def test_a_terminal_that_goes_takes_the_wish_with_it():
    desk = Desk()
    desk.keys.there = False
    desk.press("")
    assert not desk.session.can_mute
