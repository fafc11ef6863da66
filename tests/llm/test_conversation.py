"""What was said and heard."""

from __future__ import annotations

from core.messages import Heard
from core.utils.config import MemoryConfig
from llm.conversation import Conversation, Exchange
from llm.store import Store


def test_only_what_was_heard_counts_as_said() -> None:
    conversation = Conversation(MemoryConfig())
    conversation.add(Exchange(3, "what can you do", ("I can do sums,", "and keep notes."), "en"))
    conversation.heard(Heard(3, 0, 0, 14))
    conversation.heard(Heard(3, 0, 1, 3))
    conversation.heard(Heard(3, 0, 1, 2))
    conversation.heard(Heard(99, 0, 0, 5))
    conversation.heard(Heard(3, 0, 7, 5))
    (exchange,) = conversation.exchanges
    assert exchange.heard == "I can do sums, and"
    assert exchange.reply == "I can do sums, and keep notes."


def test_it_is_bounded_in_memory_and_on_disk() -> None:
    store = Store(None)
    conversation = Conversation(MemoryConfig(history_turns=3), store)
    for turn in range(10):
        conversation.add(Exchange(turn, f"say {turn}", (f"{turn}.",), "en"))
    assert [exchange.turn for exchange in conversation.exchanges] == [7, 8, 9]
    assert [row["user"] for row in store.query("SELECT user FROM turns")] == ["say 7", "say 8", "say 9"]


def test_what_was_heard_is_written_with_the_next_exchange() -> None:
    store = Store(None)
    conversation = Conversation(MemoryConfig(), store)
    conversation.add(Exchange(1, "hello", ("Good morning!",), "en"))
    conversation.heard(Heard(1, 0, 0, 4))
    conversation.add(Exchange(2, "bye", ("Goodbye!",), "en"))
    conversation.heard(Heard(2, 0, 0, 8, finished=True))
    conversation.flush()
    assert [row["heard"] for row in store.query("SELECT heard FROM turns ORDER BY id")] == ["Good", "Goodbye!"]


def test_without_memory_nothing_reaches_the_disk() -> None:
    store = Store(None)
    conversation = Conversation(MemoryConfig(enabled=False), store)
    conversation.add(Exchange(1, "hello", ("Good morning!",), "en"))
    conversation.flush()
    assert store.export()["turns"] == []
    assert len(conversation.exchanges) == 1


def test_a_history_that_cannot_be_written_costs_no_turn() -> None:
    store = Store(None)
    conversation = Conversation(MemoryConfig(), store)
    store.query("PRAGMA query_only = ON")
    conversation.add(Exchange(1, "hello", ("Good morning!",), "en"))
    assert conversation.last_reply is not None


def test_repeat_skips_what_cannot_be_said_again() -> None:
    conversation = Conversation(MemoryConfig())
    assert conversation.last_reply is None
    conversation.add(Exchange(1, "time", ("It's 7:05 PM.",), "en"))
    conversation.add(Exchange(2, "stop", ("",), "en", repeatable=False))
    assert conversation.last_reply is not None
    assert conversation.last_reply.reply == "It's 7:05 PM."
