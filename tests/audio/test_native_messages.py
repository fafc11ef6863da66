"""Messages of native libraries leave the terminal; Python's own stay. Run in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, sys
from pathlib import Path
from audio.native_messages import divert_native_messages
divert_native_messages(Path(sys.argv[1]))
os.write(2, b"ALSA lib says something")
print("Merline says something", file=sys.stderr)
"""


def test_native_messages_go_to_the_file_or_nowhere(tmp_path: Path) -> None:
    for file in (tmp_path / "native.log", tmp_path / "absent" / "native.log"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(file)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stderr.strip() == "Merline says something"
    assert (tmp_path / "native.log").read_text() == "ALSA lib says something"
