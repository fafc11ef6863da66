"""Resampling, the far end's timeline, the delay measurement and the canceller, in virtual time."""

import numpy as np
import pytest

from audio.delay import WINDOW, measure_delay
from audio.echo import CANCELLER_DELAY, FRAME, WebRtcCanceller
from audio.far_end import FarEnd, FarEndTimeline, Played
from audio.front_end import FrontEnd, Processed
from core.messages import AudioFrame, Samples
from core.utils.config import EchoConfig
from core.utils.errors import MissingDependencyError

RATE_HZ = 16_000


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> Samples:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def tone(seconds: float, rate_hz: int) -> Samples:
    return (0.3 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def feed(front_end: FrontEnd, samples: Samples, rate_hz: int, at: float = 5.0) -> list[Processed]:
    block = rate_hz // 50
    return [
        front_end.process(AudioFrame(samples[start : start + block], rate_hz, at + start / rate_hz))
        for start in range(0, len(samples), block)
    ]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000, 96_000])
def test_every_rate_becomes_sixteen_kilohertz_in_step_with_time(rate_hz: int) -> None:
    out = feed(FrontEnd(EchoConfig(canceller="off"), FarEnd()), tone(1.0, rate_hz), rate_hz)
    sound = np.concatenate([piece.samples for piece in out])
    begin = out[0].captured_at
    expected = tone(1.0, RATE_HZ)
    shift = round((5.0 - begin) * RATE_HZ)
    assert shift == pytest.approx(CANCELLER_DELAY, abs=1)
    assert sound[shift : len(sound) - 400] == pytest.approx(expected[: len(sound) - 400 - shift], abs=0.02)
    expected_at = begin
    for piece in out:
        assert piece.captured_at == pytest.approx(expected_at, abs=2e-4)
        expected_at += len(piece.samples) / RATE_HZ
        assert not piece.far_end_active


def test_a_gap_in_the_microphones_time_is_passed_on() -> None:
    front_end = FrontEnd(EchoConfig(canceller="off"), FarEnd())
    feed(front_end, tone(0.2, 48_000), 48_000, at=5.0)
    after = feed(front_end, tone(0.2, 48_000), 48_000, at=9.0)
    assert after[0].captured_at == pytest.approx(9.0 - CANCELLER_DELAY / RATE_HZ, abs=1e-6)


def test_the_assistant_is_audible_from_its_first_sample_to_the_end_of_the_tail() -> None:
    tap = FarEnd()
    front_end = FrontEnd(EchoConfig(canceller="off", tail_ms=400), tap)
    for index in range(25):
        tap.put(Played(np.full(320, 0.2, np.float32), RATE_HZ, 6.0 + index * 0.02))
    active = [piece.captured_at for piece in feed(front_end, noise(4.0, 0.001), RATE_HZ) if piece.far_end_active]
    assert active[0] == pytest.approx(6.0, abs=0.03)
    assert active[-1] == pytest.approx(6.5 + 0.4, abs=0.03)


def test_the_timeline_joins_jittery_blocks_and_keeps_gaps() -> None:
    timeline = FarEndTimeline()
    sound = noise(1.0)
    for index in range(50):
        jitter = 0.004 * (-1) ** index
        timeline.add(Played(sound[index * 320 : (index + 1) * 320], RATE_HZ, 10.0 + index * 0.02 + jitter))
    timeline.add(Played(sound[:320], RATE_HZ, 12.0))
    first = round(10.004 * RATE_HZ)
    assert timeline.read(first, RATE_HZ) == pytest.approx(sound)
    assert not timeline.read(first + RATE_HZ, RATE_HZ // 2).any()
    assert timeline.read(12 * RATE_HZ, 320) == pytest.approx(sound[:320])
    assert not timeline.read(0, 100).any()
    assert not timeline.read(13 * RATE_HZ, 100).any()


@pytest.mark.parametrize("delay", [-480, 0, 33, 3200])
def test_the_delay_is_found_under_noise(delay: int) -> None:
    far = noise(WINDOW / RATE_HZ)
    near = 0.3 * np.roll(far, delay) + noise(WINDOW / RATE_HZ, 0.03, seed=1)
    assert measure_delay(far, near.astype(np.float32)) == pytest.approx(delay / RATE_HZ)


def test_no_delay_is_found_where_there_is_no_echo() -> None:
    assert measure_delay(noise(WINDOW / RATE_HZ), noise(WINDOW / RATE_HZ, seed=1)) is None


def test_a_missing_livekit_is_a_warning_or_an_error_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "livekit.rtc.apm", None)
    fallback = FrontEnd(EchoConfig(canceller="auto"), FarEnd())
    fallback.load()
    assert fallback.echo.engine == "none"
    with pytest.raises(MissingDependencyError, match=r"echo\.canceller"):
        FrontEnd(EchoConfig(canceller="aec3"), FarEnd()).load()


class TestWithWebRtc:
    """These need the livekit package."""

    @pytest.fixture(autouse=True)
    def _livekit(self) -> None:
        pytest.importorskip("livekit.rtc.apm", reason="needs the livekit package")

    def test_the_canceller_delays_by_what_the_bypass_delays(self) -> None:
        canceller = WebRtcCanceller()
        near = noise(2.0)
        silent = np.zeros(FRAME, np.float32)
        out = np.concatenate([canceller.process(near[at : at + FRAME], silent, 0) for at in range(0, len(near), FRAME)])
        spectrum = np.fft.rfft(out, 1 << 16) * np.conj(np.fft.rfft(near, 1 << 16))
        assert int(np.argmax(np.fft.irfft(spectrum)[:1000])) == CANCELLER_DELAY

    @pytest.mark.parametrize(("missing", "kept"), [("nothing", True), ("sound", False), ("blocks", False)])
    def test_a_gap_in_the_playback_makes_it_half_duplex(self, missing: str, kept: bool) -> None:
        """The user speaks over a reply: heard, unless it was silent for a moment and the echo may be anywhere."""
        tap = FarEnd()
        front_end = FrontEnd(EchoConfig(canceller="aec3"), tap)
        far = noise(3.0)
        pause = slice(2 * RATE_HZ, 2 * RATE_HZ + RATE_HZ // 5)
        if missing != "nothing":
            far[pause] = 0.0
        near = 0.3 * np.roll(far, 800) + noise(3.0, 0.0005, seed=2)
        user = slice(round(2.5 * RATE_HZ), 3 * RATE_HZ)
        near[user] += 2.0 * noise(0.5, seed=4)
        pieces = []
        for at in range(0, len(far), 320):
            if missing != "blocks" or not pause.start <= at < pause.stop:
                tap.put(Played(far[at : at + 320], RATE_HZ, 5.0 + at / RATE_HZ))
            pieces.append(
                front_end.process(AudioFrame(near[at : at + 320].astype(np.float32), RATE_HZ, 5.0 + at / RATE_HZ))
            )
        out = np.concatenate([piece.samples for piece in pieces])
        level = float(np.sqrt(np.mean(out[user.start :] ** 2)))
        assert (level > 0.05) is kept

    @pytest.mark.parametrize("delay_s", [-0.02, 0.08])
    def test_an_echo_is_taken_out_and_the_room_left_alone(self, delay_s: float) -> None:
        tap = FarEnd()
        front_end = FrontEnd(EchoConfig(canceller="aec3"), tap)
        far = noise(6.0) * np.repeat(np.random.default_rng(3).uniform(0.2, 1.0, 60), 1600).astype(np.float32)
        lag = round(delay_s * RATE_HZ)
        echo = 0.3 * np.roll(np.concatenate([far, np.zeros(6 * RATE_HZ, np.float32)]), RATE_HZ + lag)
        near = (echo + noise(12.0, 0.0005, seed=2)).astype(np.float32)
        for index in range(0, len(far), 320):
            tap.put(Played(far[index : index + 320], RATE_HZ, 6.0 + index / RATE_HZ))
        working, pieces = [], []
        for start in range(0, len(near), 320):
            pieces.append(front_end.process(AudioFrame(near[start : start + 320], RATE_HZ, 5.0 + start / RATE_HZ)))
            working.append(front_end.echo.working)
        out = np.concatenate([piece.samples for piece in pieces])
        late = slice(4 * RATE_HZ, 7 * RATE_HZ)
        assert 10 * np.log10(np.mean(near[late] ** 2) / np.mean(out[late] ** 2)) > 20
        assert not working[0], "it rests before the assistant speaks"
        assert all(working[60:300])
        assert not working[-1], "it rests again"
        assert abs(np.diff(out[-RATE_HZ * 3 :])).max() < 0.01, "no click when it goes to rest"
