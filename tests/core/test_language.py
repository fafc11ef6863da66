"""The language of the first run is the system's, and stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.app.brain import Brain
from core.app.language import first_language
from core.utils.config import Config


def set_locale(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", value)


@pytest.mark.parametrize(
    ("locale", "language"),
    [("fr_FR.UTF-8", "fr"), ("fr_CA", "fr"), ("en_GB.UTF-8", "en"), ("de_DE", "en"), ("C", "en")],
)
def test_the_locale_decides(monkeypatch: pytest.MonkeyPatch, locale: str, language: str):
    set_locale(monkeypatch, locale)
    assert first_language(Config()) == language


def test_the_configuration_wins_over_the_first_run_and_that_over_the_locale(monkeypatch: pytest.MonkeyPatch):
    set_locale(monkeypatch, "fr_FR.UTF-8")
    assert first_language(Config(language="en")) == "en"
    assert first_language(Config(), remembered="en") == "en"
    assert first_language(Config(language="fr"), remembered="en") == "fr"


def test_the_first_run_s_language_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    set_locale(monkeypatch, "en_US.UTF-8")
    with Brain(Config(), folder=tmp_path) as brain:
        brain.responder.load()
        assert brain.responder.reply("quelle heure est-il").language == "fr"
    set_locale(monkeypatch, "fr_FR.UTF-8")
    with Brain(Config(), folder=tmp_path) as brain:
        assert brain.language == "en"
