"""Switches the microphone off; only a key can switch it on again, for nobody listens any more."""

from __future__ import annotations

from llm.skills.base import Action, Context, Intent, Reply, Skill, reply


def mute(intent: Intent, context: Context) -> Reply:
    if not context.session.can_mute:
        return reply(
            intent, en="I can't switch the microphone off from here.", fr="Je ne peux pas couper le micro d'ici."
        )
    context.session.mute_wanted = True
    return reply(
        intent,
        en="The microphone goes off. Press M to switch it on again.",
        fr="Je coupe le micro. Appuyez sur M pour le rallumer.",
    )


_ACTIONS: dict[str, Action] = {"Mute": mute}
SKILL = Skill("microphone", _ACTIONS, for_models=())
