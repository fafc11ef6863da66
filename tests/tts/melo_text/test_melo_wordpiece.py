"""WordPiece gives the pieces that the `tokenizers` package gives, for every text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from melo_texts import BERT, MARKS, needs, needs_assets

from core.utils.errors import ModelLoadError
from tts.melo.text.wordpiece import WordPiece

VOCABULARY = [*MARKS, "play", "##ing", "##ed", "é", "##t", "e", "t", "##e", ",", "中", "Play"]


@needs_assets
@needs("tokenizers")
def test_pieces_are_those_of_the_tokenizers_package() -> None:
    from tokenizers import BertWordPieceTokenizer

    reference = BertWordPieceTokenizer(str(BERT / "vocab.txt"), lowercase=True)
    ours = WordPiece.from_folder(BERT)
    assigned = st.characters(max_codepoint=0x24F, exclude_characters="[]") | st.sampled_from(
        "中日\u0301\u2028–…’пa한😀"
    )

    @settings(max_examples=300, deadline=None)
    @given(st.text(assigned, max_size=40))
    def same(text: str) -> None:
        assert list(ours.tokenize(text)) == reference.encode(text, add_special_tokens=False).tokens

    same()
    for text in (
        "Don't touch GPT-4, naïve Übermensch!",
        "中文 mixed テスト",
        "\x85tab\tnull\x00 zero\u200bwidth",
        "a" * 101,
    ):
        assert list(ours.tokenize(text)) == reference.encode(text, add_special_tokens=False).tokens
    assert ours.ids(ours.tokenize("hello world")) == reference.encode("hello world").ids


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Playing, played", ("play", "##ing", ",", "play", "##ed")),
        ("playx", ("[UNK]",)),
        ("a中e", ("[UNK]", "中", "e")),
        ("[CLS]", ("[UNK]", "[UNK]", "[UNK]")),
        ("", ()),
    ],
)
def test_longest_piece_first(text: str, pieces: tuple[str, ...]) -> None:
    assert WordPiece(VOCABULARY).tokenize(text) == pieces


def test_case_and_accents_are_kept_where_the_vocabulary_has_them(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    assert WordPiece.from_folder(tmp_path).tokenize("Ét") == ("e", "##t")
    for config, pieces in (
        ({"do_lower_case": False}, ("Play", "é")),
        ({"do_lower_case": True, "strip_accents": False}, ("play", "é")),
        ({"do_lower_case": True, "strip_accents": None}, ("play", "e")),
    ):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
        assert WordPiece.from_folder(tmp_path).tokenize("Play é") == pieces


def test_ids_have_the_marks_around_them() -> None:
    assert WordPiece(VOCABULARY).ids(("play", "##ing")) == [0, 3, 4, 1]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"no marks\n"])
def test_a_folder_without_a_tokenizer_says_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(ModelLoadError):
        WordPiece.from_folder(tmp_path)


def test_a_broken_tokenizer_config_says_so(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    for broken in ("{", "[]"):
        (tmp_path / "tokenizer_config.json").write_text(broken, encoding="utf-8")
        with pytest.raises(ModelLoadError):
            WordPiece.from_folder(tmp_path)
