"""What the benchmark of the full tier's memory reads and judges by; the tier itself is measured by hand."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.figures import Figure
from benchmarks.voice_parts import memory
from benchmarks.voice_parts.memory import Full, Holdings, Tier, figures, holdings, megabytes_in, tiers
from benchmarks.voice_parts.models import Models
from core.optimization.catalogue import TURN_MODEL_BYTES

ROLLUP = """00400000-7ffd12345000 ---p 00000000 00:00 0                              [rollup]
Rss:             1000000 kB
Pss:              500000 kB
Pss_Dirty:        300000 kB
Pss_Anon:         250000 kB
Pss_File:         249000 kB
Pss_Shmem:          1000 kB
Anonymous:        260000 kB
"""
ROWS = (
    Tier("embedded", (), 200.0, 200.0),
    Tier("Whisper", (), 300.0, 250.0),
    Tier("all", (), 1300.0, 1100.0),
)


def held(resident: float, anonymous: float = 100.0, threads: int = 20, files: int = 30) -> Holdings:
    return Holdings(resident, resident, anonymous, threads, files)


def judged(measured: Mapping[str, float], full: Full) -> dict[str, Figure]:
    found = figures(ROWS, {name: held(resident) for name, resident in measured.items()}, full, "weights")
    return {figure.name: figure for figure in found}


def cycles(anonymous: list[float], went: int = 3, last: Holdings | None = None) -> Full:
    answered = [held(1200.0, one) for one in anonymous]
    if last is not None:
        answered[-1] = last
    gone = tuple(held(600.0, 60.0) for _ in anonymous[1:])
    return Full(held(1150.0), tuple(answered), gone, (3,) * (len(gone) - 1) + (went,))


AS_PLANNED = {"embedded": 200.0, "Whisper": 300.0, "all": 1300.0}
CALM = cycles([100.0] * 5)


def test_megabytes_are_read_from_the_rollup_of_a_process() -> None:
    assert megabytes_in(ROLLUP) == pytest.approx((1024.0, 512.0, 256.0))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_holds_its_memory_threads_and_files() -> None:
    before = holdings(os.getpid())
    kept = bytearray(os.urandom(1) * 50_000_000)
    with Path(os.devnull).open() as opened:
        after = holdings(os.getpid())
    assert after.resident_mb - before.resident_mb == pytest.approx(len(kept) / 1e6, rel=0.1)
    assert after.anonymous_mb - before.anonymous_mb == pytest.approx(50.0, rel=0.1)
    assert after.files == before.files + 1
    assert opened.closed
    assert after.threads >= 1


def test_what_is_as_planned_passes() -> None:
    assert all(figure.ok is not False for figure in judged(AS_PLANNED, CALM).values())


@pytest.mark.parametrize(
    ("resident", "way", "ok"), [(337.0, "more", True), (338.0, "more", False), (262.0, "less", False)]
)
def test_a_row_of_the_plan_that_is_off_by_more_than_a_seventh_shows(resident: float, way: str, ok: bool) -> None:
    """Of the 250 MB that it brings, not of the 100 that are left of them where it takes another's place."""
    found = judged({**AS_PLANNED, "Whisper": resident}, CALM)
    row = found[f"Whisper: {way} than the plan's row, by"]
    assert row.value == pytest.approx(abs(resident - 300.0) / 250.0)
    assert row.ok is ok
    assert found["with Whisper: resident"].baseline == 300.0


def test_a_tier_above_the_plan_is_missed() -> None:
    full = Full(held(1400.0), (held(1301.0),), (), ())
    assert judged(AS_PLANNED, full)["full tier, weights: resident, of the plan's"].ok is False


def test_growth_is_of_the_later_comings_against_the_earlier_and_the_first_answer_does_not_count() -> None:
    flat = judged(AS_PLANNED, cycles([50.0, 100.0, 101.0, 100.0, 101.0]))
    grown = judged(AS_PLANNED, cycles([50.0, 100.0, 101.0, 102.0, 103.0]))
    name = "anonymous memory's growth over 4 comings back"
    assert (flat[name].value, flat[name].ok) == (pytest.approx(0.0), True)
    assert (grown[name].value, grown[name].ok) == (pytest.approx(102.5 / 100.5 - 1), False)


def test_a_model_that_stayed_and_a_thread_or_file_that_came_are_missed() -> None:
    stayed = judged(AS_PLANNED, cycles([100.0] * 3, went=2))
    assert stayed["models that went, least of all goings"].ok is False
    left = judged(AS_PLANNED, cycles([100.0] * 3, last=held(1200.0, threads=21, files=31)))
    assert left["threads that came over 2 comings back"].ok is False
    assert left["files that stayed open over 2 comings back"].ok is False


def test_the_rows_are_the_plans_and_without_smart_turn_its_megabytes_are_not_reckoned() -> None:
    folder = Path("models")
    whisper = folder / "faster-whisper-tiny.en"
    with_turn, without = (
        tiers(Models(whisper, folder / "language", folder / "voice", turn=turn)) for turn in (folder / "turn", None)
    )
    assert [row.name for row in with_turn] == [
        "embedded",
        "Whisper tiny and Smart Turn",
        "the language model",
        "MeloTTS",
    ]
    assert with_turn[1].foretold_mb - without[1].foretold_mb == pytest.approx(TURN_MODEL_BYTES / 1e6)
    engines = [setting for setting in with_turn[-1].settings if ".engine=" in setting]
    assert engines == ["stt.engine=whisper", "llm.engine=mlx", "tts.engine=melo"]
    assert f"stt.model={whisper}" in with_turn[1].settings
    assert "llm.engine=skills" in with_turn[1].settings


def test_without_a_real_whisper_it_says_so_and_how_to_have_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MERLINE_REAL", str(tmp_path))
    monkeypatch.setattr(memory, "PACKAGES", ())
    monkeypatch.setattr(memory, "missing_parts", lambda: ())
    with pytest.raises(SystemExit, match=r"cannot be measured: no Whisper of real weights.*tools/real_models.py"):
        memory.main()
