"""What keeps the assistant from hearing itself, told once it is known and whenever it is another."""

from __future__ import annotations

from audio.echo import Layer
from core.messages import Language

_WORDS: dict[Language, dict[Layer, str]] = {
    "en": {
        "aec3": "echo: my own voice is taken out of what I hear (AEC3); you can talk over me.",
        "headphones": "echo: none of my voice comes back to the microphone; you can talk over me.",
        "half duplex": "echo: I hear nothing while I speak, as the canceller cannot be loaded (`python3 main.py check` "
        "says more); with headphones you can talk over me.",
        "off": "echo: cancellation is switched off (echo.canceller); without headphones I may hear myself.",
    },
    "fr": {
        "aec3": "écho : ma propre voix est retirée de ce que j'entends (AEC3) ; vous pouvez me couper la parole.",
        "headphones": "écho : rien de ma voix ne revient au micro ; vous pouvez me couper la parole.",
        "half duplex": "écho : je n'entends rien pendant que je parle, car l'annulation d'écho ne se charge pas "
        "(`python3 main.py check` en dit plus) ; avec un casque vous pouvez me couper la parole.",
        "off": "écho : l'annulation est désactivée (echo.canceller) ; sans casque je peux m'entendre moi-même.",
    },
}


class EchoNews:
    """Says each change of the layer once."""

    def __init__(self, language: Language) -> None:
        self._words = _WORDS[language]
        self._told: Layer | None = None

    def of(self, layer: Layer) -> list[str]:
        """A line for the user where this is another one than before."""
        if layer == self._told:
            return []
        self._told = layer
        return [self._words[layer]]
