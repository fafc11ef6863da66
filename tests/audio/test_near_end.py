"""Another sound beside the echo is noticed at once and let through; the echo alone, even a louder one, hardly ever."""

import numpy as np
import pytest

from audio.echo_model import FRAME, EchoModel
from audio.near_end import HOLD, TAPS, NearEnd
from core.messages import Samples

SECOND = 100
"""frames"""
DELAY = 3
"""frames by which the echo comes after what is played"""


def syllables(frames: int, seed: int) -> Samples:
    """[frames, 160] noise that swells and fades every fifth of a second, with a pause each second."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.uniform(0.1, 1.0, frames // 20 + 1), 20)[:frames]
    loud[np.arange(frames) % SECOND > 85] = 0.0
    return (0.1 * loud[:, None] * rng.standard_normal((frames, FRAME))).astype(np.float32)


class Room:
    """The assistant talks on; its echo comes back with this gain, over a faint noise."""

    def __init__(self, gain: float = 0.3) -> None:
        self.gain = gain
        self.near_end = NearEnd()
        self.silent: list[bool] = []
        self.let_through: list[Samples] = []
        self._noise = np.random.default_rng(9)
        self._air = np.zeros((DELAY, FRAME), np.float32)
        self._line = np.zeros(TAPS - 1, np.float32)

    @property
    def last(self) -> Samples:
        """The microphone's last frame."""
        return self._line[-FRAME:]

    def run(self, played: Samples, user: Samples | float = 0.0) -> list[bool]:
        """Whether another sound was heard at each frame; `user`: one [frames, 160], or the level of noise."""
        voice = np.broadcast_to(np.asarray(user, np.float32), (len(played), FRAME))
        if np.isscalar(user):
            voice = voice * self._noise.standard_normal(voice.shape)
        heard = []
        for frame, sound in zip(played, voice, strict=True):
            self._air = np.concatenate([self._air, frame[None]])
            near = (self.gain * self._air[0] + sound + 3e-4 * self._noise.standard_normal(FRAME)).astype(np.float32)
            self._air = self._air[1:]
            self.near_end.update(near, frame)
            line = np.concatenate([self._line, near])
            self._line = line[FRAME:]
            heard.append(self.near_end.heard)
            self.silent.append(self.near_end.silent)
            self.let_through.append(self.near_end.let_through(line) if heard[-1] else np.zeros(FRAME, np.float32))
        return heard


def level(sound: Samples | list[Samples]) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(sound)))))


def tone(frames: int, hertz: float) -> Samples:
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(frames * FRAME) / 16_000)).astype(np.float32).reshape(-1, FRAME)


@pytest.fixture
def room() -> Room:
    """One whose echo is known."""
    room = Room()
    room.run(syllables(6 * SECOND, 1))
    return room


def test_what_is_learnt_of_the_room_tells_an_echo_of_another_time_from_a_voice(room: Room):
    played, voice = syllables(2 * SECOND, 5).reshape(-1), syllables(SECOND, 6).reshape(-1)
    echo = (0.3 * np.roll(played, DELAY * FRAME))[-len(voice) :]
    learnt = room.near_end.echo.expected.copy()
    assert room.near_end.rate(echo, played) < 0.1
    assert room.near_end.rate(echo, np.roll(played, 40 * FRAME)) > 2.0, "what was played 0.4 s later"
    assert room.near_end.rate(0.3 * voice, played) > 2.0
    assert room.near_end.rate(echo + voice, played) > 2.0, "a voice over the echo"
    assert (room.near_end.echo.expected == learnt).all(), "it only looks"


def test_an_echo_alone_is_never_taken_for_another_sound_and_mostly_known_for_one():
    room = Room()
    assert not any(room.run(syllables(30 * SECOND, 1)))
    assert np.mean(room.silent[2 * SECOND :]) > 0.8


def test_another_sound_is_noticed_within_thirty_milliseconds_and_soon_forgotten(room: Room):
    heard = room.run(syllables(20, 2), user=0.2)
    assert heard.index(True) < 3
    assert all(heard[3:])
    assert not any(room.silent[-17:])
    assert not any(room.run(syllables(SECOND, 3))[HOLD + 5 :])


def test_a_single_tone_is_no_voice(room: Room):
    assert not any(room.run(syllables(SECOND, 2), user=0.5 * tone(SECOND, 2500.0)))


def test_while_nothing_is_played_it_goes_on_until_the_reply_does(room: Room):
    room.run(syllables(20, 2), user=0.2)
    assert all(room.run(np.zeros((SECOND, FRAME), np.float32), user=0.2))
    assert not any(room.run(syllables(2 * SECOND, 3))[SECOND:])


def test_what_begins_after_the_reply_is_the_canceller_s_business(room: Room):
    room.run(np.zeros((SECOND, FRAME), np.float32))
    assert not any(room.run(np.zeros((SECOND, FRAME), np.float32), user=0.2))


def test_nothing_is_heard_before_it_is_known_how_loud_the_echo_comes_back():
    assert not any(Room().run(syllables(SECOND // 2, 1), user=0.2))


def test_an_echo_that_has_grown_louder_is_another_sound_only_for_a_while(room: Room):
    room.gain = 1.0
    heard = room.run(syllables(4 * SECOND, 4))
    assert any(heard)
    assert not any(heard[SECOND:])


def test_after_a_restart_the_echo_of_what_was_played_before_is_expected(room: Room):
    played = syllables(2 * SECOND, 5)
    room.run(played[:SECOND])
    room.near_end.restart(played[SECOND - 60 : SECOND].ravel(), room.last)
    assert not any(room.run(played[SECOND:]))
    room.near_end.restart(np.zeros(0, np.float32), room.last)
    assert room.run(played[:20], user=0.2).index(True) < 4, "what is known of the room stays"


def test_the_voice_is_let_through_and_the_echo_under_it_is_not(room: Room):
    """The two share no band."""
    before = len(room.let_through)
    voice = sum(tone(SECOND, hertz) for hertz in (250.0, 350.0, 455.0, 570.0))
    played = tone(SECOND, 2500.0) + tone(SECOND, 3400.0) + 0.2 * syllables(SECOND, 2)
    room.run(played, user=voice / 4)
    out = np.concatenate(room.let_through[before + 20 : before + 80])
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out)))) / len(out) * 4
    at = np.arange(len(spectrum)) * 16_000 / len(out)
    assert spectrum[at < 700].max() == pytest.approx(0.05, rel=0.2)
    assert spectrum[at > 2000].max() < 0.1 * 0.3 * 0.2


def test_what_is_let_through_comes_half_of_the_filter_later(room: Room):
    before = len(room.let_through)
    voice = 0.3 * np.random.default_rng(3).standard_normal((SECOND // 2, FRAME)).astype(np.float32)
    assert all(room.run(0.1 * syllables(SECOND // 2, 2), user=voice)[4:])
    out, put = np.concatenate(room.let_through[before + 10 :]), voice[10:].ravel()
    lag = TAPS // 2
    assert np.corrcoef(out[lag:], put[:-lag])[0, 1] > 0.95


class TestEchoModel:
    """What it expects of the echo alone."""

    def learnt(self, gain: float = 0.3, delay: int = DELAY) -> tuple[EchoModel, Samples, Samples]:
        model, played = EchoModel(), syllables(10 * SECOND, 1)
        echo = gain * np.roll(played, delay, axis=0)
        for near, far in zip(echo, played, strict=True):
            model.update(near, far)
            model.learn()
        return model, echo, played

    @pytest.mark.parametrize("delay", [0, 7, 25])
    def test_it_learns_the_level_at_any_delay_within_its_reach(self, delay: int):
        model, echo, played = self.learnt(delay=delay)
        errors = []
        for near, far in zip(echo[: 5 * SECOND], played, strict=False):
            model.update(near, far)
            if model.heard.max() > 1e-4:
                errors.append(10 * np.log10(model.heard.mean() / model.expected.mean()))
        assert -4.0 < np.median(errors) < 1.0, "rather more than comes than less"
        assert np.quantile(errors, 0.98) < 6.0

    def test_where_no_echo_comes_back_little_is_expected_and_less_and_less(self):
        model, _, played = self.learnt(gain=0.0)
        first = EchoModel()
        expected = []
        for either in (model, first):
            either.restart(played[:SECOND].ravel(), np.zeros(FRAME, np.float32))
            either.update(np.zeros(FRAME, np.float32), played[SECOND])
            expected.append(either.expected.max())
        assert expected[0] < 0.02 * expected[1]

    @pytest.mark.parametrize("frames", [0, 1, 31, 200])
    def test_a_restart_knows_what_was_played_as_if_it_had_been_there(self, frames: int):
        there, restarted = EchoModel(), EchoModel()
        played, silence = syllables(frames + 1, 1), np.zeros(FRAME, np.float32)
        for far in played[:-1]:
            there.update(silence, far)
        restarted.restart(played[:-1].ravel(), silence)
        for model in (there, restarted):
            model.update(silence, played[-1])
        assert restarted.expected == pytest.approx(there.expected, rel=1e-5)
        assert restarted.sounding == there.sounding

    def test_it_is_known_after_some_speech_only(self):
        model = EchoModel()
        assert not model.known
        for frame in syllables(SECOND, 1):
            model.update(0.3 * frame, frame)
            model.learn()
        assert model.known
