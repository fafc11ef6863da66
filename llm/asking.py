"""Asks a small model for a call before it sees what was said: where it has seen answers in words, it gives no other.

A call is read no further than something of it is taken: that takes longer than all else, a token at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from core.utils.errors import InferenceError
from llm.draft import Draft
from llm.hidden_text import HiddenText
from llm.speakable import SpeakableText

logger = logging.getLogger(__name__)


def asked_for_call(pieces: Iterator[str], reply: Draft, enough: Callable[[str], str]) -> Iterator[None]:
    """What the model writes, into the reply if it is calls, which then `acts`; of words nothing is left there.

    `enough` makes a whole call of one that is still being written, as soon as that is possible, and is empty before.
    Yields after each piece, so that whoever waits can end it.
    """
    hidden, asked = HiddenText(), reply.speakable
    reply.speakable = SpeakableText(reply.language)
    try:
        for piece in pieces:
            if "".join(map(hidden.feed, piece)).strip():
                return
            asked.push(piece)
            if Draft(reply.turn, reply.words, asked, reply.language).is_lost:
                return
            if call := enough(asked.open_call):
                asked.end(call)
                break
            yield
        asked.flush()
        if asked.calls:
            reply.speakable, reply.acts = asked, True
    except InferenceError as error:
        logger.warning("turn %d: no call could be asked for: %s", reply.turn, error)
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
