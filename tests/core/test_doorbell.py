"""A wait that ends when something happens in another thread, a key is pressed, or its time is over."""

from __future__ import annotations

import os
import threading
import time

from core.app.doorbell import Doorbell

LONG_S = 30.0


def seconds(bell: Doorbell, timeout: float, file: int | None = None) -> float:
    began = time.monotonic()
    bell.wait(timeout, file)
    return time.monotonic() - began


def test_whatever_rings_ends_the_wait_also_before_it_begins_and_once():
    with Doorbell() as bell:
        for _ in range(100_000):  # more than it holds: nobody waits while somebody speaks
            bell.ring()
        assert seconds(bell, LONG_S) < LONG_S
        ringing = threading.Timer(0.05, bell.ring)
        ringing.start()
        assert seconds(bell, LONG_S) < LONG_S
        ringing.join()


def test_it_waits_its_time_where_nothing_happens_and_again_after_it_rang():
    with Doorbell() as bell:
        bell.ring()
        bell.wait(LONG_S)
        assert seconds(bell, 0.02) >= 0.019


def test_what_can_be_read_ends_it_too():
    keys, typed = os.pipe()
    try:
        with Doorbell() as bell:
            os.write(typed, b"m")
            assert seconds(bell, LONG_S, keys) < LONG_S
    finally:
        os.close(keys)
        os.close(typed)


def test_who_rings_when_the_conversation_is_over_is_not_in_the_way():
    with Doorbell() as bell:
        pass
    bell.ring()
