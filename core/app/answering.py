"""What answers besides the skills: a language model here, one on a server, or none."""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from core.utils.config import Config
from core.utils.errors import ModelError
from core.utils.model_store import ModelStore
from llm.responder import SKILLS, Responder

if TYPE_CHECKING:
    from core.optimization.catalogue import CausalSize
    from core.optimization.memory import MemoryOptimizer
    from core.optimization.plan import Plan
    from core.optimization.tuner import PerformanceTuner
    from llm.language_answers import AnswerSettings, LanguageAnswers

logger = logging.getLogger(__name__)

ENGINE = "mlx"
REMOTE = "openai"
PACKAGES = ("torch", "transformers", "safetensors")
"""all of which a model here needs"""


def engines_here(config: Config, store: ModelStore | None = None) -> frozenset[str]:
    """The answering engines to plan with. A model here where it is asked for, or can be had without a download."""
    from core.optimization.catalogue import EMBEDDED_ENGINES

    asked = config.llm.engine == ENGINE
    return EMBEDDED_ENGINES | {ENGINE} if asked or model_is_here(config, store) else EMBEDDED_ENGINES


def wants_model(config: Config, store: ModelStore | None = None) -> bool:
    """Whether one may be loaded here; without, nothing needs to be known of the machine to answer."""
    wish = config.llm.engine
    return wish == ENGINE or (wish == "auto" and model_is_here(config, store))


def tuner(config: Config, engines: frozenset[str], store: ModelStore | None = None) -> PerformanceTuner:
    """Who plans for these engines, told how large the language model is that llm.model names.

    One on a server takes no more of this machine than the skills do.
    """
    from core.optimization.tuner import PerformanceTuner

    size = _size_here(config, store or ModelStore())
    if config.llm.engine == REMOTE:
        config = config.model_copy(update={"llm": config.llm.model_copy(update={"engine": SKILLS})})
    return PerformanceTuner(config, engines, size)


def _size_here(config: Config, store: ModelStore) -> CausalSize | None:
    """Of the model that is named; None where it is not on this machine, or nothing to be planned with."""
    if config.llm.model is None or config.llm.engine in (SKILLS, REMOTE):
        return None
    from core.optimization.model_folder import size_of

    try:
        return size_of(store.resolve(config.llm.model))
    except ModelError:  # whoever loads it says what is wrong with it
        return None


def equip(
    config: Config,
    plan: Plan | None,
    responder: Responder,
    offline: bool = False,
    memory: MemoryOptimizer | None = None,
) -> None:
    """Give the responder what the configuration asks for, not yet loaded; nothing where the skills answer alone.

    With `llm.engine: auto` a model that cannot be loaded is done without, and so is a server that --offline forbids.
    Without a plan, `auto` means the skills unless llm.model is set. A model here is registered with `memory`.
    """
    wish = config.llm.engine
    planned = plan.llm if plan is not None and plan.llm.engine == ENGINE else None
    if wish == SKILLS or (wish == "auto" and planned is None and config.llm.model is None):
        return
    if wish == REMOTE:
        responder.use(_remote(config, responder, offline))
        return
    model = model_to_load(config, planned.model if planned else None)
    responder.use(local_answers(config, plan, responder, model, memory), may_fall_back=wish == "auto")


def local_answers(
    config: Config, plan: Plan | None, responder: Responder, model: str, memory: MemoryOptimizer | None = None
) -> LanguageAnswers:
    """A model on this machine, not yet loaded.

    It gets all threads: until its first clause is written nothing else has much to compute, and that is waited for.
    """
    from llm.language_answers import LanguageAnswers
    from llm.language_model import LanguageModel, LanguageModelSettings

    llm = config.llm
    mine = replace(plan.llm, threads=plan.threads) if plan is not None and plan.llm.engine == ENGINE else None
    settings = LanguageModelSettings(
        model, mine, max_tokens=llm.max_tokens, context_tokens=llm.context_tokens, temperature=llm.temperature
    )
    return LanguageAnswers(LanguageModel(settings, memory=memory), responder.skills, _settings(config))


def model_to_load(config: Config, planned: str | None, store: ModelStore | None = None) -> str:
    """The configured model, else the planned size if it is here, else the largest smaller one, else the smallest.

    Where none is here it is the planned one, so that what is missing has a name.
    """
    from core.optimization.catalogue import QWEN, QWEN_2_5

    if config.llm.model is not None:
        return config.llm.model
    store = store or ModelStore()
    sizes = [size.name for size in sorted((*QWEN_2_5, *QWEN), key=lambda size: size.parameters)]
    names = {model.size: model.name for model in store.catalogue if model.engine == ENGINE}
    planned = planned if planned in sizes else QWEN[0].name
    wanted = sizes.index(planned)
    order = [*reversed(sizes[: wanted + 1]), *sizes[wanted + 1 :]]
    here = [names[size] for size in order if size in names and store.find(names[size]) is not None]
    return here[0] if here else names[planned]


def model_is_here(config: Config, store: ModelStore | None = None) -> bool:
    """Whether one could be loaded now, as far as looking tells."""
    if config.llm.model is None:
        store = store or ModelStore()
        if not any(store.find(model.name) for model in store.catalogue if model.engine == ENGINE):
            return False
    return packages_are_here()


def packages_are_here(packages: tuple[str, ...] = PACKAGES) -> bool:
    """Whether this process could import them; by default, whether it could load a model."""
    importlib.invalidate_caches()
    return all(importlib.util.find_spec(name) for name in packages)


def _remote(config: Config, responder: Responder, offline: bool) -> LanguageAnswers:
    from llm.language_answers import LanguageAnswers
    from llm.remote import RemoteModel, RemoteSettings

    llm = config.llm
    settings = RemoteSettings(
        llm.base_url or "",
        llm.model or "",
        max_tokens=llm.max_tokens,
        context_tokens=llm.context_tokens,
        temperature=llm.temperature,
        timeout_s=llm.timeout_s,
        offline=offline,
    )
    return LanguageAnswers(RemoteModel(settings), responder.skills, _settings(config))


def _settings(config: Config) -> AnswerSettings:
    from llm.language_answers import AnswerSettings

    return AnswerSettings(reply_tokens=config.llm.max_tokens, tools=config.llm.tools, beside=True)
