"""The virtual sound card: a private PulseAudio daemon that PortAudio reaches through ALSA's pulse plugin.

Guarantees one clock for what the user says and what the speaker emits (`Room`). It touches no sound set-up of
the machine: own runtime folder, own socket, own ALSA configuration. It does not resample what the program plays.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes.util
import functools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.integration.room import RATE_HZ, EchoPath, EchoSettings, Room, Said, Samples, prefer
from tests.integration.voices import spoken

__all__ = ["EchoSettings", "Room", "Said", "SoundCard", "missing_parts", "session_card", "spoken"]

NATIVE = "rate=48000 channels=1 format=float32le"
MICROPHONE = (
    f"module-remap-source source_name=microphone master=room.monitor {NATIVE} master_channel_map=mono channel_map=mono"
)
SPEAKER = f"module-remap-sink sink_name=speaker master=cone {NATIVE} master_channel_map=mono channel_map=mono"
MODULES = (
    f"module-null-sink sink_name=cone {NATIVE}",
    f"module-null-sink sink_name=room {NATIVE}",
    SPEAKER,
    MICROPHONE,
)
ALSA_CONFIGURATION = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
CLIENT_LATENCY_MS = 60
"""what the program's PulseAudio streams ask for; at 30 ms, two busy cores underran in 3 s of speech, at 60 never"""
START_S = 10.0


def missing_parts() -> tuple[str, ...]:
    """What this machine lacks for the virtual card, each with its cure; empty when nothing."""
    missing = [
        f"{tool} (apt install {package})"
        for tool, package in (
            ("pulseaudio", "pulseaudio"),
            ("pacat", "pulseaudio-utils"),
            ("parec", "pulseaudio-utils"),
        )
        if shutil.which(tool) is None
    ]
    if not any(Path("/usr/lib").glob("**/alsa-lib/libasound_module_pcm_pulse.so")):
        missing.append("ALSA's pulse plugin (apt install libasound2-plugins)")
    if ctypes.util.find_library("portaudio") is None:
        missing.append("PortAudio (apt install libportaudio2)")
    return tuple(missing)


@functools.cache
def session_card() -> SoundCard:
    """The one running card of this process; stopped when it ends."""
    card = SoundCard()
    card.start()
    atexit.register(card.stop)
    return card


class SoundCard:
    """A microphone and a speaker that exist only for the program under test.

    Times are seconds of the card's own clock (`now`), which starts with `start()`.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="merline-card-"))
        self._daemon: subprocess.Popen[bytes] | None = None
        self.room: Room

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables through which a program finds this card and no other."""
        return {
            "PULSE_SERVER": f"unix:{self._folder}/native",
            "PULSE_SINK": "speaker",
            "PULSE_SOURCE": "microphone",
            "PULSE_LATENCY_MSEC": str(CLIENT_LATENCY_MS),
            "PULSE_RUNTIME_PATH": str(self._folder),
            "PULSE_STATE_PATH": str(self._folder),
            "PULSE_COOKIE": str(self._folder / "cookie"),
            "PULSE_CLIENTCONFIG": str(self._folder / "client.conf"),
            "ALSA_CONFIG_PATH": str(self._folder / "alsa.conf"),
        }

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment for a subprocess."""
        return {**os.environ, **self.variables}

    def start(self) -> None:
        """Start the daemon and the room; RuntimeError with the daemon's log when it does not come up.

        The daemon reads commands from its standard input and ends with it: with this process, however that ended.
        """
        (self._folder / "client.conf").write_text("autospawn = no\nenable-shm = no\n")
        (self._folder / "alsa.conf").write_text(ALSA_CONFIGURATION)
        command = [
            "pulseaudio", "-n", "-C", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
            f"--log-target=file:{self._folder}/log",
            "-L", f"module-native-protocol-unix auth-anonymous=1 socket={self._folder}/native",
            "-L", f"module-cli-protocol-unix socket={self._folder}/cli",
        ]  # fmt: skip
        for module in MODULES:
            command += ["-L", module]
        # an own session: the Ctrl-C of a test run must not reach the daemon before the tests have ended
        self._daemon = subprocess.Popen(
            command,
            env=self.environment,
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        prefer(self._daemon.pid)
        deadline = time.monotonic() + START_S
        while self._pactl("info", check=False).returncode != 0:
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PulseAudio did not start: {(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        # with defaults of its own, PulseAudio would move the room's streams to a device plugged in later
        self._pactl("set-default-sink", "cone")
        self._pactl("set-default-source", "cone.monitor")
        self.room = Room(self.environment)
        self.room.start()

    def stop(self) -> None:
        """End the room and the daemon and remove every trace. May be called twice."""
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return
        self.room.stop()
        daemon.terminate()
        try:
            daemon.wait(5.0)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        assert daemon.stdin is not None
        daemon.stdin.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    # What happens in the room

    @property
    def now(self) -> float:
        return self.room.now

    def say(self, samples: Samples, sample_rate_hz: int = RATE_HZ) -> Said:
        """Queue the user's voice (float32 mono) behind what is already queued; when it starts and ends."""
        return self.room.say(samples, sample_rate_hz)

    def hush(self) -> None:
        """Drop what the user has yet to say."""
        self.room.hush()

    @property
    def recording(self) -> Samples:
        """Everything the speaker has emitted since `start()` at 48 kHz; sample n belongs to card time n / 48000."""
        return self.room.recorded(0.0)

    def recorded(self, since: float, until: float | None = None) -> Samples:
        """What the speaker emitted between two card times."""
        return self.room.recorded(since, until)

    def monotonic(self, at: float) -> float:
        """The `time.monotonic` of a card time."""
        return self.room.monotonic(at)

    def wait_until(self, at: float) -> None:
        """Let the card play on until this time."""
        self.room.wait_until(at)

    def wait_for_sound(self, timeout: float, since: float | None = None, level: float = 1e-3) -> float:
        """Wait until the speaker emits a sample above `level`; its card time. TimeoutError when nothing comes."""
        return self.room.wait_for_sound(timeout, self.now if since is None else since, level)

    def wait_for_silence(self, timeout: float, quiet_s: float = 1.0, level: float = 1e-3) -> float:
        """Wait until the speaker has been quiet for `quiet_s`; the card time at which the last sound ended."""
        return self.room.wait_for_silence(timeout, quiet_s, level)

    @contextlib.contextmanager
    def echo(self, settings: EchoSettings) -> Iterator[EchoPath]:
        """Within this block the microphone hears the speaker through a room."""
        path = EchoPath(settings)
        self.room.echo = path
        try:
            yield path
        finally:
            self.room.echo = None

    # Plugs

    def unplug_microphone(self) -> None:
        """The microphone is gone: streams on it are killed, new ones refused."""
        self._unplug("module-remap-source", "source", "microphone")

    def plug_microphone(self) -> None:
        self._pactl("load-module", *MICROPHONE.split())

    def freeze_microphone(self, on: bool) -> None:
        """The microphone stays where it is and gives nothing."""
        self._pactl("suspend-source", "microphone", "1" if on else "0")

    def mute_microphone(self, on: bool) -> None:
        """The microphone gives digital zeros between words, as a muted one does."""
        self.room.muted = on

    def unplug_speaker(self) -> None:
        """The speaker is gone; the room goes on listening to silence."""
        self._unplug("module-remap-sink", "sink", "speaker")

    def plug_speaker(self) -> None:
        self._pactl("load-module", *SPEAKER.split())

    def freeze(self, on: bool) -> None:
        """The sound server stands still: it answers nobody, and neither gives nor takes sound."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def open_streams(self) -> int:
        """How many streams programs hold open on the microphone and the speaker."""
        return len(self._streams("source", "microphone")) + len(self._streams("sink", "speaker"))

    def _streams(self, kind: str, name: str) -> tuple[str, ...]:
        """Indices of the streams on a source or a sink."""
        devices = [line.split("\t")[:2] for line in self._pactl("list", "short", f"{kind}s").stdout.splitlines()]
        indices = {index for index, device in devices if device == name}
        streams = self._pactl("list", "short", {"source": "source-outputs", "sink": "sink-inputs"}[kind]).stdout
        return tuple(line.split("\t")[0] for line in streams.splitlines() if line.split("\t")[1] in indices)

    def _unplug(self, module: str, kind: str, name: str) -> None:
        streams = self._streams(kind, name)
        for line in self._pactl("list", "short", "modules").stdout.splitlines():
            index, loaded = line.split("\t")[:2]
            if loaded == module:
                self._pactl("unload-module", index)
        # PulseAudio moves the streams of a device that goes to another one, which hardware pulled out does not allow
        with socket.socket(socket.AF_UNIX) as console:
            console.settimeout(5.0)
            console.connect(f"{self._folder}/cli")
            for stream in streams:
                console.sendall(f"kill-{'source-output' if kind == 'source' else 'sink-input'} {stream}\n".encode())
            console.shutdown(socket.SHUT_WR)
            while console.recv(4096):
                continue

    def _pactl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pactl", *arguments], env=self.environment, capture_output=True, text=True, check=check, timeout=10
        )


def loop_latencies(card: SoundCard, clicks: int = 20) -> Samples:
    """Seconds from writing a click to reading it back, [clicks], with a plain parec | pacat pair as the program."""
    listen = [
        "parec",
        "-d",
        "microphone",
        "--raw",
        "--latency-msec=10",
        "--format=float32le",
        "--rate=48000",
        "--channels=1",
    ]
    play = [
        "pacat",
        "-d",
        "speaker",
        "--raw",
        "--latency-msec=20",
        "--format=float32le",
        "--rate=48000",
        "--channels=1",
    ]
    environment = {name: value for name, value in card.environment.items() if name != "PULSE_LATENCY_MSEC"}
    recorder = subprocess.Popen(listen, env=environment, stdout=subprocess.PIPE)
    player = subprocess.Popen(play, env=environment, stdin=recorder.stdout)
    try:
        card.say(np.zeros(RATE_HZ, np.float32))
        click = np.zeros(480, np.float32)
        click[:4] = 0.9
        latencies = []
        for _ in range(clicks):
            said = card.say(np.concatenate([np.zeros(RATE_HZ // 5, np.float32), click]))
            begins = said.ends - len(click) / RATE_HZ
            latencies.append(card.wait_for_sound(5.0, since=begins, level=0.1) - begins)
        return np.array(latencies, np.float32)
    finally:
        player.terminate()
        recorder.terminate()
        player.wait()
        recorder.wait()
