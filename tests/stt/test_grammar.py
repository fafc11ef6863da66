from __future__ import annotations

from collections.abc import Iterable

import hassil
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stt.automaton import OPEN, Automaton, Chain, Choice, Node, Token, build
from stt.grammar import Grammar, compile_grammar, read_templates
from stt.numbers import CLASSES, number_phrases, number_words


def accepts(automaton: Automaton, text: str) -> bool:
    """Whether the words are one of the phrases; `*` stands for a phone of an open slot."""
    states = {0}
    for word in text.split():
        states = {
            arc.target for arc in automaton.arcs if arc.source in states and word in CLASSES.get(arc.word, (arc.word,))
        }
    return bool(states & automaton.finals)


def grammar(*sentences: str, lists: str = "{}", rules: str = "{}", unsayable: Iterable[str] = ()) -> Grammar:
    document = {
        "language": "en",
        "intents": {"Test": {"data": [{"sentences": list(sentences)}]}},
        "lists": yaml.safe_load(lists),
        "expansion_rules": yaml.safe_load(rules),
    }
    unknown = set(unsayable)
    return compile_grammar(read_templates(hassil.Intents.from_dict(document)), lambda word: word not in unknown)


def check(compiled: Grammar, yes: Iterable[str], no: Iterable[str] = ()) -> None:
    assert [text for text in yes if not accepts(compiled.sentences, text)] == []
    assert [text for text in no if accepts(compiled.sentences, text)] == []


def test_words_alternatives_and_optionals() -> None:
    check(
        grammar("(what is|what's) the time [now]"),
        ["what is the time", "what's the time now"],
        ["the time", "what is the time now now", "what what's the time", ""],
    )


def test_permutations_come_in_every_order_without_repetition() -> None:
    check(
        grammar("set (red;green;blue)"),
        ["set red green blue", "set blue red green"],
        ["set red green", "set red red green"],
    )


def test_expansion_rules_may_use_each_other() -> None:
    rules = "{ask: '(tell|give) me', all_of: '<ask> [all] the'}"
    check(grammar("<all_of> news", rules=rules), ["give me all the news", "tell me the news"], ["all the news"])


def test_a_rare_sentence_is_left_to_free_words() -> None:
    document = yaml.safe_load("""
        language: en
        intents:
          Spoken: {data: [{sentences: [go on]}]}
          Seldom: {data: [{sentences: [carry on with it], metadata: {rare: true}}]}
    """)
    check(
        compile_grammar(read_templates(hassil.Intents.from_dict(document)), lambda word: True),
        ["go on"],
        ["carry on with it", "carry on"],
    )


def test_a_block_of_sentences_has_rules_and_lists_of_its_own() -> None:
    document = yaml.safe_load("""
        language: en
        expansion_rules: {what: milk}
        lists: {n: {values: [one]}}
        intents:
          A: {data: [{sentences: ["buy <what> {n}"]}]}
          B: {data: [{sentences: ["sell <what> {n}"], expansion_rules: {what: bread}, lists: {n: {values: [two]}}}]}
    """)
    compiled = compile_grammar(read_templates(hassil.Intents.from_dict(document)), lambda word: True)
    check(compiled, ["buy milk one", "sell bread two"], ["buy bread one", "sell milk two", "sell bread one"])


def test_text_lists_hold_templates() -> None:
    lists = "{unit: {values: [{in: '(foot|feet)', out: ft}, {in: 'mile[s]', out: mi}]}}"
    check(
        grammar("how many {unit}", lists=lists),
        ["how many feet", "how many mile", "how many miles"],
        ["how many", "how many s"],
    )


def test_word_parts_are_glued() -> None:
    check(
        grammar("what[ is|'s] on", "cancel (my |)timer[s]"),
        ["what is on", "what's on", "what on", "cancel my timers", "cancel timer"],
        ["cancel timer s", "cancel mytimer"],
    )


def test_range_lists_are_spoken_numbers() -> None:
    compiled = grammar("for {minutes} minutes", lists="{minutes: {range: {from: 1, to: 180}}}")
    yes = [f"for {number_words(value)} minutes" for value in range(1, 181)]
    check(compiled, [*yes, "for a hundred and five minutes"], ["for zero minutes", "for two hundred minutes"])


def test_inline_ranges_and_steps() -> None:
    check(grammar("level {1..12:level}"), ["level twelve"], ["level zero", "level thirteen"])
    stepped = grammar("level {level}", lists="{level: {range: {from: 0, to: 100, step: 10}}}")
    check(stepped, ["level one hundred", "level thirty"], ["level thirty five"])


def test_fractions_are_spoken_with_point() -> None:
    lists = "{t: {range: {from: 0, to: 50, fractions: tenths}}, h: {range: {from: 0, to: 5, fractions: halves}}}"
    check(
        grammar("{t} degrees", "{h} hours", lists=lists),
        ["thirty degrees", "thirty point five degrees", "two and a half hours", "two point five hours"],
        ["thirty point degrees", "two point three hours"],
    )


def test_negative_ranges_are_spoken_with_minus() -> None:
    lists = "{t: {range: {from: -20, to: 40}}}"
    check(grammar("{t} degrees", lists=lists), ["minus twenty degrees", "zero degrees"], ["minus thirty degrees"])


def test_wildcards_are_open_slots_inside_and_at_the_end() -> None:
    compiled = grammar("add {x} to my list", "a note {x}", lists="{x: {wildcard: true}}")
    check(
        compiled,
        [f"add {OPEN} {OPEN} {OPEN} to my list", f"a note {OPEN}", f"a note {OPEN} {OPEN}"],
        ["add to my list", "a note", f"add {OPEN} to my list {OPEN}", f"a note {OPEN} note"],
    )


def test_a_sentence_that_would_fit_any_speech_is_left_out() -> None:
    compiled = grammar("[the] {x} timer now", "play [some] {x}", "put on {x}", "stop", lists="{x: {wildcard: true}}")
    check(compiled, ["stop", f"put on {OPEN}"], [f"{OPEN} timer now", f"the {OPEN} timer now", f"play some {OPEN}"])


def test_what_cannot_be_pronounced_is_left_out_and_the_rest_stays() -> None:
    compiled = grammar("ten (km|kilometers)", "five km", unsayable=["km"])
    check(compiled, ["ten kilometers"], ["ten km", "five km"])
    assert compiled.words == {"ten", "kilometers"}


def test_abbreviations_are_typed_but_not_said() -> None:
    check(
        grammar("ten (km|kilometers) [p m]"),
        ["ten kilometers", "ten kilometers p m"],
        ["ten km"],
    )


def test_digits_in_templates_are_spoken_and_punctuation_is_not() -> None:
    check(grammar("play channel 24, please!"), ["play channel twenty four please"])


def test_courtesy_may_come_before_and_after() -> None:
    compiled = grammar("stop", rules="{polite_start: '(please|could you)', polite_end: '(thanks|now)'}")
    assert accepts(compiled.before, "could you")
    assert accepts(compiled.before, "")
    assert accepts(compiled.after, "thanks")
    assert {"could", "thanks"} <= compiled.words


def test_template_words_are_all_words_asked_about() -> None:
    document = {"language": "en", "intents": {"T": {"data": [{"sentences": ["ten (yards|miles)", "it's {1..3:n}"]}]}}}
    words = read_templates(hassil.Intents.from_dict(document)).words
    assert {"ten", "yards", "miles", "it's"} <= words


@pytest.mark.parametrize(("start", "stop"), [(0, 23), (0, 59), (1, 99), (7, 34), (0, 100), (1, 999), (0, 1000)])
def test_number_phrases_hold_every_number_of_the_range_and_none_beside_it(start: int, stop: int) -> None:
    automaton = build(number_phrases(start, stop))
    assert [value for value in range(start, stop + 1) if not accepts(automaton, number_words(value))] == []
    beside = [value for value in (start - 1, (stop // 100 + 1) * 100 if stop > 99 else stop + 1) if value >= 0]
    assert [value for value in beside if stop < 1000 and accepts(automaton, number_words(value))] == []


def test_number_words_above_a_thousand() -> None:
    assert number_words(21_345) == "twenty one thousand three hundred forty five"
    assert accepts(build(number_phrases(0, 50_000)), number_words(21_345))


words = st.sampled_from(["a", "b", "c"]).map(Token)
nodes: st.SearchStrategy[Node] = st.recursive(
    words,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: Chain(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: Choice(tuple(options))),
    ),
    max_leaves=8,
)


def phrases(node: Node) -> set[str]:
    match node:
        case Token(word):
            return {word}
        case Choice(options):
            return set().union(*map(phrases, options))
        case Chain(parts):
            said = {""}
            for part in parts:
                said = {f"{left} {right}".strip() for left in said for right in phrases(part)}
            return said
    raise AssertionError(node)


@given(nodes)
def test_the_automaton_says_exactly_the_phrases(node: Node) -> None:
    automaton = build(node)
    said: set[str] = set()
    waiting = [(0, "")]
    while waiting:
        state, text = waiting.pop()
        if state in automaton.finals:
            said.add(text)
        waiting += [(arc.target, f"{text} {arc.word}".strip()) for arc in automaton.arcs if arc.source == state]
    assert said == phrases(node)
    assert len({(arc.source, arc.word) for arc in automaton.arcs}) == len(automaton.arcs)
