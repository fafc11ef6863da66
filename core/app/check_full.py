"""The part of `check --full`: the planned Whisper, language model and voice fetched, and known answers asked of them.

One that cannot be had keeps none of the others back. Nothing is sent anywhere: the report is for the user to keep or
to send.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import chain

from core.app import answering, hearing, speaking
from core.app.brain import Brain
from core.app.cli import version
from core.app.impersonal import Impersonal
from core.app.known_turns import EMBEDDED, KNOWN, TURN_S, Known, Turn, ask, judge
from core.app.model_fetch import ANSWER_S
from core.app.models import ShownProgress, announced, measured_machine, plain_size
from core.app.planned_models import planned_models
from core.app.shown_line import ShownLine
from core.app.turn_taking import load_smart_turn
from core.app.voice_conversion import make_lasting
from core.optimization.profile import MachineProfile
from core.selfcheck import Check, Finding, look
from core.utils.config import Config
from core.utils.download_progress import DownloadProgress
from core.utils.hub import Hub, HubOptions, HubSilentError
from core.utils.model_catalogue import KnownModel
from core.utils.model_download import ModelDownload
from core.utils.model_store import ModelStore
from stt.smart_turn import NAME as SMART_TURN

WAITING_S = 15.0
"""between two lines that tell that an answer is waited for, where they cannot be written over each other"""
DOWNLOAD_S = 4 * 3600.0
STAGES = {"stt": "hearing model", "turn": "turn model", "llm": "answering model", "tts": "speaking model"}
LARGER = {"stt": hearing.ENGINE, "llm": answering.ENGINE, "tts": speaking.ENGINE}
PACKAGES = ("torch", "transformers", "faster-whisper", "openai-whisper", "ctranslate2", "numba")


@dataclass(slots=True)
class FullCheck:
    """`checks()` one after the other; afterwards `report` holds what a user can send back."""

    config: Config
    offline: bool
    options: tuple[str, ...] = ()
    """of the command line, for the turns' own processes"""
    store: ModelStore = field(default_factory=ModelStore)
    report: list[str] = field(default_factory=list)
    _profile: MachineProfile | None = None
    _answers: bool = False
    """whether a language model is here"""
    _voices: frozenset[str] = frozenset()
    """the languages of those that are here; the others are espeak-ng's"""
    _answered: bool = False
    """whether a question was asked before"""
    _broken_off: bool = False
    _hub_silent: bool = False
    """nobody waits long for it once more"""
    _impersonal: Impersonal = field(init=False)

    def __post_init__(self) -> None:
        self._impersonal = Impersonal(self.config)

    def checks(self) -> list[Check]:
        """The machine, the model of each stage, then a turn for each question."""
        return [
            self._reported("this machine", self._machine, 60.0),
            *(self._reported(name, self._fetching(stage), DOWNLOAD_S) for stage, name in STAGES.items()),
            *(
                self._reported(f"asked: {one.question}", self._asking(number), TURN_S + 30.0)
                for number, one in enumerate(KNOWN)
            ),
        ]

    def break_off(self) -> list[str]:
        """The report as far as it goes; of what is still under way nothing more is shown."""
        self._broken_off = True
        return list(self.report)

    def _keep(self, line: str) -> None:
        """For the report, which is others' to read."""
        self.report.append(self._impersonal.of(line))

    def _tell(self, line: str) -> None:
        if not self._broken_off:
            print(line, file=sys.stderr, flush=True)

    def _reported(self, name: str, what: Callable[[], Finding], limit_s: float) -> Check:
        """What it finds goes into the report too, an error as well."""

        def found() -> Finding:
            finding = look(Check(name, what))
            self._keep(f"{finding.outcome:4}  {name}: {finding.text}")
            return finding

        return Check(name, found, limit_s)

    @property
    def _waited_for(self) -> str:
        if self._answered:
            return "models are loaded again, each question by itself"
        packed = ", the answering model's numbers packed for this processor" if self._answers else ""
        return f"models are loaded{packed}; the first time that takes minutes on a small machine"

    def _machine(self) -> Finding:
        profile = self._profile = measured_machine()
        cards = ", ".join(card.name for card in profile.gpus) or "no graphics card"
        found = [f"{name} {installed}" for name in PACKAGES if (installed := _version(name))]
        text = (
            f"{profile.cpu.model}, {profile.cpu.usable_cores} of {profile.cpu.physical_cores} cores, "
            f"{plain_size(profile.memory.total_bytes)} of memory, {cards}"
        )
        about = f"Merline {version()}, {date.today()}, {profile.system}, Python {sys.version.split()[0]}"
        self._keep(", ".join([about, *found]))
        if self.options:
            self._keep(f"asked for: {self._impersonal.options(self.options)}")
        missing = [name for name in ("torch", "transformers") if not _version(name)]
        if missing:
            cure = "run `python3 main.py` once and let the larger packages follow"
            return Finding("fail", f"{text}; not installed: {', '.join(missing)}", cure)
        return Finding("pass", text)

    def _fetching(self, stage: str) -> Callable[[], Finding]:
        return lambda: self._fetch(stage)

    def _fetch(self, stage: str) -> Finding:
        finding = self._bring(stage)
        self._answers = self._answers or (stage == "llm" and finding.outcome == "pass")
        return finding

    def _bring(self, stage: str) -> Finding:
        """What is planned for the stage and not here is fetched, with its size before and progress during."""
        if stage == "llm" and self.config.llm.engine == answering.REMOTE:
            return Finding("pass", f"{self.config.llm.model} at {self.config.llm.base_url}")
        with Brain(self.config) as brain:
            planned = planned_models(self.config, self.store, brain.language, self._profile)
        wanted = [model for model in planned if model.stage == stage]
        if stage == "tts":
            voices = (model.languages for model in wanted if model.engine == speaking.ENGINE)
            self._voices = frozenset(chain.from_iterable(voices))
        absent = [model for model in wanted if not self.store.find(model.name)]
        if absent:
            self._download(absent)
        if wanted:
            come = "fetched: " if absent else ""
            named = ", ".join(f"{model.name} from {model.repository}" for model in wanted)
            return Finding("pass", come + named + (self._tried_turn_model() if stage == "turn" else ""))
        return self._not_fetched(stage)

    def _tried_turn_model(self) -> str:
        """It is loaded and run; espeak-ng's pauses, no person's, it cannot judge. Raises ModelError."""
        load_smart_turn(self.store.resolve(SMART_TURN)).close()
        return "; it runs here"

    def _not_fetched(self, stage: str) -> Finding:
        """Why the plan has nothing to fetch for the stage."""
        if stage == "turn":
            wish = self.config.endpoint.model
            beside = "not needed: it judges pauses beside Whisper alone"
            return Finding("pass", beside if wish == "auto" else f"{wish}, as endpoint.model says")
        section = getattr(self.config, stage)
        named = section.voice if stage == "tts" else section.model
        if section.engine == EMBEDDED[stage]:
            cure = f"set {stage}.engine: auto for a larger one"
            return Finding("warn", f"nothing to fetch: {stage}.engine is {section.engine}", cure)
        if named is not None or section.engine not in ("auto", LARGER[stage]):
            return Finding("pass", f"{named or section.engine}, as the configuration says")
        return Finding("warn", "the small engine is the planned one", "`python3 main.py optimize plan` says why")

    def _download(self, models: list[KnownModel]) -> None:
        shown = ShownProgress(sys.stderr)

        def report(progress: DownloadProgress) -> None:
            if not self._broken_off:
                shown.report(progress)

        options = HubOptions(offline=self.offline)
        if not self._hub_silent:
            options = replace(options, answer_s=ANSWER_S)
        download = ModelDownload(self.store, Hub(options), report=report)
        try:
            plans = [download.plan(model.name) for model in models]
        except HubSilentError:
            self._hub_silent = True
            raise
        download.check_space(*plans)
        for plan in plans:
            self._tell(f"fetching {announced(plan)}")
            try:
                download.fetch(plan)
            finally:
                if not self._broken_off:
                    shown.end()
            make_lasting(self.store, plan.model.name)

    def _asking(self, number: int) -> Callable[[], Finding]:
        return lambda: self._ask(number)

    def _ask(self, number: int) -> Finding:
        """Not what only a language model answers where there is none, nor in a language that is not listened for."""
        known: Known = KNOWN[number]
        if known.language not in self.config.stt.languages:
            return Finding("pass", f"not asked: stt.languages has no {known.language}")
        if known.by_model and not self._answers:
            return Finding(
                "warn", "not asked: no language model is here to answer it", f"see the {STAGES['llm']} above"
            )
        self._tell(f"asking: {known.question} ... ({self._waited_for})")
        shown = ShownLine(sys.stderr, WAITING_S)

        def waiting(seconds: float) -> None:
            if not self._broken_off:
                shown.show(f"  waiting, {seconds:.0f} s")

        try:
            turn = ask(number, self.options, waiting)
        finally:
            if not self._broken_off:
                shown.end()
        self._answered = True
        voiced = not self._voices or known.language in self._voices
        return judge(known, turn, voiced) if isinstance(turn, Turn) else turn


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
