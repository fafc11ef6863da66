"""A published small model in the stage: it answers questions in words, although it is shown tools and fond of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

LONG = "why does the sky over the sea look so very blue in the evening when the sun goes down behind the hills of Wales"


class InFourBits:
    """The process's own runtime, as the plan has it for a laptop."""

    def load(self, path_or_hf_repo: str, *, precision: Any, tokenizer: Any) -> Any:
        return mlx_replacement.load(path_or_hf_repo, precision="int4", tokenizer=tokenizer)

    def __getattr__(self, name: str) -> Any:
        return getattr(mlx_replacement, name)


class Watched(InFourBits):
    """Tells how many tokens of the last prompt were left to read, and what came of it."""

    def stream_generate(self, model: Any, tokenizer: Any, prompt: Any, **options: Any) -> Iterator[Any]:
        self.new = len(prompt) if options.get("prompt_logits") is None else 0
        self.tokens: list[int] = []
        self.logprobs: list[Any] = []
        for response in mlx_replacement.stream_generate(model, tokenizer, prompt, **options):
            self.tokens.append(response.token)
            self.logprobs.append(response.logprobs)
            yield response


@pytest.fixture
def responder(real_model: Callable[[str], Path]) -> Iterator[Responder]:
    settings = LanguageModelSettings(str(real_model("Qwen2.5-Coder-0.5B-Instruct")), max_tokens=80, temperature=0.0)
    responder = Responder(make_skills())
    responder.use(LanguageAnswers(LanguageModel(settings, runtime=InFourBits()), responder.skills))
    responder.load()
    yield responder
    responder.close()


def said(responder: Responder, turn: int, text: str) -> str:
    """The reply, all of it heard."""
    messages = responder.process(Transcript(turn, 0, text, len(text), "en", True))
    sentences = [message for message in messages if isinstance(message, Sentence)]
    for sentence in sentences:
        responder.skills.context.conversation.heard(Heard(turn, 0, sentence.index, len(sentence.text)))
    return " ".join(sentence.text for sentence in sentences)


def test_a_question_is_answered_in_words(responder: Responder) -> None:
    for turn, (question, answer) in enumerate(QUESTIONS.items(), 1):
        text = said(responder, turn, question)
        assert answer in text
        assert not any(sign in text for sign in "{}<>`*")


def test_a_tool_is_called_and_its_time_is_the_users_own(responder: Responder) -> None:
    asked = "my pasta needs nine minutes, can you tell me when"
    assert responder.skills.find(asked, "en") is None
    assert said(responder, 1, asked) == "Timer set for 9 minutes."
    [timer] = responder.skills.context.schedule.items("timer")
    assert timer.duration_s == 540


def test_words_read_while_they_are_spoken_are_the_beginning_of_what_is_answered(
    real_model: Callable[[str], Path],
) -> None:
    """By a recogniser that guesses every last word wrongly: what it took back is gone, and what is left is little."""
    folder = str(real_model("SmolLM2-135M-Instruct"))

    def made() -> tuple[Watched, Responder]:
        runtime, responder = Watched(), Responder(make_skills())
        engine = LanguageModel(LanguageModelSettings(folder, max_tokens=8, temperature=0.0), runtime=runtime)
        responder.use(LanguageAnswers(engine, responder.skills))
        responder.load()
        return runtime, responder

    (watched, responder), (unprepared, fresh) = made(), made()
    for turn, question in enumerate((LONG, f"and {LONG}"), 1):
        words = question.split()
        for count in range(2, len(words), 2):
            known = " ".join(words[:count])
            list(responder.process(Transcript(turn, 0, f"{known} xylophone", len(known), "en", False)))
        assert said(responder, turn, question) == said(fresh, turn, question)
        assert watched.new <= 16, "the last words and what closes the prompt"
        assert unprepared.new > 24
        assert watched.tokens == unprepared.tokens
        assert all((ours == theirs).all() for ours, theirs in zip(watched.logprobs, unprepared.logprobs, strict=True))
    responder.close()
    fresh.close()
