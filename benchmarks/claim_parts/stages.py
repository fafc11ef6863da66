"""What each thing that the plan decides for a stage gains here: the decided way and the plain one by turns."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.optimization.plan import Plan
from core.optimization.toolbox.measuring import typical_ms

Clock = Callable[[], float]
ROUNDS = 6
LM_LAYERS, PROMPT, WRITTEN = 3, 64, 16
SPOKEN_S, WORDS = 3.0, 12
"""of speech, and tokens that Whisper writes for it"""
FRAMES = 120
"""of MeloTTS's decoder: 1.4 s of sound"""
WORD_PIECES = 20
SEED = 20
COMPUTE, PRECISION = "`optimization.compute_type`", "`tts.precision: int8`"
KERNELS = "our float32 kernels"
ROWS: dict[str, tuple[str, str, str, str]] = {
    "hearing": ("hearing", "Whisper in {planned}, tiny", "float32", COMPUTE),
    "answering": ("answering", "language model packed in {planned} ({layers} of 24 layers)", "float32", COMPUTE),
    "bert": ("speaking", "MeloTTS's BERT in our kernels", "torch", "chosen where they run"),
    "small": ("speaking", "the same in int8, if asked for", KERNELS, PRECISION),
    "kernels": ("speaking", "its decoder in our kernels", "torch", "chosen where they run"),
    "reduced": ("speaking", "its decoder in {precision}, if asked for", KERNELS, PRECISION),
    "onnx": ("speaking", "its decoder through ONNX Runtime", KERNELS, ""),
    "threads": ("all", "{threads} threads", "1", "`optimization.threads`"),
    "batches": ("all", "batches of {size}", "one by one", "`optimization.batch_size`"),
}
"""README's table in its order: stage, decision, instead of what, the setting that decides otherwise"""


@dataclass(frozen=True, slots=True)
class Gain:
    """A decision of the plan, and what it gained here."""

    stage: str
    decision: str
    override: str
    """the setting that decides otherwise"""
    value: float | None
    """times as fast as `instead_of`"""
    instead_of: str
    milliseconds: tuple[float, float] = (0.0, 0.0)
    """plain, decided"""
    cost: str = ""
    why: str = ""

    @property
    def ok(self) -> None:
        """No target: what does not pay is told as it is."""
        return

    def as_json(self) -> dict[str, Any]:
        """As a Figure's, and the decision."""
        return {
            "name": f"{self.stage}: {self.decision}",
            "value": self.value,
            "unit": "x",
            "baseline": self.milliseconds[0] or None,
            "target": None,
            "better": "higher",
            "ok": None,
            "stage": self.stage,
            "override": self.override,
            "instead_of": self.instead_of,
            "cost": self.cost,
            "why": self.why,
        }

    def line(self) -> str:
        """A row of README's table."""
        plain, decided = self.milliseconds
        times = "" if self.value is None else f"{self.value:.2f} times ({plain:.1f} -> {decided:.1f} ms)"
        gained = ", ".join(one for one in (times, self.why) if one)
        cells = (self.stage, self.decision, self.instead_of, gained, self.cost, self.override)
        return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def gains(plan: Plan, progress: Callable[[str], None], clock: Clock = time.perf_counter) -> Iterator[Gain]:
    """All rows; `plan` is this machine's with every engine that there is. `clock` gives seconds."""
    torch.set_num_threads(plan.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress("hearing")
        yield hearing(plan, folder / "whisper", clock)
        progress("answering")
        yield answering(plan, clock)
        progress("speaking: BERT")
        ours, small, *threads = bert(plan, folder / "bert", clock)
        yield from (ours, small)
        progress("speaking: decoder")
        yield from decoder(plan, folder, clock)
        yield from threads
    progress("batches")
    yield batches(plan, clock)


def _gain(took: dict[str, float], row: str, cost: str = "", **told: Any) -> Gain:
    """`took`: "plain" and "decided" in ms; `row`: of ROWS; `told`: what stands in its braces."""
    stage, decision, instead_of, override = ROWS[row]
    plain, decided = took["plain"], took["decided"]
    return Gain(stage, decision.format(**told), override, plain / decided, instead_of, (plain, decided), cost)


def hearing(plan: Plan, folder: Path, clock: Clock) -> Gain:
    """CTranslate2's Whisper of tiny's size over 3 s: float32, and what is planned."""
    import ctranslate2

    from benchmarks.whisper.shapes import TINY, make_checkpoints

    checkpoint = make_checkpoints(folder, TINY).ctranslate2
    planned = plan.stt.compute_type if plan.stt.engine == "whisper" else "int8"
    features = np.zeros((1, 80, int(SPOKEN_S * 100)), np.float32)
    prompt = [50258, 50259, 50359]

    def of(compute_type: str) -> Callable[[], Any]:
        model = ctranslate2.models.Whisper(str(checkpoint), compute_type=compute_type, intra_threads=plan.threads)

        def call() -> Any:
            encoded = model.encode(ctranslate2.StorageView.from_array(features))
            return model.generate(encoded, [prompt], beam_size=1, max_length=len(prompt) + WORDS)

        return call

    took = typical_ms({"plain": of("float32"), "decided": of(planned)}, ROUNDS, clock)
    return _gain(took, "hearing", "not to be seen on random weights", planned=planned)


def answering(plan: Plan, clock: Clock) -> Gain:
    """A token of Qwen2.5-0.5B's shape with 3 of 24 layers: our kernels in the planned packing, and in float32."""
    from benchmarks.llm_parts.engines import Ours
    from benchmarks.llm_parts.qwen import prompt_tokens, qwen_folder

    folder, prompt = qwen_folder(LM_LAYERS), prompt_tokens(PROMPT)
    planned = plan.llm.compute_type if plan.llm.engine == "mlx" else "int8"
    engines = {"plain": Ours(folder, "float32"), "decided": Ours(folder, planned)}
    best: dict[str, float] = {}
    for _ in range(3):
        for name, engine in engines.items():
            whole, begun = (_seconds(partial(engine.decode, prompt, count), clock) for count in (WRITTEN + 2, 2))
            best[name] = min(best.get(name, 1e9), 1000 * (whole - begun) / WRITTEN)
    return _gain(best, "answering", "perplexity: `bench llm`", planned=planned, layers=LM_LAYERS)


def _seconds(work: Callable[[], Any], clock: Clock) -> float:
    began_s = clock()
    work()
    return clock() - began_s


def bert(plan: Plan, folder: Path, clock: Clock) -> Iterator[Gain]:
    """MeloTTS's BERT over a sentence's word pieces, in our kernels and packed in int8; and torch's threads."""
    from benchmarks.tts_parts.voice import write_bert
    from tts.melo.bert import load_bert, use_kernels

    write_bert(folder)
    tokens = torch.randint(1000, 30000, (WORD_PIECES,), generator=torch.Generator().manual_seed(SEED))
    plain, ours, packed = load_bert(folder), load_bert(folder), load_bert(folder, "int8")
    runs = use_kernels(ours, plan.threads)
    ways = {name: partial(one, tokens) for name, one in (("torch", plain), ("ours", ours), ("packed", packed))}
    took = typical_ms(ways, ROUNDS, clock)
    if runs:
        yield _gain({"plain": took["torch"], "decided": took["ours"]}, "bert", "none")
    else:
        stage, decision, instead_of, override = ROWS["bert"]
        yield Gain(stage, decision, override, None, instead_of, why="torch is the quicker way on this processor")
    with torch.inference_mode():
        exact, off = plain(tokens), packed(tokens)
    cost = f"features off by {100 * float((off - exact).norm() / exact.norm()):.1f} %"
    yield _gain({"plain": took["ours"], "decided": took["packed"]}, "small", cost)
    if plan.threads > 1:
        yield _gain(_threads(plan, partial(plain, tokens)), "threads", threads=plan.threads)


def _threads(plan: Plan, call: Callable[[], Any]) -> dict[str, float]:
    def on(threads: int) -> Any:
        torch.set_num_threads(threads)
        return call()

    took = typical_ms({"plain": partial(on, 1), "decided": partial(on, plan.threads)}, ROUNDS)
    torch.set_num_threads(plan.threads)
    return took


def decoder(plan: Plan, folder: Path, clock: Clock) -> Iterator[Gain]:
    """MeloTTS's decoder over some frames: torch, our kernels in float32 and in fewer bits, and ONNX Runtime."""
    from benchmarks.tts_parts.voice import write_voice
    from core.optimization.toolbox.packages import missing_packages
    from tts.melo.weights import load_network
    from tts.melo.windows import choose_decoder

    network = load_network(write_voice(folder / "voice")).dec
    generator = torch.Generator().manual_seed(SEED)
    frames = torch.randn(1, network.shape.channels, FRAMES, generator=generator)
    speaker = torch.randn(1, network.shape.speaker_width, 1, generator=generator)
    kernels, obstacle = choose_decoder(network)
    reduced, _ = choose_decoder(network, precision="reduced")
    ways: dict[str, Callable[[], Any]] = {
        "torch": partial(network, frames, speaker),
        "kernels": partial(kernels.window, frames, speaker, 0, FRAMES),
        "reduced": partial(reduced.window, frames, speaker, 0, FRAMES),
    }
    if not missing_packages(("onnxscript", "onnxruntime")):
        ways["onnx"] = _onnx_decoder(network, (frames, speaker), folder / "decoder.onnx", plan.threads)
    took = typical_ms(ways, ROUNDS, clock)
    if obstacle:
        stage, decision, instead_of, override = ROWS["kernels"]
        yield Gain(stage, decision, override, None, instead_of, why=obstacle)
    else:
        yield _gain({"plain": took["torch"], "decided": took["kernels"]}, "kernels", "none")
    precision = getattr(reduced, "precision", "float32")
    if precision != "float32":
        exact, off = (ways[name]() for name in ("kernels", "reduced"))
        cost = f"samples off by {100 * float((off - exact).norm() / exact.norm()):.1f} %"
        yield _gain({"plain": took["kernels"], "decided": took["reduced"]}, "reduced", cost, precision=precision)
    if "onnx" in took:
        gain = _gain({"plain": took["kernels"], "decided": took["onnx"]}, "onnx")
        yield replace(gain, why=f"{'yet' if took['onnx'] < took['kernels'] else 'so'} not used")


def _onnx_decoder(network: Any, inputs: tuple[Any, Any], path: Path, threads: int) -> Callable[[], Any]:
    from core.optimization.toolbox.onnx_export import export_to_onnx
    from core.optimization.toolbox.onnx_runtime import SessionOptions, open_session, run_session

    axes = {"z": {2: "frames"}}
    export_to_onnx(network, path, inputs, dynamic_axes=axes, tolerance=1e-3)
    session = open_session(path, SessionOptions(threads))
    feeds = dict(zip(("z", "speaker"), (one.numpy() for one in inputs), strict=True))
    return partial(run_session, session, feeds)


def batches(plan: Plan, clock: Clock) -> Gain:
    """Sentences through a BERT of 4 layers, together and one after another."""
    from benchmarks.shapes import SHAPES

    torch.manual_seed(SEED)
    model, size = SHAPES[1].make().eval(), plan.batch_size
    tokens = torch.randint(30000, (size, 16))

    def alone() -> None:
        for one in tokens:
            model(one[None])

    took = typical_ms({"plain": alone, "decided": partial(model, tokens)}, ROUNDS, clock)
    return _gain(took, "batches", size=size)
