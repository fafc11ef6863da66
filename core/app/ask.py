"""`ask`: one spoken turn, file to file, through the same pipeline as `talk`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Any

from core.app.answering import equip
from core.app.brain import Brain
from core.app.error_words import error_words, left_out
from core.app.json_text import json_text
from core.app.planning import apply_plan, make_plan
from core.app.replay import Answer, answer
from core.app.scene import WORDS, timing_line
from core.messages import Language
from core.optimization.plan import Plan
from core.utils.config import Config
from core.utils.errors import AudioFileError

LONGEST_S = 120.0
BY: dict[Language, str] = {
    "en": "; heard by {stt}, answered by {llm}",
    "fr": " ; entendu par {stt}, répondu par {llm}",
}


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Answer the question in `arguments.input`."""
    from audio.wav import read_wav, write_wav

    recording = read_wav(arguments.input, max_s=LONGEST_S)
    plan = make_plan(config)
    apply_plan(config, plan)
    with Brain(config) as brain:
        equip(config, plan, brain.responder, arguments.offline, brain.memory)
        answered = answer(config, recording, brain, plan.stt)
        language = brain.language
    if answered is None:
        raise AudioFileError(
            f"{arguments.input}: nothing was understood in it; is it speech, in a language I know, and loud enough?"
        )
    if arguments.out is not None:
        write_wav(arguments.out, answered.reply.samples, answered.reply.sample_rate_hz)
    if arguments.json:
        print(json_text(_as_json(answered, str(arguments.out) if arguments.out else None)))
    else:
        _tell(answered, plan, language)
    return 0


def _tell(answered: Answer, plan: Plan, language: Language) -> None:
    words, record = WORDS[language], answered.record
    for reason in answered.fallback_reason.splitlines():
        print(error_words(reason, language), file=sys.stderr)
    for left in plan.left_out:
        print(left_out(left.what, left.why, language), file=sys.stderr)
    print(f"{words['you']}{words['colon']}{record.transcript}\nmerline{words['colon']}{record.reply}")
    by = BY[language].format(stt=answered.engines.stt, llm=answered.engines.llm)
    print(f"    {timing_line(record, language)}{by}")


def _as_json(answered: Answer, path: str | None) -> dict[str, Any]:
    record = answered.record
    return {
        "transcript": record.transcript,
        "language": record.language,
        "reply": record.reply,
        "engines": asdict(answered.engines),
        "timings_ms": asdict(record.timings_ms),
        "audio": {
            "path": path,
            "seconds": round(answered.reply.seconds, 3),
            "sample_rate": answered.reply.sample_rate_hz,
        },
    }
