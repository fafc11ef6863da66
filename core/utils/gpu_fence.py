"""Fences this process and its children off from every card but one, before torch is imported, and proves it after.

Only environment variables are set: what CUDA has not been told yet it cannot see. Imports torch only to prove.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Collection, MutableMapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.utils.errors import GpuBusyError, GpuUnavailableError
from core.utils.gpu_card import Gpu
from core.utils.gpu_choice import GB, busy_sentence, choose_gpu
from core.utils.gpu_reading import SmiRun, find_nvidia_smi, read_gpus, run_nvidia_smi

if TYPE_CHECKING:
    from core.utils.config import GpuConfig

logger = logging.getLogger(__name__)

ORDER = "CUDA_DEVICE_ORDER"
VISIBLE = "CUDA_VISIBLE_DEVICES"
BY_BUS = "PCI_BUS_ID"
NO_CARD = "-1"
ALLOCATOR = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")
"""the old name and the new one: a torch reads the one that it knows"""
SPLIT = "max_split_size_mb"
TOLERANCE = 0.05
"""torch counts less memory than nvidia-smi, for the driver keeps some; two cards that differ less are told by UUID"""


@dataclass(frozen=True, slots=True)
class ExclusiveGpu:
    """The proof that torch sees one card, and the right one."""

    name: str
    uuid: str | None
    """as torch tells it; None where it does not"""
    capability: tuple[int, int]
    total_bytes: int
    free_bytes: int
    """what the driver has free, and what this process's torch has taken but not used"""
    proved_by: str
    """uuid, or name and memory"""


def fence(
    gpu: Gpu,
    config: GpuConfig,
    environ: MutableMapping[str, str] = os.environ,
    modules: Collection[str] = sys.modules.keys(),
) -> None:
    """Make `gpu` the only card that torch and CUDA will find, as cuda:0; children of this process inherit it.

    A CUDA_VISIBLE_DEVICES that the user set is left alone, unless gpu.use or gpu.forbid says otherwise.
    Raises GpuUnavailableError where torch is imported already and was not fenced in just this way.
    """
    values = _allocator_values(config, environ)
    if VISIBLE in environ and config.use is None and not config.forbid:
        logger.info("%s=%s is yours and is kept", VISIBLE, environ[VISIBLE])
    else:
        values |= {ORDER: BY_BUS, VISIBLE: device_number(gpu)}
        if environ.get(VISIBLE, values[VISIBLE]) != values[VISIBLE]:
            logger.warning("%s=%s gives way to gpu.use and gpu.forbid", VISIBLE, environ[VISIBLE])
    _set(values, environ, modules)
    logger.info("the one card to use: %s (PCI bus %s, %s=%s)", gpu.name, gpu.pci_bus, VISIBLE, environ[VISIBLE])


def device_number(gpu: Gpu) -> str:
    """What CUDA_VISIBLE_DEVICES holds for this card: its number in PCI bus order, which every CUDA program understands.

    A slice of a card has no number of its own and goes by its UUID. `validate_exclusive_gpu` proves the number by UUID.
    """
    return gpu.uuid if gpu.uuid.startswith("MIG-") else str(gpu.index)


def fence_configured(
    config: GpuConfig,
    device: str = "auto",
    run: SmiRun | None = None,
    environ: MutableMapping[str, str] = os.environ,
    modules: Collection[str] = sys.modules.keys(),
) -> Gpu | None:
    """Choose and fence as gpu.* and optimization.device say; the card, or None where none is asked for or to be had.

    Looks at the machine only when something is asked for. Without a card to be had, gpu.use and device `cuda` raise
    GpuUnavailableError or GpuBusyError; a mere limit (gpu.forbid, gpu.min_memory_gb) hides all cards and goes on.
    """
    if device not in ("auto", "cuda"):
        return None
    if config.use is None and not config.forbid and not config.min_memory_gb and device == "auto":
        _set(_allocator_values(config, environ), environ, modules)
        return None
    must = config.use is not None or device == "cuda"
    if run is None and not must and find_nvidia_smi() is None:
        return None
    cards = read_gpus(run or run_nvidia_smi)
    try:
        gpu = choose_gpu(_visible(cards, config, environ), config)
    except (GpuUnavailableError, GpuBusyError) as error:
        if must:
            raise
        if cards:
            logger.warning("%s. Going on without a card", error)
            _set({VISIBLE: NO_CARD}, environ, modules)
        return None
    fence(gpu, config, environ, modules)
    return gpu


def validate_exclusive_gpu(gpu: Gpu, min_memory_bytes: int, torch: Any = None) -> ExclusiveGpu:
    """Prove that torch sees `gpu` alone and that `min_memory_bytes` of it are free for this process.

    Raises GpuUnavailableError (no CUDA, several cards, another card, too small) or GpuBusyError (its memory is taken).
    """
    torch = torch or import_module("torch")
    _check_count(gpu, torch)
    found = torch.cuda.get_device_properties(0)
    proved_by = _check_identity(gpu, found)
    asked = f"{min_memory_bytes / GB:.1f} GB"
    if found.total_memory < min_memory_bytes:
        raise GpuUnavailableError(
            f"{found.name} has {found.total_memory / GB:.1f} GB for torch and {asked} are asked for; "
            "lower gpu.min_memory_gb, or name a larger card in gpu.use"
        )
    try:
        idle = torch.cuda.memory_reserved(0) - torch.cuda.memory_allocated(0)
        free = torch.cuda.mem_get_info(0)[0] + idle
    except RuntimeError as error:  # torch's own words for a card that it cannot open, or that has no room for a context
        if "out of memory" in str(error).lower():
            raise GpuBusyError(f"{found.name} has no memory left at all; {busy_sentence(gpu)}") from error
        raise GpuUnavailableError(f"{found.name} cannot be used: {_first_line(error)}") from error
    if free < min_memory_bytes:
        raise GpuBusyError(f"{found.name} has {free / GB:.1f} GB free of the {asked} asked for; {busy_sentence(gpu)}")
    return ExclusiveGpu(
        name=found.name,
        uuid=_uuid(found),
        capability=(found.major, found.minor),
        total_bytes=found.total_memory,
        free_bytes=free,
        proved_by=proved_by,
    )


def _check_count(gpu: Gpu, torch: Any) -> None:
    if torch.version.cuda is None:
        raise GpuUnavailableError(
            f"{gpu.name} is there, but torch {torch.__version__} is built without CUDA; install torch's CUDA build"
        )
    try:
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    except RuntimeError as error:
        raise GpuUnavailableError(f"{gpu.name} cannot be opened by torch: {_first_line(error)}") from error
    if count == 1:
        return
    state = f"{VISIBLE} is {os.environ.get(VISIBLE, 'not set')}"
    if count == 0:
        raise GpuUnavailableError(
            f"torch sees no card, {gpu.name} was to be the one ({state}); check it with nvidia-smi"
        )
    names = " and ".join(str(torch.cuda.get_device_properties(number).name) for number in range(count))
    raise GpuUnavailableError(
        f"torch sees {count} cards ({names}) and {gpu.name} was to be the only one ({state}); "
        "start through main.py, which sets it before torch is imported"
    )


def _check_identity(gpu: Gpu, found: Any) -> str:
    uuid = _uuid(found)
    if uuid is not None and not gpu.uuid.startswith("MIG-"):
        if uuid != _bare(gpu.uuid):
            raise GpuUnavailableError(
                f"torch sees {found.name} ({uuid}), and {gpu.name} ({gpu.uuid}) was to be the one; "
                "start again: the order of the cards has changed since they were read"
            )
        return "uuid"
    near = abs(found.total_memory - gpu.total_bytes) <= TOLERANCE * gpu.total_bytes
    if found.name != gpu.name or not near:
        raise GpuUnavailableError(
            f"torch sees {found.name} ({found.total_memory / GB:.1f} GB), and {gpu.name} "
            f"({gpu.total_bytes / GB:.1f} GB) was to be the one; "
            "start again: the order of the cards has changed since they were read"
        )
    return "name and memory"


def _uuid(found: Any) -> str | None:
    told = getattr(found, "uuid", None)
    return _bare(str(told)) if told is not None else None


def _bare(uuid: str) -> str:
    return uuid.lower().removeprefix("gpu-")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _allocator_values(config: GpuConfig, environ: MutableMapping[str, str]) -> dict[str, str]:
    """The allocator's settings with ours in place of the same one; the user's others stay."""
    if not config.max_split_size_mb:
        return {}
    known = next((environ[name] for name in reversed(ALLOCATOR) if name in environ), "")
    others = [part.strip() for part in known.split(",") if part.strip() and part.split(":")[0].strip() != SPLIT]
    return dict.fromkeys(ALLOCATOR, ",".join([*others, f"{SPLIT}:{config.max_split_size_mb}"]))


def _set(values: dict[str, str], environ: MutableMapping[str, str], modules: Collection[str]) -> None:
    late = {name: value for name, value in values.items() if environ.get(name) != value}
    if late and "torch" in modules:
        told = ", ".join(f"{name}={value}" for name, value in late.items())
        raise GpuUnavailableError(
            f"torch is imported already and takes no notice of {told}; start through main.py, "
            "or set them before Python starts"
        )
    environ.update(late)


def _visible(cards: Sequence[Gpu], config: GpuConfig, environ: MutableMapping[str, str]) -> Sequence[Gpu]:
    """The cards that a CUDA_VISIBLE_DEVICES of the user leaves, where it is to be kept.

    Numbers count here in PCI bus order, which CUDA follows only when told to; UUIDs need no order.
    """
    if VISIBLE not in environ or config.use is not None or config.forbid:
        return cards
    words = [word.strip() for word in environ[VISIBLE].split(",")]
    by_bus = environ.get(ORDER) == BY_BUS or len({card.name for card in cards}) == 1
    if not by_bus and any(word.isdigit() for word in words):
        return cards
    left = [card for card in cards if any(_means(word, card) for word in words)]
    if cards and not left:
        raise GpuUnavailableError(
            f"{VISIBLE}={environ[VISIBLE]} leaves no card: unset it, or name the card in gpu.use, which outdoes it"
        )
    return left


def _means(word: str, card: Gpu) -> bool:
    return word == str(card.index) if word.isdigit() else bool(word) and card.uuid.startswith(word)
