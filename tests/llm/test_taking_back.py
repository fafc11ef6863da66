"""A turn whose speaker went on: what it did is taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from skill_rig import make_skills

from core.messages import Sentence, Transcript
from core.utils.config import MemoryConfig
from llm.conversation import Conversation, Exchange
from llm.responder import Responder
from llm.store import Store


class Dialogue:
    """Turns in a row, each of which the next may go on from."""

    def __init__(self) -> None:
        self.skills = make_skills()
        self.responder = Responder(self.skills)
        self.turn = 0

    def say(self, text: str, goes_on: bool = False, paused: bool = False) -> str:
        """The reply; with `goes_on` to words that begin with those of the turn before."""
        if goes_on:
            self.responder.supersede(self.turn)
        self.turn += 1
        message = Transcript(self.turn, 0, text, len(text), "en", True)
        if paused:
            held = replace(message, final=False, paused=True)
            assert list(self.responder.process(held)) == []  # nothing is prepared before the old effect is gone
        return " ".join(out.text for out in self.responder.process(message) if isinstance(out, Sentence))

    @property
    def history(self) -> list[str]:
        return [exchange.user for exchange in self.skills.context.conversation.exchanges]


def test_the_timer_of_the_first_words_is_gone() -> None:
    talk = Dialogue()
    talk.say("set a timer for an hour")
    assert "1 hour and 30 minutes" in talk.say("set a timer for an hour and a half", goes_on=True)
    assert talk.say("what timers do i have").startswith("You have 1 timer")
    assert talk.history == ["set a timer for an hour and a half", "what timers do i have"]


def test_several_times_in_a_row() -> None:
    talk = Dialogue()
    for text in (
        "set a timer for one hour",
        "set a timer for one hour and ten",
        "set a timer for one hour and ten minutes",
    ):
        talk.say(text, goes_on=talk.turn > 0)
    assert talk.say("what timers do i have").startswith("You have 1 timer")
    assert len(talk.history) == 2


def test_a_sum_goes_on_from_what_was_before() -> None:
    talk = Dialogue()
    talk.say("what is two plus two")
    talk.say("times three")
    assert "42" in talk.say("times three point five times three", goes_on=True)


def test_a_command_after_another_leaves_the_first_as_it_is() -> None:
    talk = Dialogue()
    talk.say("set a timer for an hour")
    assert "2:30" in talk.say("set a timer for an hour what time is it", goes_on=True)
    assert talk.say("what timers do i have").startswith("You have 1 timer")


def test_what_the_user_goes_on_from_is_not_prepared_on() -> None:
    talk = Dialogue()
    talk.say("set a timer for an hour")
    assert talk.say("what timers do i have", goes_on=True, paused=True) == "No timer is running."


@pytest.mark.parametrize("turn", [7, 99])
def test_a_turn_that_was_never_answered_is_no_trouble(turn: int) -> None:
    talk = Dialogue()
    talk.say("set a timer for an hour")
    talk.responder.supersede(turn)
    assert "2:30" in talk.say("what time is it")
    assert talk.history == ["set a timer for an hour", "what time is it"]


def test_the_latest_exchange_alone_is_forgotten_and_its_row_too() -> None:
    store = Store(None)
    conversation = Conversation(MemoryConfig(), store)
    for turn in (1, 2):
        conversation.add(Exchange(turn, f"say {turn}", ("So.",), "en"))
    conversation.forget(1)
    assert [exchange.turn for exchange in conversation.exchanges] == [1, 2]
    conversation.forget(2)
    assert [exchange.turn for exchange in conversation.exchanges] == [1]
    assert [row["user"] for row in store.query("SELECT user FROM turns")] == ["say 1"]
    conversation.add(Exchange(3, "say 3", ("So.",), "en"))
    assert [exchange.turn for exchange in conversation.since(1).exchanges] == [3]


def test_what_was_done_before_stays_where_the_first_words_changed_nothing() -> None:
    talk = Dialogue()
    talk.say("add soap to my shopping list")
    talk.say("what time is it")
    assert "candles" in talk.say("what time is it and add candles to my shopping list", goes_on=True)
    assert talk.say("what is on my shopping list") == "On your shopping list: soap and candles."


@pytest.mark.parametrize("words", ["what is on my shopping list", "what is five plus six", "set a timer", "hello"])
def test_no_first_words_take_back_what_an_earlier_turn_did(words: str) -> None:
    talk = Dialogue()
    talk.say("set a timer for an hour")
    talk.say(words)
    talk.say(f"{words} please", goes_on=True)
    assert talk.say("what timers do i have").startswith("You have 1 timer")


def test_the_microphone_stays_open_where_the_words_go_on() -> None:
    talk = Dialogue()
    talk.skills.context.session.can_mute = True
    talk.say("stop listening")
    assert talk.skills.context.session.mute_wanted
    talk.say("stop listening said my mother", goes_on=True)
    assert not talk.skills.context.session.mute_wanted


def test_the_language_is_not_changed_by_words_that_go_on() -> None:
    talk = Dialogue()
    assert "ais" in talk.say("speak french")
    talk.say("speak french is what she said", goes_on=True)
    assert "2:30" in talk.say("what time is it")
