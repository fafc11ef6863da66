"""What keys do while the assistant talks: the space bar calls it, M closes the microphone and opens it again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from core.app.keyboard import MUTE_KEY, TALK_KEY
from core.app.scene import Muted
from llm.skills.base import Session

logger = logging.getLogger(__name__)


class Keys(Protocol):
    """What is asked of core.app.keyboard.Keyboard."""

    @property
    def there(self) -> bool: ...

    @property
    def file(self) -> int | None: ...

    def pressed(self) -> list[str]: ...


class Muteable(Protocol):
    """What is asked of audio.microphone.Microphone."""

    def mute(self, on: bool) -> None: ...


class Called(Protocol):
    """What is asked of core.app.assistant.Assistant."""

    def call(self) -> None: ...

    def drop_utterance(self) -> None: ...

    @property
    def at_rest(self) -> bool: ...


class DeskKeys:
    """All methods are the main thread's; `show` tells the view."""

    def __init__(
        self, keys: Keys, assistant: Called, microphone: Muteable, session: Session, show: Callable[[object], None]
    ) -> None:
        self._keys = keys
        self._assistant = assistant
        self._microphone = microphone
        self._session = session
        self._show = show
        self._muted = False
        self.other: Callable[[str], None] = lambda key: None
        """takes a key that is none of these, as the answer to a question"""
        session.can_mute = keys.there

    @property
    def file(self) -> int | None:
        """What can be read once a key is pressed, where there is such a thing."""
        return self._keys.file

    def look(self) -> None:
        """Do what was pressed, and what was asked for by voice once the reply to it has been heard."""
        for key in self._keys.pressed():
            if key == MUTE_KEY:
                self._mute(not self._muted)
            elif key == TALK_KEY:
                if self._muted:
                    self._mute(False)
                self._assistant.call()
            else:
                self.other(key)
        self._session.can_mute = self._keys.there
        if self._session.mute_wanted and self._assistant.at_rest:
            self._mute(True)

    def _mute(self, on: bool) -> None:
        self._session.mute_wanted = False
        self._muted = on
        if on:
            self._assistant.drop_utterance()
        self._microphone.mute(on)
        logger.info("the microphone is switched %s", "off" if on else "on")
        self._show(Muted(on))
