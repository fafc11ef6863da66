"""The command line: options before and after the command, and `talk` when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.app.cli import COMMANDS, main, parse
from core.utils.config import PROJECT_FOLDER


def test_no_command_is_talk():
    assert parse([]).command == "talk"
    assert parse(["--offline"]).command == "talk"
    assert parse(["--offline"]).offline is True


def test_options_count_before_and_after_the_command():
    arguments = parse(["--set", "a.b=1", "--log-level", "debug", "chat", "--set", "c.d=2", "--config", "x.yaml"])
    assert arguments.set == ["a.b=1", "c.d=2"]
    assert (arguments.command, arguments.log_level, arguments.config) == ("chat", "debug", Path("x.yaml"))


def test_every_command_has_a_module_with_run():
    from importlib import import_module

    assert all(callable(import_module(f"core.app.{name}").run) for name in COMMANDS)


def test_readme_lists_every_command():
    readme = (PROJECT_FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if name not in readme] == []


@pytest.mark.parametrize("arguments", [["dance"], ["ask"], ["chat", "--language", "de"], ["--log-level", "loud"]])
def test_bad_usage_ends_with_2(arguments: list[str]):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
