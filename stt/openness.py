"""Which sentences of a grammar are too open: an open slot with next to nothing beside it would fit any speech."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stt.automaton import OPEN, Chain, Choice, Node, Token

_LEAST_CLOSED = 2


def too_open(nodes: Iterable[Node]) -> Iterator[bool]:
    """Whether some phrase of each begins with an open slot or has fewer than `_LEAST_CLOSED` words beside one."""
    known: dict[Node, _Fewest] = {}
    for node in nodes:
        yield OPEN in _first_words(node) or _fewest_words(node, known).with_open < _LEAST_CLOSED


@dataclass(frozen=True, slots=True)
class _Fewest:
    """The least number of words of a phrase; infinite if there is no such phrase."""

    closed: float
    """of phrases without an open slot"""
    with_open: float
    """of phrases with one, which itself does not count"""


def _fewest_words(node: Node, known: dict[Node, _Fewest]) -> _Fewest:
    """`known`: of nodes looked at before, most of which several others share."""
    found = known.get(node)
    if found is None:
        found = known[node] = _count(node, known)
    return found


def _count(node: Node, known: dict[Node, _Fewest]) -> _Fewest:
    match node:  # without values, as in Token(word): see `_Determiniser._expand`
        case Token():
            return _Fewest(math.inf, 0) if node.word == OPEN else _Fewest(1, math.inf)
        case Choice():
            several = [_fewest_words(option, known) for option in node.options]
            return _Fewest(min(one.closed for one in several), min(one.with_open for one in several))
        case Chain():
            closed, with_open = 0.0, math.inf
            for part in [_fewest_words(one, known) for one in node.parts]:
                with_open = min(with_open + min(part.closed, part.with_open), closed + part.with_open)
                closed += part.closed
            return _Fewest(closed, with_open)
    raise ValueError(f"unknown node {node!r}")


def _first_words(node: Node) -> frozenset[str]:
    """The words a phrase may begin with; the empty one if it may be empty."""
    match node:
        case Token():
            return frozenset({node.word})
        case Choice():
            return frozenset().union(*map(_first_words, node.options))
        case Chain():
            first: frozenset[str] = frozenset({""})
            for part in node.parts:
                if "" not in first:
                    break
                first = (first - {""}) | _first_words(part)
            return first
    raise ValueError(f"unknown node {node!r}")
