"""Another sound beside the echo is noticed at once; the echo alone, a louder one too, never for long."""

import numpy as np
import pytest

from audio.near_end import BLIND, FRAME, HOLD, MOST, NearEnd
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
        self._noise = np.random.default_rng(9)
        self._air = np.zeros((DELAY, FRAME), np.float32)

    def run(self, played: Samples, user: float = 0.0) -> list[bool]:
        """Whether another sound was heard at each frame; `user`: the level of one."""
        heard = []
        for frame in played:
            self._air = np.concatenate([self._air, frame[None]])
            near = self.gain * self._air[0] + (user + 3e-4) * self._noise.standard_normal(FRAME)
            self._air = self._air[1:]
            self.near_end.update(near.astype(np.float32), frame)
            heard.append(self.near_end.heard)
        return heard


@pytest.fixture
def room() -> Room:
    """One whose echo is known."""
    room = Room()
    room.run(syllables(6 * SECOND, 1))
    return room


def test_an_echo_alone_is_never_taken_for_another_sound():
    assert not any(Room().run(syllables(30 * SECOND, 1)))


def test_another_sound_is_noticed_within_thirty_milliseconds_and_soon_forgotten(room: Room):
    heard = room.run(syllables(20, 2), user=0.2)
    assert heard.index(True) < 3
    assert all(heard[3:])
    assert not any(room.run(syllables(SECOND, 3))[HOLD + 1 :])


def test_while_nothing_is_played_it_goes_on_until_the_reply_does(room: Room):
    room.run(syllables(20, 2), user=0.2)
    assert all(room.run(np.zeros((SECOND, FRAME), np.float32), user=0.2))
    assert not any(room.run(syllables(SECOND, 3))[HOLD + 1 :])


def test_nothing_is_heard_before_it_is_known_how_loud_the_echo_comes_back():
    assert not any(Room().run(syllables(SECOND, 1), user=0.2))


def test_an_echo_that_has_grown_louder_is_another_sound_only_for_a_while(room: Room):
    room.gain = 3.0
    heard = room.run(syllables(2 * MOST + 6 * SECOND, 4))
    assert any(heard)
    assert not any(heard[2 * MOST :])


def test_after_a_rest_nothing_is_heard_for_a_moment_and_the_room_stays_known(room: Room):
    room.run(syllables(20, 2), user=0.2)
    room.near_end.rest()
    heard = room.run(syllables(2 * BLIND, 2), user=0.2)
    assert heard.index(True) == pytest.approx(BLIND, abs=5)
