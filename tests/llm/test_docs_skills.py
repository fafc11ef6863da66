"""The worked example of docs/skills.md runs as it is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from skill_rig import ZoneClock

from core.utils.config import Config
from core.utils.errors import ConfigError
from core.utils.voice import VoiceSettings
from llm.assistant import build_skills
from llm.responder import Responder
from llm.store import Store

PAGE = Path(__file__).resolve().parents[2] / "docs" / "skills.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    code, english, french = re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "sentences").mkdir()
    (tmp_path / "coin.py").write_text(code, encoding="utf-8")
    (tmp_path / "sentences" / "en.yaml").write_text(english, encoding="utf-8")
    (tmp_path / "sentences" / "fr.yaml").write_text(french, encoding="utf-8")
    return tmp_path


def make(folder: Path) -> Responder:
    return Responder(build_skills(Config(), Store(None), ZoneClock(), VoiceSettings(), folders=[folder]))


def test_the_coin_is_flipped_in_both_languages(folder: Path) -> None:
    responder = make(folder)
    assert responder.reply("could you flip a coin").text in ("Heads.", "Tails.")
    assert re.fullmatch(r"\d+ heads in 10 flips\.", responder.reply("toss a coin ten times").text)
    assert responder.reply("lance une pièce s'il te plaît").text in ("Face.", "Pile.")
    assert responder.reply("what time is it").text == "It's 2:30 PM."


def test_two_skills_cannot_claim_one_intent(folder: Path) -> None:
    text = (folder / "coin.py").read_text(encoding="utf-8")
    (folder / "coin2.py").write_text(text.replace('"FlipCoin"', '"TellTime"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="TellTime already belongs to skill 'time'"):
        make(folder)


def test_a_template_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "sentences" / "en.yaml").write_text(
        "language: en\nintents: {FlipCoin: {data: [{sentences: ['(flip a coin']}]}}", encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=r"en\.yaml: a template cannot be read"):
        make(folder).reply("flip a coin")
