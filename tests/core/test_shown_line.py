"""A line of progress: written over in a terminal, elsewhere one now and then."""

from __future__ import annotations

import io

from core.app.shown_line import ShownLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, times: list[float], line_s: float = 10.0) -> str:
    left = iter(times)
    line = ShownLine(stream, line_s, lambda: next(left))
    for number in range(len(times)):
        line.show(f"{number} s")
    line.end()
    line.end()
    return stream.getvalue()


def test_in_a_file_there_is_a_line_now_and_then():
    assert shown(io.StringIO(), [0.0, 9.0, 10.0, 11.0, 25.0]) == "0 s\n2 s\n4 s\n"


def test_in_a_terminal_the_line_is_written_over_and_left_at_the_end():
    assert shown(Terminal(), [0.0, 0.1, 0.3]) == "\r0 s\x1b[K\r2 s\x1b[K\n"


def test_nothing_shown_leaves_nothing():
    assert shown(Terminal(), []) == ""
