"""Reads the NVIDIA cards of this machine through nvidia-smi, the only source: no torch, no NVML binding.

Guarantees an answer: no driver, a broken one or one that hangs means no cards, and the log says which.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.utils.gpu_card import Gpu, GpuProcess
from core.utils.gpu_slices import parse_slices, slice_as_gpu
from core.utils.gpu_words import memory_bytes, program_name

logger = logging.getLogger(__name__)

TIMEOUT_S = 15.0
"""a card that wakes from sleep takes seconds; a driver that hangs never answers"""
FIELDS = (
    "index",
    "name",
    "uuid",
    "pci.bus_id",
    "memory.total",
    "memory.free",
    "compute_cap",
    "mig.mode.current",
)
OPTIONAL = frozenset({"compute_cap", "mig.mode.current"})
"""fields that older drivers do not know"""
FORMAT = "--format=csv,noheader,nounits"
PROCESS_QUERY = ("--query-compute-apps=gpu_uuid,pid,process_name,used_memory", FORMAT)
ELSEWHERE = ("/usr/lib/wsl/lib/nvidia-smi", r"C:\Windows\System32\nvidia-smi.exe")
"""where WSL2 and Windows keep it when it is not on the PATH"""
MEMINFO = Path("/proc/meminfo")
NO_MEMORY_OF_ITS_OWN = frozenset({"[n/a]", "n/a", "[not supported]", "not supported"})
"""what the memory of a card is called that shares the computer's (DGX Spark, Jetson); faults have other words"""

_UNKNOWN_FIELD = re.compile(r'Field "([\w.]+)" is not a valid field')
_PROCESS = re.compile(r"(?P<uuid>[^,]+), ?(?P<pid>\d+), ?(?P<name>.*), ?(?P<used>[^,]*)$")
"""the name may hold commas"""
_MEMINFO = re.compile(r"^(MemTotal|MemAvailable):\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SmiAnswer:
    """What nvidia-smi printed, and how it ended."""

    exit_code: int
    output: str
    errors: str = ""

    @property
    def message(self) -> str:
        """Its words in one line; nvidia-smi tells its failures on standard output."""
        return " ".join(f"{self.output} {self.errors}".split())


@dataclass(frozen=True, slots=True)
class _Row:
    gpu: Gpu
    free_told: bool
    mig: bool
    """cut up into slices"""
    shares_memory: bool
    """has none of its own"""


SmiRun = Callable[[Sequence[str]], SmiAnswer]
"""Runs nvidia-smi with these arguments. Raises OSError where there is none, subprocess.TimeoutExpired when it hangs."""


def find_nvidia_smi() -> str | None:
    """Path of nvidia-smi, or None where no NVIDIA driver is installed. Starts nothing."""
    return shutil.which("nvidia-smi") or next((path for path in ELSEWHERE if os.access(path, os.X_OK)), None)


def run_nvidia_smi(arguments: Sequence[str]) -> SmiAnswer:
    """Run the nvidia-smi of this machine."""
    program = find_nvidia_smi()
    if program is None:
        raise FileNotFoundError("nvidia-smi is not installed")
    done = subprocess.run(
        [program, *arguments],
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return SmiAnswer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def read_gpus(run: SmiRun = run_nvidia_smi, meminfo: Path = MEMINFO) -> tuple[Gpu, ...]:
    """The cards in PCI bus order; empty where there is no driver or it is broken (logged with its own message).

    A card cut up by MIG is given as its slices. A card that shares the computer's memory has what `meminfo` tells.
    Other memory that the driver does not tell counts as 0 bytes in total, or as what its programs leave free.
    """
    try:
        rows = [_with_shared_memory(row, meminfo) for row in _read_rows(run)]
        if not rows:
            return ()
        cards = _with_slices(rows, run)
        return _with_processes(cards, run)
    except FileNotFoundError:
        logger.debug("no NVIDIA driver: nvidia-smi is not installed")
    except OSError as error:
        logger.warning("nvidia-smi cannot be started (%s): going on without NVIDIA cards", error)
    except subprocess.TimeoutExpired as error:
        logger.warning("nvidia-smi did not answer within %g s: going on without NVIDIA cards", error.timeout)
    return ()


def _read_rows(run: SmiRun) -> list[_Row]:
    fields = list(FIELDS)
    while True:
        answer = run((f"--query-gpu={','.join(fields)}", FORMAT))
        unknown = _UNKNOWN_FIELD.search(answer.message)
        if not unknown or unknown[1] not in OPTIONAL.intersection(fields):
            break
        fields.remove(unknown[1])
    lines = [line for line in map(_tidy, answer.output.splitlines()) if line]
    if "no devices were found" in answer.message.lower():
        logger.info("the NVIDIA driver finds no card")
        return []
    rows = [_parse_row(line, fields) for line in lines] if answer.exit_code == 0 or "GPU-" in answer.output else []
    found = [row for row in rows if row is not None]
    if answer.exit_code or not found:
        logger.warning("nvidia-smi (exit code %d): %s", answer.exit_code, answer.message or "no answer")
    return sorted(found, key=lambda row: row.gpu.pci_bus.lower())


def _tidy(line: str) -> str:
    return " ".join(line.replace("\ufeff", "").split())


def _parse_row(line: str, fields: Sequence[str]) -> _Row | None:
    """One line of the answer; the name may hold a comma, for nvidia-smi quotes nothing."""
    parts = [part.strip() for part in line.split(",")]
    after_name = len(fields) - 2
    if len(parts) < len(fields):
        logger.debug("not a line about a card: %s", line)
        return None
    values = dict(zip(fields[2:], parts[-after_name:], strict=True))
    values |= {"index": parts[0], "name": ", ".join(parts[1:-after_name])}
    if not values["index"].isdigit() or not values["uuid"].startswith("GPU-"):
        logger.warning("left out a card that the driver cannot tell about: %s", line)
        return None
    total, free = memory_bytes(values["memory.total"]), memory_bytes(values["memory.free"])
    gpu = Gpu(
        index=int(values["index"]),
        name=values["name"],
        uuid=values["uuid"],
        pci_bus=values["pci.bus_id"],
        total_bytes=total or 0,
        free_bytes=(total or 0) if free is None else free,
        capability=_capability(values.get("compute_cap", "")),
    )
    return _Row(
        gpu,
        free_told=free is not None,
        mig=values.get("mig.mode.current", "").lower() == "enabled",
        shares_memory=values["memory.total"].lower() in NO_MEMORY_OF_ITS_OWN,
    )


def _with_shared_memory(row: _Row, meminfo: Path) -> _Row:
    if row.gpu.total_bytes:
        return row
    told: dict[str, int] = {}
    if row.shares_memory:
        try:
            text = meminfo.read_text(encoding="ascii", errors="replace")
        except OSError as error:
            logger.debug("no %s: %s", meminfo, error)
        else:
            told = {found[1]: int(found[2]) * 1024 for found in _MEMINFO.finditer(text)}
    if len(told) < 2:
        logger.warning("the driver does not tell how much memory %s has: counted as none", row.gpu.name)
        return row
    logger.info("%s has no memory of its own: it shares the computer's", row.gpu.name)
    gpu = replace(row.gpu, total_bytes=told["MemTotal"], free_bytes=told["MemAvailable"])
    return replace(row, gpu=gpu, free_told=True)


def _capability(text: str) -> tuple[int, int] | None:
    found = re.match(r"(\d+)\.(\d+)$", text)
    return (int(found[1]), int(found[2])) if found else None


def _with_slices(rows: list[_Row], run: SmiRun) -> list[_Row]:
    """Cards in MIG mode replaced by their slices: CUDA offers a program one of those, never the whole."""
    if not any(row.mig for row in rows):
        return rows
    slices = parse_slices(run(("-L",)).output, run(("-q", "-x")).output)
    cut: list[_Row] = []
    for row in rows:
        if not row.mig:
            cut.append(row)
            continue
        pieces = [slice_as_gpu(row.gpu, piece) for piece in slices if piece.card_uuid == row.gpu.uuid]
        if not pieces:
            logger.warning(
                "%s is in MIG mode without a slice: make one (nvidia-smi mig -cgi) or leave MIG", row.gpu.name
            )
        cut.extend(replace(row, gpu=piece) for piece in pieces)
    return cut


def _with_processes(rows: list[_Row], run: SmiRun) -> tuple[Gpu, ...]:
    answer = run(PROCESS_QUERY)
    if answer.exit_code:
        logger.debug("nvidia-smi does not tell who uses the cards: %s", answer.message)
    processes: dict[str, list[GpuProcess]] = {}
    for line in map(_tidy, answer.output.splitlines() if answer.exit_code == 0 else ()):
        if found := _PROCESS.match(line):
            process = GpuProcess(int(found["pid"]), program_name(found["name"]), memory_bytes(found["used"]))
            processes.setdefault(found["uuid"], []).append(process)
    # the driver's list names whole cards only: a slice brings its own
    return tuple(_with_its_processes(row, row.gpu.processes or tuple(processes.get(row.gpu.uuid, ()))) for row in rows)


def _with_its_processes(row: _Row, processes: tuple[GpuProcess, ...]) -> Gpu:
    free = row.gpu.free_bytes
    if not row.free_told:
        free = max(0, free - sum(process.used_bytes or 0 for process in processes))
    return replace(row.gpu, free_bytes=free, processes=processes)
