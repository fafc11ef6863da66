"""Reads a YAML file of several blocks, each begun by "---". A key that stands twice in one block is an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def yaml_blocks(text: str) -> Iterator[dict[str, Any]]:
    """The blocks of a file, empty ones left out. Raises yaml.YAMLError, also for a key that would hide another."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader = base(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            _refuse_twins(node)
            block = loader.construct_document(node)
            if block:
                yield block
    finally:
        loader.dispose()


def _refuse_twins(node: Any) -> None:
    """YAML itself takes the last of two equal keys, which would lose every sentence under the first."""
    import yaml

    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_twins(item)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value!r} stands twice in one block; begin a block of its own with a line ---",
                    problem_mark=key.start_mark,
                )
            seen.add(key.value)
            _refuse_twins(value)
