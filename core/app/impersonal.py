"""Takes out of a report what tells who sends it: folders, servers, devices, and what is before the @ of an address.

They are known by the configuration, the environment and where things lie; a name that stands anywhere else stays.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.utils.config import PROJECT_FOLDER, Config
from core.utils.paths import data_folder

DEVICES = ("audio.input_device", "audio.output_device")
_SIGNED_IN = re.compile(r"(?<=://)[^/@\s]+@")


class Impersonal:
    """`of(text)` and `options(...)`: the same without them."""

    def __init__(self, config: Config) -> None:
        found = dict(_of_settings(config.model_dump(mode="json")))
        found |= dict.fromkeys(_homes(), "~") | {
            str(PROJECT_FOLDER): "<Merline>",
            str(data_folder()): "<data folder>",
        }
        if hub := os.environ.get("HF_ENDPOINT"):
            found[hub.rstrip("/")] = "<HF_ENDPOINT>"
        self._found = sorted(found.items(), key=lambda entry: -len(entry[0]))

    def of(self, text: str) -> str:
        """A line of the report."""
        for private, name in self._found:
            text = text.replace(private, name)
        return _SIGNED_IN.sub("", text)

    def options(self, options: Sequence[str]) -> str:
        """Of the command line: `--config` by its file's name alone, and no device's name."""
        shown, before = [], ""
        for option in options:
            setting = option.partition("=")[0]
            shown.append(
                Path(option).name if before == "--config" else f"{setting}=..." if setting in DEVICES else option
            )
            before = option
        return self.of(" ".join(shown))


def _homes() -> set[str]:
    """The user's own folder, by its name and where it really lies; none where it is nobody's, as in a container."""
    home = Path(os.path.expanduser("~"))
    return {str(folder) for folder in (home, home.resolve()) if home.is_absolute() and len(folder.parts) > 1}


def _of_settings(settings: Any, setting: str = "") -> Iterator[tuple[str, str]]:
    """Servers, each by the setting that names it, and the folders of files and folders that are named."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            yield from _of_settings(value, f"{setting}.{key}" if setting else str(key))
    elif isinstance(settings, (list, tuple)):
        for value in settings:
            yield from _of_settings(value, setting)
    elif isinstance(settings, str) and "://" in settings:
        yield settings, f"<{setting}>"
    elif isinstance(settings, str):
        for path in (Path(settings), Path(os.path.expanduser(settings))):
            if len(path.parts) > 2 and (path.is_absolute() or path.parts[0].startswith("~")):
                yield str(path.parent), "..."
