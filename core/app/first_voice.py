"""Where no MeloTTS voice is here yet, `talk` begins with espeak-ng; this brings one, after what hears and answers."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import replace
from functools import partial

from core.app import answering, hearing
from core.app.assistant import Assistant
from core.app.brain import Brain
from core.app.consent import VOICE_SETTING, decision, has_terminal
from core.app.first_engine import FirstEngine
from core.app.first_question import FirstQuestion
from core.app.first_whisper import CLIENT
from core.app.planning import make_plan
from core.app.setup import FullSetup
from core.app.speaking import ENGINE, PACKAGES, make_engine, voice_for
from core.app.switch_over import SwitchMeans, SwitchOver, SwitchPlan
from core.messages import Language
from core.optimization.analyzer import SystemAnalyzer
from core.optimization.memory import MemoryBudgets
from core.optimization.profile import MachineProfile
from core.utils.config import Config
from core.utils.model_catalogue import KnownModel, with_needs
from core.utils.model_store import ModelStore
from tts.engine import SpeechEngine


class FirstVoice(FirstEngine):
    """The way from espeak-ng to a MeloTTS voice. Does nothing where there is nothing to fetch."""

    def __init__(
        self, config: Config, assistant: Assistant, brain: Brain, offline: bool, question: FirstQuestion | None = None
    ) -> None:
        super().__init__()
        self._config = config
        self._assistant = assistant
        self._brain = brain
        self._setup: FullSetup | None = None
        """while it installs packages"""
        decided = decision(config, brain.store, has_terminal(), VOICE_SETTING)
        model = model_to_fetch(config, ModelStore(), brain.language) if decided != "no" else None
        self._plan = SwitchPlan(model, decided, brain.language) if model is not None else None
        if self._plan is not None and offline:
            self._said = [self._plan.words("offline")] if config.tts.voice is None else []
            self._plan = None
        self._question = question or FirstQuestion(brain.language, brain.store)
        if self._plan is not None:
            self._question.add(self._plan, VOICE_SETTING, partial(can_fetch, self._plan.model))

    def start(self, setup: FullSetup) -> None:
        """Begin; a second call does nothing."""
        plan = self._plan
        if plan is None or self._over is not None:
            return
        self._setup = setup if setup.running else None
        if self._setup is None and not self._usable(plan):
            return
        means = SwitchMeans(
            load=lambda: self._load(plan.model),
            together=self._question,
            say=self._assistant.say,
            ready=lambda: not setup.running and can_fetch(plan.model),
        )
        self._over = SwitchOver(plan, self._assistant.synthesizer, means)
        self._said += self._over.start()

    def news(self) -> list[str]:
        """Lines for the user; usually none."""
        if self._plan is not None and self._setup is not None and not self._setup.running:
            self._setup = None
            if not self._usable(self._plan):
                self.stop()
        return super().news()

    def _usable(self, plan: SwitchPlan) -> bool:
        """Whether its packages are here; what lacks is said, once, and nothing more is tried."""
        missing = missing_packages(plan.model)
        if missing:
            self._plan = None
            if self._config.tts.voice is not None or set(missing).isdisjoint(PACKAGES):
                self._said.append(plan.words("packages", reason=", ".join(missing)))
        return not missing

    def _load(self, model: KnownModel) -> SpeechEngine:
        tts = self._config.tts.model_copy(update={"engine": ENGINE, "voice": model.name})
        config = self._config.model_copy(update={"tts": tts})
        plan = make_plan(config)
        self._brain.memory.budgets = MemoryBudgets.of(plan)
        engine = make_engine(config, self._assistant.speaking_parts, plan)
        engine.load()
        return engine


def model_to_fetch(
    config: Config, store: ModelStore, language: Language, profile: MachineProfile | None = None
) -> KnownModel | None:
    """The voice that `talk` should fetch while espeak-ng speaks; None where nothing is to be done.

    That is with `tts.engine: auto` alone: the one that tts.voice names, if it is not here; or, where no voice is here
    and the plan would take one, that of the language. Its size is that of all that is to be fetched with it.
    """
    if config.tts.engine != "auto":
        return None
    voices = {model.name: model for model in store.catalogue if model.engine == ENGINE}
    wanted = config.tts.voice
    if wanted is not None:
        missing = [name for name in ([wanted] if isinstance(wanted, str) else wanted) if name in voices]
        missing = [name for name in missing if not store.find(name)]
        return _with_size(voices[missing[0]], store) if missing else None
    if any(store.find(name) for name in voices):
        return None
    engines = hearing.engines_here(config, store) | answering.engines_here(config, store) | {ENGINE}
    planned = answering.tuner(config, engines, store).plan(profile or SystemAnalyzer().analyze())
    return _with_size(voices[voice_for(language, store)], store) if planned.tts.engine == ENGINE else None


def can_fetch(model: KnownModel) -> bool:
    """Whether this voice could be fetched and loaded by this process now."""
    return not missing_packages(model)


def missing_packages(model: KnownModel) -> list[str]:
    """What this process cannot import and needs for it, front end included; import names."""
    from tts.melo.text.front_ends import FRONT_ENDS

    importlib.invalidate_caches()
    front_end = FRONT_ENDS["zh-en" if model.size == "zh" else model.size]
    return [name for name in (*PACKAGES, CLIENT, *front_end.packages) if importlib.util.find_spec(name) is None]


def _with_size(model: KnownModel, store: ModelStore) -> KnownModel:
    missing = [one for one in with_needs(model.name, store.catalogue) if one is model or not store.find(one.name)]
    return replace(model, size_bytes=sum(one.size_bytes for one in missing))
