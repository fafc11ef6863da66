"""One virtual sound card for the whole test session; without its parts a test skips, or fails where it must not."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.integration.sound_card import SoundCard, missing_parts, session_card


@pytest.fixture(scope="session")
def sound_card() -> Iterator[SoundCard]:
    """The running card. `MERLINE_REQUIRE_AUDIO=1` turns a skip into a failure."""
    missing = missing_parts()
    if missing:
        reason = f"no virtual sound card: missing {', '.join(missing)}"
        if os.environ.get("MERLINE_REQUIRE_AUDIO") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    card = session_card()
    yield card
    card.stop()
    if card.room.late_blocks:
        print(f"\nthe virtual sound card itself was late by {card.room.late_blocks} blocks of 10 ms")
