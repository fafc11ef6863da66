"""Which language the assistant starts in."""

from __future__ import annotations

import locale
import os

from core.messages import Language
from core.utils.config import Config


def first_language(config: Config, remembered: str | None = None) -> Language:
    """The configured language, else that of the first run, else the system's locale, else English."""
    for candidate in (config.language, remembered, *_system_languages()):
        if candidate in ("en", "fr"):
            return "fr" if candidate == "fr" else "en"
    return "en"


def _system_languages() -> list[str]:
    """Two-letter codes from the locale's variables (in POSIX's order of precedence), then from the system."""
    values = [os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    if not any(values):
        values = [locale.getlocale()[0] or ""]
    first = next((value for value in values if value), "")
    return [first.split("_")[0].split(".")[0].lower().replace("french", "fr").replace("english", "en")]
