"""Tells the user how the full engines' packages get on while they are installed beside the conversation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from core.background import Progress, start_full_install
from core.utils.config import Config

OFTEN_S = 15.0
"""between two lines in the first minute: someone who has just begun wants to see that something moves"""
SELDOM_S = 60.0
"""and after it: someone is talking"""
FIRST_S = 60.0
WORTH_A_NUMBER_BYTES = 1_000_000

DOING = {
    "resolving": "working out what is needed",
    "downloading": "fetching",
    "building": "building",
    "installing": "unpacking",
}


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
    ) -> None:
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
            return [describe(progress)]
        if self._told_s is not None and now_s - self._told_s < pause_s:
            return []
        first, self._told_s = self._told_s is None, now_s
        return (
            ["installing the larger engines' packages in the background; talk meanwhile."]
            if first
            else [describe(progress)]
        )

    def stop(self) -> None:
        """End the child; the next start goes on from there."""
        if self._install is not None:
            self._install.close()
            self._install = None


def describe(progress: Progress) -> str:
    """One line about where the installation stands."""
    match progress.state:
        case "failed":
            return (
                f"the larger engines could not be installed: {progress.message}. All else works; I'll try again later."
            )
        case "done":
            return "the larger engines' packages are installed."
        case "next-start":
            return "the larger engines' packages are installed; they are used from the next start."
        case "waiting":
            return "the larger engines' packages: waiting for another start that installs them"
    if progress.state == "resolving":
        return f"the larger engines' packages: {DOING[progress.state]}{_trouble(progress)}"
    package = f" {progress.package}" if progress.package else ""
    count = f", package {progress.done} of {progress.total}" if progress.total else ""
    megabytes = f", {progress.bytes_done / 1e6:.0f} of {progress.bytes_total / 1e6:.0f} MB"
    size = megabytes if progress.bytes_total >= WORTH_A_NUMBER_BYTES else ""
    return f"the larger engines' packages: {DOING[progress.state]}{package}{count}{size}{_trouble(progress)}"


def _trouble(progress: Progress) -> str:
    return f" ({progress.message})" if progress.message else ""
