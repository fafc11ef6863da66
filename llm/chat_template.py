"""A tokenizer's chat template: a prompt goes in, the tokens that open the reply come out. Finds out what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core.utils.errors import ModelError, ModelLoadError
from llm.engine import ChatMessage, Prompt, without_calls
from llm.hidden_text import CALL_OPENS

THOUGHT = "<think>"
_GOES_ON = " zq"
"""stands for the words to come; any would do"""


class ChatTemplate:
    """Some templates refuse the role `system`, or tools. Raises ModelLoadError for one that takes no dialogue."""

    def __init__(self, tokenizer: Any, name: str) -> None:
        from jinja2.exceptions import TemplateError

        self._tokenizer = tokenizer
        self._system_apart = self._calls_tools = True
        """whether it knows the role `system`, and tools in the one notation that is read here"""
        self._rendered: tuple[Prompt, list[int]] | None = None
        hello = (ChatMessage("system", "be brief"), ChatMessage("user", "hello"))
        called = (ChatMessage("assistant", CALL_OPENS), ChatMessage("tool", "done"), ChatMessage("assistant", "Done."))
        speaks_json = getattr(tokenizer, "tool_parser", None) is not None
        for self._calls_tools, self._system_apart in ((speaks_json, True), (False, True), (False, False)):
            try:
                self.render(Prompt((*hello, *called, ChatMessage("user", "thanks"))))
            except (TemplateError, TypeError, ValueError) as error:  # it is a small program, which may fail as any
                refusal = error
            except ModelError as error:
                raise ModelLoadError(str(error)) from error
            else:
                return
        raise ModelLoadError(f"{name}: its chat template cannot be used ({refusal}); take another model")

    def tokens(self, prompt: Prompt) -> list[int]:
        """As `render`; the last prompt's are kept."""
        if self._rendered is None or self._rendered[0] is not prompt:
            self._rendered = (prompt, self.render(prompt))
        return self._rendered[1]

    def known_tokens(self, prompt: Prompt) -> list[int]:
        """Those that stay whatever comes behind the user's last words."""
        *before, last = prompt.messages
        longer = replace(prompt, messages=(*before, replace(last, content=last.content + _GOES_ON)))
        tokens, other = self.tokens(prompt), self.render(longer)
        return tokens[: shared(tokens, other)]

    def render(self, prompt: Prompt) -> list[int]:
        """The tokens of a prompt, those that open the reply included."""
        messages = prompt.messages if self._calls_tools else without_calls(prompt.messages)
        messages = messages if self._system_apart else _joined(messages)
        tools = [tool.as_json() for tool in prompt.tools] if self._calls_tools else []
        tokens = self._tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in messages],
            tools=tools or None,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        return [int(token) for token in tokens]

    def opens_thought(self, tokens: Sequence[int]) -> bool:
        """Whether the reply to these begins in the middle of a thought."""
        return str(self._tokenizer.decode(list(tokens[-4:]))).rstrip().endswith(THOUGHT)


def shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    for position, (mine, yours) in enumerate(zip(one, other, strict=False)):
        if mine != yours:
            return position
    return min(len(one), len(other))


def _joined(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The instructions at the head of the user's first words."""
    if messages[0].role != "system":
        return list(messages)
    system, first, *others = messages
    return [ChatMessage("user", f"{system.content}\n\n{first.content}"), *others]
