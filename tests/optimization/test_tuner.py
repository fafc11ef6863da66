"""The plan that each machine of the table gets, what is left out and why, and what a setting changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from machine_table import GB, MACHINES, MEASURED_FAST_AVX2, Expected, Machine, card, profile

from core.optimization.catalogue import (
    ALL_ENGINES,
    EMBEDDED_ENGINES,
    LANGUAGE_LIBRARY_BYTES,
    SHELL_BYTES,
    TORCH_BYTES,
    TURN_MODEL_BYTES,
    CausalSize,
)
from core.optimization.plan import Plan, StagePlan
from core.optimization.profile import MachineProfile
from core.optimization.tuner import PerformanceTuner
from core.utils.config import Config
from core.utils.errors import ConfigError, GpuBusyError, GpuUnavailableError

FOUNDING = MACHINES[0].profile
ROOMY = profile(8, 12.0, 16.0)
RTX_3090 = card("GeForce RTX 3090", 25.8, 25.3, (8, 6), 2)
GTX_1650 = card("GeForce GTX 1650", 4.3, 3.9, (7, 5))
WITH_CARD = profile(8, 12.0, 16.0, gpus=(RTX_3090,))


def config_of(**optimization: Any) -> Config:
    return Config.model_validate({"optimization": optimization})


def plan(machine: MachineProfile, config: Config | None = None, engines: frozenset[str] = ALL_ENGINES) -> Plan:
    return PerformanceTuner(config or Config(), engines).plan(machine)


def wanting(config: Config, **engines: str) -> Config:
    """As it will be written once those engines are built: their names are not yet among the settings' values."""
    sections = {stage: getattr(config, stage).model_copy(update={"engine": name}) for stage, name in engines.items()}
    return config.model_copy(update=sections)


def in_short(stage: StagePlan) -> str:
    return f"{stage.engine} {stage.model or '-'} {stage.compute_type}"


def shares(made: Plan) -> tuple[int, int, int, int]:
    return made.capture_threads, made.stt.threads, made.llm.threads, made.tts.threads


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_with_all_engines(machine: Machine):
    made = plan(machine.profile, Config.model_validate(dict(machine.settings)))
    assert machine.expected == Expected(
        made.device,
        made.compute_type,
        made.threads,
        made.batch_size,
        in_short(made.stt),
        in_short(made.llm),
        in_short(made.tts),
        shares(made),
    )


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_with_the_engines_of_today(machine: Machine):
    made = plan(machine.profile, Config.model_validate(dict(machine.settings)), EMBEDDED_ENGINES)
    assert (made.stt.engine, made.llm.engine, made.tts.engine) == ("pocketsphinx", "skills", "espeak")
    assert {made.stt.device, made.llm.device, made.tts.device} == {"cpu"}
    assert shares(made) == (1, 1, 1, 1)
    wanted = machine.expected
    assert (made.device, made.compute_type, made.threads, made.batch_size) == (
        wanted.device,
        wanted.compute,
        wanted.threads,
        wanted.batch,
    )


def test_the_table_is_long_enough():
    assert len({machine.name for machine in MACHINES}) == len(MACHINES) >= 25


def test_the_founding_machine_in_the_founding_documents_words():
    for free in (0.6, 0.9, 1.2):
        machine = replace(FOUNDING, memory=replace(FOUNDING.memory, available_bytes=round(free * GB)))
        made = plan(machine, engines=EMBEDDED_ENGINES)
        assert (made.device, made.compute_type, made.batch_size, made.threads) == ("cpu", "float32", 2, 6)


def test_the_forbidden_card_is_not_used():
    machine = next(machine for machine in MACHINES if "forbidden" in machine.name)
    made = plan(machine.profile, Config.model_validate(dict(machine.settings)))
    assert made.gpu == machine.profile.gpus[1]
    assert "RTX 3090" in made.explain()
    asking = Config.model_validate({"gpu": {"forbid": ["RTX 5060 Ti"], "min_memory_gb": 20}})
    assert plan(machine.profile, asking).gpu_min_bytes == 20 * GB


def test_a_plan_that_leaves_cores_idle_says_why():
    server = next(machine for machine in MACHINES if machine.name == "an H200").profile
    assert "16 threads compute" in plan(server).explain()
    assert "more gain nothing on a card or in small engines" in plan(server).explain()
    assert "more gain nothing" not in plan(ROOMY).explain()


def test_little_memory_leaves_out_engines_that_are_not_even_installed():
    made = plan(FOUNDING, engines=EMBEDDED_ENGINES)
    assert [left.what for left in made.left_out] == ["Qwen3 0.6B in int4", "MeloTTS in float32"]
    assert all("GB of memory" in left.why for left in made.left_out)
    assert "left out: MeloTTS" in made.explain()


def test_where_there_is_room_nothing_is_left_out_for_not_being_installed():
    assert plan(ROOMY, engines=EMBEDDED_ENGINES).left_out == ()


def test_what_is_not_installed_is_not_left_out_for_being_slow():
    assert plan(profile(4, 12.0, 16.0, frozenset(), usable=0.5), engines=EMBEDDED_ENGINES).left_out == ()


def test_the_next_better_model_is_left_out_with_its_need():
    made = plan(profile(8, 2.75, 8.0, speed=MEASURED_FAST_AVX2))
    assert in_short(made.llm) == "mlx 0.6B int8"
    left = next(left for left in made.left_out if left.stage == "llm")
    assert left.what == "Qwen3 1.7B in int4"
    assert left.needs_bytes > made.llm.memory_bytes
    assert "GB of memory, and 2.48 GB can be had" in left.why


def test_a_model_that_the_user_named_is_not_weighed_against_larger_ones():
    little, named = profile(8, 2.75, 8.0, speed=MEASURED_FAST_AVX2), {"llm": {"engine": "mlx", "model": "my-own"}}
    assert "llm" not in [left.stage for left in plan(little, Config.model_validate(named)).left_out]


@pytest.mark.parametrize("name", ["qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B-Instruct"])
def test_a_model_of_the_catalogue_that_the_user_named_is_planned_as_what_it_is(name: str):
    machine = profile(6, 12.0, 16.0, speed=MEASURED_FAST_AVX2)
    made = plan(machine, Config.model_validate({"llm": {"model": name}}))
    assert in_short(made.llm) == "mlx 0.5B int8"
    assert "It has 8 bits and not 4" in made.explain()


def test_a_named_model_that_writes_slowly_gets_the_quickest_bits_and_not_full_numbers():
    named = Config.model_validate({"llm": {"model": "qwen3-8b"}})
    made = plan(profile(2, 24.0, 32.0), named)
    assert in_short(made.llm) == "mlx 8B int4"
    assert "tokens a second on this processor, below 10" in made.explain()


def test_a_named_model_of_unknown_size_is_not_refused_by_the_limit_before_it_is_known():
    limited = {"optimization": {"memory_limit_mb": 700}, "stt": {"engine": "pocketsphinx"}}
    made = plan(profile(2, 8.0, 16.0), Config.model_validate({**limited, "llm": {"model": "/models/my-own"}}))
    assert made.llm.engine == "mlx"
    with pytest.raises(ConfigError, match="set 11"):
        plan(profile(2, 8.0, 16.0), Config.model_validate({**limited, "llm": {"model": "qwen2.5-0.5b"}}))


def test_a_named_model_of_unknown_size_gets_bits_too():
    named = Config.model_validate({"llm": {"model": "/models/my-own"}})
    assert plan(profile(1, 24.0, 32.0, usable=0.5), named).llm.compute_type == "int4"


SMOL = CausalSize("SmolLM2-135M-Instruct", "", 134_515_008, 30, 576, 192, vocabulary=49_152)


def test_a_named_model_whose_size_is_known_is_planned_as_large_as_it_is():
    named = Config.model_validate({"llm": {"model": "/models/SmolLM2-135M-Instruct"}})
    made = PerformanceTuner(named, ALL_ENGINES, SMOL).plan(profile(6, 12.0, 16.0, speed=MEASURED_FAST_AVX2))
    assert in_short(made.llm) == "mlx SmolLM2-135M-Instruct int8"
    weights, cache, activations = 134_515_008 * (1 + 2 / 32), 2 * 30 * 192 * 4096 * 4, 16 * 512 * 576 * 4
    assert made.llm.memory_bytes == round(weights) + cache + activations
    assert "SmolLM2-135M-Instruct in int8 answers." in made.reasons
    assert "It has 8 bits and not 4" in made.explain()


def test_a_full_machine_still_gets_a_plan_and_is_told():
    made = plan(profile(2, 0.1, 4.0))
    assert (made.stt.engine, made.llm.engine, made.tts.engine) == ("pocketsphinx", "skills", "espeak")
    assert "more than is free: close other programs" in made.explain()


def test_the_whole_is_told_with_what_several_stages_use_and_smart_turn_beside_whisper():
    made = plan(profile(2, 4.5, 8.0))
    assert (made.stt.engine, made.llm.engine, made.tts.engine) == ("whisper", "mlx", "melo")
    stages = sum(stage.memory_bytes for stage in (made.stt, made.llm, made.tts))
    whole = SHELL_BYTES + TURN_MODEL_BYTES + TORCH_BYTES + LANGUAGE_LIBRARY_BYTES + stages
    assert f"The assistant takes about {whole / GB:.2f} GB of memory with these" in made.explain()
    embedded = plan(profile(2, 4.5, 8.0), engines=EMBEDDED_ENGINES)
    stages = sum(stage.memory_bytes for stage in (embedded.stt, embedded.llm, embedded.tts))
    assert f"about {(SHELL_BYTES + stages) / GB:.2f} GB of memory with these" in embedded.explain()


def test_a_system_that_tells_no_memory_gets_the_smallest_engines():
    made = plan(profile(4, 0, 0, system="FreeBSD"))
    assert made.stt.engine == "pocketsphinx"
    assert "cannot be read on this system" in made.explain()
    assert "more than is free" not in made.explain()
    assert "GB of memory with these" not in made.explain(), "the figures are of other systems"


def test_a_forced_engine_on_a_card_without_room_for_it_is_told():
    full = profile(8, 12.0, 16.0, gpus=(replace(RTX_3090, free_bytes=round(1.6 * GB)),))
    made = plan(full, wanting(Config(), llm="mlx"))
    assert in_short(made.llm) == "mlx 0.6B bfloat16"
    assert "GB of the card, more than is free" in made.explain()


def test_a_forced_engine_is_taken_at_its_smallest_where_nothing_fits():
    made = plan(profile(2, 0.1, 4.0), wanting(Config(), stt="whisper"))
    assert in_short(made.stt) == "whisper tiny int8"
    assert "as stt.engine asks" in made.explain()
    assert "more than is free" in made.explain()


def test_a_forced_engine_wins_over_a_better_one():
    made = plan(ROOMY, wanting(Config(), stt="pocketsphinx", tts="espeak"))
    assert (made.stt.engine, made.llm.engine, made.tts.engine) == ("pocketsphinx", "mlx", "espeak")
    assert [left.stage for left in made.left_out] == ["llm"]


def test_an_engine_that_is_not_installed_cannot_be_forced():
    with pytest.raises(ConfigError, match=r"stt.engine: 'whisper' is not installed here; set auto.*pocketsphinx"):
        plan(ROOMY, wanting(Config(), stt="whisper"), EMBEDDED_ENGINES)


def test_threads_batch_and_numbers_that_are_set_win():
    made = plan(ROOMY, config_of(threads=4, batch_size=3, compute_type="int8"))
    assert (made.threads, made.batch_size, made.compute_type) == (4, 3, "int8")
    assert shares(made) == (1, 1, 4, 1)
    assert in_short(made.llm).endswith("int8")
    assert in_short(made.tts) == "melo - float32"
    for key in ("threads", "batch_size", "compute_type"):
        assert f"as optimization.{key} asks" in made.explain()


def test_float32_is_kept_by_every_engine_that_is_asked_to():
    made = plan(profile(8, 14.0, 16.0), config_of(compute_type="float32"))
    assert {made.stt.compute_type, made.llm.compute_type, made.tts.compute_type} == {"float32"}


def test_more_threads_than_processors_are_taken_with_a_warning():
    made = plan(ROOMY, config_of(threads=64))
    assert made.threads == 64
    assert "more than the 8 this processor has" in made.explain()


def test_a_memory_limit_is_kept():
    made = plan(ROOMY, config_of(memory_limit_mb=900))
    assert made.stt.memory_bytes + made.llm.memory_bytes + made.tts.memory_bytes < 900_000_000
    assert made.llm.engine == "skills"
    assert "as optimization.memory_limit_mb asks" in made.explain()


def test_a_memory_limit_below_the_smallest_engines_is_refused():
    with pytest.raises(ConfigError, match=r"optimization.memory_limit_mb: 100 .* set 273 or more"):
        plan(ROOMY, config_of(memory_limit_mb=100))
    assert plan(ROOMY, config_of(memory_limit_mb=303), EMBEDDED_ENGINES).stt.engine == "pocketsphinx"


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_asked_for_and_absent(device: str):
    with pytest.raises(GpuUnavailableError, match=r"optimization.device"):
        plan(ROOMY, config_of(device=device))


def test_a_card_that_is_asked_for_and_full():
    full = profile(8, 12.0, 16.0, gpus=(replace(RTX_3090, free_bytes=GB),))
    with pytest.raises(GpuBusyError, match=r"RTX 3090: 1.0 GB of 25.8 GB is free and 1.5 GB is needed; close"):
        plan(full, config_of(device="cuda"))
    made = plan(full)
    assert (made.device, made.gpu) == ("cpu", None)
    assert "1.0 GB of 25.8 GB is free" in made.explain()


def test_who_takes_the_card_is_named():
    machine = next(machine for machine in MACHINES if "taken by a game" in machine.name).profile
    assert "close game.exe (pid 4242)" in plan(machine).explain()


def test_a_named_card_that_is_absent_is_an_error_even_with_auto():
    with pytest.raises(GpuUnavailableError, match=r"gpu.use: RTX 4090"):
        plan(WITH_CARD, Config.model_validate({"gpu": {"use": "RTX 4090"}}))


@pytest.mark.parametrize(("cards", "compiles"), [((card("RTX 4090", 24, 23),), True), ((), False)])
def test_only_on_a_card_models_are_compiled(cards: Any, compiles: bool):
    assert PerformanceTuner(Config()).plan(profile(8, 12, 16, gpus=cards)).compiles is compiles


def test_all_cards_forbidden_leaves_the_cpu():
    made = plan(WITH_CARD, Config.model_validate({"gpu": {"forbid": ["RTX 3090"]}}))
    assert made.device == "cpu"
    assert "gpu.forbid" in made.explain()


def test_a_card_is_preferred_to_apples_gpu_and_that_to_the_cpu():
    assert plan(WITH_CARD).device == "cuda"
    assert plan(profile(8, 6.0, 8.6, mps=True, system="Darwin")).device == "mps"
    assert plan(ROOMY).device == "cpu"


@pytest.mark.parametrize(
    ("capability", "compute"),
    [((8, 0), "bfloat16"), ((12, 0), "bfloat16"), ((7, 5), "float16"), (None, "float16")],
)
def test_the_numbers_of_a_card(capability: tuple[int, int] | None, compute: str):
    made = plan(profile(8, 12.0, 16.0, gpus=(replace(RTX_3090, capability=capability),)))
    assert made.compute_type == compute
    assert made.llm.compute_type == compute


def test_bfloat16_on_a_card_that_has_none():
    with pytest.raises(ConfigError, match=r"compute_type: bfloat16 needs .* GTX 1650 has 7.5; set float16 or auto"):
        plan(profile(4, 8.0, 16.0, gpus=(GTX_1650,)), config_of(compute_type="bfloat16"))


def test_a_card_that_no_chosen_engine_uses_is_said_to_be_idle():
    assert "compute on the CPU all the same" in plan(WITH_CARD, engines=EMBEDDED_ENGINES).explain()
    assert "all the same" not in plan(WITH_CARD).explain()


def test_half_a_core_is_too_little_for_a_model_whatever_the_memory():
    made = plan(profile(8, 12.0, 16.0, usable=0.5))
    assert made.stt.engine == "pocketsphinx"
    assert "this process may use 0.5 of one" in made.explain()


def test_a_measured_speed_says_so_and_a_guessed_one_too():
    slow = next(machine for machine in MACHINES if "measured, nothing else" in machine.name).profile
    assert "was guessed" not in plan(slow).explain()
    assert "was guessed" in plan(replace(slow, speed=None)).explain()


def test_what_a_voice_computes_in_is_told_with_the_setting_that_decides_it():
    said = plan(ROOMY).explain()
    assert "It keeps the numbers that it was trained in: tts.precision: int8 is quicker" in said
    asked = plan(ROOMY, Config.model_validate({"tts": {"precision": "int8"}})).explain()
    assert (
        "BERT computes in int8, its decoder in bfloat16 or int8 where the processor can, as tts.precision asks" in asked
    )
    assert "tts.precision" not in plan(ROOMY, engines=EMBEDDED_ENGINES).explain()


def test_one_thread_computes_and_two_compute():
    assert "1 thread computes, as optimization.threads asks." in plan(ROOMY, config_of(threads=1)).explain()
    assert "2 threads compute, as optimization.threads asks." in plan(ROOMY, config_of(threads=2)).explain()


def test_the_embedded_engines_need_no_guess():
    assert "guessed" not in plan(ROOMY, engines=EMBEDDED_ENGINES).explain()


def test_every_reason_is_a_sentence():
    for machine in MACHINES:
        made = plan(machine.profile, Config.model_validate(dict(machine.settings)))
        begins = [reason.removeprefix("e")[0] for reason in made.reasons]  # eSpeak is written so
        assert not any(letter.islower() for letter in begins), made.reasons
        assert all(reason.endswith(".") and not reason.endswith("..") for reason in made.reasons), made.reasons


@pytest.mark.parametrize(
    ("engines", "said"),
    [({"whisper"}, "none for llm, tts"), ({"pocketsphinx", "skills", "espeak", "siri"}, "unknown \\['siri'\\]")],
)
def test_a_set_of_engines_that_makes_no_assistant(engines: set[str], said: str):
    with pytest.raises(ValueError, match=said):
        PerformanceTuner(Config(), frozenset(engines))
