"""Why the last answer took as long as it did, out of the record of its turn."""

from __future__ import annotations

from core.messages import Language
from core.utils.waterfall import Reason, Wait
from llm.skills.base import Context, Intent, Reply, Skill, choose, reply
from llm.skills.spoken import say_number

PART_NAMES = {
    "endpoint": ("waiting to hear if you go on", "l'attente de la fin de votre phrase"),
    "stt": ("understanding the words", "la compréhension de vos mots"),
    "prefill": ("the language model reading", "la lecture par le modèle de langue"),
    "first_token": ("the language model's first word", "le premier mot du modèle de langue"),
    "first_clause": ("the first part of the answer", "le début de la réponse"),
    "first_audio": ("speaking it", "la mise en voix"),
}
"""in English and in French, of `core.utils.waterfall.WAITING`"""


def why_slow(intent: Intent, context: Context) -> Reply:
    if context.session.last_wait is None:
        return reply(
            intent,
            en="I can't say: the times of this conversation are not kept.",
            fr="Je ne sais pas : les temps de cette conversation ne sont pas gardés.",
        )
    wait = context.session.last_wait()
    if wait is None:
        return reply(
            intent,
            en="I can't say: there is no answer before this one of which I know the times.",
            fr="Je ne sais pas : je ne connais les temps d'aucune réponse avant celle-ci.",
        )
    return reply(intent, en=_english(wait), fr=_french(wait))


def _english(wait: Wait) -> str:
    when = "The last time we spoke, it" if wait.earlier else "It"
    usual = "" if wait.usual_ms is None or wait.slow else ", which is about usual"
    part = PART_NAMES[wait.longest.part][0]
    what = "What took longer than usual was" if wait.slow else "The longest part was"
    return (
        f"{when} took {_seconds(wait.waited_ms, 'en')} from your last word to my first sound{usual}. "
        f"{what} {part}: {_against_usual(wait.longest, 'en')}."
    )


def _french(wait: Wait) -> str:
    when = "La dernière fois que nous avons parlé, il" if wait.earlier else "Il"
    usual = "" if wait.usual_ms is None or wait.slow else ", à peu près comme d'habitude"
    part = PART_NAMES[wait.longest.part][1]
    what = "Ce qui a pris plus de temps que d'habitude, c'est" if wait.slow else "Le plus long, c'était"
    return (
        f"{when} s'est passé {_seconds(wait.waited_ms, 'fr')} entre votre dernier mot et mon premier son{usual}. "
        f"{what} {part} : {_against_usual(wait.longest, 'fr')}."
    )


def _against_usual(part: Reason, language: Language) -> str:
    took = _seconds(part.took_ms, language)
    if part.usual_ms is None:
        return took
    return took + choose(
        language,
        f", usually {_tenths(part.usual_ms, language)}",
        f", d'habitude {_tenths(part.usual_ms, language)}",
    )


def _seconds(ms: float, language: Language) -> str:
    """As they are spoken, to a tenth."""
    many = ms >= (1950.0 if language == "fr" else 0.0) and round(ms / 1000, 1) != 1.0
    return f"{_tenths(ms, language)} {choose(language, 'second', 'seconde')}{'s' if many else ''}"


def _tenths(ms: float, language: Language) -> str:
    return say_number(round(ms / 1000, 1), language)


SKILL = Skill("slowness", {"WhySlow": why_slow}, for_models=())
