"""The cards as nvidia-smi tells them, on ten machines that others recorded and published and on one of our own.

The recordings and their sources stand in nvidia_smi_answers.py; what no recording was found of is written by hand, in
nvidia_smi_by_hand.py.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from nvidia_smi_answers import (
    GB10_MEMINFO,
    MASKED,
    MASKED_SECOND_TWIN,
    MASKED_TWIN,
    MIG_SLICE,
    OUR_UUID,
    RecordedSmi,
    dual_2070,
    gb10,
    h100_mig,
    h200,
    h200_mig,
    laptop_3060,
    mismatch,
    no_communication,
    no_driver,
    off_the_bus,
    our_h200,
    rtx_3090,
    rtx_4080_super,
    tesla_m10,
    unlike_pair,
    windows_2080_super,
)
from nvidia_smi_by_hand import (
    UUID_3090,
    hanging,
    no_card,
    oddities,
    one_lost,
)

from core.utils.config import GpuConfig
from core.utils.gpu import (
    Gpu,
    GpuProcess,
    choose_gpu,
    device_number,
    read_gpus,
)

MIB = 1024 * 1024
GB = 10**9


def test_a_machine_without_driver_has_no_cards_and_says_nothing(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        assert read_gpus(no_driver) == ()
    assert caplog.records == []


def test_one_card_is_read_in_full():
    (card,) = read_gpus(rtx_4080_super())
    assert card == Gpu(
        index=0,
        name="NVIDIA GeForce RTX 4080 SUPER",
        uuid=MASKED,
        pci_bus="00000000:01:00.0",
        total_bytes=16376 * MIB,
        free_bytes=14470 * MIB,
        capability=(8, 9),
        processes=(
            GpuProcess(2165, "kwin_wayland", 25 * MIB),
            GpuProcess(5022, "ffmpeg", 503 * MIB),
            GpuProcess(5021, "ffmpeg", 360 * MIB),
        ),
    )


def test_a_whole_server_card_is_read_in_full_and_the_long_report_not_asked_for():
    smi = our_h200()
    (card,) = read_gpus(smi)
    assert card == Gpu(
        index=0,
        name="NVIDIA H200",
        uuid=OUR_UUID,
        pci_bus="00000000:00:06.0",
        total_bytes=143771 * MIB,
        free_bytes=141514 * MIB,
        capability=(9, 0),
        processes=(GpuProcess(465, "python3", 1634 * MIB),),
    )
    assert device_number(card) == "0"
    assert [asked.partition("=")[0] for asked in smi.asked] == ["--query-gpu", "--query-compute-apps"]


@pytest.mark.parametrize(
    ("smi", "cards"),
    [
        (windows_2080_super(), [("NVIDIA GeForce RTX 2080 SUPER", 8192, 6692, (7, 5))]),
        (laptop_3060(), [("NVIDIA GeForce RTX 3060 Laptop GPU", 6144, 5940, (8, 6))]),
        (rtx_3090(), [("NVIDIA GeForce RTX 3090", 24576, 24120, (8, 6))]),
        (dual_2070(), [("NVIDIA GeForce RTX 2070", 8192, 7786, (7, 5))] * 2),
        (
            unlike_pair(),
            [("NVIDIA GeForce RTX 3060", 12288, 12288, (8, 6)), ("NVIDIA GeForce RTX 4090", 24564, 646, (8, 9))],
        ),
        (h200(), [("NVIDIA H200", 143771, 110796, (9, 0))]),
        (tesla_m10(), [("Tesla M10", 8191, 50, None)] * 4),
    ],
    ids=["windows", "laptop", "3090", "twins", "unlike", "server", "old"],
)
def test_whole_cards_are_read(smi: RecordedSmi, cards: list[tuple[str, int, int, tuple[int, int] | None]]):
    assert [
        (card.name, card.total_bytes // MIB, card.free_bytes // MIB, card.capability) for card in read_gpus(smi)
    ] == cards


def test_cards_come_in_pci_order_whatever_the_order_told():
    told = {
        key: replace(answer, output="\n".join(reversed(answer.output.splitlines())))
        for key, answer in dual_2070().cards.items()
    }
    cards = read_gpus(RecordedSmi(told))
    assert [(card.index, card.uuid) for card in cards] == [(0, MASKED_TWIN), (1, MASKED_SECOND_TWIN)]


def test_a_driver_that_does_not_know_a_field_is_asked_again_without_it():
    smi = tesla_m10()
    cards = read_gpus(smi)
    assert [card.pci_bus[9:11] for card in cards] == ["1A", "1B", "1C", "1D"]
    assert len([asked for asked in smi.asked if asked.startswith("--query-gpu")]) == 3
    assert smi.asked.count("-q") == 0, "only a card in MIG mode needs the long report"


def test_blanks_and_hidden_programs_and_free_memory_untold():
    (card,) = read_gpus(oddities())
    assert (card.name, card.total_bytes) == ("NVIDIA GeForce RTX 3090", 24576 * MIB)
    assert card.free_bytes == (24576 - 1024) * MIB, "what the programs that tell it leave free"
    assert card.processes == (
        GpuProcess(7, "[Not Found]", None),
        GpuProcess(8, "unknown", None),
        GpuProcess(9, "[Insufficient Permissions]", None),
        GpuProcess(912, "python3", 1024 * MIB),
    )


def test_mig_offers_slices_with_their_own_memory_and_programs_and_never_the_whole_card():
    slices = read_gpus(h100_mig())
    assert [(gpu.name, gpu.total_bytes // MIB, gpu.free_bytes // MIB, gpu.index) for gpu in slices] == [
        ("NVIDIA H100 80GB HBM3 MIG 3g.40gb", 40448, 29357, 0),
        ("NVIDIA H100 80GB HBM3 MIG 2g.20gb", 20096, 20080, 0),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", 9984, 9976, 0),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", 9984, 9976, 0),
    ]
    assert all(gpu.uuid.startswith("MIG-") for gpu in slices)
    assert [user.name for user in slices[0].processes] == ["memhog", "memhog", "gpu_burn"]
    assert not any(gpu.processes for gpu in slices[1:])


def test_a_slice_has_less_than_its_name_says_and_two_may_share_theirs():
    slices = read_gpus(h200_mig())
    assert [(gpu.name.split()[-1], gpu.total_bytes // MIB, gpu.free_bytes // MIB) for gpu in slices] == [
        ("1c.3g.71gb", 71424, 54499),
        ("2c.3g.71gb", 71424, 54499),
        ("2g.35gb", 33280, 33264),
        ("1g.18gb", 16384, 16376),
        ("1g.18gb", 16384, 16376),
    ]
    assert slices[3].total_bytes < 18 * GB
    assert [len(gpu.processes) for gpu in slices] == [0, 3, 0, 0, 0], "of two that share memory, one has the programs"


@pytest.mark.parametrize("report", ["", "<nvidia_smi_log><gpu>", "<nvidia_smi_log/>"], ids=["none", "cut", "empty"])
def test_without_a_report_a_slice_has_what_its_name_says(report: str):
    smi = h100_mig()
    smi.report = report
    first = read_gpus(smi)[0]
    assert (first.uuid, first.total_bytes, first.free_bytes, first.processes) == (MIG_SLICE, 40 * GB, 40 * GB, ())


def test_slices_as_older_drivers_list_them():
    # the form (fewer blanks, UUIDs made of the card's) is that of NVIDIA's GPU Operator documentation on MIG
    smi = h100_mig()
    smi.listing = (
        f"GPU 0: A100-SXM4-40GB (UUID: {MASKED})\n"
        f"  MIG 1g.5gb Device 0: (UUID: MIG-{MASKED}/7/0)\n"
        f"  MIG 1g.5gb Device 1: (UUID: MIG-{MASKED}/8/0)\n"
    )
    slices = read_gpus(smi)
    assert [device_number(gpu) for gpu in slices] == [f"MIG-{MASKED}/7/0", f"MIG-{MASKED}/8/0"]


def test_a_card_in_mig_mode_without_slices_offers_nothing(caplog: pytest.LogCaptureFixture):
    smi = h100_mig()
    smi.listing = smi.listing.splitlines()[0]
    assert read_gpus(smi) == ()
    assert "without a slice" in caplog.text


def test_who_uses_the_cards():
    (card,) = read_gpus(h200())
    assert [(user.pid, user.name, user.used_bytes) for user in card.processes] == [
        (10291, "memhog", 2566 * MIB),
        (10293, "memhog", 1542 * MIB),
        (10309, "gpu_burn", 28234 * MIB),
    ]
    assert [(user.name, user.used_bytes) for user in read_gpus(windows_2080_super())[0].processes] == [
        ("dwm.exe", None),
        ("explorer.exe", None),
        ("NZXT CAM.exe", None),
        ("NVIDIA Share.exe", None),
        ("SystemSettings.exe", None),
    ]
    assert [user.name for user in read_gpus(tesla_m10())[0].processes] == ["TS-526", "TS-530"]


def test_a_program_told_with_its_options_goes_by_its_own_name():
    # shortened, and the user's name changed, from influxdata/telegraf, .../nvidia_smi/testdata/rtx-3080-v12.xml
    told = (
        "/opt/visual-studio-code/code --type=gpu-process "
        "--enable-crash-reporter=6f39585a-ecc4-42e2-b899-9456cbe56b44,no_channel "
        "--user-data-dir=/home/someone/.config/Code --field-trial-handle=0,i,685715063932313394,4769839452661094675"
    )
    smi = rtx_4080_super()
    smi.processes = replace(smi.processes, output=f"{MASKED}, 42416, {told}, 159\n")
    assert read_gpus(smi)[0].processes == (GpuProcess(42416, "code", 159 * MIB),)


def test_a_card_without_memory_of_its_own_has_the_computers(tmp_path: Path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(GB10_MEMINFO)
    (card,) = read_gpus(gb10(), meminfo)
    assert (card.total_bytes, card.free_bytes) == (127600748 * 1024, 118566368 * 1024)
    assert (card.pci_bus, card.capability) == ("0000000F:01:00.0", (12, 1))
    assert choose_gpu((card,), GpuConfig(use="GB10", min_memory_gb=100)) is card


@pytest.mark.parametrize(
    ("word", "meminfo"),
    [("[N/A]", ""), ("[N/A]", None), ("[Unknown Error]", GB10_MEMINFO), ("[Insufficient Permissions]", GB10_MEMINFO)],
)
def test_memory_that_nothing_tells_counts_as_none(
    word: str, meminfo: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    if meminfo is not None:
        (tmp_path / "meminfo").write_text(meminfo)
    told = {
        key: replace(answer, output=answer.output.replace("[N/A], [N/A], 12.1", f"{word}, {word}, 12.1"))
        for key, answer in gb10().cards.items()
    }
    (card,) = read_gpus(RecordedSmi(told), tmp_path / "meminfo")
    assert (card.total_bytes, card.free_bytes, card.capability) == (0, 0, (12, 1))
    assert "does not tell how much memory NVIDIA GB10 has" in caplog.text


@pytest.mark.parametrize(
    ("smi", "level", "words"),
    [
        (no_communication(), logging.WARNING, "couldn't communicate with the NVIDIA driver"),
        (mismatch(), logging.WARNING, "Driver/library version mismatch NVML library version: 535.161"),
        (off_the_bus(), logging.WARNING, "Unable to determine the device handle for GPU 0000:0B:00.0"),
        (no_card(), logging.INFO, "finds no card"),
        (hanging, logging.WARNING, "did not answer within 15 s"),
    ],
    ids=["no communication", "mismatch", "off the bus", "no card", "hanging"],
)
def test_a_broken_driver_means_no_cards_and_its_words_are_logged(
    smi: RecordedSmi, level: int, words: str, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO):
        assert read_gpus(smi) == ()
    assert [record.levelno for record in caplog.records] == [level]
    assert words in caplog.text


def test_a_lost_card_is_left_out_and_the_other_stays(caplog: pytest.LogCaptureFixture):
    (card,) = read_gpus(one_lost())
    assert card.uuid == UUID_3090
    assert "GPU is lost" in caplog.text
