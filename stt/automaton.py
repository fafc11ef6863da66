"""A minimal word automaton for a set of phrases: shared beginnings and endings are stored once.

pocketsphinx expands a JSGF grammar into one copy per use of each rule, which for a few hundred templates takes seconds
and hundreds of megabytes; the equivalent minimal automaton takes a fraction. Phrases are finite but for open slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

OPEN = "*"
"""The label of an open slot's loop."""


class Node:
    """A piece of a phrase. Nodes are compared by identity, so share them."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class Token(Node):
    """One word, or `OPEN`: any speech, one phone or more."""

    word: str


@dataclass(frozen=True, slots=True, eq=False)
class Chain(Node):
    """All of the parts in order; without parts: nothing to say."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Choice(Node):
    """One of the options."""

    options: tuple[Node, ...]


NOTHING = Chain(())


def phrase(text: str) -> Node:
    """The words of a text, in order."""
    return Chain(tuple(Token(word) for word in text.split()))


def choice(options: Iterable[Node]) -> Node:
    """One of the options; alone if there is only one."""
    several = tuple(options)
    return several[0] if len(several) == 1 else Choice(several)


def optional(node: Node) -> Node:
    """The node or nothing."""
    return Choice((node, NOTHING))


@dataclass(frozen=True, slots=True)
class Arc:
    """From state to state by a word, or by `OPEN`."""

    source: int
    target: int
    word: str


@dataclass(frozen=True, slots=True)
class Automaton:
    """Minimal, and deterministic in its tokens; state 0 is the start. Equal for equal phrases."""

    states: int
    arcs: tuple[Arc, ...]
    finals: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class _Rest:
    """What remains to be said: a node, then the rest after it."""

    node: Node
    after: _Rest | None


_Steps = frozenset[tuple[str, "_Rest | None"]]
_END: _Steps = frozenset({("", None)})
"""the empty word stands for: the phrase may end here"""


class _Determiniser:
    """Subset construction over interned rests: equal continuations are one object, so states meet early."""

    def __init__(self) -> None:
        self._rests: dict[tuple[Node, _Rest | None], _Rest] = {}
        self._steps: dict[_Rest, _Steps] = {}
        self._known: dict[_Steps, _Steps] = {}
        """equal steps are one object too: what is only needed to compile would else take 10 MB more"""

    def rest(self, node: Node, after: _Rest | None) -> _Rest:
        key = (node, after)
        return self._rests.get(key) or self._rests.setdefault(key, _Rest(node, after))

    def steps(self, rest: _Rest | None) -> _Steps:
        """The words that may come next, each with what remains after it."""
        if rest is None:
            return _END
        steps = self._steps.get(rest)
        if steps is None:
            found = self._expand(rest)
            steps = self._steps[rest] = self._known.setdefault(found, found)
        return steps

    def _expand(self, rest: _Rest) -> _Steps:
        # Patterns with values, as in Token(word), would keep 8 MB: Python 3.11 looks "__match_args__" up by a new
        # string each time, and its cache of attributes holds up to 4,096 of them, which lie among all that is freed.
        match rest.node:
            case Token():
                word = rest.node.word
                if word == OPEN:
                    loop = self.rest(_Loop(), rest.after) if not isinstance(rest.node, _Loop) else rest
                    again: _Steps = frozenset({(OPEN, loop)})
                    return again | self.steps(rest.after) if isinstance(rest.node, _Loop) else again
                return frozenset({(word, rest.after)})
            case Choice():
                return frozenset().union(*(self.steps(self.rest(option, rest.after)) for option in rest.node.options))
            case Chain():
                parts, after = rest.node.parts, rest.after
                for part in reversed(parts[1:]):
                    after = self.rest(part, after)
                return self.steps(self.rest(parts[0], after) if parts else rest.after)
        raise ValueError(f"unknown node {rest.node!r}")


class _Loop(Token):
    """Inside an open slot: more of it, or what comes after."""

    __slots__ = ()

    def __init__(self) -> None:
        Token.__init__(self, OPEN)


_Set = frozenset["_Rest | None"]


def build(root: Node) -> Automaton:
    """The minimal automaton of all phrases of `root`."""
    determiniser = _Determiniser()
    moves: dict[_Set, dict[str, _Set]] = {}
    known: dict[_Set, _Set] = {}
    start: _Set = frozenset({determiniser.rest(root, None)})
    waiting = [start]
    while waiting:
        state = waiting.pop()
        if state in moves:
            continue
        targets: dict[str, set[_Rest | None]] = {}
        for rest in state:
            for word, after in determiniser.steps(rest):
                targets.setdefault(word, set()).add(after)
        moves[state] = {word: known.setdefault(found := frozenset(after), found) for word, after in targets.items()}
        waiting += [target for word, target in moves[state].items() if word and target not in moves]
    return _minimise(start, moves)


def _minimise(start: _Set, moves: dict[_Set, dict[str, _Set]]) -> Automaton:
    """Merge states with equal futures, from the ends backwards; the only cycles are loops of a state to itself."""
    merged: dict[_Set, int] = {}
    known: dict[tuple[bool, frozenset[tuple[str, int]]], int] = {}
    for state in _ends_first(start, moves):
        future = frozenset(
            (word, -1 if target == state else merged[target]) for word, target in moves[state].items() if word
        )
        signature = ("" in moves[state], future)
        merged[state] = known.setdefault(signature, len(known))
    last = merged[start]
    number = {state: (last - state) for state in known.values()}
    arcs = tuple(
        Arc(number[state], number[state if target == -1 else target], word)
        for (_, future), state in known.items()
        for word, target in sorted(future)
    )
    finals = frozenset(number[state] for (final, _), state in known.items() if final)
    return Automaton(len(known), arcs, finals)


def _ends_first(start: _Set, moves: dict[_Set, dict[str, _Set]]) -> list[_Set]:
    order: list[_Set] = []
    seen: set[_Set] = set()
    stack: list[tuple[_Set, bool]] = [(start, False)]
    while stack:
        state, done = stack.pop()
        if done:
            order.append(state)
        elif state not in seen:
            seen.add(state)
            stack.append((state, True))
            # by the words' order, so that equal phrases give equal automata: pocketsphinx follows the arcs' order
            stack += [(target, False) for word, target in sorted(moves[state].items()) if word and target not in seen]
    return order
