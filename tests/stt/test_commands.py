"""The compiled commands that the next start finds."""

import os
import shutil
from pathlib import Path

import hassil
import pytest
import yaml

from core.optimization.disk_cache import ENTRY, DiskCache, DiskCacheConfig
from stt import commands
from stt.commands import Commands, CommandSource, compile_commands, kept_commands

TEMPLATES = """
language: en
intents:
  Timer: {data: [{sentences: ["set a timer for {minutes} minute[s]"]}]}
  Note: {data: [{sentences: ["(note|write) down {text} please"]}]}
  Rule: {data: [{sentences: ["<polite_start> what time is it"]}]}
lists:
  minutes: {range: {from: 1, to: 180}}
  text: {wildcard: true}
expansion_rules:
  polite_start: "(please|could you)"
  polite_end: "[please]"
"""


class Templates:
    """Templates that count how often they are read."""

    def __init__(self, text: str) -> None:
        self.text, self.read = text, 0

    def intents(self) -> hassil.Intents:
        self.read += 1
        return hassil.Intents.from_dict(yaml.safe_load(self.text))

    @property
    def source(self) -> CommandSource:
        return CommandSource(self.text.encode(), self.intents)


def cache(folder: Path) -> DiskCache:
    return DiskCache(DiskCacheConfig(folder, 2**20))


def test_what_was_kept_is_what_was_compiled(tmp_path: Path) -> None:
    made = compile_commands(Templates(TEMPLATES).intents())
    assert made.grammar.words == frozenset(made.lexicon)
    assert {"timer", "please", "forty"} <= made.grammar.words
    assert kept_commands(Templates(TEMPLATES).source, cache(tmp_path)) == made
    second = Templates(TEMPLATES)
    assert kept_commands(second.source, cache(tmp_path)) == made
    assert second.read == 0


def test_other_templates_are_compiled_anew(tmp_path: Path) -> None:
    kept_commands(Templates(TEMPLATES).source, cache(tmp_path))
    other = Templates(TEMPLATES.replace("what time", "what day"))
    assert "day" in kept_commands(other.source, cache(tmp_path)).grammar.words
    assert other.read == 1


@pytest.mark.parametrize("changed", ["nothing", "code", "hassil", "dictionary"])
def test_only_what_decides_the_result_compiles_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    code, dictionary = tmp_path / "stt" / "commands.py", tmp_path / "words.dict"
    code.parent.mkdir()
    code.write_text("x = 1")
    (code.parent / ".#commands.py").symlink_to("nowhere")  # an editor's
    shutil.copy(commands.dictionary_file(), dictionary)
    monkeypatch.setattr(commands, "__file__", str(code))
    monkeypatch.setattr(commands, "dictionary_file", lambda: dictionary)
    kept_commands(Templates(TEMPLATES).source, cache(tmp_path / "cache"))
    if changed == "code":
        code.write_text("x = 2")
    elif changed == "hassil":
        monkeypatch.setattr(commands, "version", lambda package: "another")
    elif changed == "dictionary":
        os.utime(dictionary, ns=(0, 0))
    again = Templates(TEMPLATES)
    kept_commands(again.source, cache(tmp_path / "cache"))
    assert again.read == (changed != "nothing")


def test_a_damaged_file_costs_no_more_than_the_time_to_compile(tmp_path: Path) -> None:
    made = kept_commands(Templates(TEMPLATES).source, cache(tmp_path))
    (file,) = tmp_path.glob(f"*{ENTRY}")
    file.write_bytes(file.read_bytes()[:-100])
    again = Templates(TEMPLATES)
    assert kept_commands(again.source, cache(tmp_path)) == made
    assert again.read == 1


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    again = Templates(TEMPLATES)
    assert isinstance(kept_commands(again.source, cache(blocked / "cache")), Commands)
    assert again.read == 1
