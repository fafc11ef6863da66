"""How long the check's question may take, and which voice is right for a known one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.app import check, check_full
from core.app.known_turns import KNOWN, Turn
from core.selfcheck import Finding
from core.utils.config import Config
from core.utils.errors import ConfigError
from core.utils.model_catalogue import with_needs
from core.utils.model_store import ModelStore


def plan(stt: str, tts: str) -> SimpleNamespace:
    return SimpleNamespace(stt=SimpleNamespace(engine=stt), tts=SimpleNamespace(engine=tts))


@pytest.mark.parametrize(
    ("engines", "outcome"),
    [(("pocketsphinx", "espeak"), "fail"), (("whisper", "espeak"), "pass"), (("pocketsphinx", "melo"), "pass")],
)
def test_models_that_load_for_long_are_no_failure(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    engines: tuple[str, str],
    outcome: str,
):
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path))
    monkeypatch.setattr(check, "WITHIN_S", 0.0)
    monkeypatch.setattr(check, "make_plan", lambda config: plan(*engines))
    monkeypatch.setattr(check, "_question", lambda config: Finding("pass", "answered"))
    check.run(argparse.Namespace(full=False, json=True), Config())
    *others, question = json.loads(capsys.readouterr().out)["checks"]
    assert (question["name"], question["outcome"]) == ("question", outcome)
    assert {one["text"] for one in others} == {"was not looked at: no time was left"}


def test_where_nothing_can_be_planned_the_checks_say_why(monkeypatch: pytest.MonkeyPatch):
    def refuse(config: Config) -> SimpleNamespace:
        raise ConfigError("no such voice")

    monkeypatch.setattr(check, "make_plan", refuse)
    assert not check._loads_models(Config())


def test_a_reply_in_a_language_that_has_no_voice_is_espeaks_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path))
    monkeypatch.setattr(check_full, "planned_models", lambda *which: with_needs("melo-english"))
    monkeypatch.setattr(ModelStore, "find", lambda store, name: tmp_path)
    spoken = {"stt": "whisper", "llm": "mlx", "tts": "espeak"}
    monkeypatch.setattr(check_full, "ask", lambda number, *rest: Turn("what was asked", "Paris.", spoken, {}))
    full = check_full.FullCheck(Config(), offline=True)
    found = {one.name: one for one in full.checks()}
    monkeypatch.setattr(full, "_answers", True)
    assert found["speaking model"].look().outcome == "pass"
    english, french = (found[f"asked: {one.question}"].look() for one in KNOWN[1:])
    assert (english.outcome, french.outcome) == ("warn", "pass"), (english, french)
