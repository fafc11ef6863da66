"""The speed of a download, on a clock that the tests set."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from core.utils.download_progress import DownloadMeter, DownloadProgress

MB = 10**6


@dataclass
class Download:
    """A download of 200 MB at a moment of the tests' choosing."""

    now_s: float = 100.0
    told: list[DownloadProgress] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.meter = DownloadMeter("whisper-base", 200 * MB, self.told.append, lambda: self.now_s)
        self.meter.begin("model.bin")

    def came_after(self, seconds: float, count: int) -> DownloadProgress:
        self.now_s += seconds
        self.meter.came(count)
        return self.told[-1]


def test_what_was_there_before_has_no_part_in_the_speed_of_a_download_that_goes_on() -> None:
    download = Download()
    download.now_s += 8.0  # the files that are whole are looked over
    download.meter.at(120 * MB)
    burst = download.came_after(0.001, 100_000)
    assert (burst.bytes_per_s, burst.left_s) == (0.0, None)
    for _ in range(10):
        download.came_after(0.1, 200_000)
    assert download.told[-1].bytes_per_s == pytest.approx(2e6, rel=0.1)
    assert download.told[-1].done_bytes == 120 * MB + 2_100_000


def test_two_pieces_after_a_pause_are_no_speed_of_their_own() -> None:
    download = Download()
    for _ in range(20):
        download.came_after(0.1, 200_000)
    download.came_after(10.0, 200_000)
    assert download.came_after(0.001, 200_000).bytes_per_s < 1e6


def test_the_speed_is_that_of_the_last_seconds() -> None:
    download = Download()
    for _ in range(100):
        download.came_after(0.1, 500_000)
    for _ in range(60):
        download.came_after(0.1, 100_000)
    assert download.told[-1].bytes_per_s == pytest.approx(1e6, rel=0.05)
    assert download.told[-1].left_s == pytest.approx(144.0, rel=0.05)
