"""What a talker is told about the background installation: seldom, in plain words, and always how it ended."""

from __future__ import annotations

import pytest

from core.app.setup import FullSetup, describe
from core.background import Progress
from core.utils.config import Config


class Fetching:
    """An installation whose progress the test sets."""

    def __init__(self) -> None:
        self.now = Progress("resolving", "torch")
        self.closed = 0

    def progress(self) -> Progress:
        return self.now

    def close(self) -> None:
        self.closed += 1


class Rig:
    def __init__(self) -> None:
        self.clock_s = 100.0
        self.fetching = Fetching()
        self.setup = FullSetup(Config(), False, lambda wanted, offline: self.fetching, lambda: self.clock_s)
        self.setup.start()

    def at(self, seconds: float) -> list[str]:
        self.clock_s = 100.0 + seconds
        return self.setup.news()


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_begins_with_one_line_and_then_keeps_out_of_the_conversation(rig: Rig) -> None:
    assert "in the background" in rig.at(0)[0]
    told = []
    for tenth in range(1, 10 * 60 * 10):
        rig.fetching.now = Progress("downloading", f"package-{tenth}", tenth, 6000, 10**6, 2 * 10**6)
        told += rig.at(tenth / 10)
    assert len(told) == 3 + 9, "each 15 s of the first minute, then each minute"
    assert told[0] == "the larger engines' packages: fetching package-150, package 150 of 6000, 1 of 2 MB"


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (Progress("done"), "are installed"),
        (Progress("next-start"), "from the next start"),
        (Progress("failed", message="The disk is full"), "The disk is full"),
    ],
)
def test_tells_the_end_at_once_and_only_once(rig: Rig, end: Progress, said: str) -> None:
    rig.at(0)
    rig.fetching.now = end
    assert said in rig.at(0.1)[0]
    assert rig.at(100) == []
    assert rig.fetching.closed == 1


def test_says_why_it_does_not_get_on() -> None:
    stuck = Progress("downloading", "torch 2.13.0", 1, 40, message="the connection was cut; trying again")
    assert describe(stuck).endswith("fetching torch 2.13.0, package 1 of 40 (the connection was cut; trying again)")


def test_is_silent_where_there_is_nothing_to_install() -> None:
    setup = FullSetup(Config(), True, lambda wanted, offline: None)
    setup.start()
    assert setup.news() == []
    setup.stop()
