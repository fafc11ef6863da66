"""A Python file as text, syntax tree and positions, so that a piece can be changed and the rest stays as it is.

Encoding, byte order mark and line ends survive: a source written back unchanged is the same bytes.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from core.optimization.gpu_audit.faults import Edit

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")


class SourceError(ValueError):
    """The bytes are not a Python source that can be changed safely; says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed file."""

    text: str
    encoding: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    """of the whole tree: several look at all of them, and walking costs more than looking"""
    lines: tuple[str, ...]
    """with their ends"""
    starts: tuple[int, ...]
    """where each line begins in `text`"""

    def offset(self, line: int, byte_column: int) -> int:
        """The place in `text` of a node's line (from 1) and column (in UTF-8 bytes, as ast counts)."""
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:byte_column].decode())

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Where a node begins and ends in `text`."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def segment(self, node: ast.expr | ast.stmt) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def column(self, node: ast.expr | ast.stmt) -> int:
        """From 1, in characters."""
        return self.offset(node.lineno, node.col_offset) - self.starts[node.lineno - 1] + 1

    @property
    def line_end(self) -> str:
        """That of the first line that has one."""
        found = re.search(r"\r\n|\r|\n", self.text)
        return found[0] if found else "\n"

    def edited(self, edits: Iterable[Edit]) -> Source:
        """A new source with the edits made. Raises SourceError where the result does not parse."""
        text = self.text
        for edit in sorted(set(edits), key=lambda edit: edit.start, reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return parse(text, self.encoding)

    def encode(self) -> bytes:
        """The bytes of the file."""
        return self.text.encode(self.encoding)


def read_source(data: bytes) -> Source:
    """Raises SourceError where the bytes are no Python source, or would not be the same after decoding and encoding."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data.replace(b"\r", b"\n")).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise SourceError(f"its encoding cannot be told: {error}") from None
    source = parse(text, encoding)
    if source.encode() != data:
        raise SourceError(f"its encoding {encoding} does not give back the same bytes")
    return source


def parse(text: str, encoding: str) -> Source:
    """Raises SourceError where the text is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the audited code's strings deserve is no matter of ours
            tree = ast.parse(text)
    except SyntaxError as error:
        raise SourceError(f"cannot be parsed: {error.msg} (line {error.lineno})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"cannot be parsed: {error}") from None
    lines = tuple(match[0] for match in _LINE.finditer(text))
    starts, position = [], 0
    for line in lines:
        starts.append(position)
        position += len(line)
    return Source(text, encoding, tree, tuple(ast.walk(tree)), lines, tuple(starts))
