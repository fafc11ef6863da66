"""Asks once, in the terminal, whether models may be fetched, while the conversation goes on; the answer is kept.

It reads no terminal: the keys that call and mute the assistant come there too, and must at any time.
"""

from __future__ import annotations

import sys
from typing import Literal, Protocol

from core.messages import Language
from core.utils.config import Config

SETTING = "fetch_models"
LANGUAGE_SETTING = "fetch_language_model"
VOICE_SETTING = "fetch_voice"
TURN_SETTING = "fetch_turn_model"
"""in the data file, one each for what hears, answers, speaks and judges pauses: asked together, and each to be changed
by itself"""
SURE = frozenset({"y", "yes", "oui"})
"""answers to an English question that Enter does not agree to"""
YES = SURE | {""}
"""answers to one that it does"""
_YES_KEYS: dict[Language, frozenset[str]] = {"en": frozenset("y"), "fr": frozenset("yo")}

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
    """Takes keys as they are pressed: Enter or Y, in French O too, is yes, N is no; a line that begins otherwise is no
    answer.
    """

    def __init__(self, language: Language) -> None:
        self._yes = _YES_KEYS[language]
        self._answer: bool | None = None
        self._other = False
        """the line under way is no answer, and so is the Enter behind it"""

    def answer(self) -> bool | None:
        """None until there is one."""
        return self._answer

    def press(self, key: str) -> None:
        """One character, in lower case. Once there is an answer it stays."""
        enter = key in ("\n", "\r")
        if self._answer is None and not self._other and (enter or key == "n" or key in self._yes):
            self._answer = key != "n"
        self._other = not enter
