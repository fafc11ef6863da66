"""Where no language model is here yet, `talk` begins with the skills; this brings one, after what hears is settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.app import answering, hearing, speaking
from core.app.answering import ENGINE
from core.app.brain import Brain
from core.app.consent import LANGUAGE_SETTING, decision, has_terminal
from core.app.first_engine import FirstEngine
from core.app.first_question import FirstQuestion
from core.app.first_whisper import CLIENT
from core.app.model_fit import ModelFit
from core.app.planned_models import is_fetchable_language_model
from core.app.planning import make_plan
from core.app.setup import FullSetup
from core.app.switch_over import SwitchMeans, SwitchOver, SwitchPlan
from core.optimization.analyzer import SystemAnalyzer
from core.optimization.memory import MemoryBudgets
from core.optimization.profile import MachineProfile
from core.optimization.tuner import PerformanceTuner
from core.utils.config import Config
from core.utils.model_catalogue import KnownModel, known_model
from core.utils.model_store import ModelStore

if TYPE_CHECKING:
    from llm.language_answers import LanguageAnswers


class FirstLanguageModel(FirstEngine):
    """The way from the skills alone to a language model. Does nothing where there is nothing to fetch."""

    def __init__(
        self,
        config: Config,
        brain: Brain,
        say: Callable[[str], None],
        offline: bool,
        question: FirstQuestion | None = None,
    ) -> None:
        super().__init__()
        self._config = config
        self._brain = brain
        self._say = say
        decided = decision(config, brain.store, has_terminal(), LANGUAGE_SETTING)
        model = model_to_fetch(config, ModelStore()) if decided != "no" else None
        self._plan = SwitchPlan(model, decided, brain.language) if model is not None else None
        if self._plan is not None and offline:
            self._said = [self._plan.words("offline")] if config.llm.model is None else []
            self._plan = None  # of one that is named it was told that it is not here
        self._question = question or FirstQuestion(brain.language, brain.store)
        if self._plan is not None:
            self._question.add(self._plan, LANGUAGE_SETTING, _can_fetch)

    @property
    def brings(self) -> bool:
        """Whether a model is fetched, or offered."""
        return self._plan is not None

    def start(self, setup: FullSetup) -> None:
        """Begin; a second call does nothing."""
        plan, brain = self._plan, self._brain
        if plan is None or self._over is not None or not (_can_fetch() or setup.running):
            return
        means = SwitchMeans(
            load=lambda: self._load(plan.model),
            together=self._question,
            say=self._say,
            ready=lambda: not setup.running and _can_fetch(),
        )
        self._over = SwitchOver(plan, brain.responder, means)
        self._said += self._over.start()

    def _load(self, model: KnownModel) -> LanguageAnswers:
        llm = self._config.llm.model_copy(update={"engine": ENGINE, "model": model.name})
        config = self._config.model_copy(update={"llm": llm})
        plan, brain = make_plan(config), self._brain
        brain.memory.budgets = MemoryBudgets.of(plan)
        answers = answering.local_answers(config, plan, brain.responder, model.name, brain.memory)
        answers.load()
        return answers


def model_to_fetch(config: Config, store: ModelStore, profile: MachineProfile | None = None) -> KnownModel | None:
    """The language model that `talk` should fetch while the skills answer; None where nothing is to be done.

    That is with `llm.engine: auto` alone: the model that llm.model names, if it is not here and fits, also one of the
    hub by owner/name; or, where none is here at all, the one whose download was interrupted if it fits, else the
    planned one.
    """
    if config.llm.engine != "auto":
        return None
    models = {model.name: model for model in store.catalogue if model.engine == ENGINE}
    if config.llm.model is not None:
        if not is_fetchable_language_model(config.llm.model, store):
            return None
        named = known_model(config.llm.model, store.catalogue)
        return named if not store.find(named.name) and ModelFit(config, profile).fits(named.name) else None
    if any(store.find(name) for name in models):
        return None
    fit = ModelFit(config, profile)
    begun = next((model for name, model in models.items() if store.begun(name) and fit.fits(name)), None)
    if begun is not None:
        return begun
    engines = hearing.engines_here(config, store) | speaking.engines_here(config, store) | {ENGINE}
    planned = PerformanceTuner(config, engines).plan(profile or SystemAnalyzer().analyze()).llm
    return next((model for model in models.values() if model.size == planned.model), None)


def _can_fetch() -> bool:
    """Whether a model could be fetched and loaded by this process now."""
    return answering.packages_are_here((*answering.PACKAGES, CLIENT))
