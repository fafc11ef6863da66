"""Cutting speakable text into units."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tts.clauses import CLAUSE_PAUSE_MS, MAX_CHARACTERS, SENTENCE_PAUSE_MS, split_units


@given(st.text(max_size=600))
def test_units_joined_are_the_text_and_short(text: str) -> None:
    units = list(split_units(text))
    assert "".join(unit.text for unit in units) == text
    assert all(0 < len(unit.text) <= MAX_CHARACTERS + 20 for unit in units)
    assert [unit.start for unit in units] == [len("".join(u.text for u in units[:i])) for i in range(len(units))]


def test_sentences_end_units_and_figures_do_not() -> None:
    assert [unit.text for unit in split_units('Yes. It is "so." No? 3.5 of 4')] == [
        "Yes.",
        ' It is "so."',
        " No?",
        " 3.5 of 4",
    ]


def test_long_sentence_is_cut_at_a_clause_then_at_a_space() -> None:
    clause = "one two three four five six seven eight nine ten, "
    first = next(split_units(clause * 10))
    assert first.text.endswith(",")
    assert first.pause_ms == CLAUSE_PAUSE_MS
    first = next(split_units("word " * 100))
    assert first.text.endswith("word ")
    assert first.pause_ms == 0


def test_pause_follows_punctuation() -> None:
    assert [unit.pause_ms for unit in split_units("Go. Stop")] == [SENTENCE_PAUSE_MS, 0]


def test_sentences_that_no_space_parts_are_units() -> None:
    assert [unit.text for unit in split_units("今日は晴れです。明日は雨でしょう！本当？はい。")] == [
        "今日は晴れです。",
        "明日は雨でしょう！",
        "本当？",
        "はい。",
    ]
    assert [unit.text for unit in split_units("他说：“我走了。”然后他走了。")] == ["他说：“我走了。”", "然后他走了。"]
    long = "我们先去市场买菜，" * 30
    assert [unit.text[-1] for unit in split_units(long)] == ["，", "，"]
