"""The one question of a first run: all models that would be fetched, with their sizes, and one answer for them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from core.app.consent import KeptSettings, Question
from core.app.models import plain_size
from core.app.switch_over import SwitchPlan
from core.app.switch_words import UNKNOWN
from core.messages import Language

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "stt": "to understand free speech",
        "turn": "to cut you off less often when you pause",
        "llm": "to answer any question",
        "tts": "to speak with a more natural voice",
        "each": "  {name} ({size}, from {repository}, licence {licence}), {purpose}",
        "head": "I could do more with these models:",
        "more": "{size} and more",
        "question": "Fetch them ({size} in all) in the background? [Y/n]",
        "declined": "Not fetched; `python3 main.py models download` does it at any time.",
    },
    "fr": {
        "stt": "pour comprendre la parole libre",
        "turn": "pour vous couper moins souvent quand vous marquez une pause",
        "llm": "pour répondre à toute question",
        "tts": "pour parler d'une voix plus naturelle",
        "each": "  {name} ({size}, de {repository}, licence {licence}), {purpose}",
        "head": "Avec ces modèles, je saurais en faire plus :",
        "more": "{size} et plus",
        "question": "Les télécharger ({size} en tout) en arrière-plan ? [O/n]",
        "declined": "Pas de téléchargement ; `python3 main.py models download` le fera à tout moment.",
    },
}


STAGES = ("stt", "turn", "llm", "tts")
"""in the order in which they are named and fetched"""


class Reply(Protocol):
    """What is asked of core.app.consent.Question."""

    def answer(self) -> bool | None: ...

    def press(self, key: str) -> None: ...


class FirstQuestion:
    """Whoever has something to fetch says so by `add`; the first to begin asks for all of them. The main thread's.

    `installing()` says whether packages are being installed; without, what lacks its own is not offered.
    """

    def __init__(
        self,
        language: Language,
        kept: KeptSettings,
        ask: Callable[[Language], Reply] = Question,
        installing: Callable[[], bool] = lambda: False,
    ) -> None:
        self._language: Language = language
        self._kept = kept
        self._ask = ask
        self._installing = installing
        self._added: dict[str, tuple[SwitchPlan, Callable[[], bool]]] = {}
        self._plans: dict[str, SwitchPlan] = {}
        """what is asked for"""
        self._reply: Reply | None = None
        self._answer: bool | None = None
        self._declined_told = False

    def add(self, plan: SwitchPlan, setting: str, usable: Callable[[], bool]) -> None:
        """One more model, whose answer is kept as `setting`; nothing where it is decided already.

        `usable()` says whether the packages that it needs are here.
        """
        if plan.decision == "ask":
            self._added[setting] = plan, usable

    def begin(self) -> list[str]:
        """The question, and begin to listen for its answer; nothing where it was asked before."""
        if self._reply is not None:
            return []
        self._reply = self._ask(self._language)
        come = self._installing()
        self._plans = {setting: plan for setting, (plan, usable) in self._added.items() if come or usable()}
        plans = sorted(self._plans.values(), key=lambda plan: STAGES.index(plan.model.stage))
        if len(plans) == 1:
            return [plans[0].words("question")]
        words = WORDS[self._language]
        listed = [
            words["each"].format(
                name=plan.model.name,
                size=plain_size(plan.model.size_bytes, self._language)
                if plan.model.size_bytes
                else UNKNOWN[self._language]["size"],
                repository=plan.model.repository,
                licence=plan.model.licence or UNKNOWN[self._language]["licence"],
                purpose=words[plan.model.stage],
            )
            for plan in plans
        ]
        together = plain_size(sum(plan.model.size_bytes for plan in plans), self._language)
        if not all(plan.model.size_bytes for plan in plans):
            together = words["more"].format(size=together)
        return [words["head"], *listed, words["question"].format(size=together)]

    def press(self, key: str) -> None:
        """A key that may be the answer; nothing where nothing is asked."""
        if self._reply is not None:
            self._reply.press(key)

    def answer(self) -> bool | None:
        """For all of them, kept as soon as it is there; None until then."""
        if self._answer is None and self._reply is not None:
            self._answer = self._reply.answer()
            if self._answer is not None:
                for setting in self._plans:
                    self._kept.set_setting(setting, "yes" if self._answer else "no")
        return self._answer

    def declined(self) -> list[str]:
        """What to say after a no, to the first who asks for it."""
        told, self._declined_told = self._declined_told, True
        if told:
            return []
        plans = list(self._plans.values())
        return [plans[0].words("declined") if len(plans) == 1 else WORDS[self._language]["declined"]]
