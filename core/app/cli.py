"""The command line: parses it, loads the configuration, runs the command, and maps errors to exit codes."""

from __future__ import annotations

import argparse
import errno
import io
import logging
import os
import sys
import tomllib
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from core.app.ending import leave
from core.app.optimize import JSONUsage, tell_error
from core.app.optimize import add_arguments as add_optimize_arguments
from core.utils.errors import MerlineError

if TYPE_CHECKING:
    from core.utils.config import Config

__all__ = ["leave", "main", "parse", "version"]
"""`leave` is for main.py, whose last act it is"""

logger = logging.getLogger(__name__)

COMMANDS = {
    "talk": "talk and be answered aloud (the default)",
    "chat": "type instead of talking; works in a pipe, one reply a line",
    "ask": "answer a spoken question in a WAV file",
    "say": "speak a text, or write it to a WAV file",
    "transcribe": "write down what is said in a WAV file",
    "check": "the safe-launch self-check",
    "devices": "list microphones and speakers",
    "models": "what is on this machine and what can be had: list (the default), download, remove",
    "data": "export or erase everything Merline keeps about you",
    "bench": "measure this machine",
    "turns": "the latest turns, how long each part took, and why one was slow",
    "replay": "run a turn again that was kept with record: true",
    "optimize": "what was decided for this machine, and the toolbox that makes models smaller and faster",
}
WITH_SOUND = {"talk", "say", "check", "devices"}
"""commands that open sound devices, whose drivers write to the terminal unasked"""
WITH_MODELS = {"talk", "chat", "ask", "say", "transcribe", "check", "bench", "replay"}
"""commands that may run a model on a graphics card"""
TOOLBOX = {"quantize", "prune", "distill", "export", "tensorrt", "compare", "auto"}
"""subcommands of `optimize` that do; the others look at the machine as it is"""
INTERRUPTED = 130
LEVELS = ["debug", "info", "warning", "error"]

CommandRun = Callable[[argparse.Namespace, "Config"], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 fine, 1 failed, 2 bad usage or configuration, 3 audio device or GPU."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows a question mark for it
    arguments = parse(list(sys.argv[1:] if argv is None else argv))
    # pydantic is imported late, so that --help and a usage error need no environment
    from core.utils.config_file import blamed, load_config

    config = None
    try:
        config = load_config(arguments.config, arguments.set)
        return _run(arguments, config)
    except MerlineError as error:
        logger.debug("ended by", exc_info=True)
        # what is wrong with a value is known to `load_config`, what it is used for only to who uses it
        text = str(error) if config is None else _told(blamed(str(error), arguments.config, arguments.set), config)
        print(f"merline: {text}", file=sys.stderr)
        if arguments.command == "optimize" and arguments.json:
            tell_error(error, text)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has gone; stdout is closed here so that the interpreter does not complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        logger.debug("ended by", exc_info=True)
        text = f"the output cannot be written ({error.strerror}); make room on the disk"
        print(f"merline: {text if config is None else _told(text, config)}", file=sys.stderr)
        return 1


def parse(argv: list[str]) -> argparse.Namespace:
    """Parse the command line; no command means `talk`. Ends the program with code 2 on bad usage."""
    kind = JSONUsage if {"optimize", "--json"} <= set(argv) else argparse.ArgumentParser
    everywhere, rest = _everywhere(kind).parse_known_args(argv)
    if not rest:
        rest = ["talk"]
    return _parser(kind).parse_args(rest, everywhere)


def _run(arguments: argparse.Namespace, config: Config) -> int:
    from core.app.language import first_language
    from core.app.logs import native_log, set_up_logs

    if arguments.command in WITH_SOUND:
        from audio.native_messages import divert_native_messages

        divert_native_messages(native_log())
    to_terminal = arguments.command != "talk" or not sys.stdout.isatty()
    language = getattr(arguments, "language", None) or first_language(config)
    set_up_logs(config.log, arguments.log_level, to_terminal, language)
    if arguments.command in WITH_MODELS or getattr(arguments, "subcommand", "") in TOOLBOX:
        _fence_gpu(config)
    module = import_module(f"core.app.{arguments.command}")
    run: CommandRun = module.run
    return run(arguments, config)


def _told(text: str, config: Config) -> str:
    """An error in the user's language, where that is known."""
    from core.app.error_words import told
    from core.app.language import first_language

    return told(text, first_language(config))


def _fence_gpu(config: Config) -> None:
    """Before anything imports torch. What is not asked for costs nothing, not even the import."""
    from core.utils.config import GpuConfig

    if config.gpu != GpuConfig() or config.optimization.device == "cuda":
        from core.utils.gpu import fence_configured

        fence_configured(config.gpu, config.optimization.device)


def _everywhere(kind: type[argparse.ArgumentParser], help_only: bool = False) -> argparse.ArgumentParser:
    """The options every command takes, before or after its name. `help_only`: shown, but set nothing."""
    defaults = {"argument_default": argparse.SUPPRESS} if help_only else {}
    parser = kind(add_help=False, allow_abbrev=False, **defaults)  # type: ignore[arg-type]
    unset = {"default": argparse.SUPPRESS} if help_only else {}
    parser.add_argument("--config", type=Path, metavar="FILE", help="another configuration")
    parser.add_argument(
        "--set",
        action="append",
        metavar="SECTION.KEY=VALUE",
        help="change one setting; may be given again",
        **({"default": []} | unset),  # type: ignore[arg-type]
    )
    parser.add_argument("--offline", action="store_true", help="never use the network", **unset)  # type: ignore[arg-type]
    parser.add_argument("--log-level", choices=LEVELS, help="debug explains every decision")
    return parser


def _parser(kind: type[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    shown = _everywhere(kind, help_only=True)
    parser = kind(
        prog="main.py", description="Merline, a voice assistant that lives on your own computer.", parents=[shown]
    )
    parser.add_argument("--version", action="version", version=f"Merline {version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    made = {
        name: commands.add_parser(name, help=text, parents=[shown], description=text) for name, text in COMMANDS.items()
    }
    commands.add_parser("test", help="run the test-suite, passing pytest's arguments through")
    _add_arguments(made)
    return parser


def version() -> str:
    """Of Merline."""
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def _add_arguments(commands: dict[str, argparse.ArgumentParser]) -> None:
    for name in ("ask", "transcribe"):
        commands[name].add_argument("input", type=Path, metavar="IN.wav", help="a WAV file")
    for name in ("ask", "say"):
        commands[name].add_argument("--out", type=Path, metavar="OUT.wav", help="write the speech to a WAV file")
    commands["replay"].add_argument("input", type=Path, metavar="FILE", help="a recording of a turn")
    commands["turns"].add_argument("--last", type=int, default=5, metavar="N", help="how many; default: 5")
    for name in ("ask", "transcribe", "check", "devices", "models", "bench", "turns", "replay"):
        commands[name].add_argument("--json", action="store_true", help="print one JSON object")
    commands["say"].add_argument("text", nargs="+", help="what to say")
    for name in ("say", "chat"):
        commands[name].add_argument("--language", choices=["en", "fr"], help="default: the configured language")
    commands["check"].add_argument("--full", action="store_true", help="load the full engines too")
    commands["models"].add_argument("action", nargs="?", choices=["list", "download", "remove"], default="list")
    commands["models"].add_argument(
        "names", nargs="*", metavar="NAME", help="download: default, what suits this machine"
    )
    commands["models"].add_argument("--yes", action="store_true", help="remove: do not ask")
    commands["data"].add_argument("action", choices=["export", "erase"], help="what to do with your data")
    commands["data"].add_argument("file", nargs="?", type=Path, metavar="FILE", help="export: where to write it")
    commands["data"].add_argument("--yes", action="store_true", help="erase: do not ask")
    add_optimize_arguments(commands["optimize"])
    commands["bench"].add_argument(
        "what", nargs="?", default="all", metavar="WHAT", help="what to measure; default: all but soak"
    )
    commands["bench"].add_argument(
        "--only", nargs="+", metavar="PART", help="optimizer, claims: these parts alone; a wrong name lists them"
    )
    commands["bench"].add_argument("--minutes", type=float, metavar="N", help="soak: how long to talk; default: 30")
    commands["bench"].add_argument("--turns", type=int, metavar="N", help="voice: how many questions; default: 30")
