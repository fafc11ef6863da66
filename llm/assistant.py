"""Puts the skills together: recogniser, actions, and the context they share. No stage and no sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.messages import Language
from core.utils.clock import Clock
from core.utils.config import Config
from core.utils.voice import VoiceSettings
from llm.conversation import Conversation
from llm.schedule import Schedule
from llm.skills.base import Action, Context, Intent, Reply, Session, Skill
from llm.skills.recognise import SENTENCES_FOLDER, RecogniserConfig, SkillRecogniser
from llm.skills.registry import SKILLS_FOLDER, load_skills
from llm.store import Store


@dataclass(frozen=True, slots=True)
class SkillSet:
    """The skills in use."""

    recogniser: SkillRecogniser
    context: Context
    actions: dict[str, Action]
    skills: tuple[Skill, ...] = ()

    def act(self, intent: Intent) -> Reply:
        """Carry an intent out. Raises DataError when the store cannot be used."""
        return self.actions[intent.name](intent, self.context)


def build_skills(
    config: Config,
    store: Store,
    clock: Clock,
    voice: VoiceSettings,
    language: Language = "en",
    folders: Sequence[Path] = (),
) -> SkillSet:
    """All skills of this package and of `folders` (each with its templates in `sentences/`).

    `language` is the one the session begins in. Raises ConfigError for a skill or template that cannot be used.
    """
    skills = load_skills(config.skills.enabled, SKILLS_FOLDER, *folders)
    templates = (SENTENCES_FOLDER, *(folder / "sentences" for folder in folders))
    context = Context(
        store=store,
        schedule=Schedule(store, clock),
        clock=clock,
        voice=voice,
        conversation=Conversation(config.memory, store),
        session=Session(language),
        snooze_min=config.skills.snooze_min,
    )
    actions = {name: action for skill in skills for name, action in skill.actions.items()}
    return SkillSet(SkillRecogniser(RecogniserConfig(templates), skills), context, actions, skills)
