"""A profile from a file, and what is said about a wrong one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.optimization.profile import Cpu, Disk, MachineProfile, Memory, Speed
from core.optimization.profile_file import load_profile
from core.utils.errors import ConfigError
from core.utils.gpu import Gpu, GpuProcess

PROFILE = MachineProfile(
    "Linux",
    Cpu("Some CPU", "x86_64", 6, 12, 0.5, frozenset({"avx2", "vnni"}), 4),
    Memory(8 << 30, 1 << 30, 2 << 30),
    Disk("/data", 100, 50),
    (Gpu(0, "Card", "GPU-1", "00000000:01:00.0", 24, 23, (8, 6), (GpuProcess(7, "game", None),)),),
    False,
    Speed(20.0, 90.0, None),
)


def saved(folder: Path, change: Callable[[dict[str, Any]], object] = lambda plain: None) -> Path:
    plain = PROFILE.as_json()
    change(plain)
    path = folder / "machine.json"
    path.write_text(json.dumps(plain), encoding="utf-8")
    return path


def test_what_was_saved_is_read(tmp_path: Path):
    assert load_profile(saved(tmp_path)) == PROFILE


def test_what_may_be_left_out(tmp_path: Path):
    def leave_out(plain: dict[str, Any]) -> None:
        for name in ("gpus", "mps", "speed"):
            del plain[name]
        del plain["cpu"]["instruction_sets"]

    profile = load_profile(saved(tmp_path, leave_out))
    assert (profile.gpus, profile.speed, profile.cpu.instruction_sets) == ((), None, frozenset())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda plain: plain.pop("memory"), "memory: missing"),
        (lambda plain: plain["cpu"].pop("usable_cores"), "cpu.usable_cores: missing"),
        (
            lambda plain: plain["cpu"].update(fisical_cores=3),
            "cpu.fisical_cores: unknown key (did you mean 'physical_c",
        ),
        (lambda plain: plain.update(zzz=1), "zzz: unknown key (known here: system, cpu"),
        (lambda plain: plain["gpus"][0].update(total=1), "gpus.0.total: unknown key"),
        (lambda plain: plain["gpus"][0]["processes"][0].update(user=1), "gpus.0.processes.0.user: unknown key"),
        (lambda plain: plain["gpus"][0].pop("uuid"), "gpus.0.uuid: missing"),
        (lambda plain: plain["memory"].update(total_bytes="much"), "memory.total_bytes: 'much' is not accepted"),
        (lambda plain: plain.update(cpu=4), "cpu: 4 is not accepted"),
        (lambda plain: plain.update(gpus="none"), "gpus: 'none' is not accepted"),
    ],
)
def test_the_wrong_key_is_named_with_the_cure(tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str):
    path = saved(tmp_path, change)
    with pytest.raises(ConfigError) as caught:
        load_profile(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "optimize analyze --json" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"), [(b"{", "is not JSON (line 1"), (b"[1]", "not a list"), (b"\xff\xfe", "not a UTF-8 text file")]
)
def test_a_file_that_is_no_profile(tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "machine.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"machine\.json") as caught:
        load_profile(path)
    assert said in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(ConfigError, match="check the path given to --profile"):
        load_profile(tmp_path / "none.json")
