"""`chat`: a typed conversation; in a pipe one reply a line, on a terminal timers speak up too."""

from __future__ import annotations

import argparse
import io
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from core.app.answering import equip, wants_model
from core.app.brain import Brain
from core.app.error_words import error_words
from core.app.first_wait import FirstWait
from core.app.ticker import Ticker
from core.app.turn_file import FILE, read_turns
from core.app.turns import latest_wait
from core.messages import Heard, Language
from core.turn_clock import TurnClock
from core.utils.config import Config
from core.utils.paths import data_folder
from core.utils.waterfall import Wait

if TYPE_CHECKING:
    from core.optimization.plan import Plan

GREETING: dict[Language, str] = {
    "en": "Type, and end with Ctrl-D. Ask me what I can do.",
    "fr": "Écrivez, et terminez par Ctrl-D. Demandez-moi ce que je sais faire.",
}
DONE: dict[Language, str] = {"en": "OK.", "fr": "D'accord."}
TICK_S = 0.5


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Answer each line of standard input."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    with Brain(config, language=arguments.language) as brain:
        if config.log.turns:
            brain.session.last_wait = _last_spoken_wait
        equip(config, _plan(config), brain.responder, arguments.offline, brain.memory)
        wait = FirstWait(brain.language, sys.stderr)
        if not brain.responder.has_model_here:
            wait.over()
        try:
            with wait.watched():
                brain.responder.load()
            if brain.responder.fallback_reason:
                print(error_words(brain.responder.fallback_reason, brain.language), file=sys.stderr)
            typing = sys.stdin.isatty()
            if typing:
                print(GREETING[brain.language])
            with Reminders(brain, active=typing):
                for number, line in enumerate(_lines(typing), 1):
                    if line.strip():
                        _answer(brain, line.strip(), number, typing, wait)
        finally:
            brain.responder.close()
        return 0


def _last_spoken_wait() -> Wait | None:
    """Of the last turn that was spoken, as nobody takes the time of what is typed. Raises DataError."""
    wait = latest_wait(read_turns(data_folder() / FILE))
    return None if wait is None else replace(wait, earlier=True)


def _plan(config: Config) -> Plan | None:
    """None where the skills answer alone, which need none."""
    if not wants_model(config):
        return None
    from core.app.planning import apply_plan, make_plan

    plan = make_plan(config)
    apply_plan(config, plan)
    return plan


def _answer(brain: Brain, line: str, turn: int, typing: bool, wait: FirstWait) -> None:
    """One line; on a terminal a model's reply appears as it is written."""
    shown: list[str] = []

    def show(unit: str) -> None:
        if brain.responder.asks_model:
            wait.over()
        if typing and unit:
            print(f"{' ' if shown else ''}{' '.join(unit.split())}", end="", flush=True)
            shown.append(unit)

    with wait.watched():
        reply = brain.responder.reply(line, turn=turn, told=show)
    if shown:
        print(flush=True)
    else:
        print(" ".join(reply.text.split()) or DONE[reply.language], flush=True)


class Reminders:
    """Prints what becomes due while a person is typing, from a thread of its own."""

    def __init__(self, brain: Brain, active: bool) -> None:
        turns = TurnClock()
        self._timers = brain.timers(turns, lambda: turns.current)
        self._ticker = Ticker(brain.clock, lambda: TICK_S)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="merline-reminders", daemon=True) if active else None

    def __enter__(self) -> None:
        if self._thread is not None:
            self._timers.load()
            self._thread.start()

    def __exit__(self, *unused: object) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2 * TICK_S)
            self._timers.close()

    def _watch(self) -> None:
        while not self._stopping.wait(TICK_S):
            for sentence in self._timers.process(self._ticker.get()):
                print(f"\n* {sentence.text}", flush=True)
                self._timers.heard(Heard(sentence.turn, 0, 0, len(sentence.text), finished=True))


def _lines(typing: bool) -> Iterator[str]:
    if not typing:
        yield from sys.stdin
        return
    try:
        import readline  # noqa: F401 - its import gives input() a history and editing keys
    except ImportError:  # Windows has none, and its console edits lines by itself
        print(end="")
    while True:
        try:
            yield input("> ")
        except EOFError:
            print()
            return
