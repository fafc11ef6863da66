"""Streaming detokenizers against mlx-lm's, segment by segment, and against the tokenizer's own decoding."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.detokenizer import (
    BPEStreamingDetokenizer,
    NaiveStreamingDetokenizer,
    SPMStreamingDetokenizer,
    StreamingDetokenizer,
    byte_of_character,
)
from tests.core_models.vocabularies import TEXTS, as_transformers, byte_level_bpe, sentencepiece_bpe, word_pieces

oracle = pytest.importorskip("mlx_lm.tokenizer_utils")

Detokenizers = tuple[Callable[[Any], StreamingDetokenizer], Callable[[Any], Any]]
KINDS: dict[str, Callable[[], Any]] = {
    "bpe": byte_level_bpe,
    "spm": sentencepiece_bpe,
    "spm, no strip": partial(sentencepiece_bpe, strip=False),
    "words": word_pieces,
}
PAIRS: dict[str, Detokenizers] = {
    "bpe": (BPEStreamingDetokenizer, oracle.BPEStreamingDetokenizer),
    "spm": (SPMStreamingDetokenizer, oracle.SPMStreamingDetokenizer),
    "spm, no strip": (
        partial(SPMStreamingDetokenizer, trim_space=False),
        partial(oracle.SPMStreamingDetokenizer, trim_space=False),
    ),
}
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
LIKELY_TEXT = st.lists(st.sampled_from([*" .,'aeé\n", "the", "😀", "公园", "👨‍👩‍👧", " the"]), max_size=20).map("".join)


@cache
def tokenizer_of(kind: str) -> Any:
    return as_transformers(KINDS[kind]())


def segments(detokenizer: Any, tokens: list[int]) -> list[str]:
    """After each token, and at the end."""
    detokenizer.reset()
    taken = []
    for token in tokens:
        detokenizer.add_token(token)
        taken.append(detokenizer.last_segment)
    detokenizer.finalize()
    return [*taken, detokenizer.last_segment]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", PAIRS)
def test_segments_equal_mlx_lms(kind: str, text: str) -> None:
    tokenizer = tokenizer_of(kind)
    ours, theirs = PAIRS[kind]
    tokens = tokenizer.encode(text)
    assert segments(ours(tokenizer), tokens) == segments(theirs(tokenizer), tokens)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", ["bpe", "words"])
def test_naive_segments_equal_mlx_lms(kind: str, text: str) -> None:
    tokenizer = tokenizer_of(kind)
    tokens = tokenizer.encode(text)
    theirs = segments(oracle.NaiveStreamingDetokenizer(tokenizer), tokens)
    assert segments(NaiveStreamingDetokenizer(tokenizer), tokens) == theirs


@pytest.mark.parametrize("kind", KINDS)
@given(text=ANY_TEXT | LIKELY_TEXT)
def test_joined_segments_are_the_decoded_text_and_never_broken(kind: str, text: str) -> None:
    tokenizer = tokenizer_of(kind)
    tokens = tokenizer.encode(text)
    whole = tokenizer.decode(tokens)
    for make in (NaiveStreamingDetokenizer, *PAIRS.get(kind, ())[:1]):
        detokenizer = make(tokenizer)
        parts = segments(detokenizer, tokens)
        assert "".join(parts) == (whole.removeprefix(" ") if make is BPEStreamingDetokenizer else whole)
        assert detokenizer.text == "".join(parts)
        assert detokenizer.tokens == tokens
        if "�" not in whole:
            assert not any("�" in part for part in parts)


@given(st.lists(st.integers(0, 399), max_size=60))
def test_any_byte_level_tokens_at_all_become_what_decode_makes_of_them(tokens: list[int]) -> None:
    tokenizer = tokenizer_of("bpe")
    whole = tokenizer.decode(tokens)
    assert "".join(segments(BPEStreamingDetokenizer(tokenizer), tokens)) == whole.removeprefix(" ")
    assert "".join(segments(NaiveStreamingDetokenizer(tokenizer), tokens)) == whole


@given(st.lists(st.integers(0, 399), max_size=60))
def test_any_sentencepiece_tokens_lose_none_of_the_whole_characters(tokens: list[int]) -> None:
    parts = segments(SPMStreamingDetokenizer(tokenizer_of("spm")), tokens)
    whole = tokenizer_of("spm").decode(tokens)
    if "�" not in whole:
        assert "".join(parts) == whole


def test_a_character_of_several_tokens_comes_at_once_and_whole() -> None:
    tokenizer = tokenizer_of("spm")
    tokens = tokenizer.encode("a龘b")
    parts = [part for part in segments(SPMStreamingDetokenizer(tokenizer), tokens) if part]
    assert len(tokens) >= 5
    assert "龘" in parts


def test_what_is_left_incomplete_at_the_end_is_marked_as_broken() -> None:
    tokenizer = tokenizer_of("bpe")
    half = tokenizer.encode("龘")[:-1]
    assert segments(BPEStreamingDetokenizer(tokenizer), half) == ["", "", "�"]


def test_byte_zero_is_a_byte() -> None:
    tokenizer = tokenizer_of("bpe")
    assert "".join(segments(BPEStreamingDetokenizer(tokenizer), tokenizer.encode("a\0b"))) == "a\0b"


def test_a_row_beyond_the_vocabulary_is_an_exclamation_mark() -> None:
    tokenizer = tokenizer_of("bpe")
    assert segments(BPEStreamingDetokenizer(tokenizer), [len(tokenizer) + 5]) == ["!", ""]


def test_reset_forgets_and_fresh_shares_nothing_that_was_said() -> None:
    tokenizer = tokenizer_of("bpe")
    first = BPEStreamingDetokenizer(tokenizer)
    segments(first, tokenizer.encode("the milk"))
    second = first.fresh()
    assert (second.text, second.tokens) == ("", [])
    second.add_token(tokenizer.encode("old")[0])
    assert first.text == "the milk"
    first.reset()
    assert (first.text, first.last_segment, first.tokens) == ("", "", [])


def test_text_may_be_read_at_any_time() -> None:
    tokenizer = tokenizer_of("bpe")
    detokenizer = BPEStreamingDetokenizer(tokenizer)
    taken = ""
    for i, token in enumerate(tokenizer.encode(TEXTS[0])):
        detokenizer.add_token(token)
        if i % 3 == 0:
            taken += detokenizer.last_segment
            assert detokenizer.text == taken
        assert detokenizer.text.startswith(taken)
    assert taken + detokenizer.last_segment == TEXTS[0]


def test_the_alphabet_is_byte_level_bpes() -> None:
    from tokenizers import pre_tokenizers

    assert set(byte_of_character()) == set(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(byte_of_character().values()) == list(range(256))


@pytest.mark.parametrize("kind", ["bpe", "spm"])
@pytest.mark.parametrize("text", ["the milk ", "龘"], ids=["words", "bytes"])
def test_eight_times_the_tokens_take_about_eight_times_as_long(kind: str, text: str) -> None:
    tokenizer = tokenizer_of(kind)
    tokens = tokenizer.encode(text)
    broken = tokens[:1] if text == "龘" else tokens  # a first byte without its others: never whole
    for make in (NaiveStreamingDetokenizer, PAIRS[kind][0]):
        for some in (tokens, broken):
            short, long = (min(_seconds(make(tokenizer), some * count) for _ in range(3)) for count in (100, 800))
            assert long < 24 * short + 0.02


def _seconds(detokenizer: StreamingDetokenizer, tokens: list[int]) -> float:
    """Of this thread's work: waiting for a processor is not counted."""
    begin = time.thread_time()
    segments(detokenizer, tokens)
    return time.thread_time() - begin
