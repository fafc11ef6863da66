"""What nvidia-smi told on ten machines that others recorded and published (the H200 whole and cut up), on one of our
own, and on three that are out of order.

Recorded means: every value is the one published, laid out as our own query prints it; beside each machine stands where
it was published, which driver, and what the recording lacks. Compute capabilities that it lacks are from NVIDIA's table
(developer.nvidia.com/cuda-gpus). UUIDs of zeros, of 12345678, and MIG-0000000n were masked before publication.
What no recording was found of is written by hand, apart, in nvidia_smi_by_hand.py: the owner's machine among it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.utils.gpu import SmiAnswer

FULL = "index,name,uuid,pci.bus_id,memory.total,memory.free,compute_cap,mig.mode.current"
OLD = "index,name,uuid,pci.bus_id,memory.total,memory.free"

MASKED = "GPU-00000000-0000-0000-0000-000000000000"
MASKED_TWIN = "GPU-12345678-aaaa-bbbb-cccc-0123456789ab"
MASKED_SECOND_TWIN = "GPU-12345678-aaaa-bbbb-cccc-0123456789cd"
OUR_UUID = "GPU-0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d"
"""made up in the form of the true one, which would name the card"""
MIG_SLICE = "MIG-00000000-0000-0000-0000-000000000000"


@dataclass
class RecordedSmi:
    """An nvidia-smi that answers by its arguments from a table; keeps what it was asked."""

    cards: Mapping[str, SmiAnswer]
    """by the list of fields"""
    processes: SmiAnswer = field(default_factory=lambda: SmiAnswer(0, ""))
    listing: str = ""
    report: str = ""
    """the answer to -q -x"""
    asked: list[str] = field(default_factory=list)

    def __call__(self, arguments: Sequence[str]) -> SmiAnswer:
        self.asked.append(arguments[0])
        if arguments[0] in ("-L", "-q"):
            return SmiAnswer(0, self.listing if arguments[0] == "-L" else self.report)
        if arguments[0].startswith("--query-compute-apps="):
            return self.processes
        return self.cards[arguments[0].removeprefix("--query-gpu=")]


def rows(*lines: str) -> dict[str, SmiAnswer]:
    return {FULL: SmiAnswer(0, "".join(f"{line}\n" for line in lines))}


def users(uuid: str, *lines: str) -> SmiAnswer:
    return SmiAnswer(0, "".join(f"{uuid}, {line}\n" for line in lines))


# --- recorded


def rtx_4080_super() -> RecordedSmi:
    """A desktop at work, every column recorded; driver 595.71.05, Fedora 44, 2026-06-26.

    utkuozdemir/nvidia_gpu_exporter, internal/captures/linux-x86_64__nvidia-geforce-rtx-4080-super__595.71.05.txt
    """
    return RecordedSmi(
        rows(f"0, NVIDIA GeForce RTX 4080 SUPER, {MASKED}, 00000000:01:00.0, 16376, 14470, 8.9, [N/A]"),
        users(MASKED, "2165, /usr/bin/kwin_wayland, 25", "5022, ffmpeg, 503", "5021, ffmpeg, 360"),
    )


def windows_2080_super() -> RecordedSmi:
    """Windows (WDDM tells no program's memory), every column recorded; driver 591.86, 2026-06-22.

    utkuozdemir/nvidia_gpu_exporter, internal/captures/windows-x86_64__nvidia-geforce-rtx-2080-super__591.86.txt,
    which lists six more programs. The line ends are Windows's own and are not in the recording.
    """
    answer = rows(f"0, NVIDIA GeForce RTX 2080 SUPER, {MASKED}, 00000000:0C:00.0, 8192, 6692, 7.5, [N/A]")[FULL]
    programs = users(
        MASKED,
        r"2056, C:\Windows\System32\dwm.exe, [N/A]",
        r"12332, C:\Windows\explorer.exe, [N/A]",
        r"20372, C:\Program Files\NZXT CAM\NZXT CAM.exe, [N/A]",
        r"4680, C:\Program Files\NVIDIA Corporation\NVIDIA GeForce Experience\NVIDIA Share.exe, [N/A]",
        r"24804, C:\Windows\ImmersiveControlPanel\SystemSettings.exe, [N/A]",
    )
    return RecordedSmi(
        {FULL: replace(answer, output=answer.output.replace("\n", "\r\n"))},
        replace(programs, output=programs.output.replace("\n", "\r\n")),
    )


def laptop_3060() -> RecordedSmi:
    """A laptop; driver 515.65.01. Not recorded: capability.

    netdata/netdata, src/go/plugin/go.d/collector/nvidia_smi/testdata/rtx-3060.xml; its one program draws (type G) and
    is none that our second query lists.
    """
    uuid = "GPU-473d8d0f-d462-185c-6b36-6fc23e23e571"
    return RecordedSmi(rows(f"0, NVIDIA GeForce RTX 3060 Laptop GPU, {uuid}, 00000000:01:00.0, 6144, 5940, 8.6, [N/A]"))


def rtx_3090() -> RecordedSmi:
    """A desktop at rest; driver 590.44.01, 2025-12-30. Not recorded: capability.

    influxdata/telegraf, plugins/inputs/nvidia_smi/testdata/3090-v13.xml at 58ff61d
    """
    return RecordedSmi(rows(f"0, NVIDIA GeForce RTX 3090, {MASKED_TWIN}, 00000000:09:00.0, 24576, 24120, 8.6, [N/A]"))


def dual_2070() -> RecordedSmi:
    """Two of a kind; driver 590.44.01, 2025-12-30. Not recorded: capability.

    influxdata/telegraf, plugins/inputs/nvidia_smi/testdata/dual_2070-v13.xml at 58ff61d
    """
    return RecordedSmi(
        rows(
            f"0, NVIDIA GeForce RTX 2070, {MASKED_TWIN}, 00000000:01:00.0, 8192, 7786, 7.5, [N/A]",
            f"1, NVIDIA GeForce RTX 2070, {MASKED_SECOND_TWIN}, 00000000:02:00.0, 8192, 7786, 7.5, [N/A]",
        )
    )


def unlike_pair() -> RecordedSmi:
    """Two unlike cards under Windows, the larger one full; driver 546.65, 2024-01-23.

    LostRuins/koboldcpp, issue 634: the table of a bare nvidia-smi. Not recorded: capability, UUIDs (two of ours stand
    in), free memory (total less the recorded use: 0 and 23918 MiB).
    """
    return RecordedSmi(
        rows(
            "0, NVIDIA GeForce RTX 3060, GPU-00000000-0634-0000-0000-000000000003, "
            "00000000:03:00.0, 12288, 12288, 8.6, [N/A]",
            "1, NVIDIA GeForce RTX 4090, GPU-00000000-0634-0000-0000-00000000000a, "
            "00000000:0A:00.0, 24564, 646, 8.9, [N/A]",
        )
    )


def h200() -> RecordedSmi:
    """A server at work, every column recorded; driver 590.48.01, Ubuntu 22.04, 2026-07-03.

    utkuozdemir/nvidia_gpu_exporter, internal/captures/linux-x86_64__nvidia-h200__590.48.01.txt
    """
    return RecordedSmi(
        rows(f"0, NVIDIA H200, {MASKED}, 00000000:83:00.0, 143771, 110796, 9.0, Disabled"),
        users(MASKED, "10291, /root/tools/memhog, 2566", "10293, /root/tools/memhog, 1542", "10309, ./gpu_burn, 28234"),
    )


def our_h200() -> RecordedSmi:
    """NVIDIA H200, driver 580, 2026-11-26, our own run: every column, while one process of torch 2.11 held 1 GiB.

    The report (-q -x, nvsmi_device_v13.dtd) told 616 MiB reserved; it is not asked for, as the card is whole.
    """
    return RecordedSmi(
        rows(f"0, NVIDIA H200, {OUR_UUID}, 00000000:00:06.0, 143771, 141514, 9.0, Disabled"),
        users(OUR_UUID, "465, python3, 1634"),
        f"GPU 0: NVIDIA H200 (UUID: {OUR_UUID})\n",
    )


def h100_mig() -> RecordedSmi:
    """An H100 cut into four, the first slice at work; driver 590.48.01, Ubuntu 22.04, 2026-07-14.

    utkuozdemir/nvidia_gpu_exporter, internal/captures/linux-x86_64__nvidia-h100-mig__590.48.01.txt; the report was
    recorded as plain text (-q) and is laid out as -q -x, after netdata's a100-sxm4-mig.xml.
    """
    programs = ("21180, /root/tools/memhog, 2296", "21181, /root/tools/memhog, 1272", "21198, ./gpu_burn, 7484")
    listing = (
        f"GPU 0: NVIDIA H100 80GB HBM3 (UUID: {MASKED})\n"
        f"  MIG 3g.40gb     Device  0: (UUID: {MIG_SLICE})\n"
        "  MIG 2g.20gb     Device  1: (UUID: MIG-00000001-0000-0000-0000-000000000001)\n"
        "  MIG 1g.10gb     Device  2: (UUID: MIG-00000002-0000-0000-0000-000000000002)\n"
        "  MIG 1g.10gb     Device  3: (UUID: MIG-00000003-0000-0000-0000-000000000003)\n"
    )
    slices = ("0 2 0 40448 29357", "1 3 0 20096 20080", "2 9 0 9984 9976", "3 10 0 9984 9976")
    return RecordedSmi(
        rows(f"0, NVIDIA H100 80GB HBM3, {MASKED}, 00000000:00:09.0, 81559, 69956, 9.0, Enabled"),
        users(MASKED, *programs),
        listing,
        report(slices, [f"2, 0, {program}" for program in programs]),
    )


def h200_mig() -> RecordedSmi:
    """An H200 cut into five, of which two share the memory of one; driver 590.48.01, Ubuntu 22.04, 2026-07-03.

    utkuozdemir/nvidia_gpu_exporter, internal/captures/linux-x86_64__nvidia-h200-mig__590.48.01.txt; report as above.
    """
    programs = ("12249, /root/tools/memhog, 2194", "12250, /root/tools/memhog, 1170", "12267, ./gpu_burn, 13526")
    listing = (
        f"GPU 0: NVIDIA H200 (UUID: {MASKED})\n"
        f"  MIG 1c.3g.71gb  Device  0: (UUID: {MIG_SLICE})\n"
        "  MIG 2c.3g.71gb  Device  1: (UUID: MIG-00000001-0000-0000-0000-000000000001)\n"
        "  MIG 2g.35gb     Device  2: (UUID: MIG-00000002-0000-0000-0000-000000000002)\n"
        "  MIG 1g.18gb     Device  3: (UUID: MIG-00000003-0000-0000-0000-000000000003)\n"
        "  MIG 1g.18gb     Device  4: (UUID: MIG-00000004-0000-0000-0000-000000000004)\n"
    )
    slices = ("0 2 0 71424 54499", "1 2 1 71424 54499", "2 3 0 33280 33264", "3 9 0 16384 16376", "4 10 0 16384 16376")
    return RecordedSmi(
        rows(f"0, NVIDIA H200, {MASKED}, 00000000:83:00.0, 143771, 126199, 9.0, Enabled"),
        users(MASKED, *programs),
        listing,
        report(slices, [f"2, 1, {program}" for program in programs]),
    )


def report(slices: Sequence[str], programs: Sequence[str]) -> str:
    """-q -x of one masked card: index, instances, MiB in total and free; instances, pid, name, MiB."""
    devices = "".join(
        f"<mig_device><index>{index}</index><gpu_instance_id>{gpu}</gpu_instance_id>"
        f"<compute_instance_id>{compute}</compute_instance_id>"
        f"<fb_memory_usage><total>{total} MiB</total><free>{free} MiB</free></fb_memory_usage></mig_device>"
        for index, gpu, compute, total, free in (piece.split() for piece in slices)
    )
    processes = "".join(
        f"<process_info><gpu_instance_id>{gpu}</gpu_instance_id><compute_instance_id>{compute}</compute_instance_id>"
        f"<pid>{pid}</pid><process_name>{name}</process_name><used_memory>{used} MiB</used_memory></process_info>"
        for gpu, compute, pid, name, used in (program.split(", ") for program in programs)
    )
    return (
        '<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">\n'
        f'<nvidia_smi_log><gpu id="00000000:00:09.0"><mig_devices>{devices}</mig_devices><uuid>{MASKED}</uuid>'
        f"<processes>{processes}</processes></gpu></nvidia_smi_log>\n"
    )


def tesla_m10() -> RecordedSmi:
    """Four chips on one board, full of virtual machines; driver 390.94, 2019-05-07, which knows no compute_cap, no MIG.

    it-novum/check_nvidia_smi, check_nvidia_smi_test.py at e9cb009. The words for an unknown field and the exit code are
    recorded of another driver (CoHDI/composable-resource-operator, issue 37), compute_cap as unknown of 470
    (huggingface/candle, issue 733; canonical/inference-snaps, issue 89); which of two is named first is not recorded.
    """
    chips = (
        ("0", "GPU-74f1301f-aa41-e5c6-f5c7-e15484997833", "1A", "42818686, TS-526", "43962378, TS-530"),
        ("1", "GPU-5e9b8082-77de-41fe-5c44-176ebbfb1c78", "1B", "44450601, TS-527", "44714933, TS-532"),
        ("2", "GPU-9a90d633-6239-77db-9db6-fb4acf3bd980", "1C", "44713050, TS-525", "44717029, TS-529"),
        ("3", "GPU-feca4508-bf49-839b-0135-49c73ab3f73b", "1D", "44324356, TS-531", "44458026, TS-528"),
    )
    table = "".join(f"{index}, Tesla M10, {uuid}, 00000000:{bus}:00.0, 8191, 50\n" for index, uuid, bus, *_ in chips)
    machines = "".join(f"{uuid}, {machine}{' ' * 21}, 4064\n" for _, uuid, _, *held in chips for machine in held)
    cards = {FULL: unknown("compute_cap"), f"{OLD},mig.mode.current": unknown("mig.mode.current")}
    return RecordedSmi({**cards, OLD: SmiAnswer(0, table)}, SmiAnswer(0, machines))


def unknown(name: str) -> SmiAnswer:
    return SmiAnswer(2, f'Field "{name}" is not a valid field to query.\n\n')


GB10_MEMINFO = "MemTotal:       127600748 kB\nMemAvailable:   118566368 kB\n"


def gb10() -> RecordedSmi:
    """A DGX Spark, whose card has no memory of its own; driver 580.173.02, 2026-08-07.

    XuehaiPan/nvitop, pull request 208, with /proc/meminfo. Not recorded: UUID (zeros stand in), capability, MIG mode.
    """
    return RecordedSmi(rows(f"0, NVIDIA GB10, {MASKED}, 0000000F:01:00.0, [N/A], [N/A], 12.1, [N/A]"))


# --- recorded: out of order


def no_driver(arguments: Sequence[str]) -> SmiAnswer:
    raise FileNotFoundError("nvidia-smi is not installed")


def no_communication() -> RecordedSmi:
    """utkuozdemir/nvidia_gpu_exporter, issue 65, with the exit code; the last line: microsoft/WSL, issue 9640."""
    words = (
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
        "Make sure that the latest NVIDIA driver is installed and running.\n\n"
        "Failed to properly shut down NVML: Driver Not Loaded\n"
    )
    return RecordedSmi({FULL: SmiAnswer(9, words)})


def mismatch() -> RecordedSmi:
    """anderskm/gputil, issue 55, with the exit code."""
    words = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.161\n"
    return RecordedSmi({FULL: SmiAnswer(18, words)})


def off_the_bus() -> RecordedSmi:
    """One of four cards is gone and nothing is told of the others: NVIDIA/open-gpu-kernel-modules, issue 387; driver
    520.61.05. Not recorded: the exit code (nvidia-smi's for an unknown error stands in).
    """
    words = "Unable to determine the device handle for GPU 0000:0B:00.0: Unknown Error\n"
    return RecordedSmi({FULL: SmiAnswer(255, words)})
