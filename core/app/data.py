"""`data`: everything Merline keeps about its user, as one JSON file, or erased."""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import sys
from pathlib import Path

from core.app.brain import DATABASE
from core.app.consent import SURE
from core.app.lock import InstanceLock
from core.app.recorded_turn import FOLDER as RECORDINGS
from core.app.turn_file import FILE as TURNS
from core.utils.config import Config
from core.utils.errors import ConfigError, DataError
from core.utils.paths import data_folder, make_data_folder


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Export or erase."""
    if not data_folder().exists():
        print(f"there is no data: {data_folder()} does not exist")
        return 0
    return _export(arguments.file) if arguments.action == "export" else _erase(arguments.yes)


def _export(file: Path | None) -> int:
    """Timers, notes, lists, settings, history, the record of turns and their recordings (in base64) in one document.

    Nothing is overwritten half-way.
    """
    from llm.store import Store

    if file is None:
        raise ConfigError("data export: name the file to write, e.g. data export my-merline.json")
    folder = make_data_folder()
    store = Store(folder / DATABASE)
    try:
        kept = {"merline": 1, "data": store.export(), "turns": _turns(folder), "recordings": _recordings(folder)}
        document = json.dumps(kept, indent=2, ensure_ascii=False)
    finally:
        store.close()
    partial = file.with_name(file.name + ".part")
    try:
        with open(partial, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(document)
        os.replace(partial, file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"{file}: cannot be written ({error.strerror}); choose another place") from error
    print(f"everything Merline keeps about you is in {file}")
    return 0


def _turns(folder: Path) -> list[str]:
    """The record of turns, a line of JSON each, the latest file's first."""
    return [line for file in sorted(folder.glob(f"{TURNS}*")) for line in file.read_text("utf-8").splitlines()]


def _recordings(folder: Path) -> dict[str, str]:
    files = [file for file in sorted((folder / RECORDINGS).rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): base64.b64encode(file.read_bytes()).decode() for file in files}


def _erase(sure: bool) -> int:
    """Remove the data file, the record of turns, recordings, logs and the compiled grammar, which holds the words of
    the user's own skills; what else lies in the folder is left alone."""
    from core.app.hearing import CACHE

    folder = make_data_folder()
    with InstanceLock(folder):
        if not sure:
            if not sys.stdin.isatty():
                raise ConfigError("data erase: cannot ask here; give --yes to erase without asking")
            answer = input(f"Erase all timers, notes, lists, history and logs in {folder}? [y/N] ")
            if answer.strip().lower() not in SURE:
                print("nothing was erased")
                return 1
        for file in [*folder.glob(f"{DATABASE}*"), *folder.glob("*.json"), *folder.glob(f"{TURNS}*")]:
            file.unlink()
        for kept in (RECORDINGS, "logs", CACHE):
            shutil.rmtree(folder / kept, ignore_errors=True)
    (folder / "talk.lock").unlink(missing_ok=True)
    print("everything Merline kept about you is erased")
    return 0
