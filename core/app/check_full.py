"""The part of `check --full`: the planned Whisper, language model and voice fetched, and known answers asked of them.

The questions are spoken by espeak-ng, so that they are the same everywhere. Nothing is sent anywhere: the report is for
the user to keep or to send.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.app.brain import Brain
from core.app.canned_question import spoken
from core.app.models import describe, plain_size
from core.app.planned_models import planned_models
from core.app.voice_conversion import make_lasting
from core.messages import Language
from core.optimization.analyzer import SystemAnalyzer
from core.selfcheck import Check, Finding
from core.utils.config import PROJECT_FOLDER, Config
from core.utils.download_progress import DownloadProgress
from core.utils.hub import Hub, HubOptions
from core.utils.model_catalogue import KnownModel
from core.utils.model_download import ModelDownload
from core.utils.model_store import ModelStore

DOWNLOAD_S = 4 * 3600.0
TURN_S = 300.0
EMBEDDED = {"stt": "pocketsphinx", "llm": "skills", "tts": "espeak"}
PACKAGES = ("torch", "transformers", "faster-whisper", "openai-whisper", "ctranslate2", "numba")


@dataclass(frozen=True, slots=True)
class Known:
    """A question whose answer is known, and which part it tries."""

    question: str
    answer: str
    """a regular expression that the reply holds"""
    language: Language = "en"
    by_model: bool = False
    """no skill answers it"""


KNOWN = (
    Known("what day is it", r"day\.$"),
    Known("what is the capital of france", r"\bParis\b", by_model=True),
    Known("quelle est la capitale de l'italie", r"\bRome\b", "fr", by_model=True),
)


@dataclass(slots=True)
class FullCheck:
    """`checks()` one after the other; afterwards `report` holds what a user can send back."""

    config: Config
    offline: bool
    options: tuple[str, ...] = ()
    """of the command line, for the turns' own processes"""
    known: tuple[Known, ...] = KNOWN
    store: ModelStore = field(default_factory=ModelStore)
    report: list[str] = field(default_factory=list)

    def checks(self) -> list[Check]:
        """The models, then a turn for each question."""
        asked = [Check(f"asked: {one.question}", self._asking(one), limit_s=TURN_S) for one in self.known]
        return [
            Check("this machine", self._machine, limit_s=60.0),
            Check("full models", self._models, limit_s=DOWNLOAD_S),
            *asked,
        ]

    def _machine(self) -> Finding:
        profile = SystemAnalyzer().analyze()
        cards = ", ".join(card.name for card in profile.gpus) or "no graphics card"
        found = [f"{name} {version}" for name in PACKAGES if (version := _version(name))]
        text = (
            f"{profile.cpu.model}, {profile.cpu.usable_cores} of {profile.cpu.physical_cores} cores, "
            f"{plain_size(profile.memory.total_bytes)} of memory, {cards}"
        )
        self.report += [text, f"{profile.system}, Python {sys.version.split()[0]}, {', '.join(found)}"]
        missing = [name for name in ("torch", "transformers") if not _version(name)]
        if missing:
            cure = "run `python3 main.py` once and let the larger packages follow"
            return Finding("fail", f"{text}; not installed: {', '.join(missing)}", cure)
        return Finding("pass", text)

    def _models(self) -> Finding:
        """Those planned that are not here are fetched, with their sizes before and progress during."""
        wanted = self._to_fetch()
        if wanted:
            download = ModelDownload(self.store, Hub(HubOptions(offline=self.offline)), report=_show)
            plans = [download.plan(model.name) for model in wanted]
            print(
                "fetching " + ", ".join(f"{plan.model.name} ({plain_size(plan.total_bytes)})" for plan in plans),
                file=sys.stderr,
            )
            download.check_space(*plans)
            for plan in plans:
                download.fetch(plan)
                make_lasting(self.store, plan.model.name)
        here = [model for model in self.store.catalogue if self.store.find(model.name)]
        self.report += [f"{model.name} from {model.repository}, {plain_size(model.size_bytes)}" for model in here]
        stages = {model.stage for model in here}
        lacking = [stage for stage in EMBEDDED if stage not in stages and not self._own_model(stage)]
        if lacking:
            why = f"nothing fits this machine for {', '.join(lacking)}: `optimize plan` says why"
            return Finding("warn", why, "free some memory, or name a smaller model in config.yaml")
        return Finding("pass", ", ".join(model.name for model in here) or "models of your own, by their paths")

    def _own_model(self, stage: str) -> bool:
        settings = {"stt": self.config.stt.model, "llm": self.config.llm.model, "tts": self.config.tts.voice}
        return settings[stage] is not None

    def _to_fetch(self) -> list[KnownModel]:
        with Brain(self.config) as brain:
            planned = planned_models(self.config, self.store, brain.language)
        return [model for model in planned if not self.store.find(model.name)]

    def _asking(self, known: Known) -> Callable[[], Finding]:
        return lambda: self._ask(known)

    def _ask(self, known: Known) -> Finding:
        """By `ask` in a process of its own: it plans with the models that are here now, and gives the memory back."""
        from audio.wav import write_wav

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "question.wav"
            recording = spoken(self.config, known.question, known.language)
            write_wav(file, recording.samples, recording.sample_rate_hz)
            command = [sys.executable, str(PROJECT_FOLDER / "main.py"), "ask", str(file), "--json", *self.options]
            command += ["--set", "llm.temperature=0.0", "--set", f"language={known.language}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=TURN_S, check=False)
        if done.returncode != 0:
            return Finding("fail", (done.stderr.strip().splitlines() or ["no answer"])[-1], "see `check` and `models`")
        answered = json.loads(done.stdout)
        engines, reply = answered["engines"], answered["reply"]
        took = ", ".join(f"{name} {value:.0f}" for name, value in answered["timings_ms"].items() if value is not None)
        told = f"{answered['transcript']!r} -> {reply!r} ({', '.join(engines.values())}; {took} ms)"
        self.report.append(f"{known.question!r}: {told}")
        small = [engines[stage] for stage in ("stt", "tts") if engines[stage] == EMBEDDED[stage]]
        if known.by_model and engines["llm"] == EMBEDDED["llm"]:
            small.append(engines["llm"])
        elif not re.search(known.answer, reply, re.IGNORECASE):
            return Finding("fail", told, "that is not the answer; send the report below, and see `optimize plan`")
        if small:
            return Finding("warn", f"{told}; only the small engines: {', '.join(small)}", "`optimize plan` says why")
        return Finding("pass", told)


def passed_on(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The options of this command that decide how a turn goes."""
    options = ["--config", str(arguments.config)] if arguments.config else []
    for setting in arguments.set or ():
        options += ["--set", setting]
    return (*options, "--offline") if arguments.offline else tuple(options)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _show(progress: DownloadProgress) -> None:
    print(describe(progress), file=sys.stderr)
