"""Tells the user how the full engines' packages get on while they are installed beside the conversation."""

from __future__ import annotations

import time

from core.background import BackgroundInstall, Progress, start_full_install
from core.utils.config import Config

TELL_EVERY_S = 15.0
"""a package that takes longer than this is mentioned again, with how far it is"""


class FullSetup:
    """Starts the background installation, if there is one to do, and turns its progress into a few lines."""

    def __init__(self, config: Config, offline: bool) -> None:
        self._wanted = config.setup.full_packages
        self._offline = offline
        self._install: BackgroundInstall | None = None
        self._told = ""
        self._told_at = 0.0

    def start(self) -> None:
        """Begin, or do nothing when all is there, not wanted, or offline."""
        self._install = start_full_install(self._wanted, self._offline)

    def news(self) -> list[str]:
        """What has not been told yet; usually nothing."""
        if self._install is None:
            return []
        progress = self._install.progress()
        now = time.monotonic()
        step = f"{progress.state} {progress.package}"
        if step == self._told and now - self._told_at < TELL_EVERY_S:
            return []
        self._told, self._told_at = step, now
        if progress.finished:
            self.stop()
        return [describe(progress)]

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
    count = f" {progress.done + 1} of {progress.total}" if progress.total else ""
    size = f", {progress.bytes_done / 1e6:.0f} of {progress.bytes_total / 1e6:.0f} MB" if progress.bytes_total else ""
    return f"installing the larger engines in the background: {progress.state} {progress.package}{count}{size}"
