"""The splitter: what is a unit, and that nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.sentences import MAX_UNIT, SentenceSplitter, split

PIECES = st.lists(
    st.one_of(
        st.text(alphabet="ab .,;!?…\n7:30é'\"", max_size=20),
        st.sampled_from(["Dr. Smith ", "e.g. this, ", "3.14 ", "12,5 km. ", "7:30 PM. ", "Wait... no. ", "Oui ! "]),
        st.sampled_from(["はい。", "。”", "！ "]),
    ),
    max_size=12,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("It's 7:05 PM.", ["It's 7:05 PM."]),
        ("One. Two. Three.", ["One. ", "Two. ", "Three."]),
        ("Dr. Smith has 3.5 km to go. Fine.", ["Dr. Smith has 3.5 km to go. ", "Fine."]),
        ("Wait... no. Yes!", ["Wait... no. ", "Yes!"]),
        ("Really?! Yes.", ["Really?! ", "Yes."]),
        ("Bonjour ! Il est 19 h 05. Bien.", ["Bonjour ! ", "Il est 19 h 05. ", "Bien."]),
        ("M. Dupont vous attend. Allez-y.", ["M. Dupont vous attend. ", "Allez-y."]),
        ('He said "stop." Then left.', ['He said "stop." ', "Then left."]),
        (
            "I can tell the time, set timers, and sums. More.",
            ["I can tell the time, ", "set timers, and sums. ", "More."],
        ),
        ("Yes, it is. Done, all of it, now.", ["Yes, it is. ", "Done, all of it, now."]),
        ("今日は晴れです。明日は雨！？はい。", ["今日は晴れです。", "明日は雨！？", "はい。"]),
        ("他说：“我走了。”然后走了。 Good night.", ["他说：“我走了。”", "然后走了。 ", "Good night."]),
        ("「行く。」 iPhone を買う。", ["「行く。」 ", "iPhone を買う。"]),
        ("", []),
    ],
)
def test_units(text: str, units: list[str]) -> None:
    assert list(split([text])) == units


@given(PIECES)
def test_no_character_is_lost(pieces: list[str]) -> None:
    assert "".join(split(pieces)) == "".join(pieces)


@given(PIECES)
def test_how_the_text_is_cut_into_pieces_loses_nothing_and_units_stay_short(pieces: list[str]) -> None:
    text = "".join(pieces) * 8
    assert "".join(split(text)) == text
    assert all(len(unit) <= MAX_UNIT + 40 for unit in split([text]))


def test_a_unit_is_given_as_soon_as_it_is_complete() -> None:
    splitter = SentenceSplitter()
    assert splitter.push("The first clause is here, and") == ["The first clause is here, "]
    assert splitter.push(" the rest. ") == []
    assert splitter.push("Next") == ["and the rest. "]
    assert splitter.flush() == ["Next"]
    assert splitter.flush() == []
