"""How long the check's question may take: where large models are loaded for it, as long as that takes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.app import check
from core.selfcheck import Finding
from core.utils.config import Config
from core.utils.errors import ConfigError


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
