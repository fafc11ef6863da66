"""Turns whose answer is known, each by a process of its own, and what follows from what was heard and said.

The questions are spoken by espeak-ng, so that they are the same everywhere, in wordings that Whisper base and tiny.en
heard rightly in that voice in int8; French it hears only in part. What the user has told Merline is neither read nor
kept: the answers are to be sent to others.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.app.answering import equip
from core.app.brain import Brain
from core.app.canned_question import spoken
from core.app.planning import apply_plan, make_plan
from core.app.replay import answer
from core.environment.parent import end_with
from core.messages import Language
from core.selfcheck import Finding
from core.utils.config import PROJECT_FOLDER, Config, TtsConfig

if TYPE_CHECKING:
    from audio.wav import Recording

TURN_S = 900.0
"""the first one packs a language model's numbers, which takes minutes on a small machine"""
LOOK_S = 1.0
"""how often whoever waits for an answer is told that it is still waited for"""
MOST_NOTES = 3
MOST_LETTERS = 200
"""of a reply, in a report"""
TERMINATED = 143
EMBEDDED = {"stt": "pocketsphinx", "llm": "skills", "tts": "espeak"}
RATE_WPM: dict[Language, int] = {"en": 140, "fr": 170}
"""at which Whisper base hears espeak-ng best, of 130 to 175"""
SET = ("wake.mode=always", "llm.temperature=0.0")


@dataclass(frozen=True, slots=True)
class Known:
    """A question whose answer is known, and which part it tries."""

    question: str
    answer: str
    """a regular expression that the reply holds"""
    language: Language = "en"
    by_model: bool = False
    """no skill answers it"""

    def spoken(self, config: Config) -> Recording:
        """By espeak-ng, whatever voice is configured. Raises what loading that raises."""
        plain = config.model_copy(update={"tts": TtsConfig(rate_wpm=RATE_WPM[self.language])})
        return spoken(plain, self.question, self.language)


DATE = Known("what is the date today", r"day\b.*\b20\d\d\b")
KNOWN = (
    DATE,
    Known("which city is the capital of france", r"\bParis\b", by_model=True),
    Known("quelle est la capitale de la france", r"\bParis\b", "fr", by_model=True),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of one."""

    transcript: str
    reply: str
    engines: dict[str, str]
    timings_ms: dict[str, float | None]
    typed: str | None = None
    """the language model's reply to the question in writing, where another one was heard"""
    notes: Sequence[str] = ()
    """what was warned of meanwhile, and why a planned engine was not used"""

    @property
    def told(self) -> str:
        """One line."""
        total = self.timings_ms.get("total")
        took = "" if total is None else f"; {total / 1000:.1f} s after the last word, one thing after another"
        typed = "" if self.typed is None else f"; in writing: {self.typed!r}"
        notes = "".join(f"; {note}" for note in self.notes)
        reply = self.reply if len(self.reply) <= MOST_LETTERS else f"{self.reply[:MOST_LETTERS]}..."
        return f"{self.transcript!r} -> {reply!r}{typed} ({', '.join(self.engines.values())}{took}){notes}"


def ask(number: int, options: Sequence[str], waiting: Callable[[float], None] = lambda seconds: None) -> Turn | Finding:
    """Question `number` of KNOWN with the command line's options; the process gives the memory back. A Finding: why
    there is no answer. `waiting` is told now and then for how long it has been waited."""
    command = [sys.executable, "-m", "core.app.known_turns", str(os.getpid()), str(number), *options]
    began_s = time.monotonic()
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=PROJECT_FOLDER,
        start_new_session=True,
    ) as running:
        try:
            while True:
                try:
                    out, complaints = running.communicate(timeout=LOOK_S)
                    break
                except subprocess.TimeoutExpired:
                    waited_s = time.monotonic() - began_s
                    if waited_s > TURN_S:
                        cure = "name a smaller model in config.yaml"
                        return Finding("fail", f"no answer within {TURN_S / 60:.0f} minutes", cure)
                    waiting(waited_s)
        finally:
            running.kill()
    if running.returncode != 0:
        last = (complaints.strip().splitlines() or ["no answer"])[-1]
        return Finding("fail", last.removeprefix("error: "), "see `check` and `models`")
    return Turn(**json.loads(out.splitlines()[-1]))


def judge(known: Known, turn: Turn, voiced: bool = True) -> Finding:
    """Whether that is the answer, and if not, which part is at fault; `voiced`: a voice of its language is wanted."""
    small = [name for stage, name in turn.engines.items() if name == EMBEDDED.get(stage)]
    if not voiced and EMBEDDED["tts"] in small:
        small.remove(EMBEDDED["tts"])
    if not known.by_model and EMBEDDED["llm"] in small:
        small.remove(EMBEDDED["llm"])
    if not re.search(known.answer, turn.reply, re.IGNORECASE):
        return _wrong(known, turn)
    if small:
        return Finding("warn", f"{turn.told}; only the small engines: {', '.join(small)}", "`optimize plan` says why")
    return Finding("pass", turn.told)


def _wrong(known: Known, turn: Turn) -> Finding:
    send = "send the report below, and see `optimize plan`"
    if _words(turn.transcript) == _words(known.question):
        return Finding("fail", f"{turn.told}: that is not the answer", send)
    if turn.engines["stt"] == EMBEDDED["stt"]:
        return Finding("warn", f"{turn.told}: misheard by the small engine", "`optimize plan` says why it is that one")
    if turn.typed is not None and not re.search(known.answer, turn.typed, re.IGNORECASE):
        return Finding("fail", f"{turn.told}: misheard, and in writing that is not the answer", send)
    if turn.typed is not None or known.language == "fr":
        return Finding("warn", f"{turn.told}: misheard in espeak-ng's voice, least like a person's", "ask it yourself")
    return Finding("fail", f"{turn.told}: misheard", "take a larger Whisper (stt.model), and send the report below")


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _turn(config: Config, known: Known, offline: bool) -> Turn:
    """Spoken; and once more in writing, where a model is to answer and did not hear the question."""
    recording = known.spoken(config)
    plan = make_plan(config)
    apply_plan(config, plan)
    with (
        warnings_of("llm", "stt", "tts", "core") as warned,
        tempfile.TemporaryDirectory(prefix="merline-check-") as folder,
        Brain(config, folder=Path(folder), language=known.language) as brain,
    ):
        equip(config, plan, brain.responder, offline, brain.memory)
        answered = answer(config, recording, brain, plan.stt)
        if answered is None:
            return Turn("", "", {"stt": plan.stt.engine, "llm": plan.llm.engine, "tts": plan.tts.engine}, {})
        record, typed = answered.record, None
        misheard = _words(record.transcript) != _words(known.question)
        if known.by_model and misheard and not re.search(known.answer, record.reply, re.IGNORECASE):
            brain.responder.load()
            typed = brain.responder.reply(f"{known.question[0].upper()}{known.question[1:]}?").text
            brain.responder.close()
    notes = list(dict.fromkeys((*answered.fallback_reason.splitlines(), *warned)))[:MOST_NOTES]
    return Turn(record.transcript, record.reply, asdict(answered.engines), asdict(record.timings_ms), typed, notes)


@contextlib.contextmanager
def warnings_of(*packages: str) -> Iterator[list[str]]:
    """What these packages warn of while this context lasts, each once."""
    found: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said = record.getMessage().strip()
            if said and said not in found:
                found.append(said)

    kept = Kept(logging.WARNING)
    for package in packages:
        logging.getLogger(package).addHandler(kept)
    try:
        yield found
    finally:
        for package in packages:
            logging.getLogger(package).removeHandler(kept)


def _child(arguments: list[str]) -> int:
    from core.app.cli import parse
    from core.utils.config_file import load_config
    from core.utils.errors import MerlineError

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that the folder of the turn goes
    end_with(int(arguments[0]))
    known = KNOWN[int(arguments[1])]
    given = parse(["check", *arguments[2:]])
    try:
        turn = _turn(load_config(given.config, [*(given.set or ()), *SET]), known, given.offline)
    except MerlineError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(turn)))
    return 0


if __name__ == "__main__":
    sys.exit(_child(sys.argv[1:]))
