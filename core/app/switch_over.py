"""A first run's way from an embedded engine to a better one: ask, fetch, load, exchange; all beside the conversation.

Each step is looked at by `news()`, which never waits. What fails is said once with its cure and costs nothing that
works; the next start goes on from what has been fetched.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from core.app.consent import Decision, Question
from core.app.error_words import error_words
from core.app.model_fetch import FetchState, ModelFetch
from core.app.models import describe, plain_size
from core.app.setup import FIRST_S, OFTEN_S, SELDOM_S
from core.app.switch_words import ANSWERING_WORDS, SPEAKING_WORDS, TURN_WORDS, UNKNOWN
from core.app.switch_words import WORDS as WORDS
from core.messages import Language
from core.utils.errors import MerlineError
from core.utils.model_catalogue import KnownModel

logger = logging.getLogger(__name__)

PACKAGES_S = 2.0
"""between two looks for packages that are still being installed"""
LOADED_S = 5.0
"""how long the end of the program waits for a model that is being loaded"""


class Fetch(Protocol):
    """What is asked of core.app.model_fetch.ModelFetch."""

    def state(self) -> FetchState: ...

    def close(self) -> None: ...


class Reply(Protocol):
    """What is asked of core.app.consent.Question."""

    def answer(self) -> bool | None: ...


class Together(Reply, Protocol):
    """What is asked of core.app.first_question.FirstQuestion."""

    def begin(self) -> list[str]: ...

    def declined(self) -> list[str]: ...


class Engine(Protocol):
    """What is exchanged: loaded, and closed by whoever has it last."""

    def close(self) -> None: ...


class Switch(Protocol):
    """What is asked of stt.switching.SwitchingTranscriber, llm.responder.Responder, tts.synthesizer.Synthesizer and
    stt.endpointing.Endpointing."""

    @property
    def engine_name(self) -> str: ...

    def offer(self, engine: Any, /) -> bool: ...

    def close_retired(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class SwitchPlan:
    """What is to be brought about."""

    model: KnownModel
    decision: Decision
    language: Language = "en"

    def words(self, which: str, present: str = "", reason: str = "") -> str:
        """One of WORDS."""
        model = self.model
        words = {"llm": ANSWERING_WORDS, "tts": SPEAKING_WORDS, "turn": TURN_WORDS}.get(model.stage, WORDS)
        return words[self.language][which].format(
            name=model.name,
            size=plain_size(model.size_bytes, self.language) if model.size_bytes else UNKNOWN[self.language]["size"],
            repository=model.repository,
            licence=model.licence or UNKNOWN[self.language]["licence"],
            present=present,
            reason=reason.rstrip("."),
        )


@dataclass(frozen=True, slots=True)
class SwitchMeans:
    """What it takes; all but `load` return at once."""

    load: Callable[[], Engine]
    """the new engine, loaded and warm; raises MerlineError. Called on a thread of its own"""
    keep: Callable[[bool], None] = lambda answer: None
    """the user's answer, for good"""
    say: Callable[[str], None] | None = None
    """aloud, in the next gap of the conversation; None: what nobody can hear the difference of is not said aloud"""
    ready: Callable[[], bool] = lambda: True
    """whether the packages are here, to fetch and to load with"""
    fetch: Callable[[str], Fetch] = ModelFetch
    ask: Callable[[Language], Reply] = Question
    together: Together | None = None
    """the question that is asked for several models at once, instead of one of its own"""
    now_s: Callable[[], float] = time.monotonic


class _Step(Enum):
    ASKING = auto()
    WAITING = auto()
    FETCHING = auto()
    LOADING = auto()
    OFFERED = auto()
    OVER = auto()


class SwitchOver:
    """One model, one exchange. All methods are the main thread's."""

    def __init__(self, plan: SwitchPlan, switch: Switch, means: SwitchMeans) -> None:
        self._plan = plan
        self._switch = switch
        self._means = means
        self._step = _Step.OVER
        self._reply: Reply | None = None
        self._fetch: Fetch | None = None
        self._loading: _Loading | None = None
        self._hub_silent = False
        self._looked_s = float("-inf")
        self._began_s = self._told_s = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self._step is _Step.OVER

    @property
    def hub_silent(self) -> bool:
        """Whether it has ended because the hub did not answer."""
        return self._hub_silent

    def start(self) -> list[str]:
        """Begin with what was decided; the first lines for the user."""
        if self._plan.decision == "no":
            return []
        if self._plan.decision == "ask":
            self._step, together = _Step.ASKING, self._means.together
            self._reply = together or self._means.ask(self._plan.language)
            return together.begin() if together else [self._words("question")]
        self._step = _Step.WAITING
        return []

    def news(self) -> list[str]:
        """Take the next step if it can be taken; what there is to tell, usually nothing."""
        match self._step:
            case _Step.ASKING:
                return self._hear_answer()
            case _Step.WAITING:
                return self._begin()
            case _Step.FETCHING:
                return self._follow()
            case _Step.LOADING:
                return self._take_loaded()
            case _Step.OFFERED if self._switch.close_retired():
                self._step = _Step.OVER
                if self._means.say is not None:
                    self._means.say(self._words("aloud"))
                return [self._words("switched")]
        return []

    def stop(self) -> None:
        """End whatever is under way; what has been fetched stays. A model that is loaded too late is closed."""
        self._step = _Step.OVER
        if self._fetch is not None:
            self._fetch.close()
            self._fetch = None
        if self._loading is not None:
            self._loading.abandon(LOADED_S)
            self._loading = None

    def _hear_answer(self) -> list[str]:
        answer = self._reply.answer() if self._reply else None
        if answer is None:
            return []
        self._means.keep(answer)
        self._step = _Step.WAITING if answer else _Step.OVER
        if answer:
            return []
        return self._means.together.declined() if self._means.together else [self._words("declined")]

    def _begin(self) -> list[str]:
        now_s = self._means.now_s()
        if now_s - self._looked_s < PACKAGES_S:
            return []
        self._looked_s = now_s
        if not self._means.ready():
            return []
        self._began_s = self._told_s = now_s
        self._fetch = self._means.fetch(self._plan.model.name)
        self._step = _Step.FETCHING
        return [self._words("begun")]

    def _follow(self) -> list[str]:
        assert self._fetch is not None
        state = self._fetch.state()
        if state.failure is not None or state.done:
            self._fetch.close()
            self._fetch = None
        if state.failure is not None:
            self._hub_silent = state.hub_silent
            return self._failed(state.failure)
        if state.done:
            self._step, self._loading = _Step.LOADING, _Loading(self._means.load)
            return []
        now_s = self._means.now_s()
        pause_s = OFTEN_S if now_s - self._began_s < FIRST_S else SELDOM_S
        if state.progress is None or now_s - self._told_s < pause_s:
            return []
        self._told_s = now_s
        return [describe(state.progress, self._plan.language)]

    def _take_loaded(self) -> list[str]:
        assert self._loading is not None
        if self._loading.running:
            return []
        loading, self._loading = self._loading, None
        if loading.stage is None:
            return self._failed(loading.failure)
        if not self._switch.offer(loading.stage):
            loading.stage.close()
            self._step = _Step.OVER
            return []
        self._step = _Step.OFFERED
        return self.news()

    def _failed(self, reason: str) -> list[str]:
        logger.warning("%s: %s", self._plan.model.name, reason)
        self._step = _Step.OVER
        return [self._words("failed", error_words(reason, self._plan.language))]

    def _words(self, which: str, reason: str = "") -> str:
        return self._plan.words(which, self._switch.engine_name, reason)


class _Loading:
    """An engine being loaded on a thread of its own."""

    def __init__(self, load: Callable[[], Engine]) -> None:
        self.stage: Engine | None = None
        self.failure = "loading it ended unexpectedly; the log says more"
        self._load = load
        self._thread = threading.Thread(target=self._run, name="merline-load", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def abandon(self, wait_s: float) -> None:
        """Wait for the end of it, and give back what it brought."""
        self._thread.join(wait_s)
        if self.running:
            logger.warning("a model was still being loaded at the end")
        elif self.stage is not None:
            self.stage.close()

    def _run(self) -> None:
        try:
            self.stage = self._load()
        except MerlineError as error:
            self.failure = str(error)
