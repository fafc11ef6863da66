"""The microphone and the speaker of a conversation, opened, watched over and closed together."""

from __future__ import annotations

import logging
from collections.abc import Callable

from audio.devices import AudioBackend, open_backend
from audio.microphone import Microphone
from audio.recovery import Recovery
from audio.speaker import Speaker
from core.messages import DeviceEvent
from core.utils.clock import Clock
from core.utils.config import AudioConfig
from core.utils.errors import AudioDeviceError
from core.utils.voice import VoiceSettings

logger = logging.getLogger(__name__)


class AudioSystem:
    """Both ends on one backend. `backend` is opened here unless one is given; `close` closes it either way."""

    def __init__(
        self,
        config: AudioConfig,
        clock: Clock,
        events: Callable[[DeviceEvent], None],
        voice: VoiceSettings,
        backend: AudioBackend | None = None,
    ) -> None:
        self.backend = backend if backend is not None else open_backend(config)
        self.microphone = Microphone(config, self.backend, clock, events)
        self.speaker = Speaker(config, self.backend, clock, voice)
        self.microphone.recovery.add(self.speaker)

    def open(self) -> None:
        """Open both devices; if one fails, neither stays open. Raises AudioDeviceError, which names each that fails."""
        errors = []
        for end in (self.speaker, self.microphone):
            try:
                end.open()
            except AudioDeviceError as error:
                errors.append(str(error))
        if errors:
            self.speaker.release()
            self.microphone.release()
            raise AudioDeviceError("\nand ".join(errors))

    def close(self) -> None:
        """Close both devices and PortAudio; all is left to the process's end where one hangs in its opening."""
        if self.microphone.recovery.end():
            self.microphone.close()
            self.speaker.close()
            self.backend.close()
        else:
            logger.warning("a sound device does not open; left as it is")
            self.backend.close(hangs=True)


class SpeakerAlone:
    """Only a speaker, for commands that do not listen; the player itself watches over it."""

    def __init__(
        self, config: AudioConfig, clock: Clock, events: Callable[[DeviceEvent], None], voice: VoiceSettings
    ) -> None:
        self._backend = open_backend(config)
        self.speaker = Speaker(config, self._backend, clock, voice)
        self._recovery = Recovery(self._backend, clock, events)
        self._recovery.add(self.speaker)
        self.speaker.watch = self._recovery.look

    def open(self) -> None:
        """Raises AudioDeviceError."""
        self.speaker.open()

    def close(self) -> None:
        if self._recovery.end():
            self.speaker.close()
            self._backend.close()
        else:
            self._backend.close(hangs=True)
