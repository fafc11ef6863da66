"""Resampling, the far end's timeline, the delay measurement and the canceller, in virtual time."""

import itertools
import sys

import numpy as np
import pytest

from audio.alignment import FRAME
from audio.canceller import WebRtcCanceller
from audio.delay import measure_delay
from audio.echo import CANCELLER_DELAY
from audio.far_end import FarEnd, FarEndTimeline, Played
from audio.front_end import FrontEnd, Processed
from core.messages import AudioFrame, Samples
from core.utils.config import EchoConfig, VadConfig
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


@pytest.mark.parametrize("seconds", [0.15, 0.5, 2.0])
@pytest.mark.parametrize("delay", [-480, 0, 33, 640])
def test_the_delay_is_found_under_noise(delay: int, seconds: float) -> None:
    far = noise(seconds)
    near = 0.3 * np.roll(far, delay) + noise(seconds, 0.03, seed=1)
    found = measure_delay(far, near.astype(np.float32))
    assert found is not None
    assert found.samples == delay


@pytest.mark.parametrize("seconds", [0.1, 2.0])
def test_no_delay_is_found_where_there_is_no_echo(seconds: float) -> None:
    assert measure_delay(noise(seconds), noise(seconds, seed=1)) is None


@pytest.mark.parametrize("delay", [-480, 640, 9_000, 18_000])
def test_a_delay_is_found_as_far_back_as_the_far_end_is_given(delay: int) -> None:
    far, late = noise(2.6), 2 * RATE_HZ
    near = 0.3 * np.roll(far, delay)[late:] + noise(0.6, 0.03, seed=1)
    found = measure_delay(far, near.astype(np.float32), expected=delay)
    assert found is not None
    assert (found.samples, found.expected) == (delay, found.height)


@pytest.mark.parametrize("silent_s", [0.0, 1.0, 1.9])
def test_little_that_was_played_in_a_long_time_makes_no_delay_likelier(silent_s: float) -> None:
    far = noise(2.5)
    far[: round(silent_s * RATE_HZ)] = 0.0
    assert measure_delay(far, noise(0.5, seed=1)) is None


def test_a_missing_livekit_is_a_warning_or_an_error_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "livekit.rtc.apm", None)
    fallback = FrontEnd(EchoConfig(canceller="auto"), FarEnd())
    fallback.load()
    assert fallback.echo.engine == "none"
    with pytest.raises(MissingDependencyError, match=r"echo\.canceller"):
        FrontEnd(EchoConfig(canceller="aec3"), FarEnd()).load()


def loudest(samples: np.ndarray) -> float:
    """Root mean square of the loudest 0.1 s, but for its louder half."""
    pieces = samples[: len(samples) // 800 * 800].reshape(-1, 800)
    levels = np.sqrt(np.mean(pieces**2, axis=1))
    return float(np.minimum(levels[1:], levels[:-1]).max())


class Conversation:
    """A reply `far` at 16 kHz, handed over block by block but for those within `missing`, and what is heard of it.

    `ahead`: how many samples before they leave the speaker.
    """

    def __init__(
        self, far: Samples, missing: slice = slice(0, 0), ahead: int = 0, config: EchoConfig | None = None
    ) -> None:
        self._far = far
        self._missing = missing
        self._ahead = ahead
        self._tap = FarEnd()
        self._front_end = FrontEnd(config or EchoConfig(canceller="aec3"), self._tap)
        self.pieces: list[Processed] = []

    def run(self, echo: np.ndarray, user: slice = slice(0, 0)) -> Samples:
        """What the listener gets of the echo, faint noise, and the user's voice in this part."""
        near = echo + noise(len(echo) / RATE_HZ, 0.0005, seed=2)
        near[user] += 2.0 * noise((user.stop - user.start) / RATE_HZ, seed=4)
        for at in range(0, len(near), 320):
            if not self._missing.start <= at < self._missing.stop:
                leaves = at + self._ahead
                self._tap.put(Played(self._far[leaves : leaves + 320], RATE_HZ, 5.0 + leaves / RATE_HZ))
            frame = AudioFrame(near[at : at + 320].astype(np.float32), RATE_HZ, 5.0 + at / RATE_HZ)
            self.pieces.append(self._front_end.process(frame))
        return np.concatenate([piece.samples for piece in self.pieces])


class TestHalfDuplex:
    """Where the canceller is wanted and cannot be loaded."""

    @pytest.fixture(autouse=True)
    def _no_livekit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "livekit.rtc.apm", None)

    @pytest.mark.parametrize("gain", [0.1, 0.3, 1.0])
    @pytest.mark.parametrize("lag_s", [-0.02, 0.05, 0.18])
    def test_over_loudspeakers_it_hears_nothing_while_it_speaks_and_the_user_after_it(
        self, gain: float, lag_s: float
    ) -> None:
        far = np.concatenate([noise(2.0), np.zeros(2 * RATE_HZ, np.float32)])
        user = slice(round(3.0 * RATE_HZ), round(3.6 * RATE_HZ))
        conversation = Conversation(far, missing=slice(2 * RATE_HZ, len(far)), config=EchoConfig(tail_ms=100))
        out = conversation.run(gain * np.roll(far, round(lag_s * RATE_HZ)), user)
        assert loudest(out[: user.start]) < 0.001, "the faint noise of the room alone"
        assert loudest(out[user]) > 0.1

    def test_over_headphones_the_user_is_heard_over_the_second_reply(self) -> None:
        far = np.concatenate([noise(2.0), np.zeros(RATE_HZ // 2, np.float32), noise(2.0, seed=5)])
        user = slice(3 * RATE_HZ, 4 * RATE_HZ)
        out = Conversation(far, ahead=640, config=EchoConfig()).run(np.zeros(len(far) - 640), user)
        assert loudest(out[user]) > 0.1

    def test_headphones_that_were_said_to_be_there_let_all_through(self) -> None:
        echo = 0.3 * noise(2.0)
        out = Conversation(noise(2.0), config=EchoConfig(canceller="off")).run(echo)
        assert loudest(out) > 0.9 * loudest(echo)


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

    @pytest.mark.parametrize("missing", ["nothing", "sound", "blocks"])
    def test_the_user_is_heard_over_a_reply_also_after_a_gap_in_it(self, missing: str) -> None:
        pause = slice(2 * RATE_HZ, 2 * RATE_HZ + RATE_HZ // 5)
        far = noise(4.0)
        if missing != "nothing":
            far[pause] = 0.0
        user = slice(round(2.7 * RATE_HZ), round(3.2 * RATE_HZ))
        conversation = Conversation(far, missing=pause if missing == "blocks" else slice(0, 0))
        out = conversation.run(0.3 * np.roll(far, 800), user)
        before, during = (float(np.sqrt(np.mean(out[part] ** 2))) for part in (slice(RATE_HZ, pause.start), user))
        assert before < 0.01
        assert during > 0.05

    @pytest.mark.parametrize("jump_s", [-0.015, 0.03, 0.15])
    def test_a_delay_that_jumps_between_two_replies_or_in_a_stutter_lets_no_echo_through(self, jump_s: float) -> None:
        far, pause = noise(4.0), slice(2 * RATE_HZ, 2 * RATE_HZ + RATE_HZ // 5)
        far[pause] = 0.0
        before, after = far.copy(), far.copy()
        before[pause.start :], after[: pause.start] = 0.0, 0.0
        echo = 0.3 * (np.roll(before, 800) + np.roll(after, 800 + round(jump_s * RATE_HZ)))
        out = Conversation(far, missing=pause).run(echo)
        assert loudest(out[RATE_HZ:]) < 0.1 * loudest(echo), "no 0.1 s of it"

    def test_a_jump_in_the_middle_of_a_word_leaks_for_less_than_speech_needs(self) -> None:
        far = noise(4.0)
        before, after = 0.3 * np.roll(far, 800), 0.3 * np.roll(far, 800 + 480)
        out = Conversation(far).run(np.concatenate([before[: 3 * RATE_HZ], after[3 * RATE_HZ :]]))
        leaked = np.sqrt(np.mean(out[2 * RATE_HZ :].reshape(-1, 160) ** 2, axis=1)) > 0.003
        assert 0.01 * int(leaked.sum()) < VadConfig().far_end_min_speech_ms / 1000

    @pytest.mark.parametrize("begins_s", [1.0, 2.0])
    def test_over_headphones_all_of_the_user_s_voice_is_heard_during_the_first_reply(self, begins_s: float) -> None:
        user = slice(round(begins_s * RATE_HZ), round((begins_s + 1.5) * RATE_HZ))
        out = Conversation(noise(4.0), ahead=640).run(np.zeros(4 * RATE_HZ - 640), user)
        levels = np.sqrt(np.mean(out[user].reshape(-1, FRAME) ** 2, axis=1))
        assert levels[2:].min() > 0.1

    def test_after_a_short_reply_the_user_is_heard_though_the_canceller_has_not_settled(self) -> None:
        far = np.concatenate([noise(0.8), np.zeros(2 * RATE_HZ, np.float32)])
        user = slice(round(1.4 * RATE_HZ), 2 * RATE_HZ)
        out = Conversation(far, missing=slice(round(0.8 * RATE_HZ), len(far))).run(0.3 * np.roll(far, 800), user)
        assert loudest(out[user]) > 0.1

    @pytest.mark.parametrize("late_s", [0.25, 0.9, 1.2])
    def test_an_echo_however_late_it_comes_is_taken_out_and_suspected_to_its_end(self, late_s: float) -> None:
        far = np.concatenate([noise(4.0), np.zeros(3 * RATE_HZ, np.float32)])
        conversation = Conversation(
            far, missing=slice(4 * RATE_HZ, len(far)), config=EchoConfig(canceller="aec3", tail_ms=100)
        )
        echo = 0.3 * np.roll(far, round(late_s * RATE_HZ))
        out = conversation.run(echo)
        assert loudest(out[round((late_s + 2.5) * RATE_HZ) :]) < 0.1 * loudest(echo)
        active = [piece.captured_at for piece in conversation.pieces if len(piece.samples) and piece.far_end_active]
        assert active[-1] == pytest.approx(5.0 + 4.0 + late_s + 0.1, abs=0.05)

    @pytest.mark.parametrize("jumps_s", [0.6, 1.1, -0.7])
    def test_a_jump_by_more_than_a_word_is_told_once_and_lets_no_more_echo_through(self, jumps_s: float) -> None:
        far, first = noise(8.0), max(0.05, 0.05 - jumps_s)
        before, after = (0.3 * np.roll(far, round(lag * RATE_HZ)) for lag in (first, first + jumps_s))
        conversation, at = Conversation(far), 4 * RATE_HZ
        out = conversation.run(np.concatenate([before[:at], after[at:]]))
        moved = [piece.captured_at - 5.0 for piece in conversation.pieces if piece.echo_moved]
        assert [moment for moment in moved if moment > 3.0] == [pytest.approx(4.6, abs=0.6)]
        assert loudest(out[round(5.5 * RATE_HZ) :]) < 0.1 * loudest(after)

    def test_an_echo_that_is_never_found_delays_nothing_once_the_reply_is_over(self) -> None:
        far = np.concatenate([noise(1.0), np.zeros(2 * RATE_HZ, np.float32)])
        conversation = Conversation(far, missing=slice(RATE_HZ, len(far)))
        conversation.run(noise(3.0, 0.005, seed=9))
        late = [len(piece.samples) for piece in conversation.pieces[round(1.2 / 0.02) :]]
        assert set(late) == {320}

    def test_held_sound_comes_whole_and_with_its_own_time(self) -> None:
        """While the delay is sought nothing comes; then all that was held, as if it had come at once."""
        far = noise(2.0)
        conversation = Conversation(far)
        conversation.run(0.3 * np.roll(far, 800))
        pieces = conversation.pieces
        assert any(len(piece.samples) == 0 for piece in pieces), "nothing was held"
        assert max(len(piece.samples) for piece in pieces) >= RATE_HZ // 10, "it did not come at once"
        assert sum(len(piece.samples) for piece in pieces) == len(far)
        for before, after in itertools.pairwise(piece for piece in pieces if len(piece.samples)):
            assert after.captured_at == pytest.approx(before.captured_at + len(before.samples) / RATE_HZ, abs=1e-6)

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
