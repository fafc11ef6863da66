"""Configuration: the file documents every key, and what is wrong is named with its cure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from core.utils.config import DEFAULT_FILE, Config, Section
from core.utils.config_file import blamed, load_config
from core.utils.errors import ConfigError


def dotted_defaults(section: Section, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            found |= dotted_defaults(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = list(value) if isinstance(value, tuple) else value
    return found


def test_config_yaml_holds_every_key_with_its_default():
    written: dict[str, object] = {}
    for name, value in yaml.safe_load(DEFAULT_FILE.read_text(encoding="utf-8")).items():
        if isinstance(value, dict):
            written |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            written[name] = value
    assert written == dotted_defaults(Config())


def test_every_key_in_config_yaml_has_a_comment():
    bare = [
        line
        for line in DEFAULT_FILE.read_text(encoding="utf-8").splitlines()
        if re.match(r"^\s*\w+:\s*\S", line) and "#" not in line
    ]
    assert bare == []


def test_the_default_file_loads():
    assert load_config() == Config()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("vad: {treshold: 0.5}", r"vad\.treshold: unknown setting; did you mean 'threshold'\?"),
        ("volme: 3", r"volme: unknown setting"),
        ("rate_wpm: 3", r"rate_wpm: unknown setting; did you mean 'tts\.rate_wpm'\?"),
        ("vad: {threshold: 3}", r"vad\.threshold: 3 .*less than or equal to 1"),
        ("vad: {threshold: high}", r"vad\.threshold: 'high' .*number"),
        ("vad: {threshold: 0.3, release: 0.4}", r"vad\.release: 0\.4 must be below vad\.threshold"),
        ("audio: {backend: sounddevise}", r"audio\.backend: 'sounddevise' .* did you mean 'sounddevice'\?"),
        ("language: de", r"language: 'de' is not one of auto, en, fr"),
        ("endpoint: {complete_ms: 900}", r"provisional_ms <= complete_ms <= incomplete_ms"),
        ("stt: {languages: fr}", r"stt\.languages: 'fr' is not accepted; write a list, e\.g\. \[fr\]"),
        (
            "vad: {threshold: 3,\n gap: 1}",
            r"mine\.yaml, line 1: vad\.threshold.*\n.*mine\.yaml, line 2: vad\.gap: unknown",
        ),
        ("\n\nvad: {threshold: 0.3}", r"mine\.yaml, line 3: vad\.release: 0\.35 must be below"),
        ("stt:\n  languages: [en, de]", r"mine\.yaml, line 2: stt\.languages: 'de' is not one of en, fr$"),
        ("optimization: {compile: maybe}", r"optimization\.compile: 'maybe' is not accepted; .*true, false.*auto"),
        ("vad: {threshold: yes}", r"vad\.threshold: True is not accepted; it must be a number"),
        ("vad: [1, 2]", r"vad: \[1, 2\]"),
        ("- a\n- b", r"must hold `section:` blocks"),
        ("vad:\n  threshold: 0.5\n bad", r"is not valid YAML at line 3"),
        ("a: b: c", r"is not valid YAML at line 1"),
        (
            "tts:\n  rate_wpm: 150\nvad:\n  threshold: 0.5\ntts:\n  rate_wpm: 160",
            r"line 5, column 1: 'tts' stands there twice",
        ),
        ("log: {telemetry: 'localhost:4318'}", r"log\.telemetry: 'localhost:4318' .*like http://localhost:4318"),
        ("tts: 5", r"tts: 5 is not accepted; it must be a block of `key: value` lines"),
    ],
)
def test_what_is_wrong_is_named_with_its_cure(tmp_path: Path, text: str, said: str):
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(file)
    assert caught.value.exit_code == 2


def test_a_missing_file_or_one_that_is_not_text_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigError, match="not a UTF-8 text file"):
        load_config(tmp_path / "binary.yaml")


def test_settings_from_the_command_line_win(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("vad: {threshold: 0.6}\naudio:\n", encoding="utf-8")
    config = load_config(file, ["vad.threshold=0.7", "audio.input_device=2", "language=fr"])
    assert (config.vad.threshold, config.audio.input_device, config.language) == (0.7, 2, "fr")


def test_what_came_by_the_command_line_is_not_looked_for_in_the_file(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("vad: {gap_ms: many}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "mine.yaml", ["vad.threshold=3"])
    lines = sorted(str(caught.value).splitlines())
    assert lines[0].startswith("--set vad.threshold: 3 is not accepted")
    assert "mine.yaml, line 1: vad.gap_ms: 'many'" in lines[1]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["stt.languages=[de]"], "--set stt.languages: 'de' is not one of en, fr"),
        (["tts.voice=3"], "--set tts.voice: 3 is not accepted; it must be a valid string or a list of them"),
        (["foo.bar=3"], "--set foo: unknown setting; known here: language, audio,"),
        (["vad.threshold=0.2"], "--set vad.threshold=0.2: vad.release: 0.35 must be below"),
        (["llm.engine=openai"], "--set llm.engine=openai: llm.base_url: is not set"),
        (["language=no"], "--set language: no is not one of auto, en, fr"),
    ],
)
def test_what_came_by_the_command_line_is_blamed_on_it_in_one_line(settings: list[str], said: str):
    with pytest.raises(ConfigError) as caught:
        load_config(None, settings)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_problem_found_later_is_blamed_on_its_source_too(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("skills:\n  enabled: [coin]\n", encoding="utf-8")
    found = "skills.enabled: no skill is called 'coin'"
    assert blamed(found, tmp_path / "mine.yaml").endswith(f"mine.yaml, line 2: {found}")
    assert blamed(found, None, ["skills.enabled=[coin]"]) == f"--set {found}"
    assert blamed("say: there is nothing to say", None) == "say: there is nothing to say"
    assert blamed("tts.voice_fr: no such voice", tmp_path / "mine.yaml") == "tts.voice_fr: no such voice"


def test_a_bare_off_means_off():
    assert load_config(None, ["echo.canceller=off"]).echo.canceller == "off"


@pytest.mark.parametrize("setting", ["vad.threshold", "=3", "language.x=1"])
def test_a_setting_of_the_wrong_form_is_named(setting: str):
    with pytest.raises(ConfigError, match="--set"):
        load_config(None, ["language=fr", setting])
