"""The stage that speaks up: at a tick it looks what is due, waits for a gap, and opens a turn of its own.

An item is done only once some of its words were heard; if its turn was cut off before, it rings again at the next
gap. An alarm rings up to three times, a minute apart, until the user says anything.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from core.messages import Heard, Language, Sentence, Tick
from core.turn_clock import TurnClock
from core.utils.errors import DataError
from llm.conversation import Conversation, Exchange
from llm.schedule import Item, Schedule
from llm.skills.base import choose
from llm.skills.spoken import join, say_about, say_duration, say_moment, say_time

logger = logging.getLogger(__name__)

LATE_S = 60.0
"""Later than this, the announcement says how late it is."""
UNHEARD_S = 30.0
"""A turn of which nothing was heard for this long was lost."""
SILENT_RETRY_S = 60.0
"""How long to wait after the data file could not be used."""


@dataclass(frozen=True, slots=True)
class _Announced:
    turn: int
    items: tuple[Item, ...]
    at: float


class TimersStage:
    """Takes `Tick`s. `gap()` is the current turn while nobody speaks and nothing plays, else None."""

    def __init__(
        self, schedule: Schedule, turns: TurnClock, gap: Callable[[], int | None], conversation: Conversation
    ) -> None:
        self._schedule = schedule
        self._turns = turns
        self._gap = gap
        self._conversation = conversation
        self._started_at = schedule.now
        self._announced: _Announced | None = None
        self._heard: deque[int] = deque(maxlen=64)
        self._lock = threading.Lock()
        self._rest_until = 0.0
        self._save_again_at = 0.0
        self._unsaved: dict[int, Item] = {}
        self._announced_at = 0.0

    def load(self) -> None:
        """What became due before now was missed while the assistant was off."""
        self._started_at = self._schedule.now

    def heard(self, heard: Heard) -> None:
        """Some of a turn left the speaker. Any thread may call this; it writes nothing."""
        if heard.characters > 0:
            with self._lock:
                self._heard.append(heard.turn)

    def process(self, message: Tick) -> Iterator[Sentence]:
        """At most one sentence, in a turn of its own. A data file that fails is logged and tried again later."""
        if message.at < self._rest_until:
            return
        try:
            sentence = self._look(message.at)
        except DataError as error:
            logger.error("timers cannot be read: %s", error)
            self._rest_until = message.at + SILENT_RETRY_S
            return
        if sentence is not None:
            yield sentence

    def close(self) -> None:
        """Keep what was heard; what cannot be kept rings again at the next start."""
        self._settle(math.inf)

    def _look(self, at: float) -> Sentence | None:
        self._started_at = min(self._started_at, self._schedule.now)  # what is due since then was not missed
        self._settle(at)
        announced = self._announced
        if announced is not None:
            lost = self._turns.is_stale(Heard(announced.turn, 0, 0, 0)) or at - announced.at > UNHEARD_S
            if not lost:
                return None
            self._announced = None
        due = [item for item in self._schedule.due() if item.id not in self._unsaved]
        if not due:
            return None
        before = self._gap()
        if before is None:
            return None
        turn = self._turns.open_after(before)
        if turn is None:
            return None
        language = due[-1].language
        text = announce(due, self._schedule, self._started_at, language)
        self._announced = _Announced(turn, tuple(due), at)
        self._announced_at = self._schedule.now
        self._conversation.add(Exchange(turn, "", (text,), language))
        return Sentence(turn, 0, 0, text, True, language, chime=True)

    def _settle(self, at: float) -> None:
        """Mark as rung what was heard since the last tick; what cannot be written is not said again meanwhile."""
        with self._lock:
            turns = set(self._heard)
            self._heard.clear()
        if self._announced is not None and self._announced.turn in turns:
            self._unsaved.update({item.id: item for item in self._announced.items})
            self._announced = None
            self._schedule.leave_out(tuple(self._unsaved.values()))
        if not self._unsaved or at < self._save_again_at:
            return
        try:
            self._schedule.rung(tuple(self._unsaved.values()), self._announced_at)
        except DataError as error:
            logger.error("what has rung cannot be kept: %s", error)
            self._save_again_at = at + SILENT_RETRY_S
        else:
            self._unsaved.clear()


def announce(items: Sequence[Item], schedule: Schedule, started_at: float, language: Language) -> str:
    """What to say about items that are due; those missed while the assistant was off come first."""
    missed = [item for item in items if item.first_due_at < started_at - LATE_S]
    fresh = [item for item in items if item not in missed]
    parts = []
    if missed:
        told = join([_told_late(item, schedule, language) for item in missed], language)
        parts.append(choose(language, f"While I was off: {told}.", f"Pendant mon absence : {told}."))
    for item in fresh:
        late = schedule.now - item.first_due_at > LATE_S and not item.rings
        if late:
            told = _told_late(item, schedule, language)
            parts.append(f"{told[0].upper()}{told[1:]}.")
        else:
            parts.append(_told(item, schedule, language))
    return " ".join(parts)


def _told(item: Item, schedule: Schedule, language: Language) -> str:
    if item.kind == "timer":
        length = say_duration(item.duration_s, language)
        if item.text:
            return choose(language, f"Your '{item.text}' timer is done.", f"Le minuteur « {item.text} » est terminé.")
        return choose(language, f"Your timer of {length} is done.", f"Le minuteur de {length} est terminé.")
    if item.kind == "alarm":
        clock, named = say_time(schedule.local.wall, language), f": {item.text}" if item.text else ""
        return choose(language, f"It's {clock}{named}.", f"Il est {clock}{named and ' ' + named}.")
    text = item.text or choose(language, "your reminder", "votre rappel")
    return choose(language, f"Reminder: {text}.", f"Rappel : {text}.")


def _told_late(item: Item, schedule: Schedule, language: Language) -> str:
    ago = say_about(schedule.now - item.first_due_at, language)
    when = say_moment(schedule.local.at(item.first_due_at), schedule.local.wall, language)
    if item.kind == "timer":
        name = f"'{item.text}' timer" if item.text else f"timer of {say_duration(item.duration_s, language)}"
        french = f"« {item.text} »" if item.text else f"de {say_duration(item.duration_s, language)}"
        return choose(language, f"your {name} ended {ago} ago", f"votre minuteur {french} s'est terminé il y a {ago}")
    if item.kind == "alarm":
        name, french = (f"'{item.text}' ", f" « {item.text} »") if item.text else ("", "")
        return choose(
            language, f"your {name}alarm rang {when}, {ago} ago", f"votre alarme{french} a sonné {when}, il y a {ago}"
        )
    text = item.text or choose(language, "your reminder", "votre rappel")
    return choose(language, f"a reminder from {ago} ago: {text}", f"un rappel d'il y a {ago} : {text}")
