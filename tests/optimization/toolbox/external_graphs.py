"""Graphs of one weight in a file of its own; the producer's name and the numbers tell which graph and which file it is.

Run with a path it kills itself, in children, at each renaming and removal of a second export, and prints what is there.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from core.optimization.toolbox.onnx_files import move_into_place, read_model, workshop, write_model


def external_model(number: int) -> Any:
    """An onnx_ir.Model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import onnx_ir as ir
    weight = ir.val("w", const_value=ir.tensor(np.full(4096, number, np.float32), name="w"))
    graph = ir.Graph([], [weight], nodes=[], initializers=[weight], opset_imports={"": 18}, name="g")
    return ir.Model(graph, ir_version=10, producer_name=str(number))


def put_external(path: Path, number: int, kill_at: int = 0) -> Path | None:
    """Export it; killed at that renaming or removal of putting it into place."""
    with workshop(path) as folder:
        written = write_model(external_model(number), folder / path.name, True, path)
        if kill_at:
            _die_at(kill_at)
        return move_into_place(folder / path.name, path, written)


def numbers_of(path: Path) -> tuple[int, int]:
    """Of the graph in place and of the weights it reads."""
    model = read_model(path)
    return int(model.producer_name), int(model.graph.initializers["w"].const_value.numpy()[0])


def _die_at(step: int) -> None:
    seen: list[str] = []

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.rename", "os.remove"):
            seen.append(event)
            if len(seen) == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def main() -> None:
    path = Path(sys.argv[1])
    put_external(path, 1)
    for step in (1, 2, 3):
        if not os.fork():
            put_external(path, 2, step)
            os._exit(0)
        print(os.WTERMSIG(os.wait()[1]), *numbers_of(path))


if __name__ == "__main__":
    main()
