"""The worked example of docs/skills.md runs as it is written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from skill_rig import ZoneClock

from core.utils.config import Config
from core.utils.errors import ConfigError
from core.utils.voice import VoiceSettings
from llm.assistant import build_skills
from llm.responder import Responder
from llm.skills.recognise import SENTENCES_FOLDER, RecogniserConfig, SkillRecogniser
from llm.skills.registry import SKILLS_FOLDER, load_skills
from llm.store import Store

PAGE = Path(__file__).resolve().parents[2] / "docs" / "skills.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    code, english, french = re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "sentences").mkdir()
    (tmp_path / "leap_year.py").write_text(code, encoding="utf-8")
    (tmp_path / "sentences" / "en.yaml").write_text(english, encoding="utf-8")
    (tmp_path / "sentences" / "fr.yaml").write_text(french, encoding="utf-8")
    return tmp_path


def make(folder: Path) -> Responder:
    return Responder(build_skills(Config(), Store(None), ZoneClock(), VoiceSettings(), folders=[folder]))


def test_the_year_is_told_in_both_languages(folder: Path) -> None:
    responder = make(folder)
    assert responder.reply("could you tell me, is 2028 a leap year").text == "Yes, 2028 has 366 days."
    assert responder.reply("is this year a leap year").text == "No, 2026 has 365 days."
    assert responder.reply("est-ce que 1900 est bissextile s'il te plaît").text == "Non, 1900 a 365 jours."
    assert responder.reply("what time is it").text == "It's 2:30 PM."


def test_the_block_pasted_as_it_stands_leaves_the_other_skills_as_they_were(folder: Path) -> None:
    for name in ("en.yaml", "fr.yaml"):
        block = folder / "sentences" / name
        block.write_text((SENTENCES_FOLDER / name).read_text(encoding="utf-8") + block.read_text(encoding="utf-8"))
    responder = Responder(
        build_skills(Config(), Store(None), ZoneClock(), VoiceSettings(), folders=[folder]),
    )
    responder.skills.skills = replace(
        responder.skills.skills,
        recogniser=SkillRecogniser(RecogniserConfig((folder / "sentences",)), load_skills((), SKILLS_FOLDER, folder)),
    )
    assert responder.reply("is 2028 a leap year").text == "Yes, 2028 has 366 days."
    assert responder.reply("what time is it").text == "It's 2:30 PM."
    assert responder.reply("quelle heure est-il").text == "Il est 14 h 30."


def test_a_block_that_would_hide_another_is_refused(folder: Path) -> None:
    block = folder / "sentences" / "en.yaml"
    block.write_text("intents:\n  A: {data: []}\n" + block.read_text(encoding="utf-8").replace("---\n", ""))
    with pytest.raises(ConfigError, match=r"en\.yaml: .*'intents' stands twice in one block"):
        make(folder).reply("is 2028 a leap year")


def test_two_skills_cannot_claim_one_intent(folder: Path) -> None:
    text = (folder / "leap_year.py").read_text(encoding="utf-8")
    (folder / "leap_year_2.py").write_text(text.replace('"IsLeapYear"', '"TellTime"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="TellTime already belongs to skill 'time'"):
        make(folder)


def test_a_template_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "sentences" / "en.yaml").write_text(
        "language: en\nintents: {IsLeapYear: {data: [{sentences: ['(is it a leap year']}]}}", encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=r"en\.yaml: a template cannot be read"):
        make(folder).reply("is 2028 a leap year")
