"""What a language model is shown of the conversation."""

from __future__ import annotations

import itertools
import json
import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.messages import Heard
from core.utils.config import MemoryConfig
from llm.apologies import CANNOT_ANSWER, NO_ANSWER, NOT_DONE, NOT_UNDERSTOOD
from llm.chat_history import Around, ChatHistory
from llm.conversation import Conversation, Exchange
from llm.engine import Prompt, Tool
from llm.sentences import split
from llm.store import Store

TOOL = Tool("SetTimer", "set a timer", {"type": "object", "properties": {}})


class Wall:
    def __init__(self) -> None:
        self.now = datetime.fromtimestamp(time.time()).replace(hour=14, minute=30)

    def __call__(self) -> datetime:
        return self.now


def words(prompt: Prompt) -> int:
    return sum(len(message.content.split()) for message in prompt.messages[1:])


def make(conversation: Conversation, room: int = 10_000, **around: Any) -> ChatHistory:
    facts: list[str] = around.pop("facts", [])
    return ChatHistory(Around(conversation, lambda: facts, around.pop("wall", Wall()), **around), [TOOL], room, words)


def said(prompt: Prompt) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in prompt.messages[1:]]


def exchange(turn: int, user: str, *sentences: str, heard: int = 1000, written: str = "") -> Exchange:
    counts = tuple(min(heard, len(sentence)) for sentence in sentences)
    return Exchange(turn, user, sentences, "en", counts, written=written)


def test_only_what_was_heard_is_shown_and_the_model_sees_its_own_writing() -> None:
    conversation = Conversation(MemoryConfig())
    conversation.add(exchange(1, "hello", "Hi, there.", written="**Hi**, there."))
    conversation.add(exchange(2, "tell me more", "One two three.", heard=7, written="*One* two three."))
    conversation.add(Exchange(3, "", ("Your timer is done.",), "en", (19,)))
    conversation.add(exchange(4, "and now", "Nothing.", heard=0))
    assert said(make(conversation).prompt("go on")) == [
        ("user", "hello"),
        ("assistant", "**Hi**, there."),
        ("user", "tell me more"),
        ("assistant", "One two"),
        ("user", "and now\ngo on"),
    ]


@pytest.mark.parametrize("apology", [*CANNOT_ANSWER, *NOT_DONE, *NO_ANSWER, *NOT_UNDERSTOOD])
def test_what_could_not_be_answered_is_not_shown_lest_the_model_say_the_same(apology: str) -> None:
    """As when a question was asked before the model was here."""
    conversation = Conversation(MemoryConfig())
    conversation.add(exchange(1, "who wrote Hamlet", *map(str.strip, split([apology]))))
    assert said(make(conversation).prompt("who wrote Macbeth")) == [("user", "who wrote Macbeth")]


def test_what_a_skill_did_is_shown_as_the_call_it_would_have_been() -> None:
    conversation = Conversation(MemoryConfig())
    call = '{"name": "SetTimer", "arguments": {"minutes": 5}}'
    conversation.add(Exchange(1, "timer, five minutes", ("Timer set.",), "en", (10,), call=call))
    assert said(make(conversation).prompt("thanks")) == [
        ("user", "timer, five minutes"),
        ("assistant", f"<tool_call>\n{call}\n</tool_call>"),
        ("tool", "Timer set."),
        ("assistant", "Timer set."),
        ("user", "thanks"),
    ]


def test_the_instructions_hold_name_date_facts_and_stay_the_same_all_day() -> None:
    wall = Wall()
    facts = ["my name is Ada"]
    history = make(Conversation(MemoryConfig()), facts=facts, wall=wall)
    first = history.prompt("a").messages[0]
    assert first.role == "system"
    assert "Merline" in first.content
    assert str(wall.now.year) in first.content
    assert "2:30 PM" in first.content
    assert "- my name is Ada" in first.content
    wall.now += timedelta(hours=2)
    assert history.prompt("b").messages[0] == first
    facts.append("I like tea")
    assert history.prompt("c").messages[0].content == f"{first.content}\n- I like tea"
    wall.now += timedelta(days=1)
    assert history.prompt("d").messages[0].content.splitlines()[:2] != first.content.splitlines()[:3]
    assert "4:30 PM" in history.prompt("d").messages[0].content


def test_the_instructions_are_french_where_the_session_began_in_french() -> None:
    content = make(Conversation(MemoryConfig()), language="fr", facts=["j'aime le thé"]).prompt("x").messages[0].content
    assert "Tu es Merline" in content
    assert "Nous sommes le" in content
    assert "14 h 30" in content
    assert "- j'aime le thé" in content


def test_it_is_trimmed_in_large_steps_whole_exchanges_first_the_oldest() -> None:
    conversation = Conversation(MemoryConfig())
    history = make(conversation, room=40)
    lengths, prefixes = [], []
    for turn in range(1, 40):
        prompt = history.prompt(f"question {turn}")
        assert words(prompt) <= 40
        assert prompt.messages[1].role == "user"
        lengths.append(len(prompt.messages))
        prefixes.append(prompt.messages[1])
        conversation.add(exchange(turn, f"question {turn}", "An answer of five words."))
    trims = sum(later != earlier for earlier, later in itertools.pairwise(prefixes))
    assert max(lengths) > 10
    assert trims <= 39 / 2
    assert min(lengths[10:]) >= 4


def test_where_instructions_fill_more_than_half_of_the_room_the_last_exchanges_stay_all_the_same() -> None:
    conversation = Conversation(MemoryConfig())
    history = ChatHistory(Around(conversation, lambda: (), Wall()), [TOOL], 140, lambda prompt: 100 + words(prompt))
    lengths = []
    for turn in range(1, 30):
        prompt = history.prompt(f"question {turn}")
        assert words(prompt) <= 40
        lengths.append(len(prompt.messages))
        conversation.add(exchange(turn, f"question {turn}", "An answer of five words."))
    assert min(lengths[10:]) >= 4


def test_a_new_question_that_fills_the_room_alone_is_left_as_it_is() -> None:
    conversation = Conversation(MemoryConfig())
    conversation.add(exchange(1, "hello", "Hi."))
    prompt = make(conversation, room=5).prompt("one two three four five six")
    assert said(prompt) == [("user", "one two three four five six")]


def test_what_falls_out_of_the_conversation_itself_is_no_trouble() -> None:
    conversation = Conversation(MemoryConfig(history_turns=3))
    history = make(conversation, room=12)
    for turn in range(1, 30):
        assert words(history.prompt(f"q {turn}")) <= 12
        conversation.add(exchange(turn, f"q {turn}", "A b."))


def test_a_new_session_goes_on_from_what_was_heard_a_little_earlier() -> None:
    store = Store(None)
    before = Conversation(MemoryConfig(), store)
    before.add(exchange(1, "my cat is Tom", "A fine name."))
    before.add(exchange(2, "unheard", "Lost.", heard=0))
    now = Wall()
    now.now = datetime.fromtimestamp(time.time())  # the store writes the time of day, whichever that is
    assert said(make(Conversation(MemoryConfig(), store), wall=now).prompt("who is Tom")) == [
        ("user", "my cat is Tom"),
        ("assistant", "A fine name."),
        ("user", "who is Tom"),
    ]
    later = Wall()
    later.now += timedelta(days=2)
    assert said(make(Conversation(MemoryConfig(), store), wall=later).prompt("who is Tom")) == [("user", "who is Tom")]
    mine = Conversation(MemoryConfig(), store)
    mine.add(exchange(1, "hello", "Hi."))
    asked = [text for role, text in said(make(mine, wall=now).prompt("x")) if role == "user"]
    assert asked == ["my cat is Tom", "hello", "x"]
    forgetful = Conversation(MemoryConfig(enabled=False), store)
    assert said(make(forgetful).prompt("who is Tom")) == [("user", "who is Tom")]


def test_calls_of_an_earlier_session_come_back_with_what_they_did_and_what_was_heard_of_it() -> None:
    store = Store(None)
    before = Conversation(MemoryConfig(), store)
    call = '{"name": "SetTimer", "arguments": {"minutes": 5}}'
    done = ("Timer set for 5 minutes.", "It is named pasta.")
    before.add(Exchange(1, "five for the pasta", done, "en", (24, 5), call=call))
    before.add(Exchange(2, "five more", done, "en", (0, 0), call=call))
    now = Wall()
    now.now = datetime.fromtimestamp(time.time())
    asked = f"<tool_call>\n{call}\n</tool_call>"
    assert said(make(Conversation(MemoryConfig(), store), wall=now).prompt("thanks")) == [
        ("user", "five for the pasta"),
        ("assistant", asked),
        ("tool", " ".join(done)),
        ("assistant", "Timer set for 5 minutes. It is"),
        ("user", "five more"),
        ("assistant", asked),
        ("tool", " ".join(done)),
        ("user", "thanks"),
    ]


def test_a_deed_kept_without_its_call_is_shown_with_the_one_that_its_words_ask_for_or_not_at_all() -> None:
    conversation = Conversation(MemoryConfig())
    conversation.add(exchange(1, "timer, five minutes", "Timer set for 5 minutes."))
    conversation.add(exchange(2, "my pastor needs nine", "Timer set for 9 minutes."))
    conversation.add(exchange(3, "hello", "Hi."))
    calls = {"timer, five minutes": '{"name": "SetTimer"}'}
    history = make(conversation, call_for=lambda text, language: calls.get(text, ""))
    assert [text for role, text in said(history.prompt("thanks")) if role == "user"] == [
        "timer, five minutes",
        "hello",
        "thanks",
    ]
    assert said(history.prompt("thanks"))[1] == ("assistant", '<tool_call>\n{"name": "SetTimer"}\n</tool_call>')


def test_a_reply_that_grows_is_kept_when_it_is_settled_with_what_was_heard_by_then() -> None:
    store = Store(None)
    conversation = Conversation(MemoryConfig(), store)
    conversation.begin(Exchange(5, "why", (), "en"))
    conversation.extend(5, ["Because.", "It is so."], written="Because. It is so.")
    conversation.heard(Heard(5, 0, 0, 8))
    assert store.export()["turns"] == []
    conversation.settle(5)
    assert [row["heard"] for row in store.export()["turns"]] == ["Because."]
    conversation.heard(Heard(5, 0, 1, 9))
    conversation.flush()
    assert [row["heard"] for row in store.export()["turns"]] == ["Because. It is so."]
    assert conversation.exchanges[-1].heard_whole


def remembered(turn: int, fact: str) -> Exchange:
    reply = f"I'll remember: {fact}."
    call = json.dumps({"name": "RememberFact", "arguments": {"text": fact}})
    return Exchange(turn, f"remember that {fact}", (reply,), "en", (len(reply),), call=call)


def test_what_was_forgotten_is_shown_no_more_nor_what_was_answered_from_it() -> None:
    conversation = Conversation(MemoryConfig())
    facts = ["my sister is called Lea", "the spare key is under the third flowerpot"]
    for turn, fact in enumerate(facts, 1):
        conversation.add(remembered(turn, fact))
    conversation.add(exchange(3, "where did I put the spare key", "Under the third flowerpot.", written="Under it."))
    conversation.add(exchange(4, "who tunes a piano key by key", "A piano tuner does.", written="A piano tuner does."))
    history = make(conversation, facts=facts)
    assert "flowerpot" in str(said(history.prompt("and")))
    forgotten = facts.pop()
    conversation.add(exchange(5, "forget that", f"I've forgotten: {forgotten}."))
    shown = str(said(history.prompt("where is the spare key")))
    assert "flowerpot" not in shown
    assert "Lea" in shown
    assert "piano tuner" in shown
    facts.append(forgotten)
    assert "flowerpot" in str(said(history.prompt("where is the spare key")))


def test_an_exchange_with_one_word_of_a_forgotten_fact_in_common_stays() -> None:
    conversation = Conversation(MemoryConfig())
    conversation.add(remembered(1, "my sister is called Lea"))
    conversation.add(exchange(2, "my sister comes to dinner", "How nice.", written="How nice."))
    assert said(make(conversation).prompt("and"))[0] == ("user", "my sister comes to dinner")
