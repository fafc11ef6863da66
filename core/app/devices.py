"""`devices`: the microphones and speakers of this machine, their native rates, and which are default."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from audio.devices import Kind, open_backend
from core.utils.config import Config


def run(arguments: argparse.Namespace, config: Config) -> int:
    """List the devices; exit code 3 when there is no sound system at all."""
    backend = open_backend(config.audio)
    try:
        devices = backend.devices()
    finally:
        backend.close()
    if arguments.json:
        print(json.dumps({"backend": backend.name, "devices": [asdict(device) for device in devices]}, indent=2))
        return 0
    print(f"sound through {backend.name}")
    kinds: tuple[tuple[Kind, str], ...] = (("input", "microphones"), ("output", "speakers"))
    for kind, title in kinds:
        print(f"{title}:")
        found = [device for device in devices if device.channels(kind)]
        for device in found:
            mark = "*" if device.is_default(kind) else " "
            form = f"{device.channels(kind)} channels, {device.native_rate_hz} Hz"
            print(f" {mark} {device.index:3}  {device.name}  ({form})")
        if not found:
            print("   none")
    print("* is the system's default; choose another with --set audio.input_device=NAME or NUMBER")
    return 0
