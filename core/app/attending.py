"""How the assistant is called: nothing to do, a wake word, or a key; and what of a conversation keeps it attentive."""

from __future__ import annotations

from core.messages import EchoDropped, Heard, PlaybackStarted, SpeechStarted, Transcript, TurnFailed
from core.pipeline import Pipeline
from core.utils.clock import Clock
from core.utils.config import WakeConfig
from stt.attention import Attention
from stt.wake_word import MicroWakeWord


def make_attention(config: WakeConfig, clock: Clock) -> Attention | None:
    """As configured, not yet loaded; None where everything said is meant for the assistant."""
    if config.mode == "always":
        return None
    return Attention(config, clock, MicroWakeWord(config.word) if config.mode == "word" else None)


def follow(attention: Attention, pipeline: Pipeline) -> None:
    """Tell it how each turn goes."""
    pipeline.observe(SpeechStarted, attention.speech_started)
    pipeline.observe(Transcript, attention.transcribed)
    pipeline.observe(EchoDropped, attention.echo_dropped)
    pipeline.observe(PlaybackStarted, attention.playback_started)
    pipeline.observe(Heard, attention.heard)
    pipeline.observe(TurnFailed, attention.failed)
