"""Asks once, in the terminal, whether models may be fetched, while the conversation goes on; the answer is kept."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Literal, Protocol

from core.utils.config import Config

logger = logging.getLogger(__name__)

SETTING = "fetch_models"
LANGUAGE_SETTING = "fetch_language_model"
VOICE_SETTING = "fetch_voice"
TURN_SETTING = "fetch_turn_model"
"""in the data file, one each for what hears, answers, speaks and judges pauses: asked together, and each to be changed
by itself"""
YES = frozenset({"", "y", "yes", "o", "oui"})
NO = frozenset({"n", "no", "non"})

Decision = Literal["yes", "no", "ask"]


class KeptSettings(Protocol):
    """What is asked of llm.store.Store."""

    def setting(self, name: str) -> str | None: ...

    def set_setting(self, name: str, value: str) -> None: ...


def decision(config: Config, kept: KeptSettings, has_terminal: bool, setting: str = SETTING) -> Decision:
    """The configured one, else the one kept, else to ask; without a terminal to ask in it is no, this time."""
    match config.setup.full_models, kept.setting(setting):
        case ("always", _) | ("ask", "yes"):
            return "yes"
        case ("never", _) | ("ask", "no"):
            return "no"
    return "ask" if has_terminal else "no"


def has_terminal() -> bool:
    """Whether somebody could read a question and answer it."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


class Question:
    """Waits for a yes or a no on a thread of its own; Enter alone is yes, other words count as none."""

    def __init__(self, file: int = 0) -> None:
        self._file = file
        self._answer: bool | None = None
        self._thread = threading.Thread(target=self._listen, name="merline-question", daemon=True)
        self._thread.start()

    def answer(self) -> bool | None:
        """None until there is one."""
        return self._answer

    def wait(self, timeout_s: float) -> None:
        """Until there is one, or the terminal is gone."""
        self._thread.join(timeout_s)

    def _listen(self) -> None:
        # Not sys.stdin: a thread left behind in its lock keeps the interpreter from ending.
        while self._answer is None:
            try:
                typed = os.read(self._file, 1024)
            except OSError as error:
                logger.info("the terminal cannot be read any more: %s", error)
                return
            if not typed:
                return
            words = [line.strip().lower() for line in typed.decode("utf-8", "replace").splitlines()]
            known = [word in YES for word in words if word in YES | NO]
            self._answer = known[0] if known else None
