"""A MeloTTS voice at work: a sentence's phones and features in, sound out window by window, the first one early.

Encoder, durations and flow run once a sentence. It knows no text; front ends do (tts.melo). On a card these compute in
float32, the decoder in the planned type; a card without room is left for the CPU, and the sentence goes on there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.messages import Samples
from core.optimization.batch_size import is_out_of_memory
from core.optimization.process_memory import trim_heap
from core.optimization.torch_device import release_cached
from core.optimization.torch_engine import StageSteps
from core.utils.errors import InferenceError
from tts.melo.card_decoder import CardDecoder, CardPrecision
from tts.melo.card_graphs import GraphChoice, exact_products
from tts.melo.card_steps import CardSteps
from tts.melo.configuration import MeloConfig
from tts.melo.decoder import AskedPrecision, DecoderPrecision
from tts.melo.network import Manner, MeloNetwork, Sounds
from tts.melo.pace import LARGE, SMALL, DecoderPace, choose_growth
from tts.melo.weights import load_network
from tts.melo.windows import WindowDecoder, WindowGrowth, choose_decoder, frames_around

if TYPE_CHECKING:
    from core.optimization.inference_context import InferenceContext
    from core.optimization.plan import Device, StagePlan
    from core.optimization.torch_optimizer import TorchOptimizer

logger = logging.getLogger(__name__)

WARM_UP_PHONES = 12
_TIMED_RUNS = 5
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class PreparedSentence:
    """A sentence of which only the sound is still to be made."""

    frames: Tensor
    """[1, channels, frames]"""
    speaker: Tensor
    """[1, width, 1]"""
    ends: tuple[int, ...]
    """[phones] samples of the sentence up to the end of each phone"""

    def latents(self) -> NDArray[np.float32]:
        """[channels, frames] in main memory."""
        return cast("NDArray[np.float32]", self.frames[0].float().cpu().numpy())


class NetworkSynthesis:
    """One thread at a time uses it."""

    def __init__(
        self,
        folder: Path,
        plan: StagePlan | None = None,
        growth: WindowGrowth | None = None,
        precision: AskedPrecision = "float32",
        decoder_threads: int | None = None,
    ) -> None:
        """`decoder_threads` may be more than the plan's: our kernels wait for no thread that is late."""
        self._folder = folder
        self._precision: AskedPrecision = precision
        self._plan = plan
        self._decoder_threads = decoder_threads
        self._asked_growth = self._growth = growth
        self._device, self._on_card = torch.device("cpu"), False
        self._optimizer: TorchOptimizer | None = None
        self._network: MeloNetwork | None = None
        self._decoder: WindowDecoder | None = None
        self._steps: CardSteps | None = None

    @property
    def config(self) -> MeloConfig:
        """The voice's; known after `load`."""
        return self._loaded()[1].config

    @property
    def sample_rate_hz(self) -> int:
        """Of the sound; known after `load`."""
        return self.config.sample_rate_hz

    @property
    def growth(self) -> WindowGrowth:
        """Of the windows: as asked for, else as measured; known after `load`."""
        return self._growth or WindowGrowth()

    def load(self, optimizer: TorchOptimizer) -> None:
        """Read the weights and say something into the void. Raises ModelLoadError."""
        with torch.inference_mode(False):  # weights that were made inside it could not be moved
            self._optimizer, self._network = optimizer, load_network(self._folder)
        self._device = optimizer.initialize()
        self._on_card = self._device.type != "cpu"
        try:
            self._settle()
        except RuntimeError as error:
            self._leave_card(error)
        trim_heap()

    def _settle(self) -> None:
        """Choose the decoder for where it computes, and warm up there."""
        optimizer, network, device = self._optimizer, self._network, self._device
        assert optimizer is not None
        assert network is not None
        with torch.inference_mode(False):  # also where a warm-up found the card full
            network.to(device)
        if device.type == "cuda":
            decoder, steps = CardDecoder(network.dec, self._card_precision()), CardSteps(network)
            self._decoder, self._steps = decoder, steps
            with self._context():
                choice = GraphChoice(lambda work: optimizer.warmup_model(work, (), runs=_TIMED_RUNS) / _TIMED_RUNS)
                steps.capture(choice)
                decoder.capture(choice)
            logger.info("%s speaks from the card, its decoder in %s; %s", self._folder.name, decoder.precision, choice)
        else:
            self._choose_decoder(optimizer, network)
        optimizer.warmup_model(self._warm_up, (), runs=1)
        self._growth = self._asked_growth or self._measured_growth()

    def _choose_decoder(self, optimizer: TorchOptimizer, network: MeloNetwork) -> None:
        plan = self._plan
        if plan is not None and self._decoder_threads is not None:
            plan = replace(plan, threads=self._decoder_threads)
        # the plan's, as torch has one while the machine is busy, and the decoder keeps its number for good
        threads = torch.get_num_threads() if plan is None else plan.threads
        with optimizer.get_inference_context(plan):
            self._decoder, reason = choose_decoder(network.dec, precision=self._precision, threads=threads)
        if not reason:
            del network.dec  # the kernels have their own copy of its weights
            precision: DecoderPrecision = getattr(self._decoder, "precision", "float32")
            from tts.melo.fused_feed_forward import fuse_flow

            fuse_flow(network.flow, threads, precision)
        else:
            compiled = StageSteps(plan, lambda: optimizer).compile_model(network.dec, "melo decoder")
            self._decoder, _ = choose_decoder(network.dec, compiled)
            logger.info("the decoder of %s runs in torch: %s", self._folder.name, reason)

    def synthesize(self, sounds: Sounds, manner: Manner) -> Iterator[Samples]:
        """Chunks of float32 samples; closing the iterator stops within one window. Raises as its two parts do."""
        yield from self.windows(self.prepare(sounds, manner))

    def prepare(self, sounds: Sounds, manner: Manner) -> PreparedSentence:
        """Encoder, durations and flow. Raises ValueError for inputs that do not belong together, InferenceError."""
        _check(sounds, manner, self.config)
        return self._with_room(lambda: self._prepared(sounds, manner))

    def _prepared(self, sounds: Sounds, manner: Manner) -> PreparedSentence:
        _, network, _ = self._loaded()
        with self._context(), exact_products(self._device.type):
            frames, counts = network.frames(sounds.to(self._device), manner, self._steps)
            ends = (counts.cumsum(0) * network.config.decoder.hop).tolist()
            return PreparedSentence(frames, network.speaker(manner.speaker), tuple(ends))

    def windows(self, sentence: PreparedSentence) -> Iterator[Samples]:
        """The sound, window by window. Raises InferenceError where the network gives no numbers."""
        for bounds in self.growth.bounds(sentence.frames.shape[2]):
            samples = self._with_room(partial(self._window, sentence, bounds))
            if not np.isfinite(samples).all() and self._widened():
                samples = self._with_room(partial(self._window, sentence, bounds))
            if not np.isfinite(samples).all():
                raise InferenceError(
                    f"the voice in {self._folder} gave samples that are no numbers (frames {bounds[0]} to {bounds[1]});"
                    " the sentence is lost, and if this repeats the voice's files are damaged: download it again"
                )
            yield samples

    def _window(self, sentence: PreparedSentence, bounds: tuple[int, int]) -> Samples:
        _, _, decoder = self._loaded()
        with self._context(), exact_products(self._device.type):
            window = decoder.window(sentence.frames.to(self._device), sentence.speaker.to(self._device), *bounds)
            return cast("Samples", window.float().cpu().numpy())

    def _widened(self) -> bool:
        """Whether the decoder computes in a wider type now, and did not before."""
        if not isinstance(self._decoder, CardDecoder) or not self._decoder.widen():
            return False
        logger.warning("%s: half precision overflowed; its decoder computes in float32 now", self._folder.name)
        return True

    def close(self) -> None:
        """Give the memory back."""
        self._network = self._decoder = self._steps = None

    def _context(self) -> InferenceContext:
        assert self._optimizer is not None
        return self._optimizer.get_inference_context(self._plan)

    def _card_precision(self) -> CardPrecision:
        """As planned, where that is one of a card's types."""
        wanted = "float32" if self._plan is None else self._plan.compute_type
        return cast("CardPrecision", wanted) if wanted in ("float16", "bfloat16") else "float32"

    def _with_room(self, work: Callable[[], _T]) -> _T:
        """`work`, and once more on the CPU where the card has no room for it."""
        try:
            return work()
        except RuntimeError as error:
            self._leave_card(error)
        return work()

    def _leave_card(self, error: RuntimeError) -> None:
        """On the CPU from now on, if it was for the card's memory; else raises `error`."""
        if not self._on_card or not is_out_of_memory(error):
            raise error
        logger.warning("the GPU has no room for the voice in %s, which speaks from the CPU from now on", self._folder)
        kind: Device = self._device.type  # type: ignore[assignment]
        self._device, self._on_card = torch.device("cpu"), False
        self._decoder = self._steps = None
        if self._plan is not None:
            self._plan = replace(self._plan, device="cpu", compute_type="float32")
        self._settle()
        release_cached(torch, kind)

    def _measured_growth(self) -> WindowGrowth:
        """By the times of a small and a large window in the middle of a sentence."""
        optimizer, network, decoder = self._loaded()
        shape = network.config.decoder
        around = frames_around(shape)
        frames = torch.zeros(1, shape.channels, LARGE + 2 * around, device=self._device)

        def decode(count: int) -> Tensor:
            return decoder.window(frames, network.speaker(0), around, around + count)

        small_s, large_s = (optimizer.warmup_model(decode, (count,), runs=1) for count in (SMALL, LARGE))
        pace = DecoderPace.measured(small_s, large_s)
        return replace(choose_growth(pace, shape.hop / network.config.sample_rate_hz), whole=pace.whole())

    def _warm_up(self) -> None:
        _, network, _ = self._loaded()
        one = torch.ones(WARM_UP_PHONES, dtype=torch.int64)
        sounds = Sounds(one % len(network.config.symbols), one * 0, one * 0)
        for _ in self.synthesize(sounds, Manner(seed=0)):
            continue

    def _loaded(self) -> tuple[TorchOptimizer, MeloNetwork, WindowDecoder]:
        if self._optimizer is None or self._network is None or self._decoder is None:
            raise RuntimeError("NetworkSynthesis: load() comes first")
        return self._optimizer, self._network, self._decoder


def _check(sounds: Sounds, manner: Manner, config: MeloConfig) -> None:
    """Raises ValueError naming what does not fit."""
    count = len(sounds.phones)
    if not count:
        raise ValueError("a sentence has at least one phone")
    for name, ids, limit in (
        ("phones", sounds.phones, len(config.symbols)),
        ("tones", sounds.tones, config.tones),
        ("languages", sounds.languages, config.languages),
    ):
        if ids.shape != (count,):
            raise ValueError(f"{name} are {list(ids.shape)} where there are {count} phones")
        if int(ids.min()) < 0 or int(ids.max()) >= limit:
            raise ValueError(
                f"{name} reach from {int(ids.min())} to {int(ids.max())}; this voice knows 0 to {limit - 1}"
            )
    for name, features in (("bert", sounds.bert), ("ja_bert", sounds.ja_bert)):
        if features is not None and features.shape[1:] != (count,):
            raise ValueError(f"{name} is {list(features.shape)} where there are {count} phones")
    if not 0 <= manner.speaker < config.speaker_rows:
        raise ValueError(f"speaker {manner.speaker}: this voice has rows 0 to {config.speaker_rows - 1}")
    if not manner.length_scale > 0:
        raise ValueError(f"length_scale {manner.length_scale}: it is more than 0")
