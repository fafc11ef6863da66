"""The slices of a card that MIG has cut up: their names, their memory and who uses them.

Pure: reads what `nvidia-smi -L` and `nvidia-smi -q -x` printed. Only the first tells UUIDs, only the second memory.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.utils.gpu_card import Gpu, GpuProcess
from core.utils.gpu_words import memory_bytes, program_name

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

logger = logging.getLogger(__name__)

_CARD = re.compile(r"^GPU \d+: .*\(UUID: (GPU-[^)]+)\)")
_SLICE = re.compile(r"^\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-[^)]+)\)")
_SLICE_GB = re.compile(r"\.(\d+)gb", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CardSlice:
    """A slice such as 3g.20gb, as nvidia-smi describes it."""

    card_uuid: str
    device: int
    """its number on its card"""
    profile: str
    uuid: str
    total_bytes: int | None = None
    """None where the report does not tell; slices of one instance (1c.3g.71gb, 2c.3g.71gb) share theirs"""
    free_bytes: int | None = None
    processes: tuple[GpuProcess, ...] = ()


def parse_slices(listing: str, report: str) -> tuple[CardSlice, ...]:
    """The slices that the listing names, with what the XML report tells about each."""
    cards = _cards_of(report)
    found: list[CardSlice] = []
    parent = ""
    for line in listing.splitlines():
        if card := _CARD.match(line):
            parent = card[1]
        elif piece := _SLICE.match(line):
            told = CardSlice(parent, int(piece[2]), piece[1], piece[3])
            found.append(_with_report(told, cards.get(parent)))
    return tuple(found)


def slice_as_gpu(card: Gpu, piece: CardSlice) -> Gpu:
    """The slice in the shape of a card, which is what CUDA makes of it."""
    total = piece.total_bytes
    if total is None:
        # the name counts in 10^9 and is rounded: an H200's 1g.18gb has 17.2, an A100's 3g.20gb has 20.9
        size = _SLICE_GB.search(piece.profile)
        total = min(int(size[1]) * 10**9, card.total_bytes) if size else 0
    return replace(
        card,
        name=f"{card.name} MIG {piece.profile}",
        uuid=piece.uuid,
        total_bytes=total,
        free_bytes=min(total, card.free_bytes) if piece.free_bytes is None else piece.free_bytes,
        processes=piece.processes,
    )


def _cards_of(report: str) -> dict[str, Element]:
    # only a machine in MIG mode has need of it
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(report)
    except ElementTree.ParseError as error:
        logger.warning("nvidia-smi -q -x cannot be read (%s): the slices' memory is taken from their names", error)
        return {}
    return {_text(card, "uuid"): card for card in root.iter("gpu")}


def _with_report(piece: CardSlice, card: Element | None) -> CardSlice:
    if card is None:
        return piece
    for told in card.iterfind("mig_devices/mig_device"):
        if _text(told, "index") == str(piece.device):
            return replace(
                piece,
                total_bytes=memory_bytes(_text(told, "fb_memory_usage/total")),
                free_bytes=memory_bytes(_text(told, "fb_memory_usage/free")),
                processes=tuple(_processes(card, told)),
            )
    return piece


def _processes(card: Element, told: Element) -> Iterator[GpuProcess]:
    instance = [_text(told, name) for name in ("gpu_instance_id", "compute_instance_id")]
    for process in card.iterfind("processes/process_info"):
        of = [_text(process, name) for name in ("gpu_instance_id", "compute_instance_id")]
        if of == instance and _text(process, "pid").isdigit():
            yield GpuProcess(
                int(_text(process, "pid")),
                program_name(_text(process, "process_name")),
                memory_bytes(_text(process, "used_memory")),
            )


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
