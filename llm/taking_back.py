"""What a turn did whose speaker went on before anything of its reply was heard: taken back, as if it had not been said.

An action of a skill that can be undone is undone, the exchange leaves the conversation, and "plus five" and the like
go on from what was before. What no skill can undo stays done.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from core.utils.errors import DataError
from llm.skills.base import Context, Session

logger = logging.getLogger(__name__)

REMEMBERED = 4
"""turns: who pauses in every second word is cut off so often, not more"""

_JOINS = frozenset(
    ["and", "or", "but", "plus", "minus", "times", "point", "et", "ou", "mais", "moins", "fois", "virgule"]
)
"""a rest that begins so, "and ten", is none for itself although it can be read as a sum"""


RESTORED = ("speaks", "result", "measured", "last", "told", "undoable", "asked", "patient", "mute_wanted")
"""what of a session the words of a turn change"""


@dataclass(frozen=True, slots=True)
class _Before:
    """What the session remembered before a turn was answered."""

    turn: int
    text: str
    session: Session


class TakingBack:
    """`supersede` may be called from any thread; the rest on the answering stage's."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._done: deque[_Before] = deque(maxlen=REMEMBERED)
        self._superseded: deque[int] = deque(maxlen=REMEMBERED)

    @property
    def pending(self) -> bool:
        """Whether something is to be taken back once the user's whole words are known."""
        return bool(self._superseded)

    def supersede(self, turn: int) -> None:
        """The user has gone on with this turn's words in a new one."""
        self._superseded.append(turn)

    def begin(self, turn: int, text: str) -> None:
        """A turn is about to be answered for good."""
        self._done.append(_Before(turn, text, replace(self._context.session)))

    def answered(self, text: str, is_command: Callable[[str], bool]) -> str:
        """The words to answer, once all are known: what their beginning had done is taken back, the last first.

        A rest that is a command for itself, where both together are none, is answered for itself.
        """
        superseded = set(self._superseded)
        self._superseded.clear()
        before = self._done[-1].text if self._done and self._done[-1].turn in superseded else ""
        rest = text[len(before) :].strip() if before and text.startswith(before) else ""
        if rest and rest.split()[0].casefold() not in _JOINS and not is_command(text) and is_command(rest):
            return rest
        while self._done and self._done[-1].turn in superseded:
            self._undo(self._done.pop())
        return text

    def _undo(self, before: _Before) -> None:
        session, earlier = self._context.session, before.session.undoable
        # a turn that did nothing keeps what can be undone of an earlier one, in a new Undoable
        if session.undoable is not None and (earlier is None or session.undoable.undo is not earlier.undo):
            try:
                session.undoable.undo.action()
            except DataError as error:
                logger.error("turn %d went on, and what it did cannot be taken back: %s", before.turn, error)
        for name in RESTORED:
            setattr(session, name, getattr(before.session, name))
        self._context.conversation.forget(before.turn)
        logger.debug("turn %d is taken back: its speaker went on", before.turn)
