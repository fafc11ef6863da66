"""`models`: which models are on this machine, which can be had and would fit, fetching them, and removing one."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TextIO

from core.app.consent import SURE, YES
from core.app.hearing import ENGINE
from core.app.model_fit import ModelFit
from core.app.shown_line import ShownLine
from core.app.voice_conversion import make_lasting
from core.environment.view import readable
from core.messages import Language
from core.optimization.analyzer import SystemAnalyzer
from core.optimization.language_choice import Prediction, predict
from core.optimization.plan import WeightType
from core.optimization.profile import MachineProfile
from core.utils.config import Config
from core.utils.download_progress import DownloadProgress
from core.utils.errors import ConfigError
from core.utils.hub import Hub, HubOptions
from core.utils.model_catalogue import KnownModel, is_hub_name, known_model, with_needs
from core.utils.model_download import MARGIN_BYTES, DownloadPlan, ModelDownload
from core.utils.model_store import ModelStore, State
from core.utils.whisper.choice import unread_format

DOES = {"stt": "understands speech", "llm": "answers", "tts": "speaks", "turn": "hears whether you have finished"}
GB = 10**9


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of `models list`; what a hand-copied folder is for, only its owner knows."""

    name: str
    state: State | Literal["absent"]
    size_bytes: int
    """on the disk, or to be fetched"""
    known: KnownModel | None
    needs_memory_bytes: int | None
    """while it works; None where nobody has reckoned it"""
    does_not_fit: tuple[str, ...]
    """why, in plain sentences"""
    tokens_per_s: float | None = None
    """that a language model would write on this machine; None where nobody has reckoned it"""
    weights: WeightType | None = None
    """what its numbers would be kept in for that"""


def run(arguments: argparse.Namespace, config: Config) -> int:
    """List, download or remove."""
    store = ModelStore()
    match arguments.action:
        case "download":
            return _download(store, config, arguments.names, arguments.offline)
        case "remove":
            return _remove(store, arguments.names, arguments.yes)
    if arguments.names:
        raise ConfigError(f"models list: takes no name, but {arguments.names[0]!r} was given; leave it out")
    return show(store, arguments.json, measured_machine(), config)


def measured_machine() -> MachineProfile:
    """This machine, with its speed: which language model suits it follows from that. Measured where it never was."""
    profile = SystemAnalyzer().analyze()
    if profile.speed is None:
        print("measuring how fast this machine is, once, a few seconds ...", file=sys.stderr, flush=True)
        profile = SystemAnalyzer().analyze(measure=True)
    return profile


def show(store: ModelStore, as_json: bool, machine: MachineProfile, config: Config) -> int:
    """Print what is there and what can be had, beside the memory that is free (0: unknown); 0.

    Raises what `predict` raises.
    """
    predictions = {prediction.size: prediction for prediction in predict(machine, config)}
    rows = _rows(store, machine.memory.available_bytes, predictions)
    if as_json:
        plain = {"folder": str(store.folder), "free_bytes": store.free_bytes(), "models": [asdict(row) for row in rows]}
        print(json.dumps(plain, indent=2))
        return 0
    print(f"models in {store.folder}, room for {plain_size(store.free_bytes())}:")
    here = [row for row in rows if row.state != "absent"]
    print("\n".join(_line(row) for row in here) if here else "  none")
    absent = [row for row in rows if row.state == "absent"]
    if absent:
        print("to be had, by `python3 main.py models download NAME`:")
        print("\n".join(_line(row) for row in absent))
    if any(row.tokens_per_s is not None for row in rows):
        print(_reckoned(machine))
    return 0


def _reckoned(machine: MachineProfile) -> str:
    """What the tokens a second follow from."""
    speed = machine.speed
    if speed is None:
        return "tokens/s: guessed; `python3 main.py optimize analyze` measures this machine"
    measured = f"tokens/s: reckoned from this machine's memory, {speed.bandwidth_gb_s:.0f} GB/s when it was measured"
    if speed.disturbed:
        return f"{measured} with other programs at work; `python3 main.py optimize analyze` measures again"
    return measured


def _rows(store: ModelStore, memory: int, predictions: Mapping[str, Prediction]) -> list[ModelRow]:
    stored = {model.name: model for model in store.stored()}
    known = {model.name: model for model in store.catalogue}
    free = store.free_bytes()
    rows = []
    for name in [*known, *(name for name in stored if name not in known)]:
        model, there = known.get(name), stored.get(name)
        prediction = predictions.get(model.size) if model and model.stage == "llm" else None
        needs = prediction.memory_bytes if prediction else _needed_memory(model) if model else None
        lacks = []
        if model and (there is None or there.state == "partial"):
            missing = model.size_bytes - (there.size_bytes if there else 0)
            if missing + MARGIN_BYTES > free:
                lacks.append(
                    f"not enough room on the disk: {plain_size(missing + MARGIN_BYTES)} needed, {plain_size(free)} free"
                )
        if needs is not None and needs > memory > 0:
            lacks.append(f"not enough memory: {plain_size(needs)} needed, {plain_size(memory)} free")
        if prediction and prediction.objection:
            lacks.append(f"too slow: {prediction.objection}")
        size = there.size_bytes if there else model.size_bytes if model else 0
        fast, weights = (prediction.tokens_per_s, prediction.weights) if prediction else (None, None)
        rows.append(ModelRow(name, there.state if there else "absent", size, model, needs, tuple(lacks), fast, weights))
    return rows


def _line(row: ModelRow) -> str:
    words = [f"  {row.name:<22} {plain_size(row.size_bytes):>8}"]
    match row.state:
        case "partial" if row.known:
            words.append(
                f"partly here, of about {plain_size(row.known.size_bytes)}: `models download {row.name}` goes on"
            )
        case "partial":
            words.append("not whole")
        case "copied":
            words.append("copied there by hand, not checked")
        case "complete":
            words.append("complete")
    if row.known:
        does = "is what a voice learnt its words with" if row.known.engine == "bert" else DOES[row.known.stage]
        words.append(f"{does} ({', '.join(row.known.languages)}), licence {row.known.licence}")
        words += [f"with {needed}" for needed in row.known.needs if row.state != "complete"]
    if row.tokens_per_s is not None:
        words.append(f"about {row.tokens_per_s:.0f} tokens/s here in {row.weights}")
    return "  ".join([*words, *(f"[{reason}]" for reason in row.does_not_fit)])


def _download(store: ModelStore, config: Config, names: list[str], offline: bool) -> int:
    chosen = not names
    names = names or _planned(config, store)
    if not names:
        print("this machine is best served by what is here already; `python3 main.py optimize plan` says why")
    wanted = list(dict.fromkeys(model.name for name in names for model in with_needs(name, store.catalogue)))
    for name in [name for name in wanted if store.find(name)]:
        damaged = store.damaged(name)
        if damaged:
            print(f"{name}: {', '.join(damaged)} was damaged on the disk", flush=True)
            continue
        make_lasting(store, name)  # fetched by a run that ended before that, or where torch was missing
        print(f"{name}: is here already, complete")
        wanted.remove(name)
    if wanted:
        fit = ModelFit(config, alone=True)
        for name in wanted:
            fit.check(name)
    shown = ShownProgress(sys.stdout)
    download = ModelDownload(store, Hub(HubOptions(offline=offline)), report=shown.report)
    plans = [download.plan(name) for name in wanted]
    for plan in plans:
        print(announced(plan), flush=True)
        if plan.model.engine == ENGINE and unread_format():
            print(f"{plan.model.name}: {unread_format()}", file=sys.stderr, flush=True)
    if plans:
        download.check_space(*plans)
    if chosen and plans and sys.stdin.isatty():
        together = plain_size(sum(plan.missing_bytes for plan in plans))
        if input(f"Fetch them ({together} in all)? [Y/n] ").strip().lower() not in YES:
            print("nothing was fetched")
            return 1
    for plan in plans:
        try:
            folder = download.fetch(plan)
        except KeyboardInterrupt:
            shown.end()
            print("interrupted; the same command goes on from there", file=sys.stderr)
            raise
        finally:
            shown.end()
        make_lasting(store, plan.model.name)
        print(f"{plan.model.name}: complete and verified, in {folder}", flush=True)
    return 0


def announced(plan: DownloadPlan) -> str:
    """What is going to be fetched."""
    here = f", {plain_size(plan.present_bytes)} of it is here" if plan.present_bytes else ""
    source = f"from {plan.repository.name}, licence {plan.model.licence or 'as its page at the hub says'}"
    return f"{plan.model.name}: {plain_size(plan.total_bytes)}{here}, {source}"


def _remove(store: ModelStore, names: list[str], sure: bool) -> int:
    if len(names) != 1:
        raise ConfigError("models remove: give the name of one model, e.g. models remove whisper-base")
    if is_hub_name(names[0]):
        names = [known_model(names[0], store.catalogue).name]
    _check_needed(store, names[0])
    there = {model.name: model for model in store.stored()}.get(names[0])
    if there is not None and not sure:
        if not sys.stdin.isatty():
            raise ConfigError("models remove: cannot ask here; give --yes to remove without asking")
        answer = input(f"Remove {there.name} ({plain_size(there.size_bytes)}) from {there.folder}? [y/N] ")
        if answer.strip().lower() not in SURE:
            print("nothing was removed")
            return 1
    print(f"{names[0]}: removed, {plain_size(store.remove(names[0]))} are free again")
    return 0


def _check_needed(store: ModelStore, name: str) -> None:
    """Raises ConfigError for a model that another one here cannot do without."""
    here = {model.name for model in store.stored()}
    users = [model.name for model in store.catalogue if name in model.needs and model.name in here]
    if name in here and users:
        raise ConfigError(f"models remove: {' and '.join(users)} cannot speak without {name}; remove that first")


def _planned(config: Config, store: ModelStore) -> list[str]:
    """Those that the plan would use in every stage, if they were here."""
    from core.app.brain import Brain
    from core.app.planned_models import planned_models

    with Brain(config) as brain:
        language = brain.language
    return [model.name for model in planned_models(config, store, language, measured_machine())]


def _needed_memory(model: KnownModel) -> int | None:
    """What it takes while it works on a CPU, by the optimiser's own reckoning."""
    from core.optimization.catalogue import WHISPER, melo, whisper

    if model.engine == "melo":
        return melo("cpu", "float32").memory_bytes
    sizes = [size for size in WHISPER if model.engine == "whisper" and size.name == model.size]
    return whisper(sizes[0], "cpu", "int8").memory_bytes if sizes else None


def plain_size(size_bytes: int, language: Language = "en") -> str:
    """For the eye."""
    size = f"{size_bytes / GB:.1f} GB" if size_bytes >= GB else readable(size_bytes)
    return size.replace(".", ",").replace("B", "o") if language == "fr" else size


class ShownProgress:
    """That of a download."""

    def __init__(self, stream: TextIO) -> None:
        self._line = ShownLine(stream)

    def report(self, progress: DownloadProgress) -> None:
        self._line.show(describe(progress))

    def end(self) -> None:
        """Leave the line as it stands."""
        self._line.end()


def describe(progress: DownloadProgress, language: Language = "en") -> str:
    """One line: bytes, speed, time left."""
    done, total = plain_size(progress.done_bytes, language), plain_size(progress.total_bytes, language)
    line = f"{progress.model} : {done} sur {total}" if language == "fr" else f"{progress.model}: {done} of {total}"
    if progress.left_s is None:
        return line
    left_s = round(progress.left_s)
    left = f"{left_s} s" if left_s < 120 else f"{left_s // 60} min"
    if language == "fr":
        return f"{line}, {plain_size(round(progress.bytes_per_s), language)}/s, encore {left}"
    return f"{line}, {progress.bytes_per_s / 1e6:.1f} MB/s, {left} left"
