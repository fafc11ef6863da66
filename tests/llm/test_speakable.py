"""A model's text to speech: what is said, what is not, and that the pieces make no difference."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.messages import Language
from llm.speakable import SpeakableText


def units(text: str, language: Language = "en", thinking: bool = False) -> list[str]:
    speakable = SpeakableText(language, thinking)
    return [*speakable.push(text), *speakable.flush()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The capital of France is Paris, of course. It is large.",
         ["The capital of France is Paris,", "of course.", "It is large."]),
        ("Well, **yes**: it's *really* `fast`. ~~No~~ doubt.", ["Well, yes: it's really fast.", "No doubt."]),
        ("# Pancakes\n\nYou need:\n- two eggs\n- *milk*\n\n1. Mix\n2. Fry it!",
         ["Pancakes.", "You need:", "two eggs.", "milk.", "1, Mix.", "2, Fry it!"]),
        ("> Be kind.\n> Always.", ["Be kind.", "Always."]),
        ("See [the manual](https://example.org/a_b?c=1), page 3.", ["See the manual,", "page 3."]),
        ("Look at https://www.example.com/path/x.html?q=1. Then go.", ["Look at example.com.", "Then go."]),
        ("Look at <https://example.com/a>.", ["Look at example.com."]),
        ("![a cat](cat.png) sleeps[1] here[^2].", ["a cat sleeps here."]),
        ("Great 😀! See you 👋🏽.", ["Great !", "See you."]),
        ("Here:\n```python\nprint('a. B')\n```\nDone.", ["Here:", "I leave the code out.", "Done."]),
        ("```\nx\n```\nthen\n```\ny\n```\nok", ["I leave the code out.", "then ok"]),
        ("Sure! ```python\nprint(1)\n```\nDone.", ["Sure!", "I leave the code out.", "Done."]),
        ("Run ```pip install x``` now.\nThen go.", ["Run pip install x now.", "Then go."]),
        ("So: ```\nx=1\ny=2```\nAfter it.", ["So:", "I leave the code out.", "After it."]),
        ("Here:\n```python\nprint(1)\ncut of", ["Here:", "I leave the code out."]),
        ("Here it is: ```py", ["Here it is:", "I leave the code out."]),
        ("City | Rain\n--- | ---\nParis | 12 mm", ["City, Rain", "Paris, 12 mm"]),
        ("See https://a.org/w/Foo_(bar)?x=1, or (https://b.org).", ["See a.org, or (b.org)."]),
        ("A [word](https://a.org/w/Foo_(bar)) more.", ["A word more."]),
        ("A claim[^1].\n\n[^1]: The source.", ["A claim.", "The source."]),
        ("Line one\\\nline two.", ["Line one line two."]),
        ("\u200bzero\ufeff wi\u00addth", ["zero width"]),
        ("| City | Rain |\n|---|:-:|\n| Paris | 12 mm |\n", ["City, Rain.", "Paris, 12 mm."]),
        ("One.\n\n---\n\nTwo.", ["One.", "Two."]),
        ("2 * 3 is 6, and a_b stays_so. 5*4 too.", ["2 * 3 is 6, and a_b stays_so.", "5*4 too."]),
        ("x < y &amp; y > z<br>so", ["x < y & y > z so"]),
        ("\\*not bold\\* \\(x\\)", ["*not bold* x"]),
        ("- [x] done\n- [ ] open", ["done.", "open."]),
        ("<think>Hm. **secret**</think>\n\nHello there.", ["Hello there."]),
        ("Hello.<tool_call>{}</tool_call> It is set.", ["Hello."]),
        ("<think>never ends. Ever.", []),
        ("A <thin line. A <b>bold</b> one.", ["A <thin line.", "A bold one."]),
        ("12 apples. -5 degrees.", ["12 apples.", "-5 degrees."]),
        ("...", []),
        ("", []),
    ],
)  # fmt: skip
def test_what_is_said(text: str, said: list[str]) -> None:
    assert units(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Mr. Smith met Dr. J. R. Brown at 9 a.m. on Jan. 5. Then he left.",
         ["Mr. Smith met Dr. J. R. Brown at 9 a.m. on Jan. 5.", "Then he left."]),
        ("It costs 3.50 euros, e.g. for a U.S. citizen. Fine.",
         ["It costs 3.50 euros,", "e.g. for a U.S. citizen.", "Fine."]),
        ("At 10:30 a.m. The shop opens.", ["At 10:30 a.m.", "The shop opens."]),
        ("It is no. 5 on the list. Oh no. Yes.", ["It is no. 5 on the list.", "Oh no.", "Yes."]),
        ('"Really?" she said. "Yes."', ['"Really?" she said.', '"Yes."']),
        ("Apples, pears, etc. are fruit. Good.", ["Apples, pears, etc. are fruit.", "Good."]),
        ("Wait... what? OK.", ["Wait... what?", "OK."]),
    ],
)  # fmt: skip
def test_what_does_not_end_a_sentence_in_english(text: str, said: list[str]) -> None:
    assert units(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("M. Dupont et Mme. Durand sont là à 9 h. Bien !", ["M. Dupont et Mme. Durand sont là à 9 h.", "Bien !"]),
        ("César est mort en 44 av. J.-C. à Rome. Voilà.", ["César est mort en 44 av. J.-C. à Rome.", "Voilà."]),
        ("Il a dit « stop. » Puis il est parti.", ["Il a dit « stop. »", "Puis il est parti."]),
        ("C'est-à-dire, p. ex. 3,5 km ; ou plus. Oui.", ["C'est-à-dire, p. ex. 3,5 km ;", "ou plus.", "Oui."]),
        ("Quoi ? Rien !", ["Quoi ?", "Rien !"]),
    ],
)  # fmt: skip
def test_what_does_not_end_a_sentence_in_french(text: str, said: list[str]) -> None:
    assert units(text, "fr") == said


def test_a_template_that_opens_the_thought_hides_until_it_closes() -> None:
    assert units("I ponder. Long.</think>Yes.", thinking=True) == ["Yes."]


def test_the_note_about_code_is_in_the_language_of_the_reply() -> None:
    assert units("```\nx\n```\n", "fr") == ["Je laisse le code de côté."]


def test_calls_are_collected_also_one_left_open() -> None:
    speakable = SpeakableText()
    assert speakable.push('Wait.<tool_call>\n{"name": "A"}\n</tool_call><tool_call>{"name"') == []
    assert speakable.flush() == ["Wait."]
    assert [call.strip() for call in speakable.calls] == ['{"name": "A"}', '{"name"']


def test_the_first_clause_comes_before_the_sentence_ends() -> None:
    speakable = SpeakableText()
    assert speakable.push("The sky looks blue, be") == ["The sky looks blue,"]


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["<think>", "</think>", "<tool_call>", "</tool_call>", "**", "```", "\n", "\n\n", "- ", "1. ", "# ", "| a",
             "|", "[a](b)", "[", "](", "https://a.b/c ", "<b>", "&amp;", "&", "\\", "e.g. ", "M. X ", "Yes. ", "no, ",
             "_", "~", "😀", "!", "![", "> ", "---", "`"]
        ),
        st.text(alphabet="ab .,;!?…\n7:é'\"<>[]()*_#|`-hw", max_size=12),
    ),
    max_size=14,
)  # fmt: skip


@settings(deadline=None)
@given(PIECES, st.data())
def test_how_the_text_is_cut_into_pieces_makes_no_difference(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    speakable, said, rest = SpeakableText(), [], text
    while rest:
        length = data.draw(st.integers(1, len(rest)))
        said += speakable.push(rest[:length])
        rest = rest[length:]
    assert [*said, *speakable.flush()] == units(text)


PLAIN = st.lists(
    st.text(alphabet="abcdeéàçœXYZhw0123456789", min_size=1, max_size=9).map(
        lambda word: word if not word[0].isdigit() else f"n{word}"
    ),
    min_size=1,
    max_size=60,
)


@settings(deadline=None)
@given(
    PLAIN, st.lists(st.sampled_from([" ", ", ", ". ", "! ", " : ", "... ", "; ", " – ", "'", '" ', "\n"]), min_size=1)
)
def test_plain_text_loses_and_doubles_no_word_character(words: list[str], between: list[str]) -> None:
    text = "".join(word + between[index % len(between)] for index, word in enumerate(words))
    assert re.sub(r"\W", "", "".join(units(text))) == re.sub(r"\W", "", text)


@settings(deadline=None)
@given(PIECES)
def test_thoughts_and_calls_are_never_said(parts: list[str]) -> None:
    text = "".join(part.replace("<", "(").replace(">", ")") for part in parts)
    hidden = f"Go.<think>{text}QQQ</think> On.<tool_call>{text}QQQ</tool_call>{text}QQQ"
    assert "QQQ" not in "".join(units(hidden))


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ('{"name": "A", "arguments": {}}', 1),
        ('\n```json\n{"name": "A", "arguments": {}}\n```', 1),
        ('[{"name": "A"}, {"name": "B"}]', 2),
        ('{"name": "A"}\n{"name": "B"}', 2),
        ("<think>hm</think>\n\n{'name': 'A'}", 1),
        ('{"name": "A", "arg', 1),
        ('<tools>\n{"type": "function"}\n</tools>', 1),
        ("{x} is a set.", 0),
        ('{"a": 1} is an object.', 0),
        ("`x` is code.", 0),
        ('"name" is a word.', 0),
        ("[1] is a note.", 0),
        ("``", 0),
    ],
)
def test_a_text_that_begins_as_the_object_of_a_call_is_one(text: str, calls: int) -> None:
    speakable = SpeakableText()
    said = [unit for character in text for unit in speakable.push(character)] + speakable.flush()
    assert len(speakable.calls) == calls
    assert bool(said) is (not calls and text != "``")


def test_a_call_without_tags_behind_words_is_a_call_and_other_objects_are_text() -> None:
    called = SpeakableText()
    assert called.push('Sure! {"name": "SetTimer", "arguments": {"minutes": 9}}') + called.flush() == ["Sure!"]
    assert called.calls == ('{"name": "SetTimer", "arguments": {"minutes": 9}}',)
    for text in ('It is {"name": "Ann", "age": 3} then.', 'It is {"name": "Ann", "ar', "It is {x, y} or {"):
        told = SpeakableText()
        told.push(text)
        told.flush()
        assert (told.written, told.calls) == (text, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('The "<think>" tag opens a thought. It is not said.', 'The "think" tag opens a thought. It is not said.'),
        ("Le « <think>Hm.</think> » secret.", "Le « » secret."),
        ("Between `<think>` and `</think>` it thinks.", "Between think and it thinks."),
        ('He said "<think>QQQ</think>Yes".', 'He said "Yes".'),
    ],
)
def test_a_thoughts_tag_that_is_spoken_of_opens_none(text: str, said: str) -> None:
    assert " ".join(units(text)) == said
