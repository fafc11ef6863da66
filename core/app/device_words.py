"""What the user is told, in their language, of a microphone or a speaker that went, came back or changed."""

from __future__ import annotations

from core.messages import DeviceEvent, Language

_THINGS: dict[Language, dict[str, str]] = {
    "en": {"input": "The microphone", "output": "The speaker"},
    "fr": {"input": "Le micro", "output": "Le haut-parleur"},
}
_NEWS: dict[Language, dict[str, str]] = {
    "en": {
        "lost": "{thing} ({device}) is gone. I will use it again as soon as it is back.",
        "silent": "{thing} ({device}) gives no sound at all: it may be muted, or this program may not be allowed to "
        "use it. Check the sound settings.",
        "restored": "{thing} is back ({device}).",
        "changed": "{thing} is now {device}.",
    },
    "fr": {
        "lost": "{thing} ({device}) n'est plus là. Je m'en resservirai dès son retour.",
        "silent": "{thing} ({device}) ne donne aucun son : il est peut-être coupé, ou ce programme n'a pas le droit de "
        "s'en servir. Vérifiez les réglages du son.",
        "restored": "{thing} est de nouveau là ({device}).",
        "changed": "{thing} est maintenant {device}.",
    },
}


_NAMELESS = {"default", "sysdefault"}
"""ALSA's names for the device that the system is set to"""
_SYSTEM_S: dict[Language, str] = {"en": "your system's default", "fr": "celui de votre système"}


def device_words(event: DeviceEvent, language: Language) -> str:
    """One or two sentences, to be shown and said."""
    device = _SYSTEM_S[language] if event.device in _NAMELESS else event.device
    return _NEWS[language][event.state].format(thing=_THINGS[language][event.kind], device=device)
