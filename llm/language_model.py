"""A causal language model in this process, with its prompt cache: a turn computes only what the last one had not.

A reply whose iterator is closed stops within one token and leaves the cache (llm.prompt_cache) right. After an error
that is begun anew. When memory is short the model goes between two turns, with its cache where that is large, and comes
back for the next words that it is asked about.

Of the steps in core.optimization.torch_engine one is left out, torch.compile: each length of a growing cache would be
another graph to compile. core.models has kernels of its own instead.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from core.optimization.memory import MemoryOptimizer
from core.optimization.plan import StagePlan
from core.optimization.resident import Resident, Tenant, spoken_name
from core.utils.errors import InferenceError
from core.utils.model_store import ModelStore
from llm.aside import Ahead
from llm.chat_template import THOUGHT, ChatTemplate, shared
from llm.context_room import ContextRoom, available_bytes
from llm.engine import PREFILL_AT_ONCE, ChatMessage, Prompt
from llm.in_words import Restricted, is_small
from llm.model_place import (
    CARD_FULL,
    check_numbers,
    is_card_full,
    landed,
    on_card,
    packing_s,
    reason_to_stay,
    weight_bytes,
)
from llm.prompt_cache import PromptCache
from llm.runtime import Optimizer, Runtime, make_sampler, process_optimizer, process_runtime

logger = logging.getLogger(__name__)

ENGINE = "mlx"
KEPT_CACHE_BYTES = 64 * 1024 * 1024
"""of keys and values stay when the model is put away: to read the instructions again takes longer than to load it"""


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
    """Implements llm.engine.Engine. `runtime` and `optimizer` are the process's own unless given.

    `memory` is the app's, which says when the model has to go; `free_bytes` tells what main memory has left.
    """

    name = ENGINE
    elsewhere = False

    def __init__(
        self,
        settings: LanguageModelSettings,
        store: ModelStore | None = None,
        runtime: Runtime | None = None,
        optimizer: Optimizer | None = None,
        memory: MemoryOptimizer | None = None,
        free_bytes: Callable[[], int] = available_bytes,
    ) -> None:
        self._settings = settings
        self._store = store or ModelStore()
        self._given_runtime = runtime
        self._given_optimizer = optimizer
        self._free_bytes = free_bytes
        self._context_tokens = settings.context_tokens
        self._cache = PromptCache(lambda: self._runtime)
        self._tokenizer: Any = None
        """It stays when the model goes, and what follows from it: to load it takes longer than the packed weights, and
        keeps the other threads, the sound devices' among them, from the interpreter for some 0.4 s at once. That
        would be while the user speaks, whose voice brings the model back. 95 MB with 151,000 tokens (Qwen2.5, resident
        memory before and after it is let go)."""
        self.prefill_s: float | None = None
        """how long the last reply's prompt was read; None until it has been"""
        self.is_small = True
        self.cut = False
        """the last reply was not at its end when max_tokens ended it"""
        self._template: ChatTemplate | None = None
        tenant = Tenant(spoken_name(settings.model), "llm", memory or MemoryOptimizer(), on_card(settings.plan))
        self._plan = settings.plan
        """as decided, or the CPU where the card had no room"""
        self._resident = Resident(tenant, self._make, self._forget, weight_bytes, packing_s)

    @property
    def context_tokens(self) -> int:
        """As configured, or less: what the model was trained for, or what memory has room for."""
        return self._context_tokens

    def load(self) -> None:
        """Load the model and write two tokens. Raises ModelError, DeviceError; at once for a model that is not here."""
        self._store.resolve(self._settings.model)
        optimizer = self._optimizer = self._given_optimizer or process_optimizer()
        optimizer.initialize()
        self._runtime = self._given_runtime or process_runtime()
        self._resident.load()

    def _make(self) -> Any:
        """The model, warm, with an empty cache, or with what was kept of the one before."""
        kept = self._cache.layers, self._cache.tokens
        settings, plan = self._settings, self._settings.plan
        folder = self._store.resolve(settings.model)
        precision = plan.compute_type if plan else None
        found = self._runtime.load(str(folder), precision=precision, tokenizer=self._tokenizer)
        model, tokenizer = found[:2]
        if tokenizer is not self._tokenizer:
            self._template = ChatTemplate(tokenizer, settings.model)
            self._restricted = Restricted(tokenizer)
            self._tokenizer = tokenizer
        if plan is not None:
            self._plan = landed(plan, model)
            model.inference_context = partial(self._optimizer.get_inference_context, self._plan)
        trained_for = getattr(getattr(model, "config", None), "max_positions", None)
        self._room = ContextRoom(None if on_card(self._plan) else model, self._free_bytes)
        wanted = min(settings.context_tokens, trained_for or settings.context_tokens)
        self._context_tokens = self._room.context_tokens(wanted, settings.model)
        self._sampler = make_sampler(self._runtime, settings.temperature)
        self.is_small = is_small(model)
        self._cache.reset(model)
        try:
            with self._explained(model):
                self._optimizer.warmup_model(partial(self._warm_up, model), (), runs=1)
        except InferenceError:
            if self._plan is plan or on_card(self._plan):
                raise
            self._optimizer.warmup_model(partial(self._warm_up, model), (), runs=1)  # it has left the card
        self._cache.reset(model)
        if kept[1]:
            self._cache.layers, self._cache.tokens = kept
        return model

    def _forget(self) -> None:
        """The model goes. What it has read of the conversation stays where that is little."""
        self._cache.forget(on_card(self._settings.plan) or self._cache.nbytes > KEPT_CACHE_BYTES)

    def close(self) -> None:
        """Give the model back."""
        self._resident.close()
        self._cache.forget(conversation=True)
        self._tokenizer = self._template = None

    def count(self, prompt: Prompt) -> int:
        """Its tokens, those that open the reply included."""
        return len(self._rendering.tokens(prompt))

    def prefill(self, prompt: Prompt, at_most: int = PREFILL_AT_ONCE, whole: bool = False) -> None:
        """Compute what is known of a prompt that still grows, at most so many tokens; the rest waits for the next call.

        Words that have changed since are taken back, and so is what `whole` computed behind them. Raises
        InferenceError.
        """
        tokens = self._rendering.tokens(prompt) if whole else self._rendering.known_tokens(prompt)
        whole = whole and len(tokens) < self.context_tokens
        tokens = tokens[: self.context_tokens - 1]
        with self._resident.use() as model, self._explained(model):
            if shared(self._cache.tokens, tokens) == len(tokens) and (self._cache.ahead is not None or not whole):
                return
            left = self._cache.align(model, tokens)
            new = left[:at_most]
            whole = whole and len(new) == len(left)
            self._room.reply_tokens(len(new), 0)
            known = [*self._cache.tokens, *new]
            with self._optimizer.get_inference_context(self._plan):
                logits = self._runtime.read_prompt(new, model, prompt_cache=self._cache.layers, logits=whole)
            self._cache.remember(model, known)
            self._cache.ahead = Ahead(known, logits) if whole else None

    def answer(self, prompt: Prompt) -> Iterator[str]:
        """The reply as it is written; closing the iterator ends it. Raises InferenceError."""
        tokens = list(self._rendering.tokens(prompt))
        room = self.context_tokens - len(tokens)
        if room < 1:
            raise InferenceError(
                f"what was said and asked has {len(tokens)} tokens, more than the model's context of "
                f"{self.context_tokens}; say it in fewer words, or raise llm.context_tokens"
            )
        self.prefill_s, self.cut = None, False
        if self._rendering.opens_thought(tokens):
            yield THOUGHT
        written = tokens
        with self._resident.use() as model, self._explained(model), self._cache.place(prompt.aside, tokens):
            ahead = self._cache.take_ahead(tokens)
            new = [] if ahead is not None else self._cache.align(model, tokens)
            responses = self._runtime.stream_generate(
                model,
                self._tokenizer,
                new or tokens,
                max_tokens=self._room.reply_tokens(len(new), min(self._settings.max_tokens, room)),
                sampler=self._restricted.sampler(None if prompt.aside else self._sampler, prompt.callable),
                prompt_cache=self._cache.layers,
                prompt_logits=None if ahead is None else ahead.logits,
            )
            try:
                while (response := self._next(responses)) is not None:
                    check_numbers(response)
                    if self.prefill_s is None and response.prompt_tps > 0:
                        self.prefill_s = response.prompt_tokens / response.prompt_tps
                    written.append(int(response.token))
                    self.cut = response.finish_reason == "length"
                    if response.text:
                        yield response.text
            finally:
                responses.close()
                self._cache.remember(model, written)

    @property
    def _rendering(self) -> ChatTemplate:
        assert self._template is not None, "load() comes first"
        return self._template

    def _next(self, responses: Iterator[Any]) -> Any:
        with self._optimizer.get_inference_context(self._plan):
            return next(responses, None)

    @contextmanager
    def _explained(self, model: Any) -> Iterator[None]:
        """After a failure the cache is begun anew; whatever torch raises loses one turn."""
        try:
            yield
        except InferenceError as error:
            if is_card_full(error.__cause__):
                raise self._leave_card(model) from error
            self._cache.reset(model)
            raise
        except (RuntimeError, MemoryError, ValueError, ArithmeticError) as error:
            if is_card_full(error):
                raise self._leave_card(model) from error
            self._cache.reset(model)
            short = isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate" in str(error)
            what = "there was not enough memory to go on; close other programs or take a smaller model" if short else ""
            raise InferenceError(f"the language model failed: {what or error}; this turn is lost") from error

    def _leave_card(self, model: Any) -> InferenceError:
        """The model goes on on the CPU, if main memory has room for it; what to tell of this turn."""
        self._cache.layers.clear()  # the one that torch just failed to make room in, whoever else holds it
        refusal = reason_to_stay(weight_bytes(model), self._free_bytes())
        if not refusal:
            self._runtime.to_cpu(model)
            if self._plan is not None:
                self._plan = landed(self._plan, model)
                model.inference_context = partial(self._optimizer.get_inference_context, self._plan)
            self._room = ContextRoom(model, self._free_bytes)
            logger.warning("the card has no memory left: %s goes on on the CPU, slower", self._settings.model)
        self._cache.reset(model)
        return InferenceError(refusal or f"{CARD_FULL}; it goes on on the CPU, slower; this turn is lost")

    def _warm_up(self, model: Any) -> None:
        prompt = self._rendering.render(Prompt((ChatMessage("user", "hello"),)))
        for _ in self._runtime.stream_generate(
            model,
            self._tokenizer,
            prompt,
            max_tokens=2,
            sampler=self._sampler,
            prompt_cache=self._cache.layers,
        ):
            continue
