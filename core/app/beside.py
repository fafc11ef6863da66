"""What goes on beside a conversation: the machine's speed, packages, models and voices come; memory is looked at."""

from __future__ import annotations

import gc
from typing import Literal

from core.app.assistant import Assistant, Engines
from core.app.brain import Brain
from core.app.consent import LANGUAGE_SETTING, SETTING, VOICE_SETTING, decision, has_terminal
from core.app.first_language_model import FirstLanguageModel
from core.app.first_question import FirstQuestion
from core.app.first_run import FirstRun
from core.app.first_turn_model import FirstTurnModel
from core.app.first_voice import FirstVoice
from core.app.logs import DriversLog
from core.app.memory_watch import MemoryWatch
from core.app.setup import FullSetup
from core.app.speed_beside import SpeedBeside
from core.app.voice_beside import VoiceBeside
from core.messages import Language
from core.optimization.catalogue import EMBEDDED_ENGINES
from core.optimization.plan import Plan
from core.utils.config import Config


class Beside:
    """One after the other: what hears and what judges pauses, what answers, what speaks. All is the main thread's."""

    def __init__(self, config: Config, assistant: Assistant, brain: Brain, plan: Plan, offline: bool) -> None:
        self._config = config
        self._assistant = assistant
        self._plan = plan
        self._brain = brain
        self._offline = offline
        self._setup = FullSetup(config, offline=offline, language=brain.language)
        self._question = question = self._new_question()
        self._hearing = FirstRun(config, assistant, brain, offline, question)
        self._judging = FirstTurnModel(config, assistant, brain, offline)
        self._answering = FirstLanguageModel(config, brain, assistant.say, offline, question)
        self._speaking = FirstVoice(config, assistant, brain, offline, question)
        self._voice = VoiceBeside(config, assistant, plan)
        self._speed = SpeedBeside()
        unload_s = 60.0 * config.idle.unload_minutes or None
        self._memory = MemoryWatch(brain.memory, brain.language, unload_s=unload_s, at_rest=lambda: assistant.at_rest)
        self._drivers = DriversLog(config.log)
        self._step: Literal["voice", "speed", "models"] = "voice"
        """what is waited for, one after the other"""

    def engines(self) -> Engines:
        """To begin with: as planned, but such that better ones can take their place."""
        return self._voice.engines(self._hearing.engines(self._plan.stt), self._brain.voice)

    def load_voice(self) -> None:
        """Begin to load the planned voice, while the first words may be spoken by the embedded one."""
        self._voice.start()

    def start(self) -> None:
        """Begin the rest, once the assistant listens; the templates of the other language are read first."""
        self._brain.recogniser.load()
        gc.freeze()  # they live until the end, as what was loaded before them
        self._go_on()

    def _go_on(self) -> None:
        """Measure first, and alone: what is fetched is chosen by the figures, which tell of the whole machine."""
        if self._step == "voice" and not self._voice.loading:
            self._step = "speed"
            if self._speed_matters():
                self._speed.start()
        if self._step == "speed" and not self._speed.goes_on():
            self._step = "models"
            if self._speed.done:
                self._decide_again()
            self._setup.start()
            self._judging.decide(self._question, self._setup, whisper_comes=self._hearing.fetches)
            self._hearing.start(self._setup)

    def _speed_matters(self) -> bool:
        """Whether engines are here, or may be fetched, that a machine can be too slow for."""
        plan, settings = self._plan, (SETTING, LANGUAGE_SETTING, VOICE_SETTING)
        if not {plan.stt.engine, plan.llm.engine, plan.tts.engine} <= EMBEDDED_ENGINES:
            return True
        kept, terminal = self._brain.store, has_terminal()
        return not self._offline and any(decision(self._config, kept, terminal, one) != "no" for one in settings)

    def _decide_again(self) -> None:
        config, assistant, brain, offline = self._config, self._assistant, self._brain, self._offline
        self._question = question = self._new_question()
        self._hearing.decide(question)
        self._answering = FirstLanguageModel(config, brain, assistant.say, offline, question)
        self._speaking = FirstVoice(config, assistant, brain, offline, question)

    def _new_question(self) -> FirstQuestion:
        return FirstQuestion(self._brain.language, self._brain.store, installing=lambda: self._setup.running)

    @property
    def language(self) -> Language:
        """Of what is told."""
        return self._brain.language

    @property
    def brings_language_model(self) -> bool:
        """Whether one is fetched, or offered."""
        return self._answering.brings

    @property
    def measuring(self) -> bool:
        """Whether what is fetched is yet to be decided."""
        return self._step != "models"

    def press(self, key: str) -> None:
        """A key that may answer what is asked."""
        self._question.press(key)

    def news(self) -> list[str]:
        """Go on with what is due; lines for the user, usually none."""
        self._drivers.shorten()
        if self.measuring:
            self._go_on()
        if self.measuring:
            return self._memory.news()
        parts = (self._setup, self._hearing, self._judging, self._answering, self._speaking, self._memory)
        lines = [text for part in parts for text in part.news()]
        for part, following in (
            (self._hearing, self._judging),
            (self._judging, self._answering),
            (self._answering, self._speaking),
        ):
            if not part.over or part.hub_silent:
                break
            following.start(self._setup)
        return lines

    def stop(self) -> None:
        """End what is under way; the next start goes on from there."""
        engines = (self._hearing, self._judging, self._answering, self._speaking)
        for part in (self._speed, *engines, self._setup, self._voice):
            part.stop()
