"""The TensorRT that is installed: TensorRT 10 or 11, or TensorRT-RTX, which has 11's interface.

10 takes precisions as the builder's flags. 11 and RTX are strongly typed: the graph's own types count.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from core.utils.errors import TensorRTUnavailableError

SUPPORTED = {"tensorrt": ("10", "11"), "tensorrt_rtx": ("1",), "tensorrt_rtx_bindings": ("1",)}
"""module -> major versions, in the order they are looked for; RTX's last where its wheels alone are installed"""

NEWEST_KNOWN = 12
"""major compute capability of the newest cards that TensorRT-RTX 1.7 names; it takes later ones too"""


def load_library() -> Any:
    """The tensorrt module. Raises TensorRTUnavailableError: absent, or of another major version."""
    told = []
    for name in SUPPORTED:
        try:
            trt = importlib.import_module(name)
        except ImportError as error:
            told.append(str(error))
            continue
        check_version(name, str(trt.__version__))
        return trt
    raise TensorRTUnavailableError(
        f"TensorRT is not installed ({told[0]}); it comes with the extra `tensorrt` and needs an NVIDIA card: "
        "MERLINE_EXTRAS=full,toolbox,tensorrt python3 main.py"
    )


def check_version(name: str, version: str) -> None:
    """Raises TensorRTUnavailableError for another major version than those this code is written for."""
    if version.partition(".")[0] not in SUPPORTED[name]:
        raise TensorRTUnavailableError(
            f"{name} {version} is installed and {' or '.join(SUPPORTED[name])} is needed; "
            "pip install 'tensorrt>=10,<12'"
        )


def strongly_typed(trt: Any) -> bool:
    """Whether precisions are the graph's alone: 11 and RTX have no flags for them."""
    return not hasattr(trt.BuilderFlag, "FP16")


def version_of(trt: Any) -> str:
    """As an engine's header has it: 10.3.0, or rtx-1.7.1.116."""
    return ("rtx-" if "rtx" in trt.__name__ else "") + str(trt.__version__)


@cache
def logger_of(trt: Any) -> Any:
    """The one logger of the process: a library keeps the first it is given, and grumbles at others."""
    return trt.Logger(trt.Logger.WARNING)


def check_card(trt: Any, capability: str) -> None:
    """Raises TensorRTUnavailableError for a card that the library builds for, and then does not run engines on.

    Seen on an H200 (9.0): TensorRT-RTX built every engine and refused to load them. Of cards newer than it, it says
    that it takes them.
    """
    if "rtx" not in trt.__name__ or int(capability.partition(".")[0]) > NEWEST_KNOWN:
        return
    known = [name.removeprefix("SM") for name in trt.ComputeCapability.__members__ if name.startswith("SM")]
    if capability.replace(".", "") not in known:
        raise TensorRTUnavailableError(
            f"TensorRT-RTX {trt.__version__} does not run on a card of compute capability {capability}; it takes "
            f"{', '.join(f'{name[:-1]}.{name[-1]}' for name in known)}; pip install 'tensorrt>=10,<12' for this card"
        )


def describe_card(card: Any = None) -> tuple[str, str]:
    """Compute capability and name of the card in use. Raises TensorRTUnavailableError where there is none."""
    if card is None:
        import torch

        card = torch.cuda
    if not card.is_available():
        raise TensorRTUnavailableError("TensorRT builds and runs engines on an NVIDIA card, and torch sees none")
    major, minor = card.get_device_capability()
    return f"{major}.{minor}", str(card.get_device_name())
