"""How long the assistant waits in a pause: "take your time" and back."""

from __future__ import annotations

from llm.skills.base import Action, Context, Intent, Reply, Skill, Undo, choose, reply


def take_time(intent: Intent, context: Context) -> Reply:
    return _set(intent, context, True, en="I'll give you more time to speak.", fr="Je vous laisse plus de temps.")


def be_quick(intent: Intent, context: Context) -> Reply:
    return _set(intent, context, False, en="I'll answer sooner.", fr="Je répondrai plus vite.")


def _set(intent: Intent, context: Context, patient: bool, en: str, fr: str) -> Reply:
    before = context.session.patient
    context.session.patient = patient

    def back() -> None:
        context.session.patient = before

    return reply(intent, en, fr, undo=Undo(back, choose(intent.language, "As it was before.", "Comme avant.")))


_ACTIONS: dict[str, Action] = {"TakeTime": take_time, "BeQuick": be_quick}
SKILL = Skill("patience", _ACTIONS, for_models=())
