"""Which language model suits a machine, and how fast each would write there."""

from __future__ import annotations

import pytest
from machine_table import MEASURED_FAST_AVX2, VNNI, card, profile

from core.optimization.catalogue import EMBEDDED_ENGINES
from core.optimization.language_choice import predict
from core.optimization.plan import Plan
from core.optimization.profile import MachineProfile
from core.optimization.tuner import PerformanceTuner
from core.utils.config import Config, LlmConfig, OptimizationConfig

LAPTOP = profile(6, 12.0, 16.0, VNNI, speed=MEASURED_FAST_AVX2)
CARD = profile(8, 24.0, 32.0, VNNI, gpus=(card("GeForce RTX 4090", 25.8, 25.3, (8, 9)),))


def test_larger_models_write_more_slowly_and_take_more():
    predictions = {one.size: one for one in predict(LAPTOP, Config())}
    assert list(predictions) == ["0.5B", "0.6B", "1.5B", "1.7B", "4B", "8B"]
    speeds = [predictions[name].tokens_per_s for name in ("0.6B", "4B", "8B")]
    assert speeds == sorted(speeds, reverse=True)
    assert predictions["0.6B"].objection is None
    assert "tokens a second" in predictions["8B"].objection


def test_who_wishes_a_reply_sooner_gets_a_smaller_model():
    chosen = [planned(reply_s).llm.model for reply_s in (0.05, 0.5, 1.0, 30.0)]
    assert chosen == [None, "0.6B", "1.7B", "4B"]


def test_the_wish_reaches_the_plan_through_the_configuration_and_its_reason_is_told():
    hurried = planned(0.1)
    assert hurried.llm.engine == "skills"
    assert any("above llm.reply_s (0.1)" in left.why for left in hurried.left_out)


def test_8_bits_where_a_reply_begins_in_time_all_the_same_else_4_and_the_plan_says_why():
    quick, calm = planned(0.33), planned(0.5)
    assert (quick.llm.model, quick.llm.compute_type) == ("0.6B", "int4")
    assert "It has 4 bits and not 8, although its perplexity is 1.05" in quick.explain()
    assert "in 8 bits its reply would begin after" in quick.explain()
    assert (calm.llm.model, calm.llm.compute_type) == ("0.6B", "int8")
    assert "its perplexity is 1.00 of the full model's and not 1.05" in calm.explain()
    assert "within llm.reply_s (0.5 s)" in calm.explain()


def test_with_memory_for_4_bits_alone_there_are_4_bits_and_the_plan_says_why():
    machines = [profile(6, free / 100, 8.0, VNNI, speed=MEASURED_FAST_AVX2) for free in range(140, 280, 5)]
    made = [planned(30.0, machine) for machine in machines]
    kinds = [plan.llm.compute_type for plan in made if plan.llm.model == "0.6B"]
    assert kinds == sorted(kinds), "int4 where there is less memory, int8 where there is more"
    assert set(kinds) == {"int4", "int8"}
    first = next(plan for plan in made if plan.llm.model == "0.6B")
    assert "in 8 bits there is not enough memory for it" in first.explain()


def test_bits_that_were_asked_for_need_no_reason():
    config = Config(optimization=OptimizationConfig(compute_type="int8"), llm=LlmConfig(reply_s=30.0))
    made = PerformanceTuner(config, EMBEDDED_ENGINES | {"mlx"}).plan(LAPTOP)
    assert made.llm.compute_type == "int8"
    assert "perplexity" not in made.explain()


def planned(reply_s: float, machine: MachineProfile = LAPTOP) -> Plan:
    return PerformanceTuner(Config(llm=LlmConfig(reply_s=reply_s)), EMBEDDED_ENGINES | {"mlx"}).plan(machine)


def test_what_does_not_fit_is_said_and_not_chosen():
    small = profile(6, 3.4, 8.0, VNNI, speed=MEASURED_FAST_AVX2)
    assert [one.size for one in predict(small, Config()) if not one.fits] == ["4B", "8B"]
    assert planned(30.0, small).llm.model == "1.7B"


def test_on_a_card_nobody_has_measured_the_speed():
    predictions = predict(CARD, Config())
    assert {one.tokens_per_s for one in predictions} == {None}
    assert all(one.fits for one in predictions)
    assert planned(1.0, CARD).llm.model == "8B"


@pytest.mark.parametrize("engine", ["skills", "mlx"])
def test_who_answers_today_changes_no_prediction(engine: str):
    asked = Config(llm=LlmConfig(engine=engine))  # type: ignore[arg-type]
    assert predict(LAPTOP, asked) == predict(LAPTOP, Config())
