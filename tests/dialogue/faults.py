"""Planted faults: what a dialogue must notice. Each changes one decision of the pipeline, for as long as it lasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from audio.player import Player
from core.app.assistant import Assistant
from core.app.floor import Floor
from core.app.turn_keeping import TurnKeeping
from core.messages import Heard, TurnFailed, Utterance, VoiceOnset, VoiceRejected
from core.pipeline import Pipeline
from core.stage import StageThread
from core.turn_clock import TurnClock
from llm.assistant import SkillSet
from llm.conversation import Conversation
from llm.responder import Responder
from llm.skills.base import Reply
from llm.taking_back import TakingBack
from llm.timers import TimersStage
from stt.endpointing import Endpoint, Endpointing, Evidence
from stt.interruptions import Interruptions
from stt.listener import Listener
from stt.voice_activity_detection import Onset, Started, VoiceActivityDetection
from tests.dialogue.rig import Ear

Fault = Callable[[pytest.MonkeyPatch], None]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    def register(plant: Fault) -> Fault:
        FAULTS[name] = plant
        return plant

    return register


@fault("who goes on begins anew")
def _begins_anew(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("stt.continuation.GOES_ON_S", 0.0)


@fault("what was done stays done")
def _stays_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TakingBack, "_undo", lambda self, before: None)


@fault("nothing is heard")
def _nothing_is_heard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Conversation, "heard", lambda self, heard: None)


@fault("a revision is a turn")
def _a_revision_is_a_turn(patch: pytest.MonkeyPatch) -> None:
    open_turn = TurnClock.open

    def revise(self: TurnClock, turn: int) -> int | None:
        return None

    patch.setattr(TurnClock, "revise", revise)
    # and each turn is counted twice, which is what a clock without a lock does when two threads open one
    patch.setattr(TurnClock, "open", lambda self: (open_turn(self), open_turn(self))[1])


@fault("sound after a pause is lost")
def _sound_is_lost(patch: pytest.MonkeyPatch) -> None:
    utterance = Listener._utterance

    def damaged(self: Listener, speech: Any, final: bool) -> Utterance:
        return utterance(self, speech, final) if not final else replace(
            utterance(self, speech, final), samples=speech.pieces[-1][:512]
        )  # fmt: skip

    patch.setattr(Listener, "_utterance", damaged)


@fault("a pause is an end")
def _a_pause_is_an_end(patch: pytest.MonkeyPatch) -> None:
    decide = Endpointing.decide

    def hasty(self: Endpointing, silence_s: float, evidence: Evidence) -> Endpoint:
        verdict = decide(self, silence_s, evidence)
        return Endpoint.FINAL if silence_s >= 0.3 else verdict

    patch.setattr(Endpointing, "decide", hasty)


@fault("words do not count")
def _words_do_not_count(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Listener, "transcribed", lambda self, transcript: None)


@fault("nobody is patient")
def _nobody_is_patient(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("stt.endpointing.PATIENT", 1.0)


@fault("what is old is still played")
def _old_is_played(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TurnClock, "is_stale", lambda self, message: False)
    patch.setattr(Player, "silence", lambda self: None)


@fault("voices do not hold the reply")
def _not_held(patch: pytest.MonkeyPatch) -> None:
    publish = Pipeline.publish
    patch.setattr(
        Pipeline, "publish", lambda self, message: None if isinstance(message, VoiceOnset) else publish(self, message)
    )
    patch.setattr(Player, "silence", lambda self: None)
    patch.setattr(TurnClock, "is_stale", lambda self, message: False)


@fault("a reply stays held")
def _stays_held(patch: pytest.MonkeyPatch) -> None:
    publish = Pipeline.publish
    patch.setattr(
        Pipeline,
        "publish",
        lambda self, message: None if isinstance(message, VoiceRejected) else publish(self, message),
    )


@fault("every word is an interruption")
def _every_word(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("stt.interruptions.is_backchannel", lambda text, asked=False: False)


@fault("no word is an interruption")
def _no_word(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("stt.interruptions.is_backchannel", lambda text, asked=False: True)


@fault("every voice is an interruption")
def _every_voice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("stt.interruptions.SURELY_S", 0.0)


@fault("nothing is long enough to interrupt")
def _never_sure(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("stt.interruptions.SURELY_S", 1e9)


@fault("speech over a reply is lost")
def _speech_is_lost(patch: pytest.MonkeyPatch) -> None:
    speech = Interruptions._speech

    def only_the_last(self: Interruptions, tentative: Any) -> Started:
        tentative.pieces = tentative.pieces[-1:]
        return speech(self, tentative)

    patch.setattr(Interruptions, "_speech", only_the_last)


@fault("a reply goes on in mid-word")
def _in_mid_word(patch: pytest.MonkeyPatch) -> None:
    def goes_on(self: Player) -> None:
        self._held_at = None
        self._output.hold(False)

    patch.setattr(Player, "resume", goes_on)


@fault("a reply waits for ever")
def _for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("stt.interruptions.ANSWER_S", 1e9)
    patch.setattr("audio.player.HELD_S", 1e9)
    patch.setattr("stt.listener.GAP_S", 1e9)


@fault("what is prepared is heard at once")
def _heard_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TurnClock, "hold", lambda self, turn, revision: None)


@fault("nothing is prepared")
def _nothing_prepared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Responder, "_prepare", lambda self, message: iter(()))


@fault("everything is prepared")
def _everything_prepared(patch: pytest.MonkeyPatch) -> None:
    class Everything(frozenset[str]):
        def __contains__(self, name: object) -> bool:
            return True

    patch.setattr("llm.responder.HARMLESS", Everything())


@fault("a click is speech")
def _a_click_is_speech(patch: pytest.MonkeyPatch) -> None:
    process = VoiceActivityDetection.process

    def eager(self: VoiceActivityDetection, samples: Any, at: float, far_end: bool = False) -> Any:
        for event in process(self, samples, at, far_end):
            yield event
            if isinstance(event, Onset):
                yield Started(event.at, at, samples, at, far_end)

    patch.setattr(VoiceActivityDetection, "process", eager)


@fault("a noise is answered")
def _a_noise_is_answered(patch: pytest.MonkeyPatch) -> None:
    understand = Ear.understand
    patch.setattr(Ear, "understand", lambda self, samples: understand(self, samples) or "what can you do")


@fault("an alarm is not settled")
def _not_settled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TimersStage, "heard", lambda self, heard: None)


@fault("what is not heard counts as heard")
def _counts_as_heard(patch: pytest.MonkeyPatch) -> None:
    def heard(self: TimersStage, message: Heard) -> None:
        with self._lock:
            self._heard.append(message.turn)

    patch.setattr(TimersStage, "heard", heard)


@fault("the floor is always free")
def _always_free(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Floor, "gap", lambda self: self._turns.current)


@fault("a whole command does nothing")
def _does_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SkillSet, "act", lambda self, intent: Reply("Done.", intent.language))


@fault("a lost turn is not said")
def _not_said(patch: pytest.MonkeyPatch) -> None:
    process = Responder.process
    patch.setattr(
        Responder,
        "process",
        lambda self, message: iter(()) if isinstance(message, TurnFailed) else process(self, message),
    )


@fault("a cancelled turn goes on")
def _goes_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TurnClock, "cancel", lambda self, turn: False)
    patch.setattr(Assistant, "_end_turn", lambda self: None)
    patch.setattr(Player, "silence", lambda self: None)


@fault("a dropped question is answered")
def _not_dropped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Listener, "drop", lambda self: False)


@fault("work is not given up")
def _not_given_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StageThread, "_abandon", lambda self: None)


@fault("the times of a turn are lost")
def _times_are_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TurnKeeping, "finished", lambda self, record: None)
