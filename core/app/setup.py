"""Tells the user how the full engines' packages get on while they are installed beside the conversation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from core.app.error_words import error_words
from core.background import Progress, start_full_install
from core.messages import Language
from core.utils.config import Config

OFTEN_S = 15.0
"""between two lines in the first minute: someone who has just begun wants to see that something moves"""
SELDOM_S = 60.0
"""and after it: someone is talking"""
FIRST_S = 60.0
WORTH_A_NUMBER_BYTES = 1_000_000

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "begun": "installing the larger engines' packages in the background; talk meanwhile.",
        "packages": "the larger engines' packages: ",
        "resolving": "working out what is needed",
        "downloading": "fetching",
        "building": "building",
        "installing": "unpacking",
        "count": ", package {done} of {total}",
        "bytes": ", {done:.0f} of {total:.0f} MB",
        "waiting": "the larger engines' packages: waiting for another start that installs them",
        "failed": "the larger engines could not be installed: {why}. All else works; I'll try again later.",
        "done": "the larger engines' packages are installed.",
        "next start": "the larger engines' packages are installed; they are used from the next start.",
    },
    "fr": {
        "begun": "installation des paquets des grands moteurs en arrière-plan ; parlez, je vous écoute.",
        "packages": "paquets des grands moteurs : ",
        "resolving": "recherche de ce qu'il faut",
        "downloading": "téléchargement de",
        "building": "construction de",
        "installing": "mise en place de",
        "count": ", paquet {done} sur {total}",
        "bytes": ", {done:.0f} sur {total:.0f} Mo",
        "waiting": "paquets des grands moteurs : un autre démarrage les installe, j'attends",
        "failed": "les grands moteurs n'ont pas pu être installés : {why}. Le reste marche ; j'essaierai plus tard.",
        "done": "les paquets des grands moteurs sont installés.",
        "next start": "les paquets des grands moteurs sont installés ; ils serviront au prochain démarrage.",
    },
}
ENDED = {"failed": "failed", "done": "done", "next-start": "next start", "waiting": "waiting"}
"""states that are told without a package"""


class Installation(Protocol):
    """What is asked of core.background.BackgroundInstall."""

    def progress(self) -> Progress: ...

    def close(self) -> None: ...


class FullSetup:
    """Starts the background installation, if there is one to do, and turns its progress into a few lines."""

    def __init__(
        self,
        config: Config,
        offline: bool,
        begin: Callable[[bool, bool], Installation | None] = start_full_install,
        now_s: Callable[[], float] = time.monotonic,
        language: Language = "en",
    ) -> None:
        self._language: Language = language
        self._wanted = config.setup.full_packages
        self._offline = offline
        self._now_s = now_s
        self._begin = begin
        self._install: Installation | None = None
        self._began_s = 0.0
        self._told_s: float | None = None

    def start(self) -> None:
        """Begin, or do nothing when all is there, not wanted, or offline."""
        self._install = self._begin(self._wanted, self._offline)
        self._began_s = self._now_s()

    @property
    def running(self) -> bool:
        """Whether packages are being put in place, so that none of them can be relied on."""
        return self._install is not None

    def news(self) -> list[str]:
        """What has not been told yet; usually nothing."""
        if self._install is None:
            return []
        now_s = self._now_s()
        pause_s = OFTEN_S if now_s - self._began_s < FIRST_S else SELDOM_S
        progress = self._install.progress()
        if progress.finished:
            self.stop()
            return [describe(progress, self._language)]
        if self._told_s is not None and now_s - self._told_s < pause_s:
            return []
        first, self._told_s = self._told_s is None, now_s
        return [WORDS[self._language]["begun"] if first else describe(progress, self._language)]

    def stop(self) -> None:
        """End the child; the next start goes on from there."""
        if self._install is not None:
            self._install.close()
            self._install = None


def describe(progress: Progress, language: Language = "en") -> str:
    """One line about where the installation stands."""
    words = WORDS[language]
    ended = ENDED.get(progress.state)
    if ended is not None:
        return words[ended].format(why=error_words(progress.message, language))
    package = f" {progress.package}" if progress.package and progress.state != "resolving" else ""
    line = f"{words['packages']}{words[progress.state]}{package}"
    if progress.total and progress.state != "resolving":
        line += words["count"].format(done=progress.done, total=progress.total)
    if progress.bytes_total >= WORTH_A_NUMBER_BYTES and progress.state != "resolving":
        line += words["bytes"].format(done=progress.bytes_done / 1e6, total=progress.bytes_total / 1e6)
    return f"{line} ({error_words(progress.message, language)})" if progress.message else line
