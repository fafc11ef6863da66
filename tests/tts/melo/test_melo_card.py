"""The decoder as a card runs it: windows in a few lengths are the one piece, graphs only where they pay, half a type.

Captures and a card's times are fakes here; what is marked gpu does the same on a real card, at the published size with
random weights: they show exactness and how rounding differs, and nothing of quality.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from melo_voices import small
from torch import Tensor

from benchmarks.tts_parts.spectra import spectral_db
from benchmarks.tts_parts.voice import full_size, sentence, write_voice
from core.optimization import TorchOptimizer
from core.optimization.plan import StagePlan
from core.utils.config import OptimizationConfig
from tts.melo import card_decoder
from tts.melo.card_decoder import WINDOWS, CardDecoder
from tts.melo.card_graphs import GraphChoice, exact_products
from tts.melo.card_steps import FRAMES as TURNED
from tts.melo.card_steps import PHONES, CardSteps
from tts.melo.network import Manner, MeloNetwork, Sounds
from tts.melo.synthesis import NetworkSynthesis, PreparedSentence
from tts.melo.weights import load_network
from tts.melo.windows import WindowGrowth, frames_around

FRAMES = 150
HALF_DB = {"float16": 0.5, "bfloat16": 2.5}
"""A float16 rounds to 11 bits, 66 dB below; some fifty layers in a row add theirs, and quiet bins, which weigh as much
as loud ones, take all of it. An H200 measured 0.28 dB and 1.96 dB, the ratio of their roundings (8) on a scale that
flattens; the bounds leave other cards' kernels a quarter to three quarters more."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> MeloNetwork:
    return load_network(write_voice(tmp_path_factory.mktemp("voice"), small()))


@pytest.fixture(scope="module")
def frames() -> Tensor:
    return torch.randn(1, 8, FRAMES, generator=torch.Generator().manual_seed(3))


class Capture:
    """Computes again where a graph would be replayed."""

    def __init__(self) -> None:
        self.captured = 0

    def __call__(self, compute: Callable[[], None]) -> Callable[[], None]:
        self.captured += 1
        compute()
        return compute


def seconds(launched_s: float, replayed_s: float) -> Callable[[Callable[[], object]], float]:
    """As the two are called by turns."""
    calls = iter([launched_s, replayed_s] * len(WINDOWS))
    return lambda work: next(calls)


def choice(launched_s: float, replayed_s: float, capture: Callable[..., object] | None = None) -> GraphChoice:
    return GraphChoice(seconds(launched_s, replayed_s), capture)  # type: ignore[arg-type]


def joined(decoder: CardDecoder, some: Tensor, speaker: Tensor, growth: WindowGrowth) -> Tensor:
    with torch.inference_mode():
        return torch.cat([decoder.window(some, speaker, *bounds) for bounds in growth.bounds(some.shape[2])])


@pytest.mark.parametrize("last", [False, True], ids=["rows", "channels last"])
@settings(max_examples=8, deadline=None)
@given(first=st.integers(1, 64), factor=st.floats(1, 3), largest=st.integers(1, 64), length=st.integers(1, FRAMES))
def test_windows_in_few_lengths_are_the_one_piece(
    network: MeloNetwork, frames: Tensor, last: bool, first: int, factor: float, largest: int, length: int
):
    decoder = CardDecoder(network.dec, channels_last=last)
    some, speaker = frames[:, :, :length], network.speaker(1)
    found = joined(decoder, some, speaker, WindowGrowth(min(first, largest), factor, largest))
    with torch.inference_mode():
        torch.testing.assert_close(found, network.dec(some, speaker)[0, 0], atol=1e-5, rtol=0)


@settings(max_examples=200, deadline=None)
@given(first=st.integers(0, 400), size=st.integers(1, 80), frames=st.integers(1, 500))
def test_what_is_decoded_lies_in_the_sentence_and_reaches_as_far_as_a_window_hears(
    network: MeloNetwork, first: int, size: int, frames: int
):
    decoder, around = CardDecoder(network.dec), frames_around(network.dec.shape)
    first = min(first, frames - 1)
    end = min(first + size, frames)
    begin, count = decoder.placed(first, end, frames)
    assert 0 <= begin <= max(first - around, 0)
    assert min(end + around, frames) <= begin + count <= frames
    if frames >= decoder.lengths[-1]:
        assert count in decoder.lengths


def test_graphs_are_kept_where_they_pay_and_give_the_same(network: MeloNetwork, frames: Tensor):
    speaker, capture = network.speaker(0), Capture()
    decoder = CardDecoder(network.dec)
    decoder.capture(choice(2.0, 1.0, capture))
    assert (decoder.graphs, capture.captured) == (tuple(sorted(decoder.lengths)), len(WINDOWS))
    found = joined(decoder, frames, speaker, WindowGrowth())
    expected = joined(CardDecoder(network.dec), frames, speaker, WindowGrowth())
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    slower = CardDecoder(network.dec)
    slower.capture(choice(1.0, 0.99, Capture()))
    assert slower.graphs == ()


def test_a_window_that_was_given_out_stays_as_it_is(network: MeloNetwork, frames: Tensor):
    decoder = CardDecoder(network.dec)
    decoder.capture(choice(2.0, 1.0, Capture()))
    with torch.inference_mode():
        one = decoder.window(frames, network.speaker(0), 40, 56)
        before = one.clone()
        decoder.window(frames, network.speaker(0), 80, 96)
    assert torch.equal(one, before)


def test_a_capture_that_fails_leaves_launching(network: MeloNetwork, frames: Tensor, caplog: pytest.LogCaptureFixture):
    def fails(compute: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    decoder = CardDecoder(network.dec)
    decoder.capture(choice(2.0, 1.0, fails))
    assert decoder.graphs == ()
    assert caplog.text.count("CUDA graphs are off") == 1
    assert len(joined(decoder, frames, network.speaker(0), WindowGrowth())) == FRAMES * network.dec.shape.hop

    def full(compute: Callable[[], None]) -> Callable[[], None]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        CardDecoder(network.dec).capture(choice(2.0, 1.0, full))


def test_half_a_type_is_near_and_can_be_given_up(network: MeloNetwork, frames: Tensor):
    speaker = network.speaker(0)
    exact = joined(CardDecoder(network.dec), frames, speaker, WindowGrowth())
    decoder = CardDecoder(network.dec, "bfloat16")
    found = joined(decoder, frames, speaker, WindowGrowth())
    assert found.dtype == torch.float32
    assert not torch.equal(found, exact)
    torch.testing.assert_close(found, exact, atol=0.05, rtol=0)
    decoder.capture(choice(2.0, 1.0, Capture()))
    assert decoder.widen()
    assert (decoder.graphs, decoder.precision) == ((), "float32")
    assert torch.equal(joined(decoder, frames, speaker, WindowGrowth()), exact)
    assert not decoder.widen()
    assert network.dec.conv_pre.weight.dtype == torch.float32


def some_sounds(phones: int = 21) -> Sounds:
    made = sentence(phones)
    return Sounds(made.phones % 30, made.tones, made.languages, made.ja_bert)


def test_samples_that_are_no_numbers_in_half_precision_are_decoded_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    made = NetworkSynthesis(write_voice(tmp_path, small()))
    made.load(TorchOptimizer())
    dec = load_network(tmp_path).dec
    right = list(made.synthesize(some_sounds(), Manner(seed=5)))
    decoder = CardDecoder(dec, "float16")
    decoder._run.conv_pre.weight.data.fill_(torch.inf)
    made._decoder = decoder
    found = list(made.synthesize(some_sounds(), Manner(seed=5)))
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(right), atol=1e-5, rtol=0)
    assert caplog.text.count("half precision overflowed") == 1
    assert decoder.precision == "float32"


class Full:
    """A decoder on a card that has room for `room` more windows."""

    def __init__(self, decoder: CardDecoder, room: int) -> None:
        self._decoder, self.room = decoder, room

    def window(self, *inputs: object) -> Tensor:
        if self.room == 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 MiB")
        self.room -= 1
        return self._decoder.window(*inputs)  # type: ignore[arg-type]


@pytest.mark.parametrize("room", [0, 2])
def test_a_sentence_goes_on_from_the_cpu_where_a_card_has_no_more_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, room: int
):
    made = NetworkSynthesis(write_voice(tmp_path, small()), growth=WindowGrowth(4, 2, 16))
    made.load(TorchOptimizer())
    right = np.concatenate(list(made.synthesize(some_sounds(), Manner(seed=5))))
    # as it is left by loading on a card
    made._network, made._on_card = load_network(tmp_path), True
    made._decoder = Full(CardDecoder(made._network.dec), room)  # type: ignore[assignment]
    found = np.concatenate(list(made.synthesize(some_sounds(), Manner(seed=5))))
    np.testing.assert_allclose(found, right, atol=1e-5, rtol=0)
    assert caplog.text.count("speaks from the CPU from now on") == 1
    assert not made._on_card
    assert list(made.synthesize(some_sounds(), Manner(seed=6)))


def test_other_errors_of_a_card_lose_the_sentence_as_they_are(tmp_path: Path):
    made = NetworkSynthesis(write_voice(tmp_path, small()))
    made.load(TorchOptimizer())
    made._on_card = True

    class Broken:
        def window(self, *inputs: object) -> Tensor:
            raise RuntimeError("CUDA error: unspecified launch failure")

    made._decoder = Broken()
    with pytest.raises(RuntimeError, match="launch failure"):
        list(made.synthesize(some_sounds(), Manner(seed=5)))


def test_a_plan_in_half_precision_leaves_durations_and_a_cpus_sound_as_they_are(tmp_path: Path):
    folder = write_voice(tmp_path, small())
    plans = [StagePlan("melo", None, "cpu", compute_type, 1, 0) for compute_type in ("float32", "bfloat16")]  # type: ignore[arg-type]
    said = []
    for plan in plans:
        made = NetworkSynthesis(folder, plan, WindowGrowth())
        made.load(TorchOptimizer(OptimizationConfig(compute_type="bfloat16")))
        said.append(np.concatenate(list(made.synthesize(some_sounds(), Manner(seed=5)))))
    np.testing.assert_allclose(*said, atol=1e-5, rtol=0)


# On a card


def card_plan(compute_type: str) -> StagePlan:
    return StagePlan("melo", None, "cuda", compute_type, 4, 0)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voice(tmp_path_factory.mktemp("full"), full_size())


@pytest.fixture(scope="module")
def on_cpu(full: Path) -> tuple[list[int], np.ndarray]:
    """Each phone's frames, and the sound, of the plain network on the CPU."""
    network, threads = load_network(full), torch.get_num_threads()
    torch.set_num_threads(min(threads, 4))  # beside other tests, more wait for each other
    with torch.inference_mode():
        frames, counts = network.frames(sentence(97), Manner(seed=11))
        samples = network.dec(frames, network.speaker(0))[0, 0].numpy()
    torch.set_num_threads(threads)
    return counts.tolist(), samples


def loaded(folder: Path, compute_type: str) -> NetworkSynthesis:
    made = NetworkSynthesis(folder, card_plan(compute_type))
    made.load(TorchOptimizer(OptimizationConfig(device="cuda")))
    return made


def spoken(made: NetworkSynthesis, prepared: PreparedSentence | None = None) -> tuple[list[int], np.ndarray]:
    prepared = prepared or made.prepare(sentence(97), Manner(seed=11))
    hop = made.config.decoder.hop
    return (np.diff((0, *prepared.ends)) // hop).tolist(), np.concatenate(list(made.windows(prepared)))


class Told(logging.Handler):
    """Keeps what is logged while a module's fixture is made, which caplog does not see."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture(scope="module")
def exact(full: Path) -> NetworkSynthesis:
    """The last test that takes it leaves it on the CPU."""
    return loaded(full, "float32")


@pytest.fixture(scope="module")
def half(full: Path) -> tuple[NetworkSynthesis, list[str]]:
    """And what was told as it was loaded."""
    told, logger = Told(), logging.getLogger("tts.melo")
    level = logger.level
    logger.addHandler(told)
    logger.setLevel(logging.DEBUG)
    try:
        return loaded(full, "float16"), told.messages
    finally:
        logger.removeHandler(told)
        logger.setLevel(level)


@pytest.mark.gpu
def test_a_card_says_in_float32_what_the_cpu_says(exact: NetworkSynthesis, on_cpu: tuple[list[int], np.ndarray]):
    assert exact._on_card
    counts, samples = spoken(exact)
    assert counts == on_cpu[0]
    assert float(np.abs(samples - on_cpu[1]).max()) < 1e-4


@pytest.mark.gpu
@pytest.mark.parametrize("compute_type", ["float16", "bfloat16"])
def test_half_precision_on_a_card_is_as_near_as_stated(
    full: Path, half: tuple[NetworkSynthesis, list[str]], on_cpu: tuple[list[int], np.ndarray], compute_type: str
):
    made = half[0] if compute_type == "float16" else loaded(full, compute_type)
    counts, samples = spoken(made)
    assert counts == on_cpu[0]
    decibels = spectral_db(torch.from_numpy(on_cpu[1]), torch.from_numpy(samples))
    print(f"{compute_type}: {decibels:.3f} dB")
    assert 0 < decibels < HALF_DB[compute_type]
    assert getattr(made._decoder, "precision", None) == compute_type


@pytest.fixture(scope="module")
def card(full: Path) -> tuple[MeloNetwork, Tensor]:
    network = load_network(full).to("cuda")
    with torch.inference_mode():  # and not while a test runs: what it loads would be unfit for a move
        frames = network.frames(sentence(97).to(torch.device("cuda")), Manner(seed=11))[0]
    return network, frames


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "last"), [("float32", False), ("float16", False), ("float16", True)])
def test_on_a_card_windows_of_few_lengths_are_the_one_piece_and_graphs_what_is_launched(
    card: tuple[MeloNetwork, Tensor], precision: card_decoder.CardPrecision, last: bool
):
    network, frames = card
    speaker, bound = network.speaker(0), 1e-4 if precision == "float32" else 2e-2
    launched = CardDecoder(network.dec, precision, last)
    replayed = CardDecoder(network.dec, precision, last)
    replayed.capture(choice(2.0, 1.0))
    assert replayed.graphs == tuple(sorted(replayed.lengths))
    one = joined(launched, frames, speaker, WindowGrowth(largest=64))
    two = joined(replayed, frames, speaker, WindowGrowth(largest=64))
    with torch.inference_mode():
        whole = launched._launch(frames, speaker)
    torch.testing.assert_close(two, one, atol=bound / 10, rtol=0)
    torch.testing.assert_close(one, whole, atol=bound, rtol=0)


@pytest.mark.gpu
def test_a_card_tells_how_many_graphs_it_keeps(half: tuple[NetworkSynthesis, list[str]]):
    made, messages = half
    assert isinstance(made._decoder, CardDecoder)
    assert made._steps is not None
    tried = len(WINDOWS) + len(TURNED) + len(PHONES)
    assert sum("as a graph" in line for line in messages) == tried
    kept = len(made._decoder.graphs) + sum(len(sizes) for sizes in made._steps.graphs)
    print("\n".join(messages))
    assert sum(f"{kept} of {tried} CUDA graphs are kept" in line for line in messages) == 1


@pytest.mark.gpu
def test_on_a_card_a_text_is_read_and_turned_in_graphs_as_it_is_launched(card: tuple[MeloNetwork, Tensor]):
    network, _ = card
    steps = CardSteps(network)
    steps.capture(choice(2.0, 1.0))
    assert steps.graphs == (PHONES, TURNED)
    with torch.inference_mode():
        for phones in (97, 5, 41, 128):  # a shorter one after a longer one, and one that is not padded
            sounds = sentence(phones, phones).to(torch.device("cuda"))
            with exact_products("cuda"):  # as speech is made; torch's own default rounds what is launched to TF32
                right, right_counts = network.frames(sounds, Manner(seed=11))
                found, counts = network.frames(sounds, Manner(seed=11), steps)
            assert counts.tolist() == right_counts.tolist()
            torch.testing.assert_close(found, right, atol=1e-4, rtol=1e-4)


@pytest.mark.gpu
def test_closing_on_a_card_stops_before_another_window(
    half: tuple[NetworkSynthesis, list[str]], monkeypatch: pytest.MonkeyPatch
):
    made, windows = half[0], []
    decoder = made._decoder
    assert decoder is not None

    class Counting:
        def window(self, *inputs: object) -> Tensor:
            windows.append(inputs[2:])
            return decoder.window(*inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(made, "_decoder", Counting())
    sound = made.synthesize(sentence(97), Manner(seed=11))
    next(sound)
    sound.close()  # type: ignore[attr-defined]
    assert len(windows) == 1


@contextmanager
def full_card(spare: int) -> Iterator[None]:
    """No more of a card than what is held now and so many bytes; without spare ones, what torch keeps is used up."""
    gc.collect()
    torch.cuda.empty_cache()
    room = torch.cuda.memory_reserved() + spare
    torch.cuda.set_per_process_memory_fraction(room / torch.cuda.get_device_properties(0).total_memory)
    hog: list[Tensor] = []
    for size in (16 << 20, 4 << 20, 1 << 20, 1 << 16) if not spare else ():
        with suppress(torch.OutOfMemoryError):
            while True:
                hog.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    try:
        yield
    finally:
        hog.clear()
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


@pytest.mark.gpu
@pytest.mark.parametrize("when", ["loading", "speaking"])
def test_a_card_without_room_leaves_speaking_to_the_cpu(
    full: Path,
    exact: NetworkSynthesis,
    on_cpu: tuple[list[int], np.ndarray],
    caplog: pytest.LogCaptureFixture,
    when: str,
):
    prepared = None
    if when == "speaking":
        prepared = exact.prepare(sentence(97), Manner(seed=11))
        exact._decoder = CardDecoder(exact._loaded()[1].dec)  # nothing captured: a window needs memory of its own
    with full_card(spare=40 << 20 if when == "loading" else 0):
        made = loaded(full, "float32") if when == "loading" else exact
        counts, samples = spoken(made, prepared)
        assert counts == on_cpu[0]
        assert float(np.abs(samples - on_cpu[1]).max()) < 1e-4
        assert not made._on_card
        assert caplog.text.count("from the CPU from now on") == 1
        assert list(made.synthesize(sentence(20), Manner(seed=1)))
