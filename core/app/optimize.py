"""`optimize`: what this machine can do and what was decided for it, the audit of code for a wrong card, the toolbox.

Each subcommand is one row of SUBCOMMANDS: what it does, its arguments, and the function that runs it.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from core.app.toolbox_arguments import COMMANDS, GRAPHS
from core.utils.errors import ConfigError, MerlineError

if TYPE_CHECKING:
    from core.optimization.gpu_audit.audit import Place
    from core.optimization.gpu_audit.faults import Audit
    from core.optimization.gpu_audit.fix import Fix
    from core.utils.config import Config

USAGE = ConfigError.exit_code
TERMINATED = 143
AGAIN_S = 3.0
"""after which an ending is asked for again: inside a library's callback the exception that asks for it is swallowed"""


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One thing that `optimize` does."""

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Config], int]


class JSONUsage(argparse.ArgumentParser):
    """Of a command line that asks for JSON: what is wrong with it is one object on the output too."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with 2."""
        from core.app.toolbox_report import print_error

        print_error("UsageError", message, USAGE)
        super().error(message)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands, each with its own arguments."""
    subcommands = parser.add_subparsers(dest="subcommand", metavar="WHAT", required=True)
    for name, subcommand in SUBCOMMANDS.items():
        made = subcommands.add_parser(name, help=subcommand.help, description=subcommand.help, allow_abbrev=False)
        subcommand.add_arguments(made)


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Run the subcommand; its exit code.

    SIGTERM ends it as Ctrl-C does, with 143, so that what is half written goes.
    """
    again: list[threading.Timer] = []

    def end(*_: object) -> NoReturn:
        again.append(threading.Timer(AGAIN_S, _terminate_main_thread))
        again[-1].daemon = True
        again[-1].start()
        sys.exit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        return SUBCOMMANDS[arguments.subcommand].run(arguments, config)
    finally:
        for timer in again:
            timer.cancel()
        signal.signal(signal.SIGTERM, before)


def _terminate_main_thread() -> None:
    """SIGTERM to whatever it waits in; a signal to another thread would only be seen behind that."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    else:
        signal.raise_signal(signal.SIGTERM)


def tell_error(error: MerlineError, text: str) -> None:
    """What ended the command, `text` to a person, as one object on the output."""
    from core.app.toolbox_report import print_error

    told = {name: getattr(error, name) for name in ("closest", "missing") if hasattr(error, name)}
    print_error(type(error).__name__, text, error.exit_code, told)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", type=Path, metavar="FILE", help="another machine, as `analyze --json` wrote it")
    parser.add_argument(
        "--all-engines", action="store_true", help="as if every engine were built and its models on the disk"
    )
    _add_json(parser)


def _of_machine(name: str, module: str = "optimize_machine") -> Callable[[argparse.Namespace, Config], int]:
    """The function of a module of core.app, imported when it is run: the command line must parse fast."""

    def run_it(arguments: argparse.Namespace, config: Config) -> int:
        run: Callable[[argparse.Namespace, Config], int] = getattr(import_module(f"core.app.{module}"), name)
        return run(arguments, config)

    return run_it


def _add_gpu_audit(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("path", nargs="?", type=Path, metavar="PATH", help="a folder of Python code, or one file")
    where.add_argument("--files", type=Path, metavar="LIST", help="a text file of paths, one a line, # for comments")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--fix", action="store_true", help="back up, correct what is safe to correct, print the diff")
    what.add_argument("--rollback", action="store_true", help="put back the newest backup that --fix made")
    parser.add_argument("--visible", default="1", metavar="CARD", help="what CUDA_VISIBLE_DEVICES must be; default: 1")


def _gpu_audit(arguments: argparse.Namespace, config: Config) -> int:
    """0: clean, or rolled back; 1: faults, or files that could not be looked at; 2: bad usage."""
    from core.optimization.gpu_audit.audit import audit, files_in, tree_at
    from core.optimization.gpu_audit.faults import Expectation
    from core.optimization.gpu_audit.fix import fix

    if not re.fullmatch(r"[\w:,./-]+", arguments.visible, re.ASCII):
        raise ConfigError(f"--visible {arguments.visible}: give card numbers or UUIDs, e.g. 1 or GPU-8f1c3f0e")
    place = files_in(arguments.files) if arguments.files else tree_at(arguments.path)
    if arguments.rollback:
        return _roll_back(place, arguments.json)
    if not place.files and not place.missing:
        raise ConfigError(f"gpu-audit {arguments.files or arguments.path}: names no Python file; check the path")
    found = audit(place, Expectation(arguments.visible))
    if not arguments.fix:
        print(json.dumps(found.as_json(), indent=2) if arguments.json else _audit_text(found))
        return 0 if found.clean else 1
    done = fix(place, found)
    print(json.dumps(done.as_json(), indent=2) if arguments.json else _fix_text(done))
    return 0 if done.audit.clean and not done.failed else 1


def _roll_back(place: Place, as_json: bool) -> int:
    from core.optimization.gpu_audit.backup import roll_back

    restored = roll_back(place.backups)
    if as_json:
        files, changed = [str(path) for path in restored.files], [str(path) for path in restored.changed_since]
        print(json.dumps({"restored": files, "backup": str(restored.backup), "changed_since": changed}, indent=2))
        return 0
    print(f"put back as they were, from {restored.backup}:")
    print("\n".join(f"  {path}" for path in restored.files))
    for copy in restored.changed_since:
        print(f"changed after the fix, and kept as {copy}")
    return 0


def _audit_text(found: Audit) -> str:
    lines: list[str] = []
    for file in found.files:
        if file.faults:
            lines.append(file.path)
            lines += [
                f"  {fault.line}:{fault.column}  {fault.kind.value}  {' '.join(fault.found.split())}"
                f"{': ' if fault.found else ''}{fault.message}{'' if fault.fixable else ' [not fixed by --fix]'}"
                for fault in file.faults
            ]
    lines += [f"missing: {name}" for name in found.missing]
    lines += [f"left out: {unread.path}: {unread.why}" for unread in found.unreadable]
    return "\n".join([*lines, found.summary()])


def _fix_text(done: Fix) -> str:
    lines = [file.diff for file in done.changed]
    lines += [f"not changed: {unread.path}: {unread.why}" for unread in done.failed]
    if done.backup is None:
        lines.append("nothing was changed")
    else:
        lines.append(f"files changed: {len(done.changed)}; --rollback puts them back from {done.backup}")
    return "\n".join([*lines, "what is left:", _audit_text(done.audit)])


SUBCOMMANDS = {
    "analyze": Subcommand("what this machine is and can do", _add_json, _of_machine("analyze")),
    "plan": Subcommand("what is decided for a machine, and why", _add_plan, _of_machine("plan")),
    "validate": Subcommand("whether torch does on this machine what was decided", _add_json, _of_machine("validate")),
    "gpu-audit": Subcommand("find code that would use a wrong graphics card", _add_gpu_audit, _gpu_audit),
    **{
        name: Subcommand(text, add, _of_machine(name, "optimize_graphs" if name in GRAPHS else "optimize_models"))
        for name, (text, add) in COMMANDS.items()
    },
}
