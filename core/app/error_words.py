"""What went wrong, in the user's language: errors are worded in English, where they arise; here the common ones are
put into plain French. Of another one French is told that the log has the details, which whoever met it wrote there.
"""

from __future__ import annotations

import re

from core.messages import Language

REST = "le journal en dit plus"
_STAGES = {"listen": "en écoutant", "stt": "en cherchant les mots", "llm": "en répondant", "announce": "en annonçant"}
_WHOLE: tuple[tuple[str, str], ...] = (
    (r"(\S+) cannot be used, (\S+) listens instead: (.*)", "{0} ne peut pas servir, {1} écoute à sa place : {rest}"),
    (
        r"\S+ cannot be used, the skills answer alone: (.*)",
        "le modèle de langue ne peut pas servir, je réponds avec ce que je sais faire : {rest}",
    ),
    (r"(\S+) speaks instead of (\S+): (.*)", "{0} parle à la place de {1} : {rest}"),
    (r"(\S+) speaks where (\S+) cannot: (.*)", "{0} parle là où {1} ne le peut pas : {rest}"),
)
"""lines that hold an error at their end"""
_ERRORS: tuple[tuple[str, str], ...] = (
    (
        r"(\S+): is not on this machine; `models download \S+` fetches it",
        "{0} n'est pas sur cette machine ; `python3 main.py models download {0}` le télécharge",
    ),
    (r"(\S+): there is no such folder.*", "il n'y a pas de dossier {0}"),
    (r".* does not answer \(.*", "le serveur des modèles ne répond pas ; vérifiez le réseau"),
    (
        r"(\S+) does not understand fr, .*",
        "{0} ne comprend que l'anglais ; un modèle multilingue entend le français : `--set stt.model=whisper-base`",
    ),
    (r".*--offline.*", "--offline interdit le réseau"),
    (r".*the connection was lost at .*", "la connexion s'est interrompue ; le téléchargement reprendra où il en était"),
    (r".*(?:connection was cut|trying again).*", "la connexion a été coupée, nouvel essai"),
    (r".*came damaged.*", "ce qui a été reçu est abîmé"),
    (r".*(?:free some space|not enough room|No space left).*", "il manque de la place sur le disque"),
    (r".*(?:not enough memory|memory does not suffice|out of memory|short of memory).*", "la mémoire ne suffit pas"),
    (r".*(?:is|are) not installed.*", "il manque des paquets ; `python3 main.py check` dit lesquels"),
)
_ABSENT = re.compile(r"\S+ cannot be used, the skills answer alone: (\S+): is not on this machine; `.*")
"""a language model that the configuration names and that nobody has fetched: nothing is broken"""
_NOT_YET: dict[Language, tuple[str, str]] = {
    "en": (
        "{name} is not on this machine yet; until it is, my skills answer alone.",
        " `python3 main.py models download {name}` fetches it.",
    ),
    "fr": (
        "{name} n'est pas encore sur cette machine ; d'ici là, je réponds avec ce que je sais faire.",
        " `python3 main.py models download {name}` le télécharge.",
    ),
}


def error_words(text: str, language: Language, comes: bool = False) -> str:
    """An error's text, or a line that ends with one, for the user; `comes`: a missing language model is being brought
    or offered, so that nobody has to fetch it.
    """
    absent = _ABSENT.fullmatch(text)
    if absent is not None:
        not_yet, cure = _NOT_YET[language]
        return (not_yet if comes else not_yet + cure).format(name=absent[1])
    if language != "fr":
        return text
    for pattern, french in _WHOLE:
        found = re.fullmatch(pattern, text, re.DOTALL)
        if found is not None:
            *names, error = found.groups()
            return french.format(*names, rest=_in_french(error))
    return _in_french(text)


def lost_turn(stage: str, error: str, language: Language) -> str:
    """Why a turn was lost, behind the words that it was."""
    if language != "fr":
        return error
    return f"{_STAGES.get(stage, 'en parlant')}, {_in_french(error)}"


def _in_french(error: str) -> str:
    for pattern, french in _ERRORS:
        found = re.fullmatch(pattern, error, re.DOTALL)
        if found is not None:
            return french.format(*found.groups())
    return REST
