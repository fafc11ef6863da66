"""Windows' own answers about processor and memory, through ctypes. Constructed on Windows alone."""

from __future__ import annotations

import ctypes
from typing import Any

from core.optimization.host import RawMemory

RELATION_PROCESSOR_CORE = 0
CENTRAL_PROCESSOR = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of sysinfoapi.h."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total", ctypes.c_uint64),
        ("available", ctypes.c_uint64),
        ("page_total", ctypes.c_uint64),
        ("page_available", ctypes.c_uint64),
        ("virtual_total", ctypes.c_uint64),
        ("virtual_available", ctypes.c_uint64),
        ("extended_available", ctypes.c_uint64),
    )


class WindowsApi:
    """Asks kernel32 and the registry."""

    def __init__(self) -> None:
        # Named through getattr because ctypes has WinDLL on Windows only, where mypy does not run.
        library: Any = getattr(ctypes, "WinDLL")  # noqa: B009
        self._kernel: Any = library("kernel32", use_last_error=True)

    def processor_name(self) -> str:
        import importlib

        registry: Any = importlib.import_module("winreg")
        try:
            with registry.OpenKey(registry.HKEY_LOCAL_MACHINE, CENTRAL_PROCESSOR) as key:
                return str(registry.QueryValueEx(key, "ProcessorNameString")[0]).strip()
        except OSError:
            return ""

    def core_records(self) -> bytes:
        length = ctypes.c_uint32(0)
        ask = self._kernel.GetLogicalProcessorInformationEx
        ask(RELATION_PROCESSOR_CORE, None, ctypes.byref(length))
        buffer = ctypes.create_string_buffer(length.value)
        return buffer.raw[: length.value] if ask(RELATION_PROCESSOR_CORE, buffer, ctypes.byref(length)) else b""

    def has_feature(self, number: int) -> bool:
        return bool(self._kernel.IsProcessorFeaturePresent(number))

    def memory(self) -> RawMemory:
        status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
        if not self._kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
            return RawMemory(0, 0)
        return RawMemory(int(status.total), int(status.available))
