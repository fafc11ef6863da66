"""Greedy decoding of one window with openai-whisper's weights and rules, in fewer steps than its own general decoder.

One text at a time, temperature 0, no timestamps: so cross-attention is prepared once, and only the last token's
logits are computed. Says what whisper.decode says (tests/core/test_whisper_compat.py compares them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.utils.whisper.alignment import attention_path
from core.utils.whisper.heard import Heard

if TYPE_CHECKING:
    from torch import Tensor
    from whisper.model import Whisper


@dataclass(frozen=True, slots=True)
class Rules:
    """Which tokens may not be said."""

    never: tuple[int, ...]
    not_first: tuple[int, ...]
    end_of_text: int
    no_speech: int


@dataclass(frozen=True, slots=True)
class Start:
    """What the decoder is told before it says anything."""

    prompt: tuple[int, ...]
    """begins with <|startoftranscript|>"""
    prefix: tuple[int, ...] = ()
    """the beginning of the text"""
    draft: tuple[int, ...] = ()
    """what it probably says next: as far as it would say just that, it is computed in one step"""

    @property
    def tokens(self) -> tuple[int, ...]:
        return (*self.prompt, *self.prefix)


@dataclass(frozen=True, slots=True)
class Said:
    """What came out."""

    tokens: tuple[int, ...]
    """after the prefix, without the one that ends a text"""
    avg_logprob: float
    """over the tokens and the end, as OpenAI reckons it"""
    no_speech_prob: float


def decode_greedily(model: Whisper, sound: Heard, start: Start, rules: Rules, limit: int, packed: Any = None) -> Said:
    """At most `limit` tokens after `start` for `sound`, by `packed` (packed.py) where it is given."""
    import torch

    with torch.inference_mode():
        decoder = _Decoder(model, packed or model.decoder, sound, len(start.tokens) + limit)
        draft = start.draft[: limit - 1]
        logits = decoder.step([*start.tokens, *draft], ends=1 + len(draft))
        no_speech = float(logits[0].softmax(dim=-1)[rules.no_speech])
        never = torch.tensor(rules.never, device=logits.device)
        known = list(logits[-1 - len(draft) :])  # after the start, and after each token of the draft
        if not start.prefix:
            known[0][torch.tensor(rules.not_first, device=logits.device)] = -torch.inf
        tokens: list[int] = []
        total = 0.0
        while True:
            last = known.pop(0)
            last[never] = -torch.inf
            token = int(last.argmax())
            total += float(last[token] - last.logsumexp(dim=-1))
            if token == rules.end_of_text:
                break
            tokens.append(token)
            if len(tokens) == limit:
                break
            if not known or draft[len(tokens) - 1] != token:
                decoder.forget(len(start.tokens) + len(tokens) - 1)
                known = [decoder.step([token])[-1]]
    return Said(tuple(tokens), total / (len(tokens) + 1), no_speech)


def next_logits(model: Whisper, sound: Heard, tokens: tuple[int, ...], packed: Any = None) -> Tensor:
    """[vocabulary] float32 logits of what comes behind `tokens`."""
    import torch

    with torch.inference_mode():
        return _Decoder(model, packed or model.decoder, sound, len(tokens)).step(list(tokens))[-1]


def log_likelihood(model: Whisper, encoded: Tensor, prompt: Sequence[int], tokens: Sequence[int]) -> float:
    """The sum of the tokens' log-probabilities behind the prompt, of [1, n, width] `encoded`."""
    import torch

    given = torch.tensor([[*prompt, *tokens]], device=encoded.device)
    logits = model.decoder(given[:, :-1], encoded)[0, len(prompt) - 1 :].float()
    likely = logits.log_softmax(-1).gather(-1, given[0, len(prompt) :, None])
    return float(likely.sum())


def token_path(model: Whisper, encoded: Tensor, start: Start, end_of_text: int, frames: int) -> list[tuple[int, int]]:
    """Which of the first `frames` of [1, n, width] `encoded` each token of `start.prefix` was heard at.

    By the cross-attention of the model's alignment heads, as in whisper/timing.py.
    """
    import torch

    heads = model.alignment_heads.to_dense()
    asked = torch.tensor([[*start.tokens, end_of_text]], device=encoded.device)
    found: dict[tuple[int, str], Tensor] = {}
    hooks = [
        getattr(block.cross_attn, kind).register_forward_hook(
            lambda module, given, out, key=(layer, kind): found.__setitem__(key, out)
        )
        for layer, block in enumerate(model.decoder.blocks)
        for kind in ("query", "key")
        if heads[layer].any()
    ]
    try:
        with torch.inference_mode():
            model.decoder(asked, encoded)
    finally:
        for hook in hooks:
            hook.remove()
    weights = []
    for layer, head in heads.nonzero().tolist():
        query, key = (_of_head(found[layer, kind], head, model.dims.n_text_head) for kind in ("query", "key"))
        scores = query.float() @ key.float()[:frames].T * query.shape[1] ** -0.5
        weights.append(scores.softmax(dim=-1))
    return attention_path(torch.stack(weights).cpu().numpy(), len(start.prompt) - 1)


def _of_head(x: Tensor, head: int, heads: int) -> Tensor:
    """[1, n, width] -> [n, width / heads]"""
    return x.view(x.shape[1], heads, -1)[:, head]


class _Decoder:
    """The text decoder with what it has seen: keys and values of the sound and of the tokens so far."""

    def __init__(self, model: Whisper, decoder: Any, sound: Heard, length: int) -> None:
        self._decoder = decoder
        self._blocks: list[Any] = list(decoder.blocks)
        self._head = getattr(decoder, "head", None)
        self._heads: int = model.dims.n_text_head
        self._sound = [(self._split(keys), self._split(values)) for keys, values in sound.projected]
        shape = (1, self._heads, length, model.dims.n_text_state // self._heads)
        self._text = [(sound.encoded.new_empty(shape), sound.encoded.new_empty(shape)) for _ in self._blocks]
        self._dtype = sound.encoded.dtype
        self._seen = 0

    def forget(self, behind: int) -> None:
        """Forget what was seen behind so many tokens."""
        self._seen = behind

    def step(self, tokens: list[int], ends: int = 1) -> Tensor:
        """[1 + `ends` or 1, vocabulary] float32 logits after the first and each of the last `ends` of `tokens`."""
        import torch
        from torch.nn import functional as F

        embedding = self._decoder.token_embedding.weight
        begin, end = self._seen, self._seen + len(tokens)
        x = embedding[torch.tensor(tokens, device=embedding.device)] + self._decoder.positional_embedding[begin:end]
        x = x[None].to(self._dtype)
        for block, (keys, values), sound in zip(self._blocks, self._text, self._sound, strict=True):
            normed = block.attn_ln(x)
            keys[:, :, begin:end] = self._split(block.attn.key(normed))
            values[:, :, begin:end] = self._split(block.attn.value(normed))
            x = x + self._attend(block.attn, normed, keys[:, :, :end], values[:, :, :end])
            x = x + self._attend(block.cross_attn, block.cross_attn_ln(x), *sound, masked=False)
            x = x + block.mlp(block.mlp_ln(x))
        self._seen = end
        x = self._decoder.ln(x)[0]
        asked = x if len(tokens) == 1 else x[[0, *range(len(tokens) - ends, len(tokens))]]
        logits: Tensor = self._head(asked) if self._head else F.linear(asked, embedding.to(x.dtype))
        return logits.float()

    def _attend(self, attention: Any, x: Tensor, keys: Tensor, values: Tensor, masked: bool = True) -> Tensor:
        from torch.nn.functional import scaled_dot_product_attention

        query = self._split(attention.query(x))
        heard = scaled_dot_product_attention(query, keys, values, is_causal=masked and x.shape[1] > 1)
        out: Tensor = attention.out(heard.transpose(1, 2).flatten(start_dim=2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """[1, n, width] -> [1, heads, n, width / heads]"""
        return x.view(1, x.shape[1], self._heads, -1).transpose(1, 2)
