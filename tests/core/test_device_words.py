"""What the user is told of a device that went or came."""

from __future__ import annotations

import pytest

from core.app.device_words import device_words
from core.messages import DeviceEvent, Language


@pytest.mark.parametrize(
    ("language", "gone", "now"),
    [
        ("en", "The speaker (your system's default) is gone.", "The microphone is now USB Headset."),
        ("fr", "Le haut-parleur (celui de votre système) n'est plus là.", "Le micro est maintenant USB Headset."),
    ],
)
def test_the_device_is_named_and_alsa_s_default_by_what_it_is(language: Language, gone: str, now: str) -> None:
    assert device_words(DeviceEvent("output", "lost", "default"), language).startswith(gone)
    assert device_words(DeviceEvent("input", "changed", "USB Headset"), language) == now
