"""What is said of the list that was spoken of last, without its name: "delete the second one", "put the apples back",
"relis-la". Only right after something was said of a list or of the notes; any other text is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from core.messages import Language
from llm.skills.base import Intent, Session
from llm.skills.lists import INTENTS as LIST_INTENTS
from llm.skills.normalise import fold
from llm.skills.shopping import INTENTS

_OF_NOTES = frozenset(("AddNote", "ReadNotes", "FindNote", "RemoveNote"))
_REMOVALS = frozenset(("RemoveItem", "RemoveFromList", "ClearItems", "ClearList", "RemoveNote"))
_ELSE = frozenset(("CancelTimer", "RemoveItem", "AddItem"))
"""what "delete the second one" and "add towels" ask for where nothing was said of a list"""
_EN_PLACE = r"(?:the )?(?P<what>first|second|third|fourth|fifth|last)(?: one| item| thing| entry)?"
_FR_PLACE = (
    r"l[ea] (?P<what>premiere?|deuxieme|seconde?|troisieme|quatrieme|cinquieme|derniere?)(?: article| chose| element)?"
)
_PLAIN: dict[str, dict[Language, str]] = {
    "AddItem": {"en": "add {} to {}", "fr": "ajoute {} à {}"},
    "RemoveItem": {"en": "remove {} from {}", "fr": "enlève {} de {}"},
}
_OTHER_LIST = re.compile(
    r"\b(?:lists?|listes?|shopping|groceries|courses|achats|buy|bought|need|achete\w*|out of|plus)\b"
)
"""what is said of the shopping list alone, or of a list by its name"""
Recognise = Callable[[str, Language], Intent | None]

_SAID: dict[Language, tuple[tuple[str, str, str], ...]] = {
    "en": (
        (
            rf"(?:remove|delete|take off|cross off|tick off|check off|scratch|drop) {_EN_PLACE}",
            "remove {what} item from {which}",
            "delete my {what} note",
        ),
        (
            r"what(?:'s| is) (?:on|in) (?:it|there)|read (?:it|that|the list|them)(?: to me| again| back| out)*",
            "read {which}",
            "read my notes",
        ),
        (r"(?:how many|how many things|how many items)(?: are)? on it", "read {which}", "read my notes"),
        (r"(?:clear|empty) (?:it|the list)", "clear {which}", ""),
        (r"add (?P<what>.+?) (?:to|on) (?:it|that list)", "add {what} to {which}", ""),
        (r"remove (?P<what>.+?) from (?:it|that list)", "remove {what} from {which}", ""),
        (
            r"(?:(?:we|i) )?(?:don't|do not) (?:need|buy|want|add|get) (?:the |any )?"
            r"(?P<what>(?!it\b|that\b|this\b|them\b).+?)(?: any ?more)?",
            "remove {what} from {which}",
            "",
        ),
        (
            r"(?:put|add) (?:the )?(?P<what>(?!it\b|them\b|that\b|those\b).+?) back(?: (?:on|to) .+)?",
            "add {what} to {which}",
            "",
        ),
    ),
    "fr": (
        (
            rf"(?:supprime|enleve|retire|efface|raye|barre)[rz]? {_FR_PLACE}",
            "enlève {what} de {which}",
            "supprime la {feminine} note",
        ),
        (
            r"(?:qu'est-ce qu'il y a|qu'y a-t-il|il y a quoi) dessus|re?lis(?:-la|-moi ca)?(?: encore)?|relis la liste",
            "lis {which}",
            "lis mes notes",
        ),
        (r"vide[- ]la|efface[- ]la", "vide {which}", ""),
        (r"(?:ajoute|rajoute)[rz]?[- ]y (?P<what>.+)", "ajoute {what} à {which}", ""),
        (r"(?:ajoute|rajoute)[rz]? (?P<what>.+) (?:dessus|a cette liste)", "ajoute {what} à {which}", ""),
        (
            r"(?:(?:on n'a|je n'ai|nous n'avons|on a|j'ai) plus besoin|n'(?:ajoute|achete)z? pas) (?:de |d'|du |des )"
            r"(?P<what>(?!ca\b|cela\b).+)",
            "enlève {what} de {which}",
            "",
        ),
        (
            r"(?:remets|remettez|rajoute) (?:les |le |la |l'|des |du )?(?P<what>.+?)(?: (?:sur|dans) .+| dessus)?",
            "ajoute {what} à {which}",
            "",
        ),
    ),
}
"""what is said, and what it asks for of a list and of the notes; empty: of these not"""
_BACK = re.compile(r"(?:put|add) (?:it|them|that|those) back(?: (?:on|to) .+)?")
_FEMININE = {"premier": "premiere", "second": "seconde", "dernier": "derniere"}


def of_last_list(
    text: str, whole: Intent | None, language: Language, session: Session, recognise: Recognise
) -> Intent | None:
    """What the text asks for of the list spoken of last; `whole` is what it asks for by itself, if anything."""
    last, said = session.last, fold(text).strip(" .,;:!?")
    if last not in _OF_NOTES | INTENTS | LIST_INTENTS or (whole is not None and whole.name not in _ELSE):
        return None
    if language == "en" and last in _REMOVALS and _BACK.fullmatch(said):
        return recognise("undo", "en")
    for pattern, of_list, of_notes in _SAID[language]:
        found = re.fullmatch(pattern, said)
        sentence = of_notes if last in _OF_NOTES else of_list
        if found is None or not sentence:
            continue
        what = found.groupdict().get("what") or ""
        feminine, what = _FEMININE.get(what, what), _as_said(what, text)
        asked = sentence.format(what=what, feminine=feminine, which=_which(session, language))
        return recognise(asked, language)
    return _of_own_list(whole, said, session, recognise) if whole is not None else None


def _of_own_list(whole: Intent, said: str, session: Session, recognise: Recognise) -> Intent | None:
    """ "Add towels" said of the list of one's own that was spoken of last; None for all else."""
    sentences = _PLAIN.get(whole.name)
    if sentences is None or session.last not in LIST_INTENTS or not session.last_list or _OTHER_LIST.search(said):
        return None
    language = whole.words_language
    return recognise(sentences[language].format(whole.word("item"), _which(session, language)), language)


def _as_said(what: str, text: str) -> str:
    """The words with their accents, where they stand in the text as words of their own."""
    words, count = text.strip(" .,;:!?").split(), len(what.split())
    runs = (" ".join(words[begin : begin + count]) for begin in range(len(words)))
    return next((run for run in runs if fold(run) == what), what)


def _which(session: Session, language: Language) -> str:
    name = session.last_list if session.last in LIST_INTENTS else ""
    if language == "fr":
        return f"ma liste de {name or 'courses'}"
    return f"my {name or 'shopping'} list"
