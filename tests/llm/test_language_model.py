"""The engine and its cache: what a turn computes, corrections, cancellation, and failures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_model import OneFolder, PlainOptimizer, ScriptedRuntime, ScriptedTokenizer

from core.optimization.memory import MemoryOptimizer
from core.optimization.plan import StagePlan
from core.utils.errors import InferenceError, ModelError, ModelLoadError, ModelTooLargeError
from core.utils.model_store import ModelStore
from llm.context_room import KEPT_BYTES
from llm.engine import ChatMessage, Prompt, Tool
from llm.language_model import LanguageModel, LanguageModelSettings

SYSTEM = ChatMessage("system", " ".join(f"rule{number}" for number in range(60)))


def prompt(*texts: str, tools: tuple[Tool, ...] = ()) -> Prompt:
    """The system prompt, then user and assistant in turn."""
    roles: Any = ("user", "assistant")
    return Prompt((SYSTEM, *(ChatMessage(roles[at % 2], text) for at, text in enumerate(texts))), tools)


def make(runtime: ScriptedRuntime, **settings: Any) -> LanguageModel:
    memory = settings.pop("memory", None)
    model = LanguageModel(
        LanguageModelSettings("m", **settings), OneFolder(), runtime, PlainOptimizer(), memory, lambda: runtime.free
    )
    model.load()
    runtime.prompts.clear()
    runtime.computed = 0
    return model


def written(prompt: Prompt) -> str:
    texts = [f"<|im_start|>{message.role}\n{message.content}<|im_end|>\n" for message in prompt.messages]
    return "".join(texts) + "<|im_start|>assistant\n"


def test_it_loads_on_the_planned_device_and_is_warm() -> None:
    runtime, optimizer = ScriptedRuntime(), PlainOptimizer()
    model = LanguageModel(LanguageModelSettings("m"), OneFolder(), runtime, optimizer)
    model.load()
    assert optimizer.steps == ["initialize", "warmup_model"]
    assert runtime.loaded == ["/models/m"]
    assert len(runtime.prompts) == 1
    assert runtime.samplers == [{"temp": 0.7, "top_p": 0.8, "top_k": 20}]
    model.close()


def test_it_is_loaded_in_the_planned_precision_and_computes_with_the_planned_threads() -> None:
    runtime = ScriptedRuntime()
    plan = StagePlan("mlx", "0.6B", "cpu", "int4", 3, 10**9)
    make(runtime, plan=plan)
    assert runtime.model.inference_context.args == (plan,)
    make(runtime)
    assert runtime.precisions == ["int4", None]


def test_a_turn_computes_only_what_is_new() -> None:
    runtime = ScriptedRuntime(lambda text: "A fine day." if "weather" in text else "Hello.")
    model = make(runtime)
    first = prompt("hi")
    assert "".join(model.answer(first)) == "Hello."
    cold = runtime.computed
    assert cold > 60
    second = prompt("hi", "Hello.", "how is the weather")
    assert "".join(model.answer(second)) == "A fine day."
    assert runtime.prompts == [written(first), written(second)]
    assert runtime.computed - cold < 25


def test_words_computed_while_the_user_speaks_are_not_computed_again_and_corrections_are_taken_back() -> None:
    runtime = ScriptedRuntime()
    model = make(runtime)
    model.prefill(prompt(""))
    base = runtime.computed
    for words in ("what", "what is", "what is the whether", "what is the weather in Rome"):
        model.prefill(prompt(words))
    before = runtime.computed
    assert before - base < 12
    model.prefill(prompt("what is the weather in Rome"))
    assert runtime.computed == before
    list(model.answer(prompt("what is the weather in Rome today")))
    assert runtime.prompts == [written(prompt("what is the weather in Rome today"))]
    assert runtime.computed - before <= 10


def test_a_prompt_that_was_read_whole_is_answered_at_once_and_other_words_take_its_end_back() -> None:
    runtime = ScriptedRuntime(lambda text: "one two")
    model = make(runtime)
    model.prefill(prompt("what is it"), whole=True)
    before = runtime.computed
    model.prefill(prompt("what is it"), whole=True)
    assert "".join(model.answer(prompt("what is it"))) == "one two"
    assert runtime.computed - before == 2
    model.prefill(prompt("what is this"), whole=True)
    model.prefill(prompt("what is that"), whole=True)
    assert "".join(model.answer(prompt("what is that about"))) == "one two"
    assert runtime.prompts == [written(prompt("what is it")), written(prompt("what is that about"))]


def test_a_prompt_that_was_read_in_part_or_has_no_room_is_read_to_its_end_when_it_is_answered() -> None:
    runtime = ScriptedRuntime()
    model = make(runtime)
    model.prefill(prompt("what is it"), at_most=20, whole=True)
    assert runtime.computed == 20
    list(model.answer(prompt("what is it")))
    assert runtime.prompts == [written(prompt("what is it"))]
    model = make(runtime, context_tokens=100)
    model.prefill(prompt("word " * 200), whole=True)
    with pytest.raises(InferenceError, match="more than the model's context"):
        list(model.answer(prompt("word " * 200)))


def test_a_long_prompt_is_prepared_a_part_at_a_time() -> None:
    runtime = ScriptedRuntime()
    model = make(runtime)
    model.prefill(prompt("x"), at_most=30)
    assert runtime.computed == 30
    model.prefill(prompt("x"), at_most=30)
    assert runtime.computed == 60
    list(model.answer(prompt("x")))
    assert runtime.prompts == [written(prompt("x"))]


@settings(deadline=None)
@given(st.integers(0, 8), st.data())
def test_whatever_was_cancelled_or_prepared_before_the_next_prompt_is_right(taken: int, data: st.DataObject) -> None:
    runtime = ScriptedRuntime(lambda text: "one two three four five six.")
    model = make(runtime, max_tokens=data.draw(st.integers(1, 9)))
    for _ in range(3):
        words = data.draw(st.lists(st.sampled_from(["a", "bb", "one two", "c, d"]), min_size=1, max_size=5))
        asked = prompt(*words[: len(words) - (len(words) + 1) % 2])
        if data.draw(st.booleans()):
            begun = prompt(*asked.messages[1].content.split(" ")[:1])
            at_most, whole = data.draw(st.integers(1, 90)), data.draw(st.booleans())
            model.prefill(data.draw(st.sampled_from([begun, asked])), at_most, whole)
        pieces = model.answer(asked)
        for _ in range(taken):
            next(pieces, None)
        pieces.close()
        if runtime.prompts:
            assert runtime.prompts[-1] == written(asked) or taken == 0


def test_closing_the_reply_stops_it_within_one_token() -> None:
    runtime = ScriptedRuntime(lambda text: "word " * 100)
    model = make(runtime)
    pieces = model.answer(prompt("x"))
    next(pieces)
    computed = runtime.computed
    pieces.close()
    assert runtime.computed - computed <= 1
    list(model.answer(prompt("x")))
    assert runtime.prompts[1] == written(prompt("x"))


def test_a_reply_is_bounded_by_its_own_length_and_by_the_context() -> None:
    runtime = ScriptedRuntime(lambda text: "a " * 500)
    assert len(list(make(runtime, max_tokens=7).answer(prompt("x")))) == 7
    model = make(runtime, max_tokens=400, context_tokens=200)
    length = model.count(prompt("x"))
    assert len(list(model.answer(prompt("x")))) == 200 - length


def test_a_prompt_longer_than_the_context_loses_the_turn_and_says_why() -> None:
    model = make(ScriptedRuntime(), context_tokens=100)
    with pytest.raises(InferenceError, match=r"more than the model's context of 100; .*llm\.context_tokens"):
        list(model.answer(prompt("word " * 200)))
    model.prefill(prompt("word " * 200))


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (RuntimeError("the cable came off"), "failed: the cable came off"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), "not enough memory"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_a_failure_loses_one_turn_and_the_next_is_right(failure: Exception, words: str) -> None:
    runtime = ScriptedRuntime(lambda text: "one two three")
    model = make(runtime)
    runtime.fail_after, runtime.failure = 2, failure
    pieces = model.answer(prompt("x"))
    next(pieces)
    with pytest.raises(InferenceError, match=words):
        list(pieces)
    runtime.fail_after = None
    assert "".join(model.answer(prompt("x"))) == "one two three"
    assert runtime.prompts[-1] == written(prompt("x"))


def test_a_model_that_computes_nan_loses_the_turn() -> None:
    runtime = ScriptedRuntime()
    model = make(runtime)
    runtime.logprobs = lambda token: {token: float("nan")}
    with pytest.raises(InferenceError, match="NaN"):
        list(model.answer(prompt("x")))


def test_a_template_without_system_messages_gets_them_with_the_first_words() -> None:
    runtime = ScriptedRuntime(tokenizer=ScriptedTokenizer(system=False))
    model = make(runtime)
    list(model.answer(prompt("hi", "Hello.", "again")))
    assert runtime.prompts[0].startswith(f"<|im_start|>user\n{SYSTEM.content}\n\nhi<|im_end|>")


def test_a_template_that_opens_a_thought_is_told_so() -> None:
    runtime = ScriptedRuntime(lambda text: "Hm.</think>Yes.", ScriptedTokenizer(opening="<think>\n"))
    assert "".join(make(runtime).answer(prompt("x"))) == "<think>Hm.</think>Yes."


def test_tools_reach_the_template() -> None:
    runtime = ScriptedRuntime()
    tool = Tool("SetTimer", "set a timer", {"type": "object", "properties": {}})
    list(make(runtime).answer(prompt("x", tools=(tool,))))
    assert "TOOLS SetTimer" in runtime.prompts[0]


def test_a_model_whose_way_to_call_tools_is_unknown_sees_none() -> None:
    tokenizer = ScriptedTokenizer()
    tokenizer.tool_parser = None
    runtime = ScriptedRuntime(tokenizer=tokenizer)
    tool = Tool("SetTimer", "set a timer", {"type": "object", "properties": {}})
    call = (ChatMessage("assistant", "<tool_call>\n{}\n</tool_call>"), ChatMessage("tool", "Timer set."))
    asked = prompt("x", tools=(tool,)).messages
    list(make(runtime).answer(Prompt((*asked, *call, ChatMessage("user", "y")), (tool,))))
    assert runtime.prompts == [written(prompt("x\ny"))]


def test_a_model_without_a_template_cannot_be_loaded() -> None:
    from core.utils.errors import ModelError

    class Bare(ScriptedTokenizer):
        def apply_chat_template(self, *args: Any, **options: Any) -> list[int]:
            raise ModelError("m: this model has no chat template")

    with pytest.raises(ModelLoadError, match="no chat template"):
        make(ScriptedRuntime(tokenizer=Bare()))


def test_a_template_that_fails_as_a_program_does_is_a_model_that_cannot_be_loaded() -> None:
    class Adding(ScriptedTokenizer):
        def apply_chat_template(self, *args: Any, **options: Any) -> list[int]:
            raise TypeError('can only concatenate str (not "NoneType") to str')

    with pytest.raises(ModelLoadError, match="chat template cannot be used"):
        make(ScriptedRuntime(tokenizer=Adding()))


def test_when_memory_is_short_the_model_goes_and_the_next_words_bring_it_back() -> None:
    runtime, memory = ScriptedRuntime(), MemoryOptimizer()
    model = make(runtime, memory=memory)
    list(model.answer(prompt("hi")))
    assert len(memory.pressure(0)) == 1
    assert model.count(prompt("hi")) > 60, "a prompt can be counted without the model"
    assert len(runtime.loaded) == 1
    model.prefill(prompt("what is"))
    assert len(runtime.loaded) == 2
    runtime.prompts.clear()
    asked = prompt("what is the time")
    assert "".join(model.answer(asked)) == "Yes."
    assert runtime.prompts == [written(asked)]


@pytest.mark.parametrize(("at_most", "kept"), [(10**9, True), (0, False)])
def test_what_was_read_stays_where_it_is_little_and_is_not_read_again(
    at_most: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm.language_model.KEPT_CACHE_BYTES", at_most)
    runtime, memory = ScriptedRuntime(), MemoryOptimizer()
    model = make(runtime, memory=memory)
    list(model.answer(prompt("hi")))
    memory.pressure(0)
    before, asked = runtime.computed, prompt("hi there")
    assert "".join(model.answer(asked)) == "Yes."
    assert runtime.prompts[-1] == written(asked)
    read = runtime.computed - before
    assert (read < model.count(asked)) == kept
    model.close()
    assert (model._cache.layers, model._cache.tokens) == ([], [])


def test_while_a_reply_is_written_the_model_stays() -> None:
    memory = MemoryOptimizer()
    model = make(ScriptedRuntime(lambda text: "one two three."), memory=memory)
    reply = model.answer(prompt("count"))
    next(reply)
    assert memory.pressure(0) == ()
    reply.close()
    assert len(memory.pressure(0)) == 1


def test_a_model_that_cannot_come_back_loses_the_turn() -> None:
    runtime, memory = ScriptedRuntime(), MemoryOptimizer()
    model = make(runtime, memory=memory)
    memory.pressure(0)
    runtime.refusal = ModelTooLargeError("m needs 2 GB")
    with pytest.raises(InferenceError, match="m was put away and cannot be loaded again"):
        list(model.answer(prompt("hi")))
    runtime.refusal = None
    assert "".join(model.answer(prompt("hi"))) == "Yes."


def test_a_model_that_comes_back_takes_its_tokenizer_and_what_follows_from_it_again() -> None:
    class Read(ScriptedTokenizer):
        read = 0

        def get_vocab(self) -> dict[str, int]:
            self.read += 1
            return super().get_vocab()

    tokenizer, memory = Read(), MemoryOptimizer()
    runtime = ScriptedRuntime(tokenizer=tokenizer)
    model = make(runtime, memory=memory)
    memory.pressure(0)
    assert "".join(model.answer(prompt("hi"))) == "Yes."
    assert runtime.given_tokenizers == [None, tokenizer]
    assert tokenizer.read == 1, "to go through its words keeps every other thread waiting, while the user speaks"


def test_the_context_is_no_longer_than_memory_has_room_for() -> None:
    runtime = ScriptedRuntime(token_bytes=100_000)
    runtime.free = KEPT_BYTES + 2000 * 100_000
    assert make(runtime, context_tokens=4096).context_tokens == 2000
    assert make(runtime, context_tokens=1500).context_tokens == 1500


def test_a_model_beside_which_no_conversation_fits_is_refused_with_the_cure() -> None:
    runtime = ScriptedRuntime(token_bytes=100_000)
    runtime.free = KEPT_BYTES + 900 * 100_000
    with pytest.raises(ModelTooLargeError, match=r"102 MB more are needed.*close other programs"):
        make(runtime)


def test_a_reply_ends_where_memory_would_and_a_prompt_without_room_loses_the_turn() -> None:
    runtime = ScriptedRuntime(lambda text: "one two three four five six.", token_bytes=100_000)
    runtime.free = KEPT_BYTES + 5000 * 100_000
    model = make(runtime)
    asked = prompt("count")
    runtime.free = KEPT_BYTES + (model.count(asked) + 3) * 100_000
    assert "".join(model.answer(asked)) == "one two three"
    runtime.free = KEPT_BYTES + 3 * 100_000
    with pytest.raises(InferenceError, match=r"no memory left for a context of \d+ more tokens.*close other programs"):
        list(model.answer(prompt("something else altogether, and not short at all")))


def test_on_a_card_main_memory_bounds_nothing() -> None:
    runtime = ScriptedRuntime(token_bytes=100_000)
    runtime.free = 1
    assert make(runtime, plan=StagePlan("mlx", "0.6B", "cuda", "bfloat16", 1, 10**9)).context_tokens == 4096


def full_card(runtime: ScriptedRuntime) -> None:
    """The next reply fails for want of the card's memory, as torch says it."""
    out_of_memory = type("OutOfMemoryError", (RuntimeError,), {})
    runtime.failure = out_of_memory("CUDA out of memory. Tried to allocate 20 MiB")
    runtime.fail_after = 1


ON_CARD = StagePlan("mlx", "0.6B", "cuda", "bfloat16", 3, 10**9)


def test_a_card_that_fills_up_costs_a_turn_and_the_model_goes_on_on_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    runtime = ScriptedRuntime(lambda text: "one two.")
    model = make(runtime, plan=ON_CARD)
    full_card(runtime)
    with pytest.raises(InferenceError, match=r"the card has no memory left.*goes on on the CPU.*this turn is lost"):
        list(model.answer(prompt("hi")))
    assert runtime.model.device.type == "cpu"
    assert runtime.model.inference_context.args[0].device == "cpu"
    assert "m goes on on the CPU, slower" in caplog.text
    runtime.fail_after = None
    assert "".join(model.answer(prompt("hi"))) == "one two."


def test_a_full_card_is_not_left_where_main_memory_is_full_too() -> None:
    runtime = ScriptedRuntime(lambda text: "one two.")
    model = make(runtime, plan=ON_CARD)
    runtime.model.parameters = lambda: [SimpleNamespace(nbytes=4 * 10**9)]
    runtime.model.buffers = lambda: []
    runtime.free = 3 * 10**9
    full_card(runtime)
    with pytest.raises(InferenceError, match=r"main memory has 3\.0 GB free where it needs 4\.0"):
        list(model.answer(prompt("hi")))
    assert runtime.model.device.type == "cuda"
    runtime.fail_after = None
    assert "".join(model.answer(prompt("hi"))) == "one two."


def test_a_card_that_is_full_at_once_is_left_within_the_start() -> None:
    runtime, optimizer = ScriptedRuntime(), PlainOptimizer()
    full_card(runtime)
    model = LanguageModel(LanguageModelSettings("m", plan=ON_CARD), OneFolder(), runtime, optimizer)
    runtime.on_cpu = lambda: setattr(runtime, "fail_after", None)
    model.load()
    assert runtime.model.device.type == "cpu"
    assert optimizer.steps.count("warmup_model") == 2
    assert "".join(model.answer(prompt("hi"))) == "Yes."


def test_the_benchmarks_cold_model_reads_its_whole_prompt_at_each_reply() -> None:
    """What the full tier is compared with in benchmarks.voice_parts.full."""
    scripted = pytest.importorskip("benchmarks.voice_parts.scripted", reason="the extra `full` is missing")
    runtime = ScriptedRuntime()
    model = scripted.ColdModel(LanguageModelSettings("m"), OneFolder(), runtime, PlainOptimizer())
    model.load()
    computed = []
    for _ in range(2):
        runtime.computed = 0
        list(model.answer(prompt("is it noon")))
        computed.append(runtime.computed)
    assert computed[0] == computed[1]
    assert computed[1] > len(SYSTEM.content.split())


def test_a_model_that_is_not_here_is_told_before_anything_is_loaded_for_it(tmp_path: Path) -> None:
    class Unwanted:
        def initialize(self) -> None:
            pytest.fail("torch is imported, which takes seconds, for a model that is not here")

    model = LanguageModel(LanguageModelSettings("qwen3-0.6b"), ModelStore(tmp_path), optimizer=Unwanted())  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="is not on this machine"):
        model.load()
