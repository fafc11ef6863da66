"""A language model whose replies are written by a test, behind the mlx_lm interface; its cache is real, its words not.

What it replies to is what its cache holds: a prefix that was trimmed wrongly shows as a wrong prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from llm.in_words import WordsOnly

_PIECE = re.compile(r"<\|im_start\|>|<\|im_end\|>|</?\w+>|\s?\w+|\s|[^\w\s]")
END = "<|im_end|>"


class ScriptedTokenizer:
    """Words as tokens, numbered as they come; ChatML. `opening` stands after each `assistant` that is asked for."""

    def __init__(self, opening: str = "", system: bool = True) -> None:
        self.vocabulary: dict[str, int] = {}
        self.words: list[str] = []
        self.tool_parser = object()
        self._opening = opening
        self._system = system

    def encode(self, text: str) -> list[int]:
        return [self._number(piece) for piece in _PIECE.findall(text)]

    def decode(self, tokens: list[int]) -> str:
        return "".join(self.words[token] for token in tokens)

    def apply_chat_template(
        self,
        messages: list[dict[str, str]],
        tools: Any = None,
        add_generation_prompt: bool = False,
        enable_thinking: bool = True,
    ) -> list[int]:
        from jinja2.exceptions import TemplateError

        assert not enable_thinking
        if not self._system and messages[0]["role"] == "system":
            raise TemplateError("System role not supported")
        text = "".join(f"<|im_start|>{message['role']}\n{message['content']}{END}\n" for message in messages)
        if tools:
            text = text.replace(END, f"\nTOOLS {' '.join(tool['function']['name'] for tool in tools)}{END}", 1)
        return self.encode(text + (f"<|im_start|>assistant\n{self._opening}" if add_generation_prompt else ""))

    def get_vocab(self) -> dict[str, int]:
        return dict(self.vocabulary)

    def _number(self, word: str) -> int:
        if word not in self.vocabulary:
            self.vocabulary[word] = len(self.words)
            self.words.append(word)
        return self.vocabulary[word]


class ScriptedCache:
    def __init__(self) -> None:
        self.tokens: list[int] = []

    @property
    def nbytes(self) -> int:
        """As large as those of a small model."""
        return 12_000 * len(self.tokens)

    @property
    def offset(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class Response:
    text: str
    token: int
    logprobs: Any = None
    finish_reason: str | None = None
    prompt_tokens: int = 100
    prompt_tps: float = 400.0


class ScriptedRuntime:
    """`reply(prompt)` is the text written after a prompt, given as text. `computed` counts tokens put into caches."""

    def __init__(
        self,
        reply: Callable[[str], str] = lambda prompt: "Yes.",
        tokenizer: ScriptedTokenizer | None = None,
        token_bytes: int = 0,
    ) -> None:
        self.tokenizer = tokenizer or ScriptedTokenizer()
        self.reply = reply
        self.token_bytes = token_bytes
        self.prompts: list[str] = []
        self.computed = 0
        self.words_only: list[bool] = []
        """of each reply, whether calls of tools were barred from it"""
        self.most_tokens = 10**6
        """of a reply, whatever is asked for"""
        self.loaded: list[str] = []
        self.precisions: list[Any] = []
        self.given_tokenizers: list[Any] = []
        """at each loading: that of the one before"""
        self.samplers: list[dict[str, Any]] = []
        self.free = 10**10
        """main memory"""
        self.refusal: Exception | None = None
        """of loading"""
        self.fail_after: int | None = None
        self.failure: Exception = RuntimeError("the cable came off")
        self.logprobs: Callable[[int], Any] = lambda token: None
        self.on_cpu: Callable[[], object] = lambda: None
        """called when the model has left the card"""

    def load(self, path_or_hf_repo: str, *, precision: Any = None, tokenizer: Any = None) -> Any:
        self.loaded.append(path_or_hf_repo)
        self.given_tokenizers.append(tokenizer)
        self.precisions.append(precision)
        if self.refusal is not None:
            raise self.refusal
        self.model = SimpleNamespace(
            config=SimpleNamespace(kv_bytes_per_token=self.token_bytes), device=SimpleNamespace(type="cuda")
        )
        return self.model, self.tokenizer

    def to_cpu(self, model: Any) -> None:
        model.device = SimpleNamespace(type="cpu")
        self.on_cpu()

    def make_prompt_cache(self, model: Any) -> list[Any]:
        return [ScriptedCache()]

    def trim_prompt_cache(self, cache: list[Any], num_tokens: int) -> int:
        count = min(num_tokens, len(cache[0].tokens))
        del cache[0].tokens[len(cache[0].tokens) - count :]
        return count

    def make_sampler(self, **options: Any) -> Any:
        self.samplers.append(options)
        return None

    def read_prompt(self, prompt: list[int], model: Any, *, prompt_cache: list[Any], logits: bool) -> Any:
        """What stands for logits is the tokens that they follow."""
        assert prompt, "an empty prompt"
        self._put(prompt_cache, prompt)
        return list(prompt_cache[0].tokens) if logits else None

    def stream_generate(
        self,
        model: Any,
        tokenizer: Any,
        prompt: list[int],
        *,
        max_tokens: int,
        sampler: Any,
        prompt_cache: list[Any],
        prompt_logits: Any = None,
    ) -> Iterator[Response]:
        """A token ahead of what it yields, as the interface says; the last one is never computed."""
        assert prompt, "an empty prompt"
        self.words_only.append(sampler is not None and sampler.__qualname__.startswith(WordsOnly.__name__))
        if prompt_logits is None:
            self._put(prompt_cache, prompt)
        else:
            assert prompt_logits == prompt_cache[0].tokens == prompt
        text = self.tokenizer.decode(prompt_cache[0].tokens)
        self.prompts.append(text)
        most = min(max_tokens, self.most_tokens)
        tokens = [*self.tokenizer.encode(self.reply(text)), *self.tokenizer.encode(END)][:most]
        for position, token in enumerate(tokens):
            if position == self.fail_after:
                raise self.failure
            last = position == len(tokens) - 1
            if not last:
                self._put(prompt_cache, [token])
            word = self.tokenizer.words[token]
            reason = None if not last else "stop" if word == END else "length"
            yield Response("" if word == END else word, token, self.logprobs(token), reason)

    def _put(self, cache: list[Any], tokens: list[int]) -> None:
        cache[0].tokens += tokens
        self.computed += len(tokens)


class PlainOptimizer:
    """The steps of an engine, noted and otherwise done without torch."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def initialize(self) -> Any:
        self.steps.append("initialize")

    def warmup_model(self, model: Any, warmup_input: Any, runs: int) -> float:
        self.steps.append("warmup_model")
        model(*warmup_input)
        return 0.0

    def get_inference_context(self, stage: Any) -> AbstractContextManager[Any]:
        return nullcontext()


class OneFolder:
    """A ModelStore that finds anything."""

    def resolve(self, name_or_path: str) -> Path:
        return Path("/models") / name_or_path
