"""Several replies as one: what the parts of one breath said and did."""

from __future__ import annotations

from collections.abc import Sequence

from core.messages import Language
from llm.skills.base import Reply, Undo


def joined(replies: Sequence[Reply], language: Language) -> Reply:
    """One reply of several: a question comes last, and the first that is asked is the one an answer is for."""
    asking = [reply for reply in replies if reply.asks]
    ordered = [reply for reply in replies if not reply.asks] + asking[1:] + asking[:1]
    undos = [reply.undo for reply in replies if reply.undo is not None]
    return Reply(
        " ".join(reply.text for reply in ordered if reply.text),
        language,
        undo=undo_of(undos) if undos else None,
        result=next((reply.result for reply in reversed(replies) if reply.result is not None), None),
        understood=all(reply.understood for reply in replies),
        repeatable=any(reply.repeatable for reply in replies),
        asks=asking[0].asks if asking else (),
        any_words=bool(asking) and asking[0].any_words,
    )


def undo_of(undos: Sequence[Undo]) -> Undo:
    """All of them, the last first."""

    def take_back() -> None:
        for undo in reversed(undos):
            undo.action()

    return Undo(take_back, " ".join(dict.fromkeys(undo.said for undo in reversed(undos))))
