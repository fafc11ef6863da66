"""How the assistant speaks: louder, softer, faster, slower, in which language."""

from __future__ import annotations

import re

from core.messages import Language
from core.utils.voice import RATE_RANGE, VOLUME_RANGE, Voice
from llm.skills.base import Action, Context, Intent, Reply, Skill, Undo, choose, reply
from llm.skills.smalltalk import languages

STEP_VOLUME = 1.6
"""about 4 dB"""
STEP_RATE = 1.2
LOUD_AGAIN = 0.5
"""the volume that "unmute" gives where it was not muted by voice"""
_ABLE = re.compile(
    r"\W*(?:(?:hey|ok|okay|so|and|also|merline)\W+)*(?:(?:can|could) you (?:also )?|(?:est-ce que )?(?:tu peux|peux-tu|"
    r"vous pouvez|pouvez-vous|tu sais|sais-tu) (?:aussi )?)(?:speak|talk|parler) (?:en |in |l[e'’] ?)?"
    r"(?:french|english|français|francais|anglais)\W*",
    re.IGNORECASE,
)
"""asks whether, not to"""


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
    if percent / 100 < VOLUME_RANGE[0]:
        return silence(intent, context)
    wanted = percent / 100
    factor = wanted / context.voice.current.volume
    return _changed(
        intent, context, volume=factor, en=f"Volume {percent:.0f} percent.", fr=f"Volume à {percent:.0f} %."
    )


def speak_language(intent: Intent, context: Context) -> Reply:
    """From now on the answers are in one language, whatever the questions are in."""
    if _ABLE.fullmatch(intent.text):
        return languages(intent, context)
    language: Language = "fr" if intent.word("language") == "fr" else "en"
    session = context.session
    before, session.speaks = session.speaks, language

    def back() -> None:
        session.speaks = before

    said = choose(language, "I'll speak English.", "Je parle français maintenant.")
    taken_back = choose(intent.language, "I'll speak as before.", "Je parle comme avant.")
    return Reply(said, language, Undo(back, taken_back))


def tell_volume(intent: Intent, context: Context) -> Reply:
    percent = round(context.voice.current.volume * 100)
    return reply(intent, en=f"My volume is {percent} percent.", fr=f"Mon volume est à {percent} %.")


def silence(intent: Intent, context: Context) -> Reply:
    """As quiet as can be; the words that say how to undo it are said so too."""
    return _changed(
        intent,
        context,
        volume=VOLUME_RANGE[0] / context.voice.current.volume,
        en='As quiet as I can. Say "unmute" to hear me again.',
        fr="Je parle tout bas. Dites « remets le son » pour m'entendre de nouveau.",
    )


def sound(intent: Intent, context: Context) -> Reply:
    """As loud as it was before it was muted."""
    session, now = context.session, context.voice.current
    done = session.undoable
    if done is not None and done.intent is not None and done.intent.name == "Silence":
        done.undo.action()
        session.undoable = None
    elif now.volume < LOUD_AGAIN:
        context.voice.change(LOUD_AGAIN / now.volume)
    percent = round(context.voice.current.volume * 100)
    return reply(intent, en=f"I'm back, at {percent} percent.", fr=f"Me revoici, à {percent} %.")


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

    undo = Undo(back, choose(intent.language, "My voice is as it was before.", "Ma voix est comme avant."))
    return reply(intent, en, fr, undo=undo)


_ACTIONS: dict[str, Action] = {
    "Louder": louder,
    "Softer": softer,
    "Faster": faster,
    "Slower": slower,
    "SetVolume": set_volume,
    "TellVolume": tell_volume,
    "Silence": silence,
    "Sound": sound,
    "SpeakLanguage": speak_language,
    "NormalVoice": normal_voice,
}
SKILL = Skill("sound", _ACTIONS, for_models=())
