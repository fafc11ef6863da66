"""What this machine is and what was decided for it: once for the process, before anything imports torch."""

from __future__ import annotations

import logging
import os

from core.app import answering, hearing, speaking
from core.optimization.analyzer import SystemAnalyzer
from core.optimization.plan import Plan
from core.optimization.profile import MachineProfile
from core.optimization.torch_optimizer import get_performance_optimizer
from core.optimization.torch_settings import prepare_environment
from core.utils.config import Config, GpuConfig
from core.utils.gpu import fence, fence_configured

VISIBLE = "CUDA_VISIBLE_DEVICES"

logger = logging.getLogger(__name__)


def make_plan(config: Config) -> Plan:
    """The plan for this machine and configuration.

    Raises ConfigError, GpuUnavailableError or GpuBusyError where a setting asks for what the machine has not.
    """
    plan = plan_for(config, SystemAnalyzer().analyze())
    logger.debug("the plan:\n%s", plan.explain())
    return plan


def plan_for(config: Config, profile: MachineProfile, engines: frozenset[str] | None = None) -> Plan:
    """The plan for any machine, with `engines` or those that are here. Raises as `make_plan` does."""
    here = hearing.engines_here(config) | answering.engines_here(config) | speaking.engines_here(config)
    return answering.tuner(config, here if engines is None else engines).plan(profile)


def apply_plan(config: Config, plan: Plan) -> None:
    """Make it the process's: what torch reads when it is imported, and the one optimizer that engines ask.

    The cards of the settings are fenced off, else the planned one where the user has not named the visible ones.
    Raises GpuUnavailableError where torch was imported before.
    """
    if config.gpu != GpuConfig() or config.optimization.device == "cuda":
        fence_configured(config.gpu, config.optimization.device)
    elif plan.gpu is not None and VISIBLE not in os.environ:
        fence(plan.gpu, config.gpu)
    prepare_environment(plan, os.environ, config.optimization)
    get_performance_optimizer(config.optimization, plan)
