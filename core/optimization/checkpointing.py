"""Gradient checkpointing: a block keeps its input only and computes again going back (Chen et al., arXiv 1604.06174).

Gradients are the same; memory for saved tensors falls to one block's, for one more forward pass. Nothing changes where
no gradient is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from core.utils.errors import OptimizationError


class Checkpointing:
    """The blocks whose forward pass is checkpointed; `remove()` restores them, also at the end of a `with`."""

    def __init__(self, blocks: Sequence[Any]) -> None:
        self.blocks = tuple(blocks)

    def remove(self) -> None:
        """Let the blocks keep their saved tensors again."""
        for block in self.blocks:
            block.__dict__.pop("forward", None)

    def __enter__(self) -> Checkpointing:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def checkpoint_blocks(torch: Any, module: Any, blocks: Sequence[Any] | None = None) -> Checkpointing:
    """Checkpoint `blocks`, by default the members of the outermost ModuleLists and Sequentials of `module`.

    Raises OptimizationError where there are none.
    """
    chosen = tuple(_outermost_blocks(torch, module)) if blocks is None else tuple(blocks)
    if not chosen:
        raise OptimizationError(
            f"{type(module).__name__} holds no ModuleList or Sequential with weights; name the blocks: blocks=[...]"
        )
    checkpoint = import_module("torch.utils.checkpoint").checkpoint
    changed = [block for block in chosen if "forward" not in block.__dict__]
    for block in changed:
        block.forward = partial(_forward, torch, checkpoint, block.forward)
    return Checkpointing(changed)


def _forward(
    torch: Any, checkpoint: Callable[..., Any], forward: Callable[..., Any], *inputs: Any, **named: Any
) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs, **named)
    return checkpoint(forward, *inputs, use_reentrant=False, **named)


def _outermost_blocks(torch: Any, module: Any) -> Iterator[Any]:
    if isinstance(module, torch.nn.ModuleList | torch.nn.Sequential):
        yield from (block for block in module if next(block.parameters(), None) is not None)
    else:
        for child in module.children():
            yield from _outermost_blocks(torch, child)
