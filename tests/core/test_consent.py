"""Whether models may be fetched: who decides, and how an answer in the terminal is read while all goes on."""

from __future__ import annotations

import os
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


def answered(*lines: bytes) -> bool | None:
    """The answer to these lines, after the last of them the terminal is gone."""
    reader, writer = os.pipe()
    question = Question(reader)
    for line in lines:
        os.write(writer, line)
    os.close(writer)
    question.wait(10)
    os.close(reader)
    return question.answer()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"\n"], True),
        ([b"Y\n"], True),
        ([b" oui \n"], True),
        ([b"n\n"], False),
        ([b"NON\n"], False),
        ([b"what?\n", b"no\n"], False),
        ([b"what?\n"], None),
        ([b"\xff\xfe\n"], None),
        ([], None),
    ],
)
def test_answers(lines: list[bytes], expected: bool | None):
    assert answered(*lines) is expected
