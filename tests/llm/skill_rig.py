"""What the tests of skills share: a clock in Paris that moves when told to, and one recogniser for all tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from core.messages import Language
from core.utils.config import Config
from core.utils.voice import Voice, VoiceSettings
from llm.assistant import SkillSet, build_skills
from llm.responder import Responder
from llm.skills.recognise import SkillRecogniser
from llm.store import Store

PARIS = ZoneInfo("Europe/Paris")
SATURDAY = datetime(2026, 11, 21, 14, 30, tzinfo=PARIS)


class ZoneClock:
    """A clock of one time zone; `advance` moves both its times, `suspend` only the wall's."""

    def __init__(self, start: datetime = SATURDAY) -> None:
        self._zone = start.tzinfo
        self._instant = start.astimezone(UTC)
        self._monotonic = 1000.0

    def monotonic(self) -> float:
        return self._monotonic

    def now(self) -> datetime:
        return self._instant.astimezone(self._zone)

    def advance(self, seconds: float) -> None:
        self._monotonic += seconds
        self._instant += timedelta(seconds=seconds)

    def suspend(self, seconds: float) -> None:
        self._instant += timedelta(seconds=seconds)


@cache
def recogniser() -> SkillRecogniser:
    return build_skills(Config(), Store(None), ZoneClock(), VoiceSettings()).recogniser


def make_skills(
    clock: ZoneClock | None = None, language: Language = "en", path: Path | None = None, config: Config | None = None
) -> SkillSet:
    """All skills on a store of their own."""
    voice = VoiceSettings(Voice(volume=0.5))
    skills = build_skills(config or Config(), Store(path), clock or ZoneClock(), voice, language)
    return replace(skills, recogniser=recogniser())


def make_responder(clock: ZoneClock | None = None, language: Language = "en") -> Responder:
    return Responder(make_skills(clock, language))
