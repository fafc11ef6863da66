"""A MeloTTS voice that is here is loaded while the assistant listens already; until then espeak-ng speaks.

Loading takes a second or two, and longer at the first start on a machine, when its kernels are compiled.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from core.app.assistant import Assistant, Engines
from core.app.speaking import make_engine
from core.optimization.plan import Plan
from core.utils.config import Config
from core.utils.errors import DeviceError, ModelError
from core.utils.voice import VoiceSettings
from tts.engine import SpeechEngine
from tts.espeak import EspeakEngine
from tts.synthesizer import Synthesizer

logger = logging.getLogger(__name__)

LOADED_S = 5.0
"""how long the end of the program waits for a voice that is being loaded"""


class VoiceBeside:
    """Does nothing where espeak-ng speaks anyway, or where tts.engine demands a voice, which then has to load first."""

    def __init__(self, config: Config, assistant: Assistant, plan: Plan | None = None) -> None:
        self._config = config
        self._assistant = assistant
        self._plan = plan
        self._thread: threading.Thread | None = None
        self._ended = False

    def engines(self, engines: Engines, voice: VoiceSettings) -> Engines:
        """The same, with a synthesizer that begins on espeak-ng where a voice is to be loaded."""
        if self._config.tts.engine != "auto":
            return engines
        engine = make_engine(self._config, self._assistant.speaking_parts, self._plan)
        if isinstance(engine, EspeakEngine):
            return engines
        self._thread = threading.Thread(target=self._load, args=(engine,), name="merline-load-voice", daemon=True)
        return replace(engines, synthesizer=Synthesizer(self._config.tts, voice))

    def start(self) -> None:
        """Begin, once the assistant listens."""
        if self._thread is not None:
            self._thread.start()

    @property
    def loading(self) -> bool:
        """Whether it is at it now."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """A voice that is loaded too late is closed."""
        self._ended = True
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join(LOADED_S)

    def _load(self, engine: SpeechEngine) -> None:
        try:
            engine.load()
        except (ModelError, DeviceError) as error:
            logger.warning("no voice could be loaded: %s", error)
            return
        if self._ended or not self._assistant.synthesizer.offer(engine):
            engine.close()
