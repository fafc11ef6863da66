"""Where the language model lies: on a card that may be full, or in main memory; and how much it takes there."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from core.optimization.plan import StagePlan
from core.utils.errors import InferenceError

CARD_FULL = "the card has no memory left for the language model"


def on_card(plan: StagePlan | None) -> bool:
    """Whether a plan puts it on an NVIDIA card."""
    return plan is not None and plan.device == "cuda"


def landed(plan: StagePlan, model: Any) -> StagePlan:
    """The plan with the device that the model came to lie on: a card without room is left for the CPU."""
    device = getattr(getattr(model, "device", None), "type", plan.device)
    return replace(plan, device="cpu") if device == "cpu" and plan.device == "cuda" else plan


def is_card_full(error: BaseException | None) -> bool:
    """Whether torch raised it for want of a card's memory."""
    return type(error).__name__ == "OutOfMemoryError"


def reason_to_stay(weight_bytes: int, free_bytes: int) -> str:
    """Why a model does not leave a full card; "" where main memory has room for it, or nobody knows. Sizes in bytes."""
    if not free_bytes or free_bytes > weight_bytes:
        return ""
    return (
        f"{CARD_FULL}, and main memory has {free_bytes / 1e9:.1f} GB free where it needs {weight_bytes / 1e9:.1f}; "
        "close other programs or take a smaller model; this turn is lost"
    )


def weight_bytes(model: Any) -> int:
    """What a model's tensors take, those of other packages' modules included; 0 for what is no module."""
    if not hasattr(model, "parameters"):
        return 0
    return sum(int(tensor.nbytes) for tensors in (model.parameters(), model.buffers()) for tensor in tensors)


def packing_s(model: Any) -> float:
    """How long of its loading the next one is spared, as the packed weights are kept; 0 for what packs none."""
    return float(getattr(model, "packing_s", 0.0))


def check_numbers(response: Any) -> None:
    """Raises InferenceError where the model computed no number. On a card core.models has looked, and this would wait
    for the next step."""
    logprobs = response.logprobs
    if getattr(logprobs, "is_cuda", False):
        return
    if logprobs is not None and math.isnan(float(logprobs[int(response.token)])):
        raise InferenceError(
            "the language model computed NaN; load it in another precision (optimization.compute_type)"
        )
