"""A Hugging Face tokenizer with what generation needs beside it: a streaming detokenizer, the tokens that end a text,
and the marks around thinking and tool calls. Names and behaviour are mlx-lm's; anything else is the tokenizer's own.

Loads files only, never code that comes with a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from core.models.detokenizer import (
    BPEStreamingDetokenizer,
    NaiveStreamingDetokenizer,
    SPMStreamingDetokenizer,
    StreamingDetokenizer,
)
from core.models.marks import JSON_TOOLS, ToolMarks, find, parse_json_call, think_marks, tool_marks
from core.utils.errors import MissingDependencyError, ModelError, ModelLoadError


class TokenizerWrapper:
    """A tokenizer, and beside it `detokenizer`, `eos_token_ids`, and the marks of thinking and of tool calls.

    Every other attribute is the wrapped tokenizer's, read and written.
    """

    def __init__(
        self,
        tokenizer: Any,
        detokenizer_class: Callable[[Any], StreamingDetokenizer] = NaiveStreamingDetokenizer,
        eos_token_ids: Iterable[int] | None = None,
        tools: ToolMarks | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._detokenizer = detokenizer_class(tokenizer)
        self._eos_token_ids = set(eos_token_ids or ())
        if tokenizer.eos_token_id is not None:
            self._eos_token_ids.add(tokenizer.eos_token_id)
        thinking = think_marks(tokenizer)
        self._think_start = thinking[0] if thinking else None
        self._think_end = thinking[1] if thinking else None
        self._think_start_tokens = self._tokens_of(self._think_start)
        self._think_end_tokens = self._tokens_of(self._think_end)
        self._tools = tools
        self._tool_start_tokens = self._tokens_of(self.tool_call_start)
        self._tool_end_tokens = self._tokens_of(self.tool_call_end)

    @property
    def detokenizer(self) -> StreamingDetokenizer:
        """A fresh one at each access: texts may be written at the same time."""
        return self._detokenizer.fresh()

    @property
    def eos_token_ids(self) -> set[int]:
        """The tokens that end a text."""
        return self._eos_token_ids

    @eos_token_ids.setter
    def eos_token_ids(self, ids: Iterable[int] | None) -> None:
        self._eos_token_ids = set(ids or ())

    def add_eos_token(self, token: str | int) -> None:
        """Let another token end a text: its id, or its text. ValueError when the tokenizer has none such."""
        try:
            ending = int(token)
        except ValueError:
            ending = self._tokenizer.convert_tokens_to_ids(token)
        if ending is None:
            raise ValueError(f"'{token}' is not a token of this tokenizer")
        self._eos_token_ids.add(ending)

    @property
    def has_chat_template(self) -> bool:
        """Whether conversations can be written as the model was taught."""
        return self._tokenizer.chat_template is not None

    def apply_chat_template(self, *args: Any, tokenize: bool = True, **kwargs: Any) -> Any:
        """The conversation as tokens (a list), or as text with `tokenize=False`; thinking is on unless told otherwise.

        Raises ModelError where the model came without a template.
        """
        if not self.has_chat_template and not kwargs.get("chat_template"):
            raise ModelError(
                f"{self._tokenizer.name_or_path}: has no chat template, so it cannot hold a conversation; take a model "
                "trained for that (its name often ends in Instruct or Chat), or put its chat_template.jinja there"
            )
        kwargs.setdefault("enable_thinking", self.has_thinking)
        return self._tokenizer.apply_chat_template(*args, tokenize=tokenize, **{**kwargs, "return_dict": False})

    @property
    def has_thinking(self) -> bool:
        """Whether the vocabulary has marks around what is thought and not said."""
        return self._think_start is not None

    @property
    def think_start(self) -> str | None:
        """The text that opens a thinking block."""
        return self._think_start

    @property
    def think_end(self) -> str | None:
        """The text that closes a thinking block."""
        return self._think_end

    @property
    def think_start_tokens(self) -> tuple[int, ...] | None:
        """The tokens of `think_start`."""
        return self._think_start_tokens

    @property
    def think_end_tokens(self) -> tuple[int, ...] | None:
        """The tokens of `think_end`."""
        return self._think_end_tokens

    @property
    def think_start_id(self) -> int | None:
        """The one token of `think_start`; ValueError when it has several."""
        return _only(self.think_start_tokens, "start")

    @property
    def think_end_id(self) -> int | None:
        """The one token of `think_end`; ValueError when it has several."""
        return _only(self.think_end_tokens, "end")

    def find_think_start(self, tokens: Sequence[int], start: int | None = None, end: int | None = None) -> int:
        """Where the first opening mark lies in tokens[start:end], -1 without one."""
        return find(tokens, self.think_start_tokens or (), start, end, last=False)

    def rfind_think_start(self, tokens: Sequence[int], start: int | None = None, end: int | None = None) -> int:
        """Where the last opening mark lies in tokens[start:end], -1 without one."""
        return find(tokens, self.think_start_tokens or (), start, end, last=True)

    def find_think_end(self, tokens: Sequence[int], start: int | None = None, end: int | None = None) -> int:
        """Where the first closing mark lies in tokens[start:end], -1 without one."""
        return find(tokens, self.think_end_tokens or (), start, end, last=False)

    def rfind_think_end(self, tokens: Sequence[int], start: int | None = None, end: int | None = None) -> int:
        """Where the last closing mark lies in tokens[start:end], -1 without one."""
        return find(tokens, self.think_end_tokens or (), start, end, last=True)

    @property
    def has_tool_calling(self) -> bool:
        """Whether it is known how this model writes a tool call."""
        return self._tools is not None

    @property
    def tool_call_start(self) -> str | None:
        """The text in front of a tool call."""
        return self._tools.start if self._tools else None

    @property
    def tool_call_end(self) -> str | None:
        """The text behind a tool call; empty where it is the end of the text."""
        return self._tools.end if self._tools else None

    @property
    def tool_call_start_tokens(self) -> tuple[int, ...] | None:
        """The tokens of `tool_call_start`."""
        return self._tool_start_tokens

    @property
    def tool_call_end_tokens(self) -> tuple[int, ...] | None:
        """The tokens of `tool_call_end`."""
        return self._tool_end_tokens

    @property
    def tool_parser(self) -> Callable[..., Any] | None:
        """text between the marks -> {"name", "arguments"}, for families that write JSON; None for others."""
        return parse_json_call if self._tools == JSON_TOOLS else None

    def _tokens_of(self, text: str | None) -> tuple[int, ...] | None:
        return None if text is None else tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def __len__(self) -> int:
        return len(self._tokenizer)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._tokenizer(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or hasattr(type(self), name):  # a property that failed tells its own error
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._tokenizer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or hasattr(type(self), name):
            super().__setattr__(name, value)
        else:
            setattr(self._tokenizer, name, value)


def load_tokenizer(
    folder: str | Path,
    tokenizer_config: Mapping[str, Any] | None = None,
    eos_token_ids: int | Iterable[int] | None = None,
) -> TokenizerWrapper:
    """The tokenizer in `folder`; `tokenizer_config` goes to transformers' AutoTokenizer.from_pretrained.

    `eos_token_ids` end a text beside the tokenizer's own. Raises ModelLoadError when files are absent or damaged.
    """
    try:
        from huggingface_hub.errors import StrictDataclassError
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingDependencyError("a language model needs transformers; install the extra 'full'") from error
    folder = Path(folder)
    options = {**(tokenizer_config or {}), "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())  # transformers reads config.json for it too, and is strict about it
        raise ModelLoadError(
            f"{folder}: its tokenizer cannot be read ({reason}); fetch the model again, with tokenizer.json"
        ) from error
    if len(tokenizer) <= len(tokenizer.get_added_vocab()):
        # transformers makes one that knows no word where the files are absent, and a model with it answers nothing
        raise ModelLoadError(
            f"{folder}: its tokenizer has no vocabulary (tokenizer.json, vocab.json or tokenizer.model is missing); "
            "fetch the model again"
        )
    # whoever reads a prompt knows the model's context and says what is too long; transformers only guesses it
    tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
    ending = [eos_token_ids] if isinstance(eos_token_ids, int) else eos_token_ids
    fast = getattr(tokenizer, "backend_tokenizer", None) if (folder / "tokenizer.json").exists() else None
    return TokenizerWrapper(tokenizer, _detokenizer_class(fast), ending, tool_marks(tokenizer))


def _detokenizer_class(fast: Any) -> Callable[[Any], StreamingDetokenizer]:
    """The detokenizer for how tokenizer.json says that tokens become text; the naive one for anything unknown.

    `fast` is what tokenizers has read of that file, whose decoder says of itself what the file said: to read 7 MB once
    more for it would take 0.3 s.
    """
    if fast is None or fast.decoder is None:
        return NaiveStreamingDetokenizer
    decoder = json.loads(fast.decoder.__getstate__())
    if decoder.get("type") == "ByteLevel":
        return BPEStreamingDetokenizer
    steps = decoder.get("decoders") or []
    spaces = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
    if [spaces, {"type": "ByteFallback"}, {"type": "Fuse"}] == steps[:3]:
        strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
        if steps[3:] == [strip]:
            return SPMStreamingDetokenizer
        if not steps[3:]:
            return partial(SPMStreamingDetokenizer, trim_space=False)
    return NaiveStreamingDetokenizer


def _only(tokens: tuple[int, ...] | None, which: str) -> int | None:
    if tokens is not None and len(tokens) > 1:
        raise ValueError(f"the mark at the {which} of thinking has {len(tokens)} tokens, not one")
    return tokens[0] if tokens else None
