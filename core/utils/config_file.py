"""config.yaml and `--set` become a Config; what is wrong is named with its dotted key, its value and the cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.utils.config import DEFAULT_FILE, Config, Section
from core.utils.config_source import Sources
from core.utils.errors import ConfigError


def load_config(path: Path | None = None, settings: Iterable[str] = ()) -> Config:
    """Read the configuration from `path` (default: config.yaml beside main.py) and apply `section.key=value` settings.

    Raises ConfigError naming the dotted key, the value and the cure.
    """
    values, settings = _read(path), tuple(settings)
    for setting in settings:
        _apply(values, setting)
    return parse_config(values, Sources.of(str(path or DEFAULT_FILE.name), path or DEFAULT_FILE, settings))


def parse_config(values: Mapping[str, Any], sources: Sources | None = None) -> Config:
    """Check plain values against the schema. Raises ConfigError that names where the value came from."""
    sources = sources or Sources()
    try:
        config = Config.model_validate(dict(values))
    except ValidationError as error:
        by_key = _by_key(error.errors())
        problems = (sources.told(key, _explain(found, sources.given.get(key))) for key, found in by_key.items())
        raise ConfigError("\n".join(problems)) from None
    for keys, problem in _broken_relations(config):
        raise ConfigError(sources.told_of_several(keys, problem))
    return config


def blamed(problem: str, path: Path | None = None, settings: Iterable[str] = ()) -> str:
    """A problem found only when a setting was used, "tts.voice_en: ...": its source before it, if there is one."""
    dotted = problem.partition(":")[0]
    section, _, key = dotted.partition(".")
    if key not in _known_keys((section,)):
        return problem
    return Sources.of(str(path or DEFAULT_FILE.name), path or DEFAULT_FILE, tuple(settings)).told_if_written(
        dotted, problem
    )


def _broken_relations(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """What does not go together: the dotted keys concerned, and the problem."""
    if config.vad.release >= config.vad.threshold:
        yield (
            ("vad.threshold", "vad.release"),
            f"vad.release: {config.vad.release} must be below vad.threshold ({config.vad.threshold}); lower it",
        )
    endpoint = config.endpoint
    if not endpoint.provisional_ms <= endpoint.complete_ms <= endpoint.incomplete_ms <= endpoint.open_ms:
        yield (
            ("endpoint.provisional_ms", "endpoint.complete_ms", "endpoint.incomplete_ms", "endpoint.open_ms"),
            "endpoint: provisional_ms <= complete_ms <= incomplete_ms <= open_ms must hold, got "
            f"{endpoint.provisional_ms}, {endpoint.complete_ms}, {endpoint.incomplete_ms}, {endpoint.open_ms}",
        )

    llm = config.llm
    if llm.engine == "openai" and not (llm.base_url and llm.model):
        missing = "llm.base_url" if not llm.base_url else "llm.model"
        example = "http://localhost:11434/v1" if not llm.base_url else "the name of a model on that server"
        problem = f"{missing}: is not set, and llm.engine: openai needs it; set it to e.g. {example}"
        yield ("llm.engine", missing), problem
    if llm.max_tokens > llm.context_tokens // 2:
        yield (
            ("llm.max_tokens", "llm.context_tokens"),
            f"llm.max_tokens: {llm.max_tokens} is more than half of llm.context_tokens ({llm.context_tokens}), which "
            "leaves too little for the conversation; lower it",
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
        values = yaml.load(text, Loader=_each_key_once())
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


def _each_key_once() -> Any:
    """YAML's loader, which by itself lets the second of two equal keys hide the first."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                if key.value in seen:
                    problem = f"'{key.value}' stands there twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    return Loader


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


def _location(problem: Any) -> tuple[str, ...]:
    """The names of section and key alone; pydantic adds the types that it tried and the place in a list."""
    parts = tuple(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return parts
    return parts[: 2 if parts[0] in _SECTIONS else 1]


def _dotted(problem: Any) -> str:
    return ".".join(_location(problem))


def _by_key(problems: Sequence[Any]) -> dict[str, list[Any]]:
    """The problems of each key: of the types that its value may have, those that it is none of.

    What pydantic says besides follows from the first: that a list without its wrong items is too short.
    """
    found: dict[str, list[Any]] = {}
    for problem in problems:
        before = found.setdefault(_dotted(problem), [])
        if not before or repr(before[0].get("input")) == repr(problem.get("input")):
            before.append(problem)
    return found


def _explain(problems: Sequence[Any], raw: str | None) -> str:
    """What is wrong with one key; `raw` is how its value was written after `--set`."""
    problem = problems[0]
    location, dotted = _location(problem), _dotted(problem)
    value = problem.get("input")
    shown = raw if raw and isinstance(value, bool) else repr(value)
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(location[-1], _known_keys(location[:-1]), n=1, cutoff=0.5)
        if close:
            return f"{dotted}: unknown setting; did you mean '{close[0]}'?"
        elsewhere = [s for s, section in _SECTIONS.items() if location[-1] in section.model_fields]
        if elsewhere:
            return f"{dotted}: unknown setting; did you mean '{elsewhere[0]}.{location[-1]}'?"
        return f"{dotted}: unknown setting; known here: {', '.join(_known_keys(location[:-1]))}"
    if problem["type"] == "literal_error" and len(problems) == 1:
        close = difflib.get_close_matches(str(value), _expected(problem).split(", "), n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        return f"{dotted}: {shown} is not one of {_expected(problem)}{hint}"
    if problem["type"] == "tuple_type":
        return f"{dotted}: {shown} is not accepted; write a list, e.g. [{value}]"
    if problem["type"] == "value_error":
        return f"{dotted}: {shown} is not accepted; {problem['msg'].removeprefix('Value error, ')}"
    return f"{dotted}: {shown} is not accepted; it must be {' or '.join(map(_wanted, problems))}"


def _expected(problem: Any) -> str:
    return str(problem["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")


def _wanted(problem: Any) -> str:
    match problem["type"]:
        case "literal_error":
            return _expected(problem)
        case "tuple_type":
            return "a list of them"
        case "model_type" | "dict_type" | "model_attributes_type":
            return "a block of `key: value` lines"
        case "bool_parsing" | "bool_type":
            return "true, false"
    return str(problem["msg"]).partition(", unable")[0].replace("Input should be ", "")
