"""The part of `check` about answering: the skills alone, or which language model with them, and whether that is here.

Loads no model and asks no server.
"""

from __future__ import annotations

from core.app.answering import ENGINE, REMOTE, model_to_load
from core.app.first_language_model import model_to_fetch
from core.app.model_fit import ModelFit
from core.app.models import plain_size
from core.app.planning import make_plan
from core.optimization.plan import StagePlan
from core.selfcheck import Check, Finding
from core.utils.config import Config
from core.utils.errors import ModelError
from core.utils.model_store import ModelStore
from llm.responder import SKILLS


def answering_checks(config: Config, store: ModelStore | None = None) -> list[Check]:
    """One check."""
    return [Check("language model", lambda: judge_answering(config, store or ModelStore()))]


def judge_answering(config: Config, store: ModelStore, plan: StagePlan | None = None) -> Finding:
    """What `talk` would answer with now; `plan` is that of answering, made unless given.

    Raises what planning raises, and with `llm.engine: mlx` ModelError where it cannot answer.
    """
    wish = config.llm.engine
    if wish == REMOTE:
        return Finding("pass", f"{config.llm.model} at {config.llm.base_url}, after the skills; not asked now")
    if wish == SKILLS:
        return Finding("pass", "the skills alone, as llm.engine asks")
    plan = plan or make_plan(config).llm
    planned = plan.model if plan.engine == ENGINE else None
    if wish == "auto" and planned is None and config.llm.model is None:
        return Finding("pass", _skills(config, store))
    model = model_to_load(config, planned, store)
    try:
        ModelFit(config).check(model)
        folder = store.resolve(model)
    except ModelError as error:
        if wish == ENGINE:
            raise
        what, _, cure = str(error).partition("; ")
        return Finding("warn", f"the skills answer alone: {what}", cure)
    size = plain_size(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
    return Finding("pass", f"{model} in {plan.compute_type if planned else 'float32'}: on this machine, {size}")


def _skills(config: Config, store: ModelStore) -> str:
    """The skills, and what would better them."""
    better = model_to_fetch(config, store)
    if better is None:
        return "the skills alone"
    size = plain_size(better.size_bytes)
    return f"the skills alone; {better.name} is not here ({size}): `python3 main.py models download {better.name}`"
