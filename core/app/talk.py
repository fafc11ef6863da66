"""`talk`: listens and answers until Ctrl-C. What is wrong is said before it starts, with its cure."""

from __future__ import annotations

import argparse
import gc
import logging
import sys

from audio.front_end import FrontEnd
from core.app import chat
from core.app.answering import equip
from core.app.assistant import Assistant, SoundEnds
from core.app.brain import Brain
from core.app.check import failed, quick_checks
from core.app.desk_keys import DeskKeys
from core.app.ending import EndingWish
from core.app.first_language_model import FirstLanguageModel
from core.app.first_question import FirstQuestion
from core.app.first_run import FirstRun
from core.app.first_voice import FirstVoice
from core.app.keyboard import Keyboard
from core.app.lock import InstanceLock
from core.app.memory_watch import MemoryWatch
from core.app.planning import apply_plan, make_plan
from core.app.scene import Note
from core.app.setup import FullSetup
from core.app.turn_keeping import TurnKeeping
from core.app.view import View, open_view, watch
from core.app.voice_beside import VoiceBeside
from core.messages import DeviceEvent, Language
from core.optimization.memory import MemoryBudgets
from core.optimization.resident import give_back_memory
from core.pipeline import Pipeline
from core.turns import TurnRecord
from core.utils.clock import SystemClock
from core.utils.config import Config
from core.utils.errors import AudioDeviceError, MerlineError
from core.utils.paths import data_folder, make_data_folder

logger = logging.getLogger(__name__)

DRAW_S = 0.1
TRACE = "trace.json"

HEARS_ENGLISH: dict[Language, str] = {
    "en": "",
    "fr": "Je comprends le français écrit (python3 main.py chat) ; à l'oral, seulement l'anglais pour l'instant.",
}


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Talk until Ctrl-C; exit code 3 without a usable microphone and speaker."""
    for result in failed(quick_checks(config)):
        print(f"merline: {result.name}: {result.text}; {result.cure}", file=sys.stderr)
        if result.outcome == "fail":
            return 1
    with InstanceLock(make_data_folder()), Brain(config) as brain:
        try:
            return _talk(arguments, config, brain)
        except AudioDeviceError as error:
            return _without_sound(arguments, config, error)


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
        brain.memory.budgets = MemoryBudgets.of(plan)
        equip(config, plan, brain.responder, arguments.offline, brain.memory)
        assistant = Assistant(config, brain.clock, ends, brain, turn_finished)
        setup = FullSetup(config, offline=arguments.offline)
        question = FirstQuestion(brain.language, brain.store)
        first_run = FirstRun(config, assistant, brain, arguments.offline, question)
        model_run = FirstLanguageModel(config, brain, assistant.say, arguments.offline, question)
        voice_run = FirstVoice(config, assistant, brain, arguments.offline, question)
        voice_beside = VoiceBeside(config, assistant, plan)
        pipeline = assistant.join(voice_beside.engines(first_run.engines(plan.stt), brain.voice))
        pipelines.append(pipeline)
        keeping.follow(assistant)
        pipeline.load()
        try:
            sound.open()
            view = open_view(config.view, brain.language, lambda: assistant.listener.level, assistant.wake_phrase)
            views.append(view)
            watch(view, pipeline)
            for reason in filter(None, assistant.fallback_reason.splitlines()):
                view.show(Note(reason))
            if keeping.notice(brain.language):
                view.show(Note(keeping.notice(brain.language)))
            for left in plan.left_out:
                logger.info("left out: %s: %s", left.what, left.why)
                view.show(Note(f"left out: {left.what}, because {left.why}"))
            with Keyboard() as keyboard:
                keys = DeskKeys(keyboard, assistant, sound.microphone, brain.session, view.show)
                unload_s = 60.0 * config.idle.unload_minutes or None
                memory = MemoryWatch(brain.memory, brain.language, unload_s=unload_s)
                voice_beside.start()
                _converse(assistant, view, brain, (setup, first_run, model_run, voice_run), keys, memory)
        finally:
            voice_beside.stop()
            pipeline.close()
            if config.log.trace:
                assistant.profiler.export_chrome_trace(data_folder() / TRACE)
            if assistant.echo_dropped:
                print(f"turns opened by my own echo and dropped: {assistant.echo_dropped}", flush=True)
    finally:
        keeping.close()
        sound.close()
    return 0


def _start(assistant: Assistant, view: View) -> None:
    assistant.pipeline.start()
    view.refresh()
    assistant.warm_up()
    give_back_memory()
    # what is loaded by now lives until the end: keep the garbage collector from walking it during a turn
    gc.freeze()


def _converse(
    assistant: Assistant,
    view: View,
    brain: Brain,
    beside: tuple[FullSetup, FirstRun, FirstLanguageModel, FirstVoice],
    keys: DeskKeys,
    memory: MemoryWatch,
) -> None:
    setup, first_run, model_run, voice_run = beside
    try:
        with EndingWish() as ending:
            _start(assistant, view)
            if HEARS_ENGLISH[brain.language] and assistant.engine_names.stt == "pocketsphinx":
                view.show(Note(HEARS_ENGLISH[brain.language]))
            setup.start()
            first_run.start(setup)
            while not ending.asked:
                view.refresh()
                assistant.pipeline.wait(DRAW_S)
                for text in (text for part in (*beside, memory, assistant) for text in part.news()):
                    view.show(Note(text))
                if first_run.over:
                    model_run.start(setup)
                if first_run.over and model_run.over:
                    voice_run.start(setup)
                if not (first_run.asking or model_run.asking or voice_run.asking):
                    keys.look()
            logger.info("ended by the user")
    finally:
        gc.unfreeze()
        first_run.stop()
        model_run.stop()
        voice_run.stop()
        setup.stop()
        view.close()


def _without_sound(arguments: argparse.Namespace, config: Config, error: MerlineError) -> int:
    """No microphone is not the end: offer to type instead."""
    print(f"merline: {error}", file=sys.stderr)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("merline: without sound you can type: python3 main.py chat", file=sys.stderr)
        return error.exit_code
    wish = input("Type instead of talking? [Y/n] ").strip().lower()
    if wish in ("", "y", "yes", "o", "oui"):
        arguments.language = None
        return chat.run(arguments, config)
    return error.exit_code
