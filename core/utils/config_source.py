"""Where a setting came from: a line of the file, or `--set`. Looked for only when something is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Sources:
    """Names the source of a dotted key, or of the nearest thing around it that was written down."""

    name: str = "configuration"
    """what is read: a file as the user knows it"""
    file: Path | None = None
    """where its lines can be looked up"""
    given: Mapping[str, str] = field(default_factory=dict)
    """dotted key to the text after `=`, of what came by `--set`"""

    @classmethod
    def of(cls, name: str, file: Path | None, settings: tuple[str, ...]) -> Sources:
        """The sources of a file and of `section.key=value` settings."""
        pairs = (setting.partition("=") for setting in settings)
        return cls(name, file, {key.strip(): raw.strip() for key, _, raw in pairs})

    def by_hand(self, dotted: str) -> str | None:
        """The key of `--set` that gave this setting, the section around it or a part of it, if one did."""
        around = (key for key in _around(dotted) if key in self.given)
        within = (key for key in self.given if key.startswith(f"{dotted}."))
        return next(around, None) or next(within, None)

    def told(self, dotted: str, problem: str) -> str:
        """A problem with a setting, its source before it."""
        if self.by_hand(dotted) is not None:
            return f"--set {problem}"
        line = self._line(dotted)
        return f"{self.name}, line {line}: {problem}" if line else f"{self.name}: {problem}"

    def told_if_written(self, dotted: str, problem: str) -> str:
        """Likewise, but nothing before the problem where the setting was written down nowhere."""
        written = self.by_hand(dotted) is not None or self._line(dotted) is not None
        return self.told(dotted, problem) if written else problem

    def told_of_several(self, keys: tuple[str, ...], problem: str) -> str:
        """A problem of settings that do not go together; what came by `--set` is named, as it is the change."""
        by_hand = list(dict.fromkeys(found for key in keys if (found := self.by_hand(key))))
        if by_hand:
            return f"--set {', '.join(f'{key}={self.given[key]}' for key in by_hand)}: {problem}"
        written = [key for key in keys if self._line(key)]
        return self.told(written[0] if written else keys[0], problem)

    def _line(self, dotted: str) -> int | None:
        lines = _lines(self.file) if self.file is not None else {}
        return next((lines[key] for key in _around(dotted) if key in lines), None)


def _around(dotted: str) -> list[str]:
    """The key itself, then what is around it: "a.b.c", "a.b", "a"."""
    parts = dotted.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _lines(file: Path) -> dict[str, int]:
    """The line, counted from 1, of every dotted key of a YAML file; nothing of a file that cannot be read."""
    import yaml

    try:
        root = yaml.compose(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    found: dict[str, int] = {}

    def note(node: Any, before: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                found[before + str(key.value)] = key.start_mark.line + 1
                note(value, f"{before}{key.value}.")

    note(root, "")
    return found
