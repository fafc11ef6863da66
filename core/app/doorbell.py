"""What the main thread waits for while nobody speaks: something that happened, a key, or that its time is over."""

from __future__ import annotations

import contextlib
import select
import socket
from types import TracebackType


class Doorbell:
    """`ring` it from any thread; `wait` belongs to one. Used as a context: it holds two sockets."""

    def __init__(self) -> None:
        self._inside, self._outside = socket.socketpair()
        for end in (self._inside, self._outside):
            end.setblocking(False)

    def ring(self) -> None:
        """End the wait under way, or the next one; returns at once."""
        with contextlib.suppress(OSError):  # full: it rings already; closed: nobody waits any more
            self._outside.send(b"!")

    def wait(self, timeout: float, file: int | None = None) -> None:
        """Until it rings or `file` can be read, at most `timeout` seconds."""
        bell = self._inside.fileno()
        if bell in select.select([bell] if file is None else [bell, file], [], [], timeout)[0]:
            self._inside.recv(4096)

    def __enter__(self) -> Doorbell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside.close()
        self._outside.close()
