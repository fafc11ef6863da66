"""A published small model in the stage: it answers questions in words, although it is shown tools and fond of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from skill_rig import make_skills

pytest.importorskip("torch")
pytest.importorskip("transformers")

from core.messages import Heard, Sentence, Transcript
from core.optimization import mlx_replacement
from llm.language_answers import LanguageAnswers
from llm.language_model import LanguageModel, LanguageModelSettings
from llm.responder import Responder

QUESTIONS = {"what is the capital of Spain": "Madrid", "who wrote Romeo and Juliet": "Shakespeare"}


class InFourBits:
    """The process's own runtime, as the plan has it for a laptop."""

    def load(self, path_or_hf_repo: str, *, precision: Any) -> Any:
        return mlx_replacement.load(path_or_hf_repo, precision="int4")

    def __getattr__(self, name: str) -> Any:
        return getattr(mlx_replacement, name)


def test_a_question_is_answered_in_words(real_model: Callable[[str], Path]) -> None:
    settings = LanguageModelSettings(str(real_model("Qwen2.5-Coder-0.5B-Instruct")), max_tokens=24, temperature=0.0)
    skills = make_skills()
    responder = Responder(skills)
    model = LanguageModel(settings, runtime=InFourBits())
    responder.use(LanguageAnswers(model, responder.skills))
    responder.load()
    for turn, (question, answer) in enumerate(QUESTIONS.items(), 1):
        messages = list(responder.process(Transcript(turn, 0, question, len(question), "en", True)))
        said = [message for message in messages if isinstance(message, Sentence)]
        for sentence in said:
            skills.context.conversation.heard(Heard(turn, 0, sentence.index, len(sentence.text)))
        text = " ".join(sentence.text for sentence in said)
        assert answer in text
        assert not any(sign in text for sign in "{}<>`*")
    responder.close()
