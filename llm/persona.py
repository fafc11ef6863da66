"""What a language model is told before the conversation: who it is, how it speaks, the date, and remembered facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.messages import Language
from llm.skills.spoken import say_date, say_time

MOST_FACTS = 40
"""the latest ones; each costs a dozen tokens of every prompt"""

PERSONA: dict[Language, str] = {
    "en": "You are Merline, a voice assistant that lives on the user's own computer. Your replies are spoken aloud: "
    "answer in one to three short, plain sentences, without lists, headings, code, links or emoji, and write no "
    "thoughts down. {language} If you do not know, say so. You have no internet and cannot see the screen.",
    "fr": "Tu es Merline, une assistante vocale qui vit sur l'ordinateur de l'utilisateur. Tes réponses sont dites à "
    "voix haute : réponds en une à trois phrases courtes et simples, sans liste, titre, code, lien ni émoji, et "
    "n'écris pas tes réflexions. {language} Si tu ne sais pas, dis-le. Tu n'as pas internet et tu ne vois pas l'écran.",
}
THEIRS: dict[Language, str] = {
    "en": "Always answer in the language of the user's last message.",
    "fr": "Réponds toujours dans la langue du dernier message de l'utilisateur.",
}
ASKED_FOR: dict[Language, str] = {
    "en": "The user has asked you to speak English: always answer in English, whatever language they use.",
    "fr": "L'utilisateur t'a demandé de parler français : réponds toujours en français, quelle que soit sa langue.",
}
TOOLS: dict[Language, str] = {
    "en": "Call a function only when the user asks for what it does, with the values they gave; otherwise just answer.",
    "fr": "N'appelle une fonction que si l'utilisateur demande ce qu'elle fait, avec les valeurs qu'il a données ; "
    "sinon réponds simplement.",
}
BEGAN: dict[Language, str] = {
    "en": "Today is {date}, {year}; this conversation began at {time}.",
    "fr": "Nous sommes le {date} {year} ; cette conversation a commencé à {time}.",
}
FACTS: dict[Language, str] = {
    "en": "The user asked you to remember, in their words:",
    "fr": "L'utilisateur t'a demandé de retenir, dans ses mots :",
}


def system_prompt(
    language: Language, began: datetime, facts: Sequence[str], with_tools: bool, speaks: Language | None = None
) -> str:
    """The whole of it. The time is that of the start: a running clock would make every prompt new.

    Where the user has asked for a language, `speaks`, the instructions are in it and ask for it.
    """
    answer_in = THEIRS[language] if speaks is None else ASKED_FOR[speaks]
    language = speaks or language
    told = BEGAN[language].format(date=say_date(began, language), year=began.year, time=say_time(began, language))
    parts = [PERSONA[language].format(language=answer_in), *([TOOLS[language]] if with_tools else []), told]
    if facts:
        parts.append("\n".join([FACTS[language], *(f"- {fact}" for fact in facts[-MOST_FACTS:])]))
    return "\n".join(parts)
