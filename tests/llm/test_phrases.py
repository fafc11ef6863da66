"""What people say, and what they must be answered: the tables phrases_en.txt and phrases_fr.txt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from skill_rig import make_skills

from core.messages import Language
from llm.responder import Responder


def phrases(language: Language) -> list[str]:
    text = (Path(__file__).parent / f"phrases_{language}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_tables_are_as_large_as_promised() -> None:
    assert len(set(phrases("en"))) >= 150
    assert len(set(phrases("fr"))) >= 120


@pytest.mark.parametrize(
    ("language", "line"), [pytest.param(code, line, id=line) for code in ("en", "fr") for line in phrases(code)]
)
def test_a_phrase_is_understood_and_answered(language: Language, line: str) -> None:
    said, intent_name, reply = (part.strip(" ") for part in line.split("=>"))
    *before, text = said.split(" | ")
    skills = make_skills(language=language)
    responder = Responder(skills)
    for earlier in before:
        assert responder.reply(earlier).understood, earlier
    intent = skills.recogniser.recognise(text, language)
    assert (intent.name if intent else "None") == intent_name
    answer = responder.reply(text)
    assert answer.language == language
    assert reply in answer.text if reply else answer.text == ""
    assert not re.search(r"[{}<>]|None", answer.text)
