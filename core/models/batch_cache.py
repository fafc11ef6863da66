"""Keys and values of several texts side by side, aligned at their ends: shorter ones begin with padding, which no
token attends to. Made from single caches, and taken apart into them again.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from core.models.kv_cache import STEP, KVCache, Mask, causal_mask, grown, zeros


class BatchKVCache:
    """Keys and values [B, kv_heads, capacity, head_dim]. `offset` [B] counts each text's own tokens."""

    step = STEP

    def __init__(self, left_padding: Sequence[int]) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.left_padding = torch.tensor(left_padding)
        self.offset = -self.left_padding
        self._end = 0
        self._right_padding: Tensor | None = None

    @classmethod
    def merge(cls, caches: Sequence[KVCache]) -> BatchKVCache:
        """Copies of some texts' caches, as one."""
        longest = max(one.size() for one in caches)
        padding = [longest - one.size() for one in caches]
        merged = cls(padding)
        filled = [one for one in caches if one.keys is not None and one.values is not None]
        if not longest or not filled:
            return cls([0] * len(caches))
        for name in ("keys", "values"):
            like: Tensor = getattr(filled[0], name)
            whole = zeros((len(caches), like.shape[1], longest, like.shape[3]), like)
            for row, (pad, one) in enumerate(zip(padding, caches, strict=True)):
                part: Tensor | None = getattr(one, name)
                if part is not None:
                    whole[row, :, pad:] = part[0, :, : one.offset]
            setattr(merged, name, whole)
        merged.offset += longest
        merged._end = longest
        return merged

    def update_and_fetch(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append [B, kv_heads, T, head_dim]; views of all there is."""
        start, end = self._end, self._end + keys.shape[2]
        if self.keys is None or self.values is None or end > self.keys.shape[2]:
            capacity = -(-end // self.step) * self.step
            self.keys, self.values = (
                grown(self.keys, start, capacity, keys),
                grown(self.values, start, capacity, values),
            )
        self.keys[:, :, start:end] = keys
        self.values[:, :, start:end] = values
        self._end = end
        self.offset = self.offset + keys.shape[2]
        return self.keys[:, :, :end], self.values[:, :, :end]

    def make_mask(self, count: int, window_size: int | None = None, return_array: bool = False) -> Mask:
        """[B, 1, T, all]: up to each token's own place, and not the padding."""
        seen = causal_mask(count, self._end, window_size)
        real = torch.arange(self._end + count) >= self.left_padding.unsqueeze(1)
        return seen & real[:, None, None]

    def prepare(self, right_padding: Sequence[int]) -> None:
        """The tokens to come are padded at their ends, until `finalize`."""
        self._right_padding = torch.tensor(right_padding)

    def finalize(self) -> None:
        """Move each text to the end: the padding behind it comes before it."""
        padding = self._right_padding
        self._right_padding = None
        if padding is None or self.keys is None or self.values is None:
            return
        places = (torch.arange(self._end) - padding.unsqueeze(1)) % self._end
        for whole in (self.keys, self.values):
            rows = places.to(whole.device)[:, None, :, None].expand(-1, whole.shape[1], -1, whole.shape[3])
            whole[:, :, : self._end] = whole[:, :, : self._end].gather(2, rows)
        self.offset = self.offset - padding
        self.left_padding = self.left_padding + padding

    def filter(self, keep: Sequence[int]) -> None:
        """Go on with these rows alone."""
        rows = torch.tensor(keep)
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[rows.to(self.keys.device)], self.values[rows.to(self.values.device)]
        self.offset, self.left_padding = self.offset[rows], self.left_padding[rows]

    def extract(self, row: int) -> KVCache:
        """A copy of one text's cache."""
        single = KVCache()
        if self.keys is None or self.values is None:
            return single
        first = int(self.left_padding[row])
        with torch.inference_mode(False):
            single.keys = self.keys[row : row + 1, :, first : self._end].clone()
            single.values = self.values[row : row + 1, :, first : self._end].clone()
        single.offset = self._end - first
        return single

    def size(self) -> int:
        """Tokens of the longest text."""
        return self._end

    def is_trimmable(self) -> bool:
        """Always."""
        return True

    def trim(self, count: int) -> int:
        """Forget the last `count` tokens of each; how many that was."""
        count = min(self._end, count)
        self._end -= count
        self.offset = self.offset - count
        return count

    @property
    def nbytes(self) -> int:
        """Memory it takes, unused capacity included."""
        return 0 if self.keys is None or self.values is None else self.keys.nbytes + self.values.nbytes

    @property
    def state(self) -> tuple[Tensor | None, Tensor | None, Tensor, Tensor, int]:
        """Keys, values, offsets, paddings and the end."""
        return self.keys, self.values, self.offset, self.left_padding, self._end
