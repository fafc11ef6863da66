"""What a first run says of the models that it fetches, in both languages: to hear, to answer, to speak and to judge
pauses."""

from __future__ import annotations

from core.messages import Language

UNKNOWN: dict[Language, dict[str, str]] = {
    "en": {"size": "its size is told as it begins", "licence": "as its page says"},
    "fr": {"size": "sa taille sera dite au début", "licence": "indiquée sur sa page"},
}
"""of a model that only the hub knows, which is not asked before the user agrees"""

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "question": "Fetch {name} ({size}, from {repository}, licence {licence}) in the background, to understand free "
        "speech? [Y/n]",
        "declined": "Not fetched; `python3 main.py models download {name}` does it at any time.",
        "offline": "{name} ({size}) would understand free speech; --offline forbids fetching it. All else works.",
        "begun": "fetching {name} ({size}) in the background; talk meanwhile.",
        "failed": "{name} cannot be used yet: {reason}. {present} goes on listening; the next start tries again.",
        "switched": "{name} listens from now on.",
        "aloud": "I understand free speech now.",
    },
    "fr": {
        "question": "Télécharger {name} ({size}, de {repository}, licence {licence}) en arrière-plan, pour comprendre "
        "la parole libre ? [O/n]",
        "declined": "Pas de téléchargement ; `python3 main.py models download {name}` le fera à tout moment.",
        "offline": "{name} ({size}) comprendrait la parole libre ; --offline interdit de le télécharger. Tout le reste "
        "marche.",
        "begun": "téléchargement de {name} ({size}) en arrière-plan ; parlez, je vous écoute.",
        "failed": "{name} ne peut pas encore servir : {reason}. {present} continue d'écouter ; le prochain démarrage "
        "essaiera de nouveau.",
        "switched": "{name} écoute désormais.",
        "aloud": "Je comprends désormais la parole libre.",
    },
}

ANSWERING_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "question": "Fetch {name} ({size}, from {repository}, licence {licence}) in the background, to answer any "
        "question? [Y/n]",
        "declined": "Not fetched; `python3 main.py models download {name}` does it at any time.",
        "offline": "{name} ({size}) would answer any question; --offline forbids fetching it. All else works.",
        "begun": "fetching {name} ({size}) in the background; talk meanwhile.",
        "failed": "{name} cannot be used yet: {reason}. The skills go on answering; the next start tries again.",
        "switched": "{name} answers from now on.",
        "aloud": "I can answer any question now.",
    },
    "fr": {
        "question": "Télécharger {name} ({size}, de {repository}, licence {licence}) en arrière-plan, pour répondre à "
        "toute question ? [O/n]",
        "declined": "Pas de téléchargement ; `python3 main.py models download {name}` le fera à tout moment.",
        "offline": "{name} ({size}) répondrait à toute question ; --offline interdit de le télécharger. Tout le reste "
        "marche.",
        "begun": "téléchargement de {name} ({size}) en arrière-plan ; parlez, je vous écoute.",
        "failed": "{name} ne peut pas encore servir : {reason}. Je continue de répondre comme avant ; le prochain "
        "démarrage essaiera de nouveau.",
        "switched": "{name} répond désormais.",
        "aloud": "Je peux désormais répondre à toute question.",
    },
}

SPEAKING_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "question": "Fetch {name} ({size} with what it needs, from {repository}, licence {licence}) in the background, "
        "to speak with a more natural voice? [Y/n]",
        "declined": "Not fetched; `python3 main.py models download {name}` does it at any time.",
        "offline": "{name} ({size}) would speak more naturally; --offline forbids fetching it. All else works.",
        "packages": "{name} would speak more naturally, but {reason} is not installed: `MERLINE_EXTRAS=melo python3 "
        "main.py` installs it.",
        "begun": "fetching {name} ({size}) in the background; talk meanwhile.",
        "failed": "{name} cannot be used yet: {reason}. {present} goes on speaking; the next start tries again.",
        "switched": "{name} speaks from now on.",
        "aloud": "This is my new voice.",
    },
    "fr": {
        "question": "Télécharger {name} ({size} avec ce qu'il lui faut, de {repository}, licence {licence}) en "
        "arrière-plan, pour parler d'une voix plus naturelle ? [O/n]",
        "declined": "Pas de téléchargement ; `python3 main.py models download {name}` le fera à tout moment.",
        "offline": "{name} ({size}) parlerait plus naturellement ; --offline interdit de le télécharger. Tout le reste "
        "marche.",
        "packages": "{name} parlerait plus naturellement, mais {reason} n'est pas installé : `MERLINE_EXTRAS=melo "
        "python3 main.py` l'installe.",
        "begun": "téléchargement de {name} ({size}) en arrière-plan ; parlez, je vous écoute.",
        "failed": "{name} ne peut pas encore servir : {reason}. {present} continue de parler ; le prochain démarrage "
        "essaiera de nouveau.",
        "switched": "{name} parle désormais.",
        "aloud": "Voici ma nouvelle voix.",
    },
}

TURN_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "question": "Fetch {name} ({size}, from {repository}, licence {licence}) in the background, to cut you off "
        "less often when you pause? [Y/n]",
        "declined": "Not fetched; `python3 main.py models download {name}` does it at any time.",
        "offline": "{name} ({size}) would cut you off less often when you pause; --offline forbids fetching it.",
        "lacking": "{name} ({size}, licence {licence}) would cut you off less often when you pause: `python3 main.py "
        "models download {name}`",
        "begun": "fetching {name} ({size}) in the background; talk meanwhile.",
        "failed": "{name} cannot be used yet: {reason}. Pauses are judged by the words alone; the next start "
        "tries again.",
        "switched": "{name} hears from now on whether you have finished.",
    },
    "fr": {
        "question": "Télécharger {name} ({size}, de {repository}, licence {licence}) en arrière-plan, pour vous couper "
        "moins souvent quand vous marquez une pause ? [O/n]",
        "declined": "Pas de téléchargement ; `python3 main.py models download {name}` le fera à tout moment.",
        "offline": "{name} ({size}) vous couperait moins souvent quand vous marquez une pause ; --offline interdit de "
        "le télécharger.",
        "lacking": "{name} ({size}, licence {licence}) vous couperait moins souvent quand vous marquez une pause : "
        "`python3 main.py models download {name}`",
        "begun": "téléchargement de {name} ({size}) en arrière-plan ; parlez, je vous écoute.",
        "failed": "{name} ne peut pas encore servir : {reason}. Je juge vos pauses aux seuls mots ; le prochain "
        "démarrage essaiera de nouveau.",
        "switched": "{name} entend désormais si vous avez fini.",
    },
}
