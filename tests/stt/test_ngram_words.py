"""The word list inside pocketsphinx's n-gram model."""

from __future__ import annotations

from pathlib import Path

from pocketsphinx import get_model_path

from stt.ngram_words import model_words

MODEL = Path(get_model_path("en-us/en-us.lm.bin"))


def test_the_likeliest_words_of_the_package_s_model_are_found() -> None:
    words = model_words(MODEL)
    assert len(words) == 32_000
    assert {"the", "zoo", "tuesday", "timer"} <= words
    assert "buckwheat" not in words
    assert {"buckwheat"} < model_words(MODEL, 100_000) > words


def test_a_file_of_another_layout_has_none(tmp_path: Path) -> None:
    cut = tmp_path / "cut.bin"
    cut.write_bytes(MODEL.read_bytes()[:2_000_000])
    text = tmp_path / "model.arpa"
    text.write_text("\\data\\", encoding="utf-8")
    assert model_words(cut) == model_words(text) == frozenset()
