"""`talk`: listens and answers until Ctrl-C. What is wrong is said before it starts, with its cure."""

from __future__ import annotations

import argparse
import gc
import logging
import sys

from audio.front_end import FrontEnd
from core.app.answering import equip
from core.app.assistant import Assistant, SoundEnds
from core.app.beside import Beside
from core.app.brain import Brain
from core.app.check import failed, quick_checks
from core.app.consent import YES
from core.app.desk_keys import DeskKeys
from core.app.doorbell import Doorbell
from core.app.ending import EndingWish
from core.app.error_words import error_words, left_out, told
from core.app.keyboard import Keyboard
from core.app.language import first_language
from core.app.lock import InstanceLock
from core.app.planning import apply_plan, make_plan
from core.app.scene import Note
from core.app.turn_keeping import TurnKeeping
from core.app.view import View, open_view, watch
from core.messages import Attending, DeviceEvent, Language
from core.optimization.memory import MemoryBudgets
from core.optimization.plan import Plan
from core.optimization.process_memory import share_arenas
from core.optimization.resident import give_back_memory
from core.pipeline import Pipeline
from core.turns import TurnRecord
from core.utils.clock import SystemClock
from core.utils.config import Config
from core.utils.errors import AudioDeviceError, MerlineError
from core.utils.paths import data_folder, make_data_folder

logger = logging.getLogger(__name__)

DRAW_S = 0.1
REST_S = 0.2
"""the same while nobody speaks, unless something happens or a key is pressed: each look wakes a processor that rests"""
TRACE = "trace.json"

HEARS_ENGLISH: dict[Language, str] = {
    "en": "",
    "fr": "Je comprends le français écrit (python3 main.py chat) ; à l'oral, seulement l'anglais pour l'instant.",
}
WITHOUT_SOUND: dict[Language, tuple[str, str]] = {
    "en": ("without sound you can type: python3 main.py chat", "Type instead of talking? [Y/n] "),
    "fr": ("sans le son, vous pouvez écrire : python3 main.py chat", "Écrire au lieu de parler ? [O/n] "),
}
"""for who has no terminal, and for who has"""


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Talk until Ctrl-C; exit code 3 without a usable microphone and speaker."""
    for result in failed(quick_checks(config)):
        finding = told(f"{result.name}: {result.text}; {result.cure}", first_language(config))
        print(f"merline: {finding}", file=sys.stderr)
        if result.outcome == "fail":
            return 1
    with InstanceLock(make_data_folder()), Brain(config) as brain:
        try:
            return _talk(arguments, config, brain)
        except AudioDeviceError as error:
            return _without_sound(arguments, config, error, brain.language)


def _talk(arguments: argparse.Namespace, config: Config, brain: Brain) -> int:
    from audio.system import AudioSystem

    views: list[View] = []
    pipelines: list[Pipeline] = []

    def device_changed(event: DeviceEvent) -> None:
        for pipeline in pipelines:
            pipeline.publish(event)

    def turn_finished(record: TurnRecord) -> None:
        keeping.finished(record)
        for view in views:
            view.show(record)

    keeping = TurnKeeping(config, brain.clock, arguments.offline)
    sound = AudioSystem(config.audio, SystemClock(), device_changed, brain.voice)
    try:
        ends = SoundEnds(sound.microphone, sound.speaker, FrontEnd(config.echo, sound.speaker.far_end))
        plan = make_plan(config)
        apply_plan(config, plan)
        _bound_memory(brain, plan)
        equip(config, plan, brain.responder, arguments.offline, brain.memory)
        assistant = Assistant(config, brain.clock, ends, brain, turn_finished)
        sound.microphone.at_rest = lambda: assistant.at_rest
        beside = Beside(config, assistant, brain, plan, arguments.offline)
        pipeline = assistant.join(beside.engines())
        pipelines.append(pipeline)
        keeping.follow(assistant)
        brain.session.last_wait = keeping.last_wait
        pipeline.load()
        try:
            sound.open()
            view = open_view(config.view, brain.language, lambda: assistant.listener.level, assistant.wake_phrase)
            views.append(view)
            watch(view, pipeline)
            if assistant.attention is not None:
                view.show(Attending(False, brain.clock.monotonic()))
            _say_first(view, assistant, beside, plan, keeping.notice(brain.language))
            with Keyboard() as keyboard:
                keys = DeskKeys(keyboard, assistant, sound.microphone, brain.session, view.show)
                _converse(assistant, view, brain.language, beside, keys)
        finally:
            beside.stop()
            _end(pipeline, assistant, config)
    finally:
        keeping.close()
        sound.close()
    return 0


def _end(pipeline: Pipeline, assistant: Assistant, config: Config) -> None:
    """Nothing of a turn comes any more: what was under way is recorded as far as it came."""
    pipeline.close()
    assistant.recorder.close()
    if config.log.trace:
        assistant.profiler.export_chrome_trace(data_folder() / TRACE)


def _bound_memory(brain: Brain, plan: Plan) -> None:
    brain.memory.budgets = MemoryBudgets.of(plan)
    share_arenas()


def _say_first(view: View, assistant: Assistant, beside: Beside, plan: Plan, notice: str) -> None:
    """What is not as the user may expect."""
    language = beside.language
    for reason in assistant.fallback_reason.splitlines():
        view.show(Note(error_words(reason, language, beside.brings_language_model)))
    if notice:
        view.show(Note(notice))
    for left in plan.left_out:
        logger.info("left out: %s: %s", left.what, left.why)
        view.show(Note(left_out(left.what, left.why, language)))


def _start(assistant: Assistant, view: View) -> None:
    assistant.pipeline.start()
    view.refresh()
    assistant.warm_up()
    give_back_memory()
    # what is loaded by now lives until the end: keep the garbage collector from walking it during a turn
    gc.freeze()


def _converse(assistant: Assistant, view: View, language: Language, beside: Beside, keys: DeskKeys) -> None:
    keys.other = beside.press
    try:
        with EndingWish() as ending, Doorbell() as bell:
            view.noticed = bell.ring
            beside.load_voice()
            _start(assistant, view)
            if HEARS_ENGLISH[language] and assistant.engine_names.stt == "pocketsphinx":
                view.show(Note(HEARS_ENGLISH[language]))
            beside.start()
            while not ending.asked:
                view.refresh()
                _wait(assistant, bell, keys)
                engines = (error_words(text, language) for text in assistant.news())
                for text in (*assistant.echo_news(), *beside.news(), *engines):
                    view.show(Note(text))
                keys.look()
            logger.info("ended by the user")
    finally:
        gc.unfreeze()
        if dropped := assistant.echo_turns.words(language):
            view.show(Note(dropped))
        view.close()


def _wait(assistant: Assistant, bell: Doorbell, keys: DeskKeys) -> None:
    """Until there may be something to draw or to do; raises StageCrashedError once a stage has crashed."""
    at_rest = assistant.at_rest
    if at_rest:
        bell.wait(REST_S, keys.file)
    assistant.pipeline.wait(0.0 if at_rest else DRAW_S)


def _without_sound(arguments: argparse.Namespace, config: Config, error: MerlineError, language: Language) -> int:
    """No microphone is not the end: offer to type instead."""
    print(f"merline: {told(str(error), language)}", file=sys.stderr)
    advice, question = WITHOUT_SOUND[language]
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(f"merline: {advice}", file=sys.stderr)
        return error.exit_code
    wish = input(question).strip().lower()
    if wish in YES or (language == "fr" and wish == "o"):
        arguments.language = None
        from core.app import chat

        return chat.run(arguments, config)
    return error.exit_code
