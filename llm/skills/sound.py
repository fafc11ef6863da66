"""How the assistant speaks: louder, softer, faster, slower, in which language."""

from __future__ import annotations

from core.messages import Language
from core.utils.voice import RATE_RANGE, VOLUME_RANGE, Voice
from llm.skills.base import Action, Context, Intent, Reply, Skill, Undo, choose, reply

STEP_VOLUME = 1.6
"""about 4 dB"""
STEP_RATE = 1.2


def louder(intent: Intent, context: Context) -> Reply:
    if context.voice.current.volume >= VOLUME_RANGE[1]:
        return reply(intent, en="That's as loud as I can. Try the speaker's own volume.",
                     fr="C'est mon maximum. Essayez le volume du haut-parleur.")  # fmt: skip
    return _changed(intent, context, volume=STEP_VOLUME, en="Is this better?", fr="C'est mieux ainsi ?")


def softer(intent: Intent, context: Context) -> Reply:
    return _changed(intent, context, volume=1 / STEP_VOLUME, en="I'll speak more softly.", fr="Je parle moins fort.")


def faster(intent: Intent, context: Context) -> Reply:
    if context.voice.current.rate >= RATE_RANGE[1]:
        return reply(intent, en="That's as fast as I can.", fr="Je ne peux pas parler plus vite.")
    return _changed(intent, context, rate=STEP_RATE, en="I'll speak faster.", fr="Je parle plus vite.")


def slower(intent: Intent, context: Context) -> Reply:
    if context.voice.current.rate <= RATE_RANGE[0]:
        return reply(intent, en="That's as slow as I can.", fr="Je ne peux pas parler plus lentement.")
    return _changed(intent, context, rate=1 / STEP_RATE, en="I'll speak slower.", fr="Je parle plus lentement.")


def set_volume(intent: Intent, context: Context) -> Reply:
    percent = min(max(intent.number("percent") or 0.0, 0.0), 100.0)
    wanted = max(percent / 100, VOLUME_RANGE[0])
    factor = wanted / context.voice.current.volume
    return _changed(
        intent, context, volume=factor, en=f"Volume {percent:.0f} percent.", fr=f"Volume à {percent:.0f} %."
    )


def speak_language(intent: Intent, context: Context) -> Reply:
    """From now on the answers are in one language, whatever the questions are in."""
    language: Language = "fr" if intent.word("language") == "fr" else "en"
    session = context.session
    before, session.speaks = session.speaks, language

    def back() -> None:
        session.speaks = before

    said = choose(language, "I'll speak English.", "Je parle français maintenant.")
    return Reply(said, language, Undo(back, choose(intent.language, "As it was before.", "Comme avant.")))


def normal_voice(intent: Intent, context: Context) -> Reply:
    now = context.voice.current
    normal = Voice()
    return _changed(
        intent,
        context,
        volume=normal.volume / now.volume,
        rate=normal.rate / now.rate,
        en="Back to my normal voice.",
        fr="Je reprends ma voix normale.",
    )


def _changed(intent: Intent, context: Context, en: str, fr: str, volume: float = 1.0, rate: float = 1.0) -> Reply:
    before = context.voice.current
    context.voice.change(volume, rate)

    def back() -> None:
        now = context.voice.current
        context.voice.change(before.volume / now.volume, before.rate / now.rate)

    undo = Undo(back, choose(intent.language, "As it was before.", "Comme avant."))
    return reply(intent, en, fr, undo=undo)


_ACTIONS: dict[str, Action] = {
    "Louder": louder,
    "Softer": softer,
    "Faster": faster,
    "Slower": slower,
    "SetVolume": set_volume,
    "SpeakLanguage": speak_language,
    "NormalVoice": normal_voice,
}
SKILL = Skill("sound", _ACTIONS, for_models=())
