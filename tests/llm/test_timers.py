"""The stage that speaks up by itself: when, in which turn, and when an item counts as heard."""

from __future__ import annotations

from datetime import time
from pathlib import Path

from skill_rig import ZoneClock

from core.messages import Heard, Sentence, Tick
from core.pipeline import Part, Pipeline
from core.turn_clock import TurnClock
from core.utils.config import MemoryConfig
from llm.conversation import Conversation
from llm.schedule import Item, Schedule
from llm.store import Store
from llm.timers import TimersStage
from tests.fakes import FakeStage, ListInbox


class Room:
    """A schedule, its stage, and whether there is a gap to speak into."""

    def __init__(self, clock: ZoneClock | None = None, path: Path | None = None) -> None:
        self.clock = clock or ZoneClock()
        self.store = Store(path)
        self.schedule = Schedule(self.store, self.clock)
        self.turns = TurnClock()
        self.conversation = Conversation(MemoryConfig())
        self.quiet = True
        self.stage = TimersStage(self.schedule, self.turns, self.gap, self.conversation)
        self.stage.load()

    def gap(self) -> int | None:
        return self.turns.current if self.quiet else None

    def timer(self, seconds: float, name: str = "") -> Item:
        return self.schedule.add(Item("timer", name, "en", self.schedule.now + seconds, duration_s=seconds))

    def tick(self, seconds: float = 1.0) -> list[Sentence]:
        self.clock.advance(seconds)
        return list(self.stage.process(Tick(self.clock.monotonic())))

    def hear(self, sentence: Sentence, characters: int = 5) -> None:
        self.stage.heard(Heard(sentence.turn, 0, 0, characters))


def test_a_timer_speaks_in_a_turn_of_its_own_with_a_chime() -> None:
    room = Room()
    room.timer(5, "pasta")
    assert room.tick(4) == []
    (sentence,) = room.tick(1)
    assert sentence == Sentence(1, 0, 0, "Your 'pasta' timer is done.", True, "en", chime=True)
    assert not room.turns.is_stale(sentence)
    room.hear(sentence)
    assert room.tick() == []
    assert room.schedule.items() == []
    last = room.conversation.last_reply
    assert last is not None
    assert last.reply == "Your 'pasta' timer is done."


def test_it_waits_for_a_gap() -> None:
    room = Room()
    room.timer(5)
    room.quiet = False
    assert room.tick(10) == []
    room.quiet = True
    (sentence,) = room.tick(1)
    assert sentence.text == "Your timer of 5 seconds is done."


def test_a_turn_that_opened_meanwhile_wins() -> None:
    room = Room()
    room.timer(1)
    stale = room.turns.current
    room.turns.open()
    stage = TimersStage(room.schedule, room.turns, lambda: stale, room.conversation)
    room.clock.advance(2)
    assert list(stage.process(Tick(room.clock.monotonic()))) == []
    assert len(room.schedule.items()) == 1


def test_while_its_turn_is_under_way_it_says_nothing_twice() -> None:
    room = Room()
    room.timer(1)
    assert len(room.tick(1)) == 1
    assert room.tick(1) == []
    assert room.tick(1) == []


def test_cut_off_before_a_word_was_heard_it_rings_again() -> None:
    room = Room()
    room.timer(1)
    (first,) = room.tick(1)
    room.hear(first, characters=0)
    room.turns.open()
    (second,) = room.tick(1)
    assert second.text == first.text
    assert second.turn > first.turn
    room.hear(second)
    room.turns.open()
    assert room.tick(1) == []
    assert room.schedule.items() == []


def test_a_turn_lost_without_a_trace_rings_again() -> None:
    room = Room()
    room.timer(1)
    assert len(room.tick(1)) == 1
    assert [sentence.turn for sentence in room.tick(60)] == [2]


def test_what_came_due_while_off_is_told_at_start(tmp_path: Path) -> None:
    clock = ZoneClock()
    room = Room(clock, tmp_path / "merline.db")
    room.timer(60, "pasta")
    room.schedule.add(Item("reminder", "call Bob", "en", room.schedule.now + 180))
    room.store.close()
    clock.advance(13 * 60)
    room = Room(clock, tmp_path / "merline.db")
    (sentence,) = room.tick(0)
    assert sentence.text == (
        "While I was off: your 'pasta' timer ended 12 minutes ago and a reminder from 10 minutes ago: call Bob."
    )
    room.hear(sentence)
    assert room.tick() == []
    room.store.close()


def test_a_recurring_alarm_missed_for_days_is_told_once_and_set_again() -> None:
    clock = ZoneClock()
    room = Room(clock)
    room.schedule.add(
        Item("alarm", "", "fr", room.schedule.now + 60, wall=time(14, 31), weekdays=(0, 1, 2, 3, 4, 5, 6))
    )
    clock.suspend(3 * 86_400)
    (sentence,) = room.tick(0)
    assert sentence.text.startswith("Votre alarme a sonné")
    room.hear(sentence)
    assert room.tick(1) == []
    (item,) = room.schedule.items()
    assert 0 < item.due_at - room.schedule.now <= 86_400
    assert item.rings == 0


def test_after_the_clock_was_set_back_nothing_was_missed_while_the_program_ran() -> None:
    """What came due had been told as "While I was off": it was earlier than the start."""
    room = Room()
    room.timer(300, "tea")
    room.clock.suspend(-3 * 3600)
    assert room.tick(1) == []
    room.schedule.add(Item("reminder", "call Bob", "en", room.schedule.now + 299))
    (sentence,) = room.tick(299)
    assert sentence.text == "Your 'tea' timer is done. Reminder: call Bob."


def test_several_at_once_are_one_sentence() -> None:
    room = Room()
    room.timer(5, "tea")
    room.schedule.add(Item("reminder", "call Bob", "en", room.schedule.now + 5))
    room.schedule.add(Item("alarm", "", "en", room.schedule.now + 5))
    (sentence,) = room.tick(5)
    assert sentence.text == "Your 'tea' timer is done. Reminder: call Bob. It's 2:30 PM."


def test_on_a_full_disk_it_rings_once_and_is_done_when_there_is_room_again() -> None:
    room = Room()
    room.timer(1)
    room.store.query("PRAGMA query_only = ON")
    (sentence,) = room.tick(1)
    room.hear(sentence)
    room.turns.open()
    assert room.tick(1) == []
    assert room.tick(30) == []
    assert len(room.store.query("SELECT id FROM schedule")) == 1
    room.store.query("PRAGMA query_only = OFF")
    assert room.tick(60) == []
    assert room.store.query("SELECT id FROM schedule") == []


def test_what_has_rung_is_not_listed_while_the_disk_is_full() -> None:
    """It was, with 0 seconds left, until there was room."""
    room = Room()
    room.timer(1, "tea")
    room.timer(10, "pasta")
    kept = room.schedule.add(Item("alarm", "", "en", room.schedule.now + 10, wall=time(14, 30), weekdays=(5,)))
    room.store.query("PRAGMA query_only = ON")
    for seconds in (1, 9):
        (sentence,) = room.tick(seconds)
        room.hear(sentence)
        room.turns.open()
        assert room.tick(1) == []
    assert room.schedule.items() == [kept], "the alarm rings again, and what rang right behind the first is over too"
    room.store.query("PRAGMA query_only = OFF")
    assert room.tick(60) == []
    assert [item.id for item in room.schedule.items()] == [kept.id]


def test_a_data_file_that_cannot_be_read_does_not_end_the_stage() -> None:
    room = Room()
    room.timer(1)
    room.store.execute("ALTER TABLE schedule RENAME TO lost")
    assert room.tick(5) == []
    room.store.execute("ALTER TABLE lost RENAME TO schedule")
    assert room.tick(5) == []
    assert len(room.tick(60)) == 1


def test_in_a_pipeline_its_sentence_reaches_the_voice() -> None:
    room = Room()
    room.timer(1, "tea")
    room.clock.advance(2)
    voice = FakeStage(lambda message: iter(()))
    ticks = ListInbox([Tick(room.clock.monotonic())])
    pipeline = Pipeline([Part("timers", room.stage, ticks), Part("tts", voice)], room.turns)
    pipeline.load()
    pipeline.drain()
    assert [sentence.text for sentence in voice.seen] == ["Your 'tea' timer is done."]
    pipeline.close()


def test_an_alarm_dismissed_while_it_speaks_does_not_ring_again() -> None:
    room = Room()
    room.schedule.add(Item("alarm", "", "en", room.schedule.now + 1))
    (sentence,) = room.tick(1)
    room.hear(sentence)
    room.turns.open()
    room.schedule.dismiss()
    assert room.tick(1) == []
    assert room.schedule.items() == []


def test_an_alarm_not_dismissed_rings_again_in_turns_of_its_own() -> None:
    room = Room()
    room.schedule.add(Item("alarm", "", "en", room.schedule.now + 1))
    turns = []
    for _ in range(300):
        for sentence in room.tick(1):
            turns.append(sentence.turn)
            room.hear(sentence)
    assert turns == [1, 2, 3]
