"""Whether models may be fetched: who decides, and how an answer in the terminal is read while all goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.app.consent import SETTING, Question, decision
from core.messages import Language
from core.utils.config import Config, SetupConfig
from llm.store import Store


@pytest.mark.parametrize(
    ("configured", "kept", "terminal", "expected"),
    [
        ("ask", None, True, "ask"),
        ("ask", None, False, "no"),
        ("ask", "yes", False, "yes"),
        ("ask", "no", True, "no"),
        ("always", "no", False, "yes"),
        ("never", "yes", True, "no"),
    ],
)
def test_who_decides(tmp_path: Path, configured: str, kept: str | None, terminal: bool, expected: str):
    store = Store(tmp_path / "merline.db")
    if kept is not None:
        store.set_setting(SETTING, kept)
    config = Config(setup=SetupConfig(full_models=configured))  # type: ignore[arg-type]
    assert decision(config, store, terminal) == expected
    store.close()


@pytest.mark.parametrize(
    ("typed", "language", "expected"),
    [
        ("\n", "en", True),
        ("\r", "en", True),
        ("y\n", "en", True),
        ("y\n", "fr", True),
        ("o\n", "fr", True),
        ("oui\n", "fr", True),
        ("o\n", "en", None),
        ("oh no\n", "en", None),
        ("n", "en", False),
        ("non\n", "fr", False),
        ("no way\n", "en", False),
        ("what?\nno\n", "en", False),
        ("what?\n", "en", None),
        ("later\n", "en", None),
        ("plus tard\n\n", "fr", True),
        ("ny\n", "en", False),
        ("\ufffd\n", "en", None),
        ("", "en", None),
    ],
)
def test_answers(typed: str, language: Language, expected: bool | None):
    """Keys come one by one; the Enter behind a word that is no answer is none either."""
    question = Question(language)
    for key in typed:
        question.press(key)
    assert question.answer() is expected
