"""The engine on a real decoder with random weights: what was prepared, corrected or cut off changes no token."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core_models"))

from tiny import tiny_model

from core.optimization import mlx_replacement
from llm.engine import ChatMessage, Prompt
from llm.language_model import LanguageModel, LanguageModelSettings
from llm.runtime import Runtime, process_runtime

SYSTEM = ChatMessage("system", "Set a timer for ten minutes and call it tea. " * 3)


def prompt(*texts: str) -> Prompt:
    roles: Any = ("user", "assistant")
    return Prompt((SYSTEM, *(ChatMessage(roles[at % 2], text) for at, text in enumerate(texts))))


class Watched:
    """The process's own runtime, with the log-probabilities of what it generates kept."""

    def __init__(self) -> None:
        self.logprobs: list[Any] = []
        self.tokens: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(mlx_replacement, name)

    def stream_generate(self, *arguments: Any, **options: Any) -> Any:
        self.logprobs, self.tokens = [], []
        for response in process_runtime().stream_generate(*arguments, **options):
            self.logprobs.append(response.logprobs)
            self.tokens.append(response.token)
            yield response


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny", "qwen3")


def make(folder: Path, runtime: Runtime) -> LanguageModel:
    model = LanguageModel(LanguageModelSettings(str(folder), max_tokens=24, temperature=0.0), runtime=runtime)
    model.load()
    return model


def test_after_corrections_and_a_cut_off_reply_it_writes_what_a_fresh_one_writes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path))
    watched, fresh = Watched(), Watched()
    model, other = make(folder, watched), make(folder, fresh)
    cut = model.answer(prompt("What is the weather like?"))
    for _ in range(5):
        next(cut)
    cut.close()
    for words in ("Remind", "Remind me too", "Remind me to phone", "Remind me to phone the dentist"):
        model.prefill(prompt("What is the weather like?", "Fine.", words), at_most=16)
    asked = prompt("What is the weather like?", "Fine.", "Remind me to phone the doctor on Tuesday.")
    said = "".join(model.answer(asked))
    assert said == "".join(other.answer(asked))
    assert watched.tokens == fresh.tokens
    for mine, yours in zip(watched.logprobs, fresh.logprobs, strict=True):
        assert float((mine - yours).abs().max()) < 1e-3


def test_a_reply_that_was_begun_before_the_words_were_final_is_a_fresh_ones(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path))
    watched, fresh = Watched(), Watched()
    model, other = make(folder, watched), make(folder, fresh)
    for words in ("Remind me", "Remind me to phone the doctor", "Remind me to phone the dentist on Tuesday."):
        model.prefill(prompt(words), whole=True)
    asked = prompt("Remind me to phone the dentist on Tuesday.")
    assert "".join(model.answer(asked)) == "".join(other.answer(asked))
    assert watched.tokens == fresh.tokens
    for mine, yours in zip(watched.logprobs, fresh.logprobs, strict=True):
        assert float((mine - yours).abs().max()) < 1e-3


def test_its_words_are_bounded_and_it_goes_on_after_many_turns(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path))
    watched = Watched()
    model = make(folder, watched)
    history: list[str] = []
    for number in range(4):
        history.append(f"Quelle heure est-il à Montréal, {number} ?")
        history.append("".join(model.answer(prompt(*history))))
        assert len(watched.tokens) <= 24
    model.close()
