"""Keys come one by one from a real terminal, which is afterwards as it was; nowhere else does anything happen."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.app.keyboard import Keyboard

ROOT = Path(__file__).resolve().parents[2]

LISTEN = """
import sys, termios, time
from core.app.doorbell import Doorbell
from core.app.keyboard import Keyboard
before = termios.tcgetattr(0)
with Keyboard() as keyboard:
    print("there", keyboard.there, flush=True)
    found = []
    until = time.monotonic() + 20
    while "q" not in found and keyboard.there and time.monotonic() < until:
        Doorbell().wait(20, keyboard.file)
        found += keyboard.pressed()
print("keys", found, "as before", termios.tcgetattr(0) == before, flush=True)
"""


def on_a_terminal(code: str, typed: list[bytes]) -> str:
    """What a program prints on a terminal of its own where these are typed once it has printed something."""
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-c", code])
    said = b""
    try:
        while b"there" not in said:
            said += os.read(terminal, 1024)
        for keys in typed:
            os.write(terminal, keys)
            time.sleep(0.05)  # a person does not type an arrow and a letter within the same read
        while True:
            piece = os.read(terminal, 1024)
            if not piece:
                break
            said += piece
    except OSError:
        assert b"keys" in said, said  # the terminal is gone with its program
    finally:
        os.close(terminal)
        os.waitpid(child, 0)
    return said.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of Unix")
def test_keys_come_without_enter_and_the_terminal_is_left_as_it_was():
    said = on_a_terminal(LISTEN, [b" ", b"M", b"\x1b[A", b"q"])
    assert "there True" in said
    assert "keys [' ', 'm', 'q'] as before True" in said


def test_without_a_terminal_there_are_no_keys():
    read, write = os.pipe()
    os.write(write, b"m")
    try:
        with Keyboard(read) as keyboard:
            assert not keyboard.there
            assert keyboard.pressed() == []
            assert keyboard.file is None, "what can always be read would never let the main thread rest"
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of Unix")
def test_a_terminal_that_closes_ends_it():
    import pty

    terminal, end = pty.openpty()
    code = (
        "import time; from core.app.keyboard import Keyboard\n"
        "with Keyboard() as keyboard:\n"
        "    print('up', flush=True); input_gone = time.monotonic() + 20\n"
        "    while keyboard.there and time.monotonic() < input_gone: keyboard.pressed()\n"
        "print('over', keyboard.there, flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=end, stdout=subprocess.PIPE, text=True
    ) as child:
        os.close(end)
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        os.close(terminal)
        assert child.communicate(timeout=30)[0] == "over False\n"
