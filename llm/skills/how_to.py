"""How something is asked for, by an example: "how do I set a timer", "can you set alarms". Does none of it."""

from __future__ import annotations

from llm.skills.base import Context, Intent, Reply, Skill, reply

_EXAMPLES = {
    "timer": ("set a timer for ten minutes", "mets un minuteur de dix minutes"),
    "alarm": ("wake me at seven tomorrow", "réveille-moi demain à sept heures"),
    "reminder": ("remind me at six to call Ann", "rappelle-moi à dix-huit heures d'appeler Anne"),
    "note": ("take a note: the key is under the mat", "prends une note : la clé est sous le paillasson"),
    "list": ("add milk to my shopping list", "ajoute du lait à ma liste de courses"),
    "sum": ("what is twelve times nine", "combien font douze fois neuf"),
    "unit": ("convert five miles to kilometers", "convertis cinq miles en kilomètres"),
}


def how_to(intent: Intent, context: Context) -> Reply:
    english, french = _EXAMPLES[intent.word("what_for")]
    return reply(intent, en=f'Say, for instance, "{english}".', fr=f"Dites par exemple « {french} ».")


SKILL = Skill("how_to", {"HowTo": how_to}, for_models=())
