"""What the responder asks of whatever writes its replies: a model in this process, or a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from llm.hidden_text import CALL_OPENS

Role = Literal["system", "user", "assistant", "tool"]

PREFILL_AT_ONCE = 128
"""tokens; while they are computed nothing else can be answered"""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a dialogue, as chat templates take them."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may ask for."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """a JSON schema of an object"""

    def as_json(self) -> dict[str, Any]:
        """As chat templates and servers take it."""
        function = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a reply is written to; the last message is the user's."""

    messages: tuple[ChatMessage, ...]
    tools: tuple[Tool, ...] = ()
    callable: frozenset[str] | None = None
    """names of those that the reply may call, None: all; the others stay in the prompt, so that its cache does"""
    aside: bool = False
    """no part of the conversation, whose cache stays as it is; the likeliest reply is asked for"""

    @property
    def calls(self) -> bool:
        """Whether the reply may be a call of one."""
        return self.callable is None or bool(self.callable)


def alternating(messages: Iterable[ChatMessage]) -> list[ChatMessage]:
    """A question that got no answer and the next one become one message: many templates refuse two in a row."""
    joined: list[ChatMessage] = []
    for message in messages:
        if joined and joined[-1].role == message.role:
            joined[-1] = ChatMessage(message.role, f"{joined[-1].content}\n{message.content}")
        else:
            joined.append(message)
    return joined


def without_calls(messages: Iterable[ChatMessage]) -> list[ChatMessage]:
    """The same dialogue for a reader that knows nothing of tools."""
    return alternating(
        message
        for message in messages
        if message.role != "tool" and not (message.role == "assistant" and message.content.startswith(CALL_OPENS))
    )


class Engine(Protocol):
    """All methods but `close` are called from one thread at a time; the iterator is closed to cancel."""

    @property
    def name(self) -> str:
        """As the configuration names it."""
        ...

    @property
    def elsewhere(self) -> bool:
        """Whether prompts leave this machine."""
        ...

    @property
    def is_small(self) -> bool:
        """Whether it calls tools for whatever it is asked; known once loaded."""
        ...

    @property
    def context_tokens(self) -> int:
        """How many tokens prompt and reply may have together."""
        ...

    def load(self) -> None:
        """Get ready, warm-up included. Raises ModelError, DeviceError or ConfigError."""
        ...

    def count(self, prompt: Prompt) -> int:
        """Tokens of a prompt, or a good guess."""
        ...

    def prefill(self, prompt: Prompt, at_most: int = PREFILL_AT_ONCE, whole: bool = False) -> None:
        """Prepare at most so many tokens of a prompt whose last words may still change. Raises InferenceError.

        With `whole` as if no word would follow: the first token of the reply then waits for nothing.
        """
        ...

    def answer(self, prompt: Prompt) -> Iterator[str]:
        """The reply, in pieces as it is written, thoughts and calls of tools between tags. Raises InferenceError."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...
