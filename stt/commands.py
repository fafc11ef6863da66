"""The commands as pocketsphinx takes them: the compiled grammar and how its words are pronounced.

Compiling a few hundred templates takes a fifth of a start and leaves holes in the memory, always with the same result:
`kept_commands` does it once and keeps that on the disk, until the templates or the code that compiles them change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.optimization.disk_cache import DiskCache
from stt.automaton import Arc, Automaton
from stt.grammar import Grammar, compile_grammar, read_templates
from stt.numbers import WORDS as NUMBER_WORDS
from stt.pocketsphinx_engine import Lexicon, dictionary_file, pronunciations

if TYPE_CHECKING:
    from hassil import Intents

KEY = "command grammar "


@dataclass(frozen=True, slots=True)
class Commands:
    """What `stt.pocketsphinx_engine.grammar_decoder` takes; the lexicon holds the grammar's words alone."""

    grammar: Grammar
    lexicon: Lexicon


@dataclass(frozen=True, slots=True)
class CommandSource:
    """Templates that need not be read if they are compiled already."""

    text: bytes
    """equal wherever `intents` are equal"""
    intents: Callable[[], Intents]


def compile_commands(intents: Intents) -> Commands:
    """The grammar of the templates' sentences, of words whose pronunciation is known."""
    spoken = read_templates(intents)
    known = pronunciations(spoken.words | NUMBER_WORDS)
    grammar = compile_grammar(spoken, known.__contains__)
    return Commands(grammar, {word: known[word] for word in sorted(grammar.words)})


def kept_commands(source: CommandSource, cache: DiskCache) -> Commands:
    """What `compile_commands` makes of the source, compiled only where the cache does not hold it."""
    key = KEY + _digest(source.text)
    found = cache.get(key)
    if found is not None:
        return _from_plain(found.value)
    commands = compile_commands(source.intents())
    cache.put(key, _plain(commands))
    return commands


def _digest(text: bytes) -> str:
    """Of all that decides what is compiled: the templates, this package's code, hassil's version and the dictionary."""
    dictionary = dictionary_file().stat()
    files = sorted(Path(__file__).resolve().parent.glob("*.py"))
    code = (file.read_bytes() for file in files if file.is_file())  # an editor's lock may be a link to nowhere
    parts = (text, version("hassil"), (dictionary.st_size, dictionary.st_mtime_ns), *code)
    digest = blake2b(digest_size=20)
    for part in parts:
        raw = part if isinstance(part, bytes) else repr(part).encode()
        digest.update(b"%d " % len(raw) + raw)
    return digest.hexdigest()


def _plain(commands: Commands) -> dict[str, Any]:
    grammar = commands.grammar
    parts = (grammar.sentences, grammar.before, grammar.after)
    return {"parts": [_plain_automaton(part) for part in parts], "lexicon": commands.lexicon}


def _from_plain(value: Any) -> Commands:
    """Of a file whose checksum was right under a key that only `_plain` writes to."""
    sentences, before, after = (_from_plain_automaton(part) for part in value["parts"])
    return Commands(Grammar(sentences, before, after, frozenset(value["lexicon"])), value["lexicon"])


def _plain_automaton(part: Automaton) -> dict[str, Any]:
    arcs = {name: list(map(attrgetter(name), part.arcs)) for name in Arc.__slots__}
    return {"states": part.states, "finals": sorted(part.finals), "arcs": arcs}


def _from_plain_automaton(value: Any) -> Automaton:
    arcs = value["arcs"]
    return Automaton(
        value["states"], tuple(map(Arc, arcs["source"], arcs["target"], arcs["word"])), frozenset(value["finals"])
    )
