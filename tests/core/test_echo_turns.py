"""How many turns the assistant's own voice had opened."""

from __future__ import annotations

import logging

import pytest

from core.app.echo_turns import EchoTurns
from core.messages import EchoDropped
from core.pipeline import Pipeline
from core.turn_clock import TurnClock


def test_each_turn_counts_once_and_none_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    echo, pipeline = EchoTurns(), Pipeline([], TurnClock())
    echo.watch(pipeline)
    assert echo.words("en") == ""
    for turn in (3, 3, 7):
        pipeline.publish(EchoDropped(turn, "that's twelve"))
    assert echo.words("en") == "turns opened by my own echo and dropped: 2"
    assert echo.words("fr") == "tours ouverts par mon propre écho et ignorés : 2"
    assert "turn 7 was the assistant's own voice, dropped: \"that's twelve\"" in caplog.text
