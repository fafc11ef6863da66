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


CHATTER = """
import os, sys
from pathlib import Path
from audio.native_messages import divert_native_messages, shorten_native_messages
file = Path(sys.argv[1])
divert_native_messages(file)
sizes = []
for number in range(100):
    os.write(2, f"underrun {number:07d}\\n".encode())
    shorten_native_messages(file, 1000)
    sizes.append(file.stat().st_size)
assert max(sizes) <= 1000, max(sizes)
shorten_native_messages(file.with_name("another.log"), 0)
assert file.stat().st_size == sizes[-1]
"""


def test_a_day_of_messages_keeps_the_latest_of_them(tmp_path: Path) -> None:
    file = tmp_path / "native.log"
    (tmp_path / "another.log").write_text("not where the messages go")
    subprocess.run([sys.executable, "-c", CHATTER, str(file)], cwd=ROOT, check=True)
    kept = file.read_text().splitlines()
    assert kept == [f"underrun {number:07d}" for number in range(100 - len(kept), 100)]
    assert len(kept) > 25
    assert (tmp_path / "another.log").read_text() == "not where the messages go"
