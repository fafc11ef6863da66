"""Announcements wait for a gap, come one at a time, and let the timers speak too."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.app.announcer import MOST_WAITING, Announcer
from core.messages import Announcement, DeviceEvent, Sentence, Tick, Working
from core.turn_clock import TurnClock

GONE = "The microphone (x) is gone. I will use it again as soon as it is back."
BACK = "The microphone is back (x)."


class FakeTimers:
    """Has one thing due at every tick."""

    def load(self) -> None:
        """Nothing to load."""

    def process(self, message: Tick) -> Iterator[Sentence]:
        yield Sentence(99, 0, 0, "ding", True)

    def close(self) -> None:
        """Nothing to close."""


class TestAnnouncer:
    def setup_method(self) -> None:
        self.turns = TurnClock()
        self.free = True
        self.announcer = Announcer(FakeTimers(), self.turns, lambda: self.turns.current if self.free else None)

    def said(self) -> list[str]:
        return [sentence.text for sentence in self.announcer.process(Tick(0.0))]

    def test_the_timers_speak_when_nothing_waits(self):
        assert self.said() == ["ding"]

    def test_an_announcement_waits_for_the_gap_and_opens_a_turn(self):
        self.announcer.announce(Announcement("hello", "en"))
        self.free = False
        assert self.said() == []
        self.free = True
        turn = self.turns.current
        assert self.said() == ["hello"]
        assert self.turns.current == turn + 1
        assert self.said() == ["ding"]

    def test_a_lost_microphone_is_said_and_what_becomes_of_the_speaker_is_not(self):
        self.announcer.device_changed(DeviceEvent("output", "changed", "x"))
        self.announcer.device_changed(DeviceEvent("input", "lost", "x"))
        assert self.said() == [GONE]

    def test_who_speaks_french_is_told_in_french(self):
        gap, news = self.announcer._gap, DeviceEvent("input", "lost", "Casque")
        announcer = Announcer(FakeTimers(), self.turns, gap, language="fr")
        announcer.device_changed(news)
        (sentence,) = announcer.process(Tick(0.0))
        assert sentence.text == "Le micro (Casque) n'est plus là. Je m'en resservirai dès son retour."
        assert sentence.language == "fr"

    def test_a_microphone_that_is_back_before_its_loss_was_said_is_only_said_to_be_back(self):
        self.announcer.announce(Announcement("hello", "en"))
        self.announcer.device_changed(DeviceEvent("input", "lost", "x"))
        self.announcer.device_changed(DeviceEvent("input", "restored", "x"))
        assert [*self.said(), *self.said()] == ["hello", BACK]
        assert self.said() == ["ding"]

    def test_a_microphone_that_is_back_while_its_loss_is_being_said_ends_that(self):
        freed = []
        self.announcer.dropped = lambda: freed.append(self.turns.current)
        self.announcer.device_changed(DeviceEvent("input", "lost", "x"))
        (gone,) = self.announcer.process(Tick(0.0))
        self.announcer.device_changed(DeviceEvent("input", "restored", "x"))
        assert self.turns.is_stale(gone)
        assert freed == [gone.turn]
        assert self.said() == [BACK]

    def test_a_sound_server_that_hangs_takes_both_and_only_the_return_is_said(self):
        self.announcer.device_changed(DeviceEvent("input", "lost", "x"))
        (gone,) = self.announcer.process(Tick(0.0))
        self.free = False  # it is being said
        self.announcer.device_changed(DeviceEvent("output", "lost", "x"))
        assert self.turns.is_stale(gone)
        self.free = True
        assert self.said() == ["ding"], "what falls due is shown all the same"
        self.announcer.device_changed(DeviceEvent("input", "restored", "x"))
        self.announcer.device_changed(DeviceEvent("output", "restored", "x"))
        assert [*self.said(), *self.said()] == [BACK, "ding"]

    def test_a_speaker_that_comes_back_alone_says_that_the_microphone_is_gone_once(self):
        self.announcer.device_changed(DeviceEvent("output", "lost", "x"))
        self.announcer.device_changed(DeviceEvent("input", "lost", "x"))
        assert self.said() == ["ding"]
        self.announcer.device_changed(DeviceEvent("output", "restored", "x"))
        assert self.said() == [GONE]
        self.announcer.device_changed(DeviceEvent("output", "lost", "x"))
        self.announcer.device_changed(DeviceEvent("output", "restored", "x"))
        assert self.said() == ["ding"], "it was heard"

    def test_a_microphone_that_is_back_ends_nobody_elses_turn(self):
        self.announcer.device_changed(DeviceEvent("input", "lost", "x"))
        list(self.announcer.process(Tick(0.0)))
        answer = Sentence(self.turns.open(), 0, 0, "It's noon.", True)
        self.announcer.device_changed(DeviceEvent("input", "restored", "x"))
        assert not self.turns.is_stale(answer)

    def test_only_the_latest_are_kept(self):
        for number in range(MOST_WAITING + 5):
            self.announcer.announce(Announcement(str(number), "en"))
        assert self.said() == ["5"]

    def test_an_answer_that_takes_long_comes_before_all_else(self):
        tones = [Working(1, np.zeros(4, np.float32), 24_000)]
        announcer = Announcer(FakeTimers(), self.turns, lambda: None, lambda: tones.pop() if tones else None)
        announcer.announce(Announcement("hello", "en"))
        assert [type(message) for message in announcer.process(Tick(0.0))] == [Working]
        assert list(announcer.process(Tick(0.2))) == []
