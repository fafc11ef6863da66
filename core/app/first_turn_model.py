"""Where Whisper listens, or will, and Smart Turn is not here, pauses are judged by words alone; this brings it.

Beside Whisper's words alone people are cut off more often than by a fixed pause, with Smart Turn much less
(docs/turns.md).
"""

from __future__ import annotations

from functools import partial

from core.app.answering import packages_are_here
from core.app.assistant import Assistant
from core.app.brain import Brain
from core.app.consent import TURN_SETTING, decision, has_terminal
from core.app.first_engine import FirstEngine
from core.app.first_question import FirstQuestion
from core.app.first_whisper import CLIENT
from core.app.hearing import ENGINE
from core.app.setup import FullSetup
from core.app.switch_over import SwitchMeans, SwitchOver, SwitchPlan
from core.app.turn_taking import load_smart_turn
from core.utils.config import Config
from core.utils.model_catalogue import KnownModel, known_model
from core.utils.model_store import ModelStore
from stt.smart_turn import NAME, SmartTurn

RUNTIME = "onnxruntime"
"""the package that runs it: the extra `turn`, and among those that faster-whisper brings"""


class FirstTurnModel(FirstEngine):
    """The way from words alone to Smart Turn. Does nothing where there is nothing to fetch, or nothing to run it."""

    def __init__(self, config: Config, assistant: Assistant, brain: Brain, offline: bool) -> None:
        super().__init__()
        self._config = config
        self._assistant = assistant
        self._brain = brain
        self._offline = offline
        self._plan: SwitchPlan | None = None
        self._question: FirstQuestion | None = None

    def decide(self, question: FirstQuestion, setup: FullSetup, whisper_comes: bool) -> None:
        """What to fetch, once it is known who listens and whether packages come; one line where it is not asked for."""
        model, listens = model_to_fetch(self._config, ModelStore()), self._whisper_listens
        if model is None or not (listens or whisper_comes) or not (packages_are_here((RUNTIME,)) or setup.running):
            return
        kept, language = self._brain.store, self._brain.language
        decided = decision(self._config, kept, has_terminal(), TURN_SETTING)
        plan = SwitchPlan(model, decided, language)
        if listens and self._offline:
            self._said = [plan.words("offline")]
        elif listens and decided == "no" and kept.setting(TURN_SETTING) is None:
            self._said = [plan.words("lacking")]
        if decided != "no" and not self._offline:
            self._plan, self._question = plan, question
            question.add(plan, TURN_SETTING, partial(packages_are_here, (RUNTIME, CLIENT)))

    def start(self, setup: FullSetup) -> None:
        """Begin, once it is settled who listens; a second call does nothing."""
        if self._plan is None or self._over is not None or not self._whisper_listens:
            return
        means = SwitchMeans(
            load=self._load,
            together=self._question,
            ready=lambda: not setup.running and packages_are_here((RUNTIME, CLIENT)),
        )
        self._over = SwitchOver(self._plan, self._assistant.endpointing, means)
        self._said += self._over.start()

    @property
    def _whisper_listens(self) -> bool:
        return self._assistant.engine_names.stt == ENGINE

    def _load(self) -> SmartTurn:
        return load_smart_turn(ModelStore().resolve(NAME))


def model_to_fetch(config: Config, store: ModelStore) -> KnownModel | None:
    """Smart Turn where it is wanted and not here."""
    return None if config.endpoint.model != "auto" or store.find(NAME) else known_model(NAME, store.catalogue)
