"""config.yaml and `--set` become a Config; what is wrong is named with its dotted key, its value and the cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.utils.config import DEFAULT_FILE, Config, Section
from core.utils.errors import ConfigError


def load_config(path: Path | None = None, settings: Iterable[str] = ()) -> Config:
    """Read the configuration from `path` (default: config.yaml beside main.py) and apply `section.key=value` settings.

    Raises ConfigError naming the dotted key, the value and the cure.
    """
    values, settings = _read(path), tuple(settings)
    for setting in settings:
        _apply(values, setting)
    given = frozenset(setting.partition("=")[0].strip() for setting in settings)
    return parse_config(values, str(path or DEFAULT_FILE.name), given)


def parse_config(
    values: Mapping[str, Any], origin: str = "configuration", given: frozenset[str] = frozenset()
) -> Config:
    """Check plain values against the schema; `given` are the dotted keys that came by `--set`. Raises ConfigError."""
    try:
        config = Config.model_validate(dict(values))
    except ValidationError as error:
        problems = [_explain(problem) for problem in error.errors()]
        by_hand = [problem.partition(":")[0] in given for problem in problems]
        places = ("--set " if by else f"{origin}: " for by in by_hand)
        raise ConfigError("\n".join(map("".join, zip(places, problems, strict=True)))) from None
    _check_relations(config)
    return config


def _check_relations(config: Config) -> None:
    if config.vad.release >= config.vad.threshold:
        raise ConfigError(
            f"vad.release: {config.vad.release} must be below vad.threshold ({config.vad.threshold}); lower it"
        )
    endpoint = config.endpoint
    if not endpoint.provisional_ms <= endpoint.complete_ms <= endpoint.incomplete_ms <= endpoint.open_ms:
        raise ConfigError(
            "endpoint: provisional_ms <= complete_ms <= incomplete_ms <= open_ms must hold, got "
            f"{endpoint.provisional_ms}, {endpoint.complete_ms}, {endpoint.incomplete_ms}, {endpoint.open_ms}"
        )

    llm = config.llm
    if llm.engine == "openai" and not (llm.base_url and llm.model):
        missing = "llm.base_url" if not llm.base_url else "llm.model"
        example = "http://localhost:11434/v1" if not llm.base_url else "the name of a model on that server"
        raise ConfigError(f"{missing}: is not set, and llm.engine: openai needs it; set it to e.g. {example}")
    if llm.max_tokens > llm.context_tokens // 2:
        raise ConfigError(
            f"llm.max_tokens: {llm.max_tokens} is more than half of llm.context_tokens ({llm.context_tokens}), which "
            "leaves too little for the conversation; lower it"
        )


def _read(path: Path | None) -> dict[str, Any]:
    import yaml

    file = path or DEFAULT_FILE
    if path is None and not file.exists():
        return {}
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); check the path given to --config") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is not a UTF-8 text file; save it as UTF-8") from None
    try:
        values = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError(f"{file}: is not valid YAML{where}: {problem}; correct that line") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: must hold `section:` blocks with `key: value` lines, not a {type(values).__name__}")
    return {key: {} if value is None and key in _SECTIONS else value for key, value in values.items()}


def _apply(values: dict[str, Any], setting: str) -> None:
    import yaml

    dotted, equals, raw = setting.partition("=")
    if not equals or not dotted.strip():
        raise ConfigError(f"--set {setting}: write it as section.key=value, e.g. --set vad.threshold=0.6")
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError:
        value = raw
    *parents, leaf = dotted.strip().split(".")
    node = values
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {setting}: {parent} is a value, not a section")
        node = child
    node[leaf] = value


_SECTIONS = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


def _known_keys(parents: tuple[str, ...]) -> list[str]:
    if not parents:
        return list(Config.model_fields)
    section = _SECTIONS.get(parents[0])
    return list(section.model_fields) if section else []


def _explain(problem: Any) -> str:
    location = tuple(str(part) for part in problem["loc"] if part not in ("int", "str", "constrained-str"))
    dotted = ".".join(location)
    value = problem.get("input")
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(location[-1], _known_keys(location[:-1]), n=1, cutoff=0.5)
        if close:
            return f"{dotted}: unknown setting; did you mean '{close[0]}'?"
        elsewhere = [s for s, section in _SECTIONS.items() if location[-1] in section.model_fields]
        if elsewhere:
            return f"{dotted}: unknown setting; did you mean '{elsewhere[0]}.{location[-1]}'?"
        return f"{dotted}: unknown setting; known here: {', '.join(_known_keys(location[:-1]))}"
    if problem["type"] == "literal_error":
        expected = problem["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        close = difflib.get_close_matches(str(value), expected.split(", "), n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        return f"{dotted}: {value!r} is not one of {expected}{hint}"
    if problem["type"] == "tuple_type":
        return f"{dotted}: {value!r} is not accepted; write a list, e.g. [{value}]"
    wanted = problem["msg"].partition(", unable")[0].replace("Input should be", "it must be")
    return f"{dotted}: {value!r} is not accepted; {wanted}"
