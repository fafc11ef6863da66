"""Where no Whisper is here yet, `talk` begins on the embedded recogniser; this joins it to what brings the other."""

from __future__ import annotations

from dataclasses import replace

from core.app.assistant import Assistant, Engines
from core.app.brain import Brain
from core.app.consent import SETTING, decision, has_terminal
from core.app.first_engine import FirstEngine
from core.app.first_question import FirstQuestion
from core.app.first_whisper import model_to_fetch, packages_are_here
from core.app.hearing import ENGINE
from core.app.planning import make_plan
from core.app.setup import FullSetup
from core.app.switch_over import SwitchMeans, SwitchOver, SwitchPlan
from core.messages import Announcement
from core.optimization.memory import MemoryBudgets
from core.optimization.plan import StagePlan
from core.stage import Stage
from core.utils.config import Config
from core.utils.model_catalogue import KnownModel
from core.utils.model_store import ModelStore
from stt.switching import SwitchingTranscriber

EMBEDDED = "pocketsphinx"


class FirstRun(FirstEngine):
    """The engines to begin with, and the way to better ones. Does nothing where there is nothing to fetch."""

    def __init__(
        self, config: Config, assistant: Assistant, brain: Brain, offline: bool, question: FirstQuestion | None = None
    ) -> None:
        super().__init__()
        self._config = config
        self._assistant = assistant
        self._brain = brain
        self._offline = offline
        self._switching: SwitchingTranscriber | None = None
        self.decide(question or FirstQuestion(brain.language, brain.store))

    def decide(self, question: FirstQuestion) -> None:
        """What to fetch, as far as is known now; before `start`, and again once the machine's speed is measured."""
        brain, decided = self._brain, decision(self._config, self._brain.store, has_terminal())
        model = model_to_fetch(self._config, ModelStore()) if decided != "no" else None
        self._plan = SwitchPlan(model, decided, brain.language) if model is not None else None
        self._question = question
        if self._plan is not None and not self._offline:
            question.add(self._plan, SETTING, packages_are_here)

    @property
    def fetches(self) -> bool:
        """Whether a Whisper is to be fetched, if the user agrees."""
        return self._plan is not None and not self._offline

    def engines(self, plan: StagePlan | None) -> Engines:
        """As planned, but with a recogniser that can be exchanged where another is to be fetched."""
        engines = self._assistant.engines(plan)
        if self._plan is None or self._offline:
            return engines
        self._switching = SwitchingTranscriber(self._assistant.hearing(_hearing_by(self._config, EMBEDDED)))
        return replace(engines, transcriber=self._switching)

    def start(self, setup: FullSetup) -> None:
        """Begin, once the assistant listens and `setup` has begun what it has to do."""
        plan, brain = self._plan, self._brain
        if plan is not None and self._offline and self._config.stt.model is None:
            self._said = [plan.words("offline")]
        if plan is None or self._switching is None or not (packages_are_here() or setup.running):
            return
        means = SwitchMeans(
            load=lambda: self._load(plan.model),
            together=self._question,
            say=lambda text: self._assistant.announcer.announce(Announcement(text, brain.language, chime=False)),
            ready=lambda: not setup.running and packages_are_here(),
        )
        self._over = SwitchOver(plan, self._switching, means)
        self._said = self._over.start()

    def _load(self, model: KnownModel) -> Stage:
        config = _hearing_by(self._config, ENGINE, model.name)
        plan = make_plan(config)
        self._brain.memory.budgets = MemoryBudgets.of(plan)
        stage = self._assistant.hearing(config, plan.stt)
        stage.load()
        return stage


def _hearing_by(config: Config, engine: str, model: str | None = None) -> Config:
    stt = config.stt.model_copy(update={"engine": engine, "model": model})
    return config.model_copy(update={"stt": stt})
