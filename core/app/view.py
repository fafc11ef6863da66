"""What people see while they talk: a live panel on a terminal, plain lines everywhere else.

Observers only put what happened into a queue; drawing is done by `refresh()` on the main thread. A full disk or a
terminal that has gone costs what would be seen, never the conversation; a pipe that nobody reads any more ends it.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import sys
from collections.abc import Callable
from typing import Any, Protocol

from core.app.scene import SHOWN, Scene
from core.messages import Language
from core.pipeline import Pipeline
from core.utils.config import ViewConfig

logger = logging.getLogger(__name__)


class View(Protocol):
    """Shows the conversation."""

    noticed: Callable[[], None]
    """called with each event, from its thread; to be set"""

    def show(self, event: object) -> None:
        """Take an event, from any thread; returns at once."""
        ...

    def refresh(self) -> None:
        """Draw what came since the last call; main thread only."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


def watch(view: View, pipeline: Pipeline) -> None:
    """Show the view everything it draws."""
    for message_type in SHOWN:
        pipeline.observe(message_type, view.show)


def open_view(config: ViewConfig, language: Language, level: Callable[[], float], phrase: str = "") -> View:
    """The view for this terminal: `level` gives the input's level in dBFS, `phrase` is the wake word if any."""
    rich = config.style == "rich" or (config.style == "auto" and sys.stdout.isatty() and not _is_dumb())
    return RichView(language, level, phrase) if rich else PlainView(language, phrase)


def _is_dumb() -> bool:
    """Whether the terminal cannot go back over a line: what is drawn anew on another would never be seen on it."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


class PlainView:
    """One line an event, for pipes, logs and screen readers."""

    def __init__(self, language: Language, phrase: str = "") -> None:
        self.noticed: Callable[[], None] = lambda: None
        self._scene = Scene(language, phrase)
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._state = ""
        self._failed = False

    def show(self, event: object) -> None:
        self._events.put(event)
        self.noticed()

    def refresh(self) -> None:
        for event in _waiting(self._events):
            for kind, text in self._scene.take(event):
                self._print(kind, text)
            self._print_state()
        self._print_state()

    def close(self) -> None:
        self.refresh()
        self._print("note", self._scene.words["bye"])

    def _print_state(self) -> None:
        if self._scene.state_words != self._state:
            self._state = self._scene.state_words
            self._print("state", self._state)

    def _print(self, kind: str, text: str) -> None:
        label = {"you": self._scene.words["you"], "merline": "merline", "timing": "   ", "state": "[", "note": "*"}[
            kind
        ]
        line = (
            f"[{text}]" if kind == "state" else f"{label} {text}" if kind in ("note", "timing") else f"{label}: {text}"
        )
        try:
            print(line, flush=True)
            self._failed = False
        except BrokenPipeError:
            raise
        except OSError as error:
            if not self._failed:
                logger.warning("what happens is not shown: %s", error.strerror)
            self._failed = True


class RichView:
    """A live line with the state, the input level and the words as they come, below what was said so far."""

    def __init__(self, language: Language, level: Callable[[], float], phrase: str = "") -> None:
        from rich.console import Console
        from rich.live import Live

        self.noticed: Callable[[], None] = lambda: None
        self._scene = Scene(language, phrase)
        self._level = level
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._drawn: tuple[str, int] = ("", 0)
        """the level's bar and the terminal's width, which change without an event"""
        self._gone = False
        """the terminal"""
        self._live.start()

    def show(self, event: object) -> None:
        self._events.put(event)
        self.noticed()

    def refresh(self) -> None:
        self._unless_gone(self._draw)

    def close(self) -> None:
        self.refresh()
        self._unless_gone(self._leave)

    def _unless_gone(self, draw: Callable[[], None]) -> None:
        if self._gone:
            _waiting(self._events)
            return
        try:
            draw()
        except BrokenPipeError:
            raise
        except OSError as error:
            logger.warning("what happens is no longer shown: %s", error.strerror)
            self._gone = True

    def _draw(self) -> None:
        events = _waiting(self._events)
        for event in events:
            for kind, text in self._scene.take(event):
                self._live.console.print(self._styled(kind, text))
        now = level_bar(self._level()), self._console.width
        if events or now != self._drawn:
            self._drawn = now
            self._live.update(self._line(), refresh=True)

    def _leave(self) -> None:
        self._live.stop()
        self._console.print(self._scene.words["bye"], style="dim")

    def _styled(self, kind: str, text: str) -> Any:
        from rich.text import Text

        if kind in ("you", "merline"):
            label = self._scene.words["you"] if kind == "you" else "merline"
            return Text.assemble((f"{label:>8} ", "cyan bold" if kind == "you" else "green bold"), text)
        return Text(" " * 9 + text, style="dim" if kind == "timing" else "yellow")

    def _line(self) -> Any:
        from rich.text import Text

        if self._scene.muted:
            return Text(f" {self._scene.state_words} ".center(self._console.width), style="bold white on red")
        colour = {"listening": "white", "hearing": "cyan", "thinking": "magenta", "speaking": "green"}
        state = self._scene.state
        words = " ".join(self._scene.reply) if state == "speaking" else self._scene.partial
        return Text.assemble(
            (f"{self._scene.state_words:>16} ", colour[state]),
            (level_bar(self._level()), "blue"),
            "  ",
            (words or self._scene.words["hint"], "" if words else "dim"),
            overflow="ellipsis",
            no_wrap=True,
        )


def level_bar(level_dbfs: float, width: int = 12) -> str:
    """A bar of `width` cells for a level between -60 and 0 dBFS."""
    filled = 0 if math.isinf(level_dbfs) else round((min(max(level_dbfs, -60.0), 0.0) + 60.0) / 60.0 * width)
    return "█" * filled + "░" * (width - filled)


def _waiting(events: queue.SimpleQueue[Any]) -> list[Any]:
    found: list[Any] = []
    while True:
        try:
            found.append(events.get_nowait())
        except queue.Empty:
            return found
