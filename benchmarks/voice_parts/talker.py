"""A conversation with full-size engines, of random weights or real ones, on this process's sound card, until Ctrl-C.

`python3 -m benchmarks.voice_parts.talker WAY TEXT SECONDS`: WAY is `merline`, or `plain`: the same engines one after
another, a fixed pause of 700 ms, Whisper's 30 s, a prompt read from its beginning, sentences spoken when whole.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from audio.front_end import FrontEnd
from audio.system import AudioSystem
from benchmarks.voice_parts.models import Models, full_models
from benchmarks.voice_parts.scripted import (
    ColdModel,
    ForcedReply,
    PaddedWhisper,
    SpokenWords,
    WholeSentences,
    WholeSpeech,
)
from core.app.assistant import Assistant, Engines, SoundEnds
from core.app.brain import Brain
from core.app.ending import EndingWish, leave
from core.app.planning import apply_plan, make_plan
from core.optimization.plan import Plan
from core.turns import TurnRecord
from core.utils.clock import SystemClock
from core.utils.config import Config, EndpointConfig, LlmConfig, MemoryConfig, TtsConfig
from core.utils.vad_compat import load_vad

REPLY = "Because of the air, blue light is scattered far more than red light is."
FIXED_MS = 700


def main(way: str, text: str, seconds: float) -> int:
    """Talk; one line of JSON a turn, and one at the end."""
    plain = way == "plain"
    models = full_models()
    config = settings(models, plain)
    plan = make_plan(config)
    apply_plan(config, plan)
    with tempfile.TemporaryDirectory() as home, Brain(config, folder=Path(home), language="en") as brain:
        brain.responder.use(answers(models, plan, brain, plain), may_fall_back=False)
        sound = AudioSystem(config.audio, SystemClock(), lambda event: None, brain.voice)
        ends = SoundEnds(sound.microphone, sound.speaker, FrontEnd(config.echo, sound.speaker.far_end))
        assistant = Assistant(config, brain.clock, ends, brain, _told)
        if plain:
            brain.responder.may_prepare = lambda: False
        pipeline = assistant.join(
            Engines(
                load_vad(config.vad.engine),
                transcriber(models, text, seconds, plain),
                synthesizer(models, config, plan, brain, plain),
            )
        )
        pipeline.load()
        try:
            sound.open()
            with EndingWish() as ending:
                pipeline.start()
                assistant.warm_up()
                print("[listening]", flush=True)
                while not ending.asked:
                    pipeline.wait(0.1)
        finally:
            pipeline.close()
            sound.close()
        account = asdict(assistant.speculation.account) | {"ratio": assistant.speculation.account.ratio}
        print(json.dumps({"dropped": sound.microphone.dropped, "underflows": sound.speaker.underflows, **account}))
    return 0


def _told(record: TurnRecord) -> None:
    said = {"turn": record.turn, "transcript": record.transcript, "reply": record.reply}
    print(json.dumps(said | asdict(record.waterfall_ms)), flush=True)


def settings(models: Models, plain: bool) -> Config:
    """As a user's of the full tier; nothing is remembered of earlier runs."""
    fixed = EndpointConfig(
        provisional_ms=FIXED_MS,
        complete_ms=FIXED_MS,
        incomplete_ms=FIXED_MS,
        open_ms=FIXED_MS,
        learn=False,
        model="off",
    )
    return Config(
        language="en",
        endpoint=fixed if plain else EndpointConfig(learn=False, model=str(models.turn or "off")),
        llm=LlmConfig(engine="mlx", model=str(models.language), temperature=0.0),
        tts=TtsConfig(engine="melo", voice=str(models.voice), cache_mb=0, working_tone=False),
        memory=MemoryConfig(enabled=False),
    )


def answers(models: Models, plan: Plan, brain: Brain, plain: bool) -> Any:
    """The model in int4, with the forced reply where its weights are random."""
    from llm.language_answers import AnswerSettings, LanguageAnswers
    from llm.language_model import LanguageModel, LanguageModelSettings
    from llm.runtime import process_runtime

    mine = replace(plan.llm, engine="mlx", compute_type="int4", threads=plan.threads)
    wish = LanguageModelSettings(str(models.language), mine, temperature=0.0)
    runtime = process_runtime() if models.real_language else ForcedReply(process_runtime(), REPLY)
    model = (ColdModel if plain else LanguageModel)(wish, runtime=runtime)
    return (WholeSentences if plain else LanguageAnswers)(model, brain.responder.skills, AnswerSettings(tools=True))


def transcriber(models: Models, text: str, seconds: float, plain: bool) -> Any:
    """Whisper in int8, which hears the question; where its weights are random, as its words' number takes."""
    import faster_whisper

    from benchmarks.stt_parts.engines import AtHand
    from core.utils.whisper.faster import FasterWhisper
    from core.utils.whisper.faster_loader import in_passing_thread
    from stt.whisper_transcriber import Surroundings, WhisperSettings, WhisperTranscriber

    loaded = partial(faster_whisper.WhisperModel, str(models.whisper), "cpu", compute_type="int8", cpu_threads=2)
    engine = FasterWhisper(in_passing_thread(loaded))
    wish = WhisperSettings("at hand", languages=("en",), partial_ms=0 if plain else WhisperSettings("").partial_ms)
    words: Any = PaddedWhisper(engine) if plain else engine
    if not models.real_whisper:
        words = SpokenWords(engine, text, seconds, padded=plain)
    return WhisperTranscriber(wish, Surroundings(load_vad("auto")), loaders=(AtHand(words),))


def synthesizer(models: Models, config: Config, plan: Plan, brain: Brain, plain: bool) -> Any:
    """MeloTTS of the published size."""
    from core.app.speaking import SpeakingParts, make_engine
    from tts.synthesizer import Synthesizer

    engine = make_engine(config, SpeakingParts("en", brain.memory), plan)
    return Synthesizer(config.tts, brain.voice, WholeSpeech(engine) if plain else engine)


if __name__ == "__main__":
    sys.exit(leave(main(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
