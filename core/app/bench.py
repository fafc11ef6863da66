"""`bench`: runs the benchmarks and prints their figures."""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib import import_module
from inspect import signature

from core.optimization.torch_settings import prepare_environment
from core.utils.config import PROJECT_FOLDER, Config
from core.utils.errors import ConfigError

NOT_BENCHMARKS = {"__init__", "figures", "shapes"}
LONG = {"soak", "toolbox"}
"""left out of `all`"""
IN_PARTS = ("claims", "optimizer")
"""those whose `run` takes `only`"""


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Measure; exit code 1 when a target was missed."""
    from benchmarks.figures import machine

    prepare_environment(None, os.environ, config.optimization)
    known = sorted(
        path.stem for path in (PROJECT_FOLDER / "benchmarks").glob("*.py") if path.stem not in NOT_BENCHMARKS
    )
    if arguments.what not in ("all", *known):
        raise ConfigError(f"bench: unknown benchmark '{arguments.what}'; choose one of all, {', '.join(known)}")
    chosen = [name for name in known if name not in LONG] if arguments.what == "all" else [arguments.what]
    if arguments.only and arguments.what not in IN_PARTS:
        raise ConfigError(f"bench {arguments.what} --only: these can be taken in parts: {', '.join(IN_PARTS)}")
    if arguments.turns is not None and arguments.turns < 1:
        raise ConfigError(f"bench --turns {arguments.turns}: ask at least one question")
    figures = []
    for name in chosen:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        measure = import_module(f"benchmarks.{name}").run
        given = {"config": config, **{name: getattr(arguments, name) for name in ("minutes", "turns", "only")}}
        takes = signature(measure).parameters
        figures += measure(**{name: value for name, value in given.items() if name in takes and value is not None})
    if arguments.json:
        print(json.dumps({"machine": machine(), "figures": [figure.as_json() for figure in figures]}, indent=2))
    else:
        print("\n".join(figure.line() for figure in figures))
    return 1 if any(figure.ok is False for figure in figures) else 0
