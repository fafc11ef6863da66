"""When a first run fetches Smart Turn, and what is said where it does not. The real program fetches in
tests/integration/test_talk_switch_over.py.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.app.assistant import Assistant
from core.app.brain import Brain
from core.app.consent import TURN_SETTING
from core.app.first_question import FirstQuestion
from core.app.first_turn_model import FirstTurnModel
from core.app.setup import FullSetup
from core.utils.config import Config
from core.utils.model_catalogue import known_model
from core.utils.model_store import Manifest, StoredFile, write_manifest
from stt.endpointing import Endpointing
from tests.core.test_first_question import Kept, Typed

LACKING = "smart-turn (9.0 MB, licence BSD-2-Clause) would cut you off less often"


class Desk:
    """A talk that has begun: who listens, whether somebody sits at a terminal, and what is asked."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch, listens: str = "whisper", terminal: bool = False) -> None:
        patch.setenv("MERLINE_HOME", str(home))
        patch.setattr("core.app.first_turn_model.has_terminal", lambda: terminal)
        self.home = home
        self.kept, self.typed = Kept(), Typed()
        self.question = FirstQuestion("en", self.kept, self.typed)
        self.names = SimpleNamespace(stt=listens)
        self.setup = cast(FullSetup, SimpleNamespace(running=False))

    def begin(self, whisper_comes: bool = False, offline: bool = False, **config: Any) -> FirstTurnModel:
        settings = Config.model_validate(config)
        assistant = SimpleNamespace(engine_names=self.names, endpointing=Endpointing(settings.endpoint))
        brain = SimpleNamespace(store=self.kept, language="en")
        first = FirstTurnModel(settings, cast(Assistant, assistant), cast(Brain, brain), offline)
        first.decide(self.question, self.setup, whisper_comes)
        first.start(self.setup)
        return first


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The packages that can be imported."""
    packages = {"onnxruntime", "huggingface_hub"}
    monkeypatch.setattr("core.app.first_turn_model.packages_are_here", packages.issuperset)
    return packages


def test_it_is_asked_for_with_whisper_and_begins_once_that_listens(tmp_path, monkeypatch, here):
    desk = Desk(tmp_path, monkeypatch, listens="pocketsphinx", terminal=True)
    first = desk.begin(whisper_comes=True)
    assert first.over, "Whisper comes first"
    plan = cast(Any, SimpleNamespace(model=known_model("whisper-base"), decision="ask"))
    desk.question.add(plan, "fetch_models", lambda: True)
    assert desk.question.begin()[1:] == [
        "  whisper-base (148 MB, from Systran/faster-whisper-base, licence MIT), to understand free speech",
        "  smart-turn (9.0 MB, from pipecat-ai/smart-turn-v3, licence BSD-2-Clause), to cut you off less often when "
        "you pause",
        "Fetch them (157 MB in all) in the background? [Y/n]",
    ]
    desk.typed.said = True
    assert desk.question.answer()
    assert desk.kept.settings[TURN_SETTING] == "yes"
    desk.names.stt = "whisper"
    first.start(desk.setup)
    assert not first.over


def test_whoever_has_whisper_is_asked_for_it_alone(tmp_path, monkeypatch, here):
    first = Desk(tmp_path, monkeypatch, terminal=True).begin()
    (line,) = first.news()
    assert line.startswith("Fetch smart-turn (9.0 MB, from pipecat-ai/smart-turn-v3, licence BSD-2-Clause)")


def test_without_a_terminal_one_line_says_what_it_would_bring(tmp_path, monkeypatch, here):
    first = Desk(tmp_path, monkeypatch).begin()
    (line,) = first.news()
    assert line.startswith(LACKING)
    assert "models download smart-turn" in line
    assert first.over


@pytest.mark.parametrize("config", [{"endpoint": {"model": "off"}}, {"setup": {"full_models": "never"}}])
def test_who_wants_none_is_asked_for_none(tmp_path, monkeypatch, here, config):
    desk = Desk(tmp_path, monkeypatch, terminal=True)
    first = desk.begin(**config)
    assert first.over
    assert not desk.typed.asked
    assert len(first.news()) == (0 if "endpoint" in config else 1)


def test_who_declined_hears_no_more_of_it(tmp_path, monkeypatch, here):
    desk = Desk(tmp_path, monkeypatch, terminal=True)
    desk.kept.set_setting(TURN_SETTING, "no")
    assert desk.begin().news() == []


def test_offline_it_is_said_and_not_fetched(tmp_path, monkeypatch, here):
    first = Desk(tmp_path, monkeypatch, terminal=True).begin(offline=True)
    (line,) = first.news()
    assert "--offline forbids fetching it" in line
    assert first.over


def test_where_nothing_can_run_it_it_is_not_offered(tmp_path, monkeypatch, here):
    here.remove("onnxruntime")
    desk = Desk(tmp_path, monkeypatch, terminal=True)
    assert desk.begin().news() == []
    assert desk.typed.asked == 0
    desk.setup.running = True  # Whisper's packages bring what runs it
    assert desk.begin().news() != []


def test_beside_pocketsphinx_alone_nothing_happens(tmp_path, monkeypatch, here):
    assert Desk(tmp_path, monkeypatch, listens="pocketsphinx", terminal=True).begin().news() == []


def test_where_it_is_here_nothing_happens(tmp_path, monkeypatch, here):
    desk = Desk(tmp_path, monkeypatch, terminal=True)
    folder = tmp_path / "models" / "smart-turn"
    folder.mkdir(parents=True)
    (folder / "smart-turn-v3.2-cpu.onnx").write_bytes(b"network")
    write_manifest(folder, Manifest("x/y", "1", (StoredFile("smart-turn-v3.2-cpu.onnx", 7, "0"),)))
    assert desk.begin().news() == []
