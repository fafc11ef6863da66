"""A causal language model in this process, with its prompt cache: a turn computes only what the last one had not.

The cache always holds a prefix of some prompt, known token by token. A reply whose iterator is closed stops within
one token and leaves it so. After an error it is begun anew.

Of the steps in core.optimization.torch_engine one is left out, torch.compile: each length of a growing cache would be
another graph to compile. core.models has kernels of its own instead.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from core.optimization.plan import StagePlan
from core.utils.errors import InferenceError, ModelError, ModelLoadError
from core.utils.model_store import ModelStore
from llm.engine import PREFILL_AT_ONCE, ChatMessage, Prompt, without_calls
from llm.hidden_text import CALL_OPENS
from llm.runtime import Optimizer, Runtime, process_optimizer, process_runtime

logger = logging.getLogger(__name__)

ENGINE = "mlx"
TOP_P = 0.8
TOP_K = 20
"""as Qwen recommends for its models without thinking"""
_THOUGHT = "<think>"
_GOES_ON = " zq"
"""stands for the words to come; any would do"""


@dataclass(frozen=True, slots=True)
class LanguageModelSettings:
    """Which model, and how it writes."""

    model: str
    """a name of `models list`, or a folder"""
    plan: StagePlan | None = None
    max_tokens: int = 256
    """of a reply"""
    context_tokens: int = 4096
    temperature: float = 0.7
    """0: always the likeliest token"""


class LanguageModel:
    """Implements llm.engine.Engine. `runtime` and `optimizer` are the process's own unless given."""

    name = ENGINE
    elsewhere = False

    def __init__(
        self,
        settings: LanguageModelSettings,
        store: ModelStore | None = None,
        runtime: Runtime | None = None,
        optimizer: Optimizer | None = None,
    ) -> None:
        self._settings = settings
        self._store = store or ModelStore()
        self._given_runtime = runtime
        self._given_optimizer = optimizer
        self._context_tokens = settings.context_tokens
        self._system_apart = self._calls_tools = True
        """whether the template knows the role `system`, and tools in the one notation that is read here"""
        self._cache: list[Any] = []
        self._cached: list[int] = []
        """the tokens that the cache holds"""
        self._rendered: tuple[Prompt, list[int]] | None = None

    @property
    def context_tokens(self) -> int:
        """As configured, or what the model was trained for where that is less."""
        return self._context_tokens

    def load(self) -> None:
        """Load the model and write two tokens. Raises ModelError, DeviceError."""
        optimizer = self._optimizer = self._given_optimizer or process_optimizer()
        optimizer.initialize()
        runtime = self._runtime = self._given_runtime or process_runtime()
        folder = self._store.resolve(self._settings.model)
        plan = self._settings.plan
        self._model, self._tokenizer = runtime.load(str(folder), precision=plan.compute_type if plan else None)[:2]
        if plan is not None:
            self._model.inference_context = partial(optimizer.get_inference_context, plan)
        trained_for = getattr(getattr(self._model, "config", None), "max_positions", None)
        self._context_tokens = min(self._settings.context_tokens, trained_for or self._settings.context_tokens)
        self._try_template()
        self._sampler = self._make_sampler()
        self._reset()
        with self._explained():
            optimizer.warmup_model(self._warm_up, (), runs=1)
        self._reset()

    def close(self) -> None:
        """Give the model back."""
        self._model = self._tokenizer = self._rendered = None
        self._cache, self._cached = [], []

    def count(self, prompt: Prompt) -> int:
        """Its tokens, those that open the reply included."""
        return len(self._tokens(prompt))

    def prefill(self, prompt: Prompt, at_most: int = PREFILL_AT_ONCE) -> None:
        """Compute what is known of a prompt that still grows, at most so many tokens; the rest waits for the next call.

        Words that have changed since are taken back. Raises InferenceError.
        """
        tokens = self._known_tokens(prompt)[: self.context_tokens - 1]
        if _shared(self._cached, tokens) == len(tokens):
            return
        with self._explained():
            new = self._align(tokens)[:at_most]
            known = [*self._cached, *new]
            with self._optimizer.get_inference_context(self._settings.plan):
                for _ in self._runtime.generate_step(new, self._model, max_tokens=0, prompt_cache=self._cache):
                    continue
            self._remember(known)

    def answer(self, prompt: Prompt) -> Iterator[str]:
        """The reply as it is written; closing the iterator ends it. Raises InferenceError."""
        tokens = list(self._tokens(prompt))
        room = self.context_tokens - len(tokens)
        if room < 1:
            raise InferenceError(
                f"what was said and asked has {len(tokens)} tokens, more than the model's context of "
                f"{self.context_tokens}; say it in fewer words, or raise llm.context_tokens"
            )
        if self._opens_thought(tokens):
            yield _THOUGHT
        written = tokens
        with self._explained():
            new = self._align(tokens)
            responses = self._runtime.stream_generate(
                self._model,
                self._tokenizer,
                new,
                max_tokens=min(self._settings.max_tokens, room),
                sampler=self._sampler,
                prompt_cache=self._cache,
            )
            try:
                while (response := self._next(responses)) is not None:
                    _check(response)
                    written.append(int(response.token))
                    if response.text:
                        yield response.text
            finally:
                responses.close()
                self._remember(written)

    def _next(self, responses: Iterator[Any]) -> Any:
        with self._optimizer.get_inference_context(self._settings.plan):
            return next(responses, None)

    def _align(self, tokens: Sequence[int]) -> list[int]:
        """Bring the cache to the longest prefix it shares with `tokens`; the tokens that are left, at least one."""
        shared = min(_shared(self._cached, tokens), len(tokens) - 1)
        extra = len(self._cached) - shared
        if extra and self._runtime.trim_prompt_cache(self._cache, extra) != extra:
            self._reset()
            return list(tokens)
        del self._cached[shared:]
        return list(tokens[shared:])

    def _remember(self, tokens: Sequence[int]) -> None:
        """Note what the cache holds after `tokens` have gone into it, perhaps not the last or one more than these."""
        held = int(self._cache[0].offset) if self._cache else 0
        extra = held - len(tokens)
        if extra > 0 and self._runtime.trim_prompt_cache(self._cache, extra) != extra:
            self._reset()
            return
        self._cached = list(tokens[:held])

    def _reset(self) -> None:
        self._cache, self._cached = self._runtime.make_prompt_cache(self._model), []

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """After a failure the cache is begun anew; whatever torch raises loses one turn."""
        try:
            yield
        except InferenceError:
            self._reset()
            raise
        except (RuntimeError, MemoryError, ValueError, ArithmeticError) as error:
            self._reset()
            short = isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate" in str(error)
            what = "there was not enough memory to go on; close other programs or take a smaller model" if short else ""
            raise InferenceError(f"the language model failed: {what or error}; this turn is lost") from error

    def _tokens(self, prompt: Prompt) -> list[int]:
        if self._rendered is None or self._rendered[0] is not prompt:
            self._rendered = (prompt, self._render(prompt))
        return self._rendered[1]

    def _known_tokens(self, prompt: Prompt) -> list[int]:
        """Those that stay whatever comes behind the user's last words."""
        *before, last = prompt.messages
        longer = replace(prompt, messages=(*before, replace(last, content=last.content + _GOES_ON)))
        tokens, other = self._tokens(prompt), self._render(longer)
        return tokens[: _shared(tokens, other)]

    def _render(self, prompt: Prompt) -> list[int]:
        messages = prompt.messages if self._calls_tools else without_calls(prompt.messages)
        messages = messages if self._system_apart else _joined(messages)
        tools = [tool.as_json() for tool in prompt.tools] if self._calls_tools else []
        tokens = self._tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in messages],
            tools=tools or None,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        return [int(token) for token in tokens]

    def _try_template(self) -> None:
        """Some templates refuse the role `system`, or tools. Raises ModelLoadError for one that takes no dialogue."""
        from jinja2.exceptions import TemplateError

        hello = (ChatMessage("system", "be brief"), ChatMessage("user", "hello"))
        called = (ChatMessage("assistant", CALL_OPENS), ChatMessage("tool", "done"), ChatMessage("assistant", "Done."))
        speaks_json = getattr(self._tokenizer, "tool_parser", None) is not None
        for self._calls_tools, self._system_apart in ((speaks_json, True), (False, True), (False, False)):
            try:
                self._render(Prompt((*hello, *called, ChatMessage("user", "thanks"))))
            except TemplateError as error:
                refusal = error
            except ModelError as error:
                raise ModelLoadError(f"{self._settings.model}: {error}") from error
            else:
                return
        raise ModelLoadError(
            f"{self._settings.model}: its chat template cannot be used ({refusal}); take another model"
        )

    def _opens_thought(self, tokens: list[int]) -> bool:
        return str(self._tokenizer.decode(tokens[-4:])).rstrip().endswith(_THOUGHT)

    def _make_sampler(self) -> Any:
        temperature = self._settings.temperature
        if temperature == 0:
            return self._runtime.make_sampler(temp=0.0)
        return self._runtime.make_sampler(temp=temperature, top_p=TOP_P, top_k=TOP_K)

    def _warm_up(self) -> None:
        prompt = self._render(Prompt((ChatMessage("user", "hello"),)))
        for _ in self._runtime.stream_generate(
            self._model,
            self._tokenizer,
            prompt,
            max_tokens=2,
            sampler=self._sampler,
            prompt_cache=self._cache,
        ):
            continue


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    for position, (mine, yours) in enumerate(zip(one, other, strict=False)):
        if mine != yours:
            return position
    return min(len(one), len(other))


def _joined(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The instructions at the head of the user's first words."""
    if messages[0].role != "system":
        return list(messages)
    system, first, *others = messages
    return [ChatMessage("user", f"{system.content}\n\n{first.content}"), *others]


def _check(response: Any) -> None:
    """Raises InferenceError where the model computed no number."""
    logprobs = response.logprobs
    if logprobs is not None and math.isnan(float(logprobs[int(response.token)])):
        raise InferenceError(
            "the language model computed NaN; load it in another precision (optimization.compute_type)"
        )
