"""What answers, typed or spoken: the data file, the skills and the conversation, opened and closed together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from core.app.language import first_language
from core.messages import Language
from core.optimization.memory import MemoryOptimizer
from core.turn_clock import TurnClock
from core.utils.clock import Clock, SystemClock
from core.utils.config import Config
from core.utils.paths import make_data_folder
from core.utils.voice import VoiceSettings
from llm.assistant import build_skills
from llm.conversation import Conversation
from llm.responder import Responder
from llm.skills.base import Session
from llm.skills.recognise import SkillRecogniser
from llm.store import Store
from llm.timers import TimersStage

DATABASE = "merline.db"
LANGUAGE_SETTING = "language"


class Brain:
    """The answering side of the assistant. Use it as a context manager: leaving it closes the data file.

    The language of the first run, the system's, stays the one it begins in.

    Raises DataError when the data folder or its file cannot be used.
    """

    def __init__(
        self, config: Config, clock: Clock | None = None, folder: Path | None = None, language: Language | None = None
    ) -> None:
        self.clock = clock or SystemClock()
        self.voice = VoiceSettings()
        self.memory = MemoryOptimizer()
        """where loaded models are registered; whoever has a plan gives it the budgets"""
        self.store = Store(make_data_folder(folder) / DATABASE)
        remembered = self.store.setting(LANGUAGE_SETTING)
        self.language: Language = language or first_language(config, remembered)
        if remembered is None and language is None and config.language == "auto":
            self.store.set_setting(LANGUAGE_SETTING, self.language)
        self._skills = build_skills(config, self.store, self.clock, self.voice, self.language)
        self.responder = Responder(self._skills)

    @property
    def conversation(self) -> Conversation:
        """What was said by both."""
        return self._skills.context.conversation

    @property
    def session(self) -> Session:
        """What this conversation is to remember."""
        return self._skills.context.session

    @property
    def patient(self) -> bool:
        """Whether the user has asked to be given time."""
        return self._skills.context.session.patient

    @property
    def recogniser(self) -> SkillRecogniser:
        """Sentences to intents."""
        return self._skills.recogniser

    def timers(self, turns: TurnClock, gap: Callable[[], int | None]) -> TimersStage:
        """The stage that speaks up when something is due."""
        return TimersStage(self._skills.context.schedule, turns, gap, self.conversation)

    def __enter__(self) -> Brain:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.close()
