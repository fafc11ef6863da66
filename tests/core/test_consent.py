"""Whether models may be fetched: who decides, and how an answer in the terminal is read while all goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.app.consent import SETTING, Question, decision
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
    ("typed", "expected"),
    [
        ("\n", True),
        ("\r", True),
        ("y\n", True),
        ("oui\n", True),
        ("n", False),
        ("non\n", False),
        ("no way\n", False),
        ("what?\nno\n", False),
        ("what?\n", None),
        ("later\n", None),
        ("plus tard\n\n", True),
        ("ny\n", False),
        ("\ufffd\n", None),
        ("", None),
    ],
)
def test_answers(typed: str, expected: bool | None):
    """Keys come one by one; the Enter behind a word that is no answer is none either."""
    question = Question()
    for key in typed:
        question.press(key)
    assert question.answer() is expected
