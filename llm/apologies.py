"""What is said instead of a reply of a language model that cannot be, in English and in French."""

from __future__ import annotations

CANNOT_ANSWER = (
    "Sorry, I can't answer that right now. Timers, notes and sums still work.",
    "Désolée, je ne peux pas répondre à cela maintenant. Minuteurs, notes et calculs marchent toujours.",
)
NOT_DONE = ("Sorry, I couldn't do that.", "Désolée, je n'ai pas pu le faire.")
NO_ANSWER = ("Sorry, I have no answer to that.", "Désolée, je n'ai pas de réponse à cela.")
NOT_UNDERSTOOD = (
    "Sorry, I can't do that yet. Ask me what I can do.",
    "Désolée, je ne sais pas encore faire cela. Demandez-moi ce que je sais faire.",
)
"""for what no skill does, where no model is here: one that comes later would say the same again"""
_ALL = frozenset((*CANNOT_ANSWER, *NOT_DONE, *NO_ANSWER, *NOT_UNDERSTOOD))


def is_apology(reply: str) -> bool:
    """Whether it is one of them and nothing else."""
    return reply in _ALL
