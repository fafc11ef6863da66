"""The marks that models put around thinking and around tool calls: which ones a tokenizer has, and where they stand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

THINK_MARKS = (
    ("<think>", "</think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<|think:start|>", "<|think:end|>"),
)


@dataclass(frozen=True, slots=True)
class ToolMarks:
    """How a family writes a tool call: the text before and after it; `start` alone where the end is the text's end."""

    kind: str
    start: str
    end: str


JSON_TOOLS = ToolMarks("json_tools", "<tool_call>", "</tool_call>")
TOOL_MARKS: tuple[tuple[tuple[str, ...], ToolMarks], ...] = (
    (("<|tool_call>", "<tool_call|>"), ToolMarks("gemma4", "<|tool_call>", "<tool_call|>")),
    (
        ("<start_function_call>",),
        ToolMarks("function_gemma", "<start_function_call>", "<end_function_call>"),
    ),
    (("<arg_key>",), ToolMarks("glm47", "<tool_call>", "</tool_call>")),
    (("<|tool_list_start|>",), ToolMarks("pythonic", "<|tool_call_start|>", "<|tool_call_end|>")),
    (("<|tool_call_start|>",), ToolMarks("pythonic", "<|tool_call_start|>", "<|tool_call_end|>")),
    (("<tool_call>\\n<function=",), ToolMarks("qwen3_coder", "<tool_call>", "</tool_call>")),
    (("<tool_call>\n<function=",), ToolMarks("qwen3_coder", "<tool_call>", "</tool_call>")),
    (("[TOOL_CALLS]",), ToolMarks("mistral", "[TOOL_CALLS]", "")),
    (("<tool_call>", "tool_call.name"), JSON_TOOLS),
)
"""What a chat template holds, all of it, and the marks that follow from it; the first that fits counts."""


def think_marks(tokenizer: Any) -> tuple[str, str] | None:
    """The texts that open and close a thinking block, when the vocabulary has them."""
    vocabulary = tokenizer.get_vocab()
    for start, end in THINK_MARKS:
        if start in vocabulary and end in vocabulary:
            return start, end
    if "<|channel>" in vocabulary and "<channel|>" in vocabulary:
        return "<|channel>thought", "<channel|>"
    return None


def tool_marks(tokenizer: Any) -> ToolMarks | None:
    """How this model writes a tool call: told by its chat template, else by its vocabulary; None when by neither."""
    template = tokenizer.chat_template
    if isinstance(template, str):
        for held, marks in TOOL_MARKS:
            if all(text in template for text in held):
                return marks
    if {"<|tool_call_start|>", "<|tool_call_end|>"} <= tokenizer.get_vocab().keys():
        return ToolMarks("pythonic", "<|tool_call_start|>", "<|tool_call_end|>")
    return None


def parse_json_call(text: str, tools: Any = None) -> Any:
    """The call that stands between JSON_TOOLS' marks."""
    return json.loads(text.strip())


def find(tokens: Sequence[int], wanted: Sequence[int], start: int | None, end: int | None, *, last: bool) -> int:
    """Where `wanted` lies in tokens[start:end], the first or the last time; -1 where it does not."""
    if not wanted:
        return -1
    places = range(max(start or 0, 0), (end or len(tokens)) - len(wanted) + 1)
    for place in reversed(places) if last else places:
        if all(tokens[place + i] == token for i, token in enumerate(wanted)):
            return place
    return -1
