"""Choosing a device by name or number, and what the user is told when that fails."""

import sys

import pytest
from fake_backend import HEADSET, MICROPHONE, SPEAKER

from audio.devices import Device, Kind, StreamOptions, choose_device, not_started, open_backend, refused
from core.utils.config import AudioConfig
from core.utils.errors import AudioDeviceError, MissingDependencyError

ALL = [MICROPHONE, SPEAKER, HEADSET]


def test_the_default_is_taken_when_none_is_named() -> None:
    assert choose_device(ALL, None, "input") is MICROPHONE
    assert choose_device(ALL, None, "output") is SPEAKER
    assert choose_device([HEADSET], None, "input") is HEADSET


@pytest.mark.parametrize("wanted", [2, "headset", "USB Head", "usb headset"])
def test_a_device_is_found_by_number_or_part_of_its_name(wanted: int | str) -> None:
    assert choose_device(ALL, wanted, "output") is HEADSET


def test_an_exact_name_wins_over_a_longer_one() -> None:
    longer = Device(7, "Desk Microphone Array", "ALSA", 4, 0, 48_000)
    assert choose_device([longer, *ALL], "desk microphone", "input") is MICROPHONE


def test_one_device_behind_two_host_apis_is_one_device() -> None:
    other = Device(9, "USB Headset", "WASAPI", 1, 2, 48_000)
    assert choose_device([*ALL, other], "headset", "input") is HEADSET


@pytest.mark.parametrize("wanted", ["kitchen", 17, 1])
def test_an_unknown_device_lists_what_there_is(wanted: int | str) -> None:
    with pytest.raises(AudioDeviceError) as caught:
        choose_device(ALL, wanted, "input")
    text = str(caught.value)
    assert "audio.input_device" in text
    assert repr(wanted) in text
    assert "0: Desk Microphone" in text
    assert "2: USB Headset" in text
    assert "Desk Speaker" not in text, "a speaker is no input"


def test_an_ambiguous_name_lists_those_that_fit() -> None:
    with pytest.raises(AudioDeviceError, match="several devices fit") as caught:
        choose_device(ALL, "s", "output")
    assert "Desk Speaker" in str(caught.value)
    assert "Desk Microphone" not in str(caught.value)


def test_no_microphone_at_all() -> None:
    with pytest.raises(AudioDeviceError, match="no microphone was found"):
        choose_device([SPEAKER], None, "input")


@pytest.mark.parametrize(("kind", "thing"), [("input", "microphone"), ("output", "speaker")])
def test_a_device_called_default_is_told_by_what_it_is_for_its_number_and_how_to_take_another(
    kind: Kind, thing: str
) -> None:
    device = Device(3, "default", "ALSA", 32, 32, 44_100, default_input=True, default_output=True)
    busy = refused(kind, StreamOptions(device, 48_000, 2, 960, 0.02), OSError("Device unavailable"))
    still = not_started(kind, device, OSError("Host error"))
    for error, problem in ((busy, "cannot be opened at 48000 Hz"), (still, "does not start (Host error)")):
        told = str(error)
        assert f"{thing} 3, 'default' (ALSA, your system's default), {problem}" in told
        assert f"--set audio.{kind}_device=NUMBER" in told
    assert "Device unavailable" in str(busy)


def test_a_missing_package_names_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyaudio", None)
    with pytest.raises(MissingDependencyError, match="pip install pyaudio"):
        open_backend(AudioConfig(backend="pyaudio"))
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingDependencyError, match="pip install sounddevice"):
        open_backend(AudioConfig())
