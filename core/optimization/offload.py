"""Weights that lie in main memory and come to the GPU only while they are used."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any


class WeightsOffload:
    """Where one model's weights are; counted, so threads and nested blocks may use the model at the same time.

    `release` gives the GPU's cached memory back. Costs one copy each way over the bus: for models used now and then.
    """

    def __init__(self, device: Any, release: Callable[[], None]) -> None:
        self._device = device
        self._release = release
        self._users = 0
        self._lock = threading.Lock()

    def put_away(self, model: Any) -> None:
        """To the CPU, if nobody uses it."""
        with self._lock:
            if self._users == 0:
                self._to_cpu(model)

    @contextlib.contextmanager
    def using(self, model: Any) -> Iterator[Any]:
        """Within it the model is on the device; where it does not fit there it goes back and the error is raised."""
        with self._lock:
            if self._users == 0:
                try:
                    model.to(self._device)
                except BaseException:
                    self._to_cpu(model)
                    raise
            self._users += 1
        try:
            yield model
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._to_cpu(model)

    def _to_cpu(self, model: Any) -> None:
        model.to("cpu")
        self._release()
