"""A report that is sent to others tells nothing of who sends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.app.impersonal import Impersonal
from core.utils.config import PROJECT_FOLDER, Config


@pytest.fixture
def impersonal(monkeypatch: pytest.MonkeyPatch) -> Impersonal:
    monkeypatch.setenv("HOME", "/home/ada lovelace")
    monkeypatch.setenv("USERPROFILE", "/home/ada lovelace")
    monkeypatch.setenv("MERLINE_HOME", "/home/ada lovelace/kept/merline")
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.lovelace.example/")
    config = Config.model_validate(
        {
            "tts": {"voice": ["/media/ada/voices/mine", "melo-english"]},
            "llm": {"engine": "openai", "model": "m", "base_url": "http://ada:word@lovelace:11434/v1"},
            "log": {"telemetry": "http://ada-tower:4318"},
            "stt": {"model": "~/speech/small"},
        }
    )
    return Impersonal(config)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "whisper-base: 148 MB are to be fetched, but /home/ada lovelace/kept/merline/models has room for 3 MB",
            "whisper-base: 148 MB are to be fetched, but <data folder>/models has room for 3 MB",
        ),
        ("/home/ada lovelace/x.bin: not found", "~/x.bin: not found"),
        (f"{PROJECT_FOLDER}/config.yaml: wrong", "<Merline>/config.yaml: wrong"),
        ("/media/ada/voices/mine: no config.json, and melo-english", ".../mine: no config.json, and melo-english"),
        ("~/speech/small and /home/ada lovelace/speech/small", ".../small and .../small"),
        ("m at http://ada:word@lovelace:11434/v1", "m at <llm.base_url>"),
        ("http://ada-tower:4318 refuses", "<log.telemetry> refuses"),
        ("Systran/x: https://mirror.lovelace.example does not answer", "Systran/x: <HF_ENDPOINT> does not answer"),
        ("the proxy http://ada:word@proxy:8080 refuses", "the proxy http://proxy:8080 refuses"),
        ("'what is the date today' -> 'It is 5/6.'", "'what is the date today' -> 'It is 5/6.'"),
    ],
)
def test_folders_servers_and_passwords_are_not_told(impersonal: Impersonal, text: str, told: str):
    assert impersonal.of(text) == told


def test_of_the_command_line_what_was_asked_for_stays(impersonal: Impersonal):
    options = ("--config", "/srv/ada/my.yaml", "--set", "audio.input_device=Ada's microphone", "--set", "tts.speed=1.2")
    assert impersonal.options(options) == "--config my.yaml --set audio.input_device=... --set tts.speed=1.2"


def test_where_the_home_is_the_root_the_report_can_still_be_read(monkeypatch: pytest.MonkeyPatch):
    """As in a container that runs as a user of no name."""
    monkeypatch.setenv("HOME", "/")
    told = "/usr/lib/x.so: not found, 3 of 4 B/s"
    assert Impersonal(Config()).of(told) == told


def test_a_home_that_nobody_knows_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path))
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    config = Config.model_validate({"stt": {"model": "~/speech/small"}})
    assert Impersonal(config).of("/usr/x and ~/speech/small") == "/usr/x and .../small"


def test_a_home_that_lies_elsewhere_is_not_told_either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "disk" / "ada").mkdir(parents=True)
    (tmp_path / "ada").symlink_to(tmp_path / "disk" / "ada")
    monkeypatch.setenv("HOME", str(tmp_path / "ada"))
    impersonal = Impersonal(Config())
    assert impersonal.of(f"{tmp_path}/ada/x and {tmp_path}/disk/ada/y") == "~/x and ~/y"
