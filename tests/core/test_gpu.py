"""One card, and the right one: chosen, fenced off, proved. How it is read stands in test_gpu_reading.py.

nvidia-smi's answers are recordings of machines that others published (nvidia_smi_answers.py) and, for the owner's
machine, of which there is none, written by hand (nvidia_smi_by_hand.py); torch is a fake.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from nvidia_smi_answers import (
    MASKED_SECOND_TWIN,
    MASKED_TWIN,
    MIG_SLICE,
    dual_2070,
    h100_mig,
    h200,
    laptop_3060,
    no_driver,
    rtx_3090,
    unlike_pair,
    windows_2080_super,
)
from nvidia_smi_by_hand import (
    UUID_3090,
    UUID_5060,
    UUID_SECOND_3090,
    founding,
)

from core.utils.config import GpuConfig
from core.utils.config_file import parse_config
from core.utils.errors import ConfigError, GpuBusyError, GpuUnavailableError
from core.utils.gpu import (
    Gpu,
    choose_gpu,
    device_number,
    fence,
    fence_configured,
    names_card,
    read_gpus,
    validate_exclusive_gpu,
)

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024
GB = 10**9


# --- choosing


@pytest.mark.parametrize(
    "text",
    [
        "RTX 3090",
        "rtx 3090",
        "nvidia geforce rtx 3090",
        UUID_3090,
        "GPU-8f1c",
        "gpu-8F1C",
        "00000000:01:00.0",
        "0000:01:00.0",
        "01:00.0",
        "1:0.0",
        "01:00",
        "01",
        "1",
    ],
)
def test_every_way_to_name_a_card(text: str):
    cards = read_gpus(founding())
    assert [names_card(text, card) for card in cards] == [False, True]
    assert choose_gpu(cards, GpuConfig(use=text)).uuid == UUID_3090
    assert choose_gpu(cards, GpuConfig(forbid=(text,))).uuid == UUID_5060


@pytest.mark.parametrize("text", ["", " ", "GPU-ffff", "02:00.0", "2", "00000001:01:00.0", "01:00.1", "RTX 4090", "30"])
def test_what_names_no_card(text: str):
    assert not any(names_card(text, card) for card in read_gpus(founding()))


def test_two_hexadecimal_digits_are_a_bus_or_a_whole_word_of_the_name():
    card = replace(read_gpus(rtx_3090())[0], name="NVIDIA A2", pci_bus="00000000:3B:00.0")
    assert names_card("a2", card)
    assert names_card("3b", card)
    assert not names_card("3", card)
    assert not names_card("a2", replace(card, name="NVIDIA A2000"))
    assert not names_card("2", replace(card, name="NVIDIA Model 2")), "digits alone are always a bus"


def twins(first_free_mib: int) -> tuple[Gpu, Gpu]:
    """The two of a kind, the first with as much free memory as is said."""
    first, second = read_gpus(dual_2070())
    return replace(first, free_bytes=first_free_mib * MIB), second


def test_no_wish_is_the_most_free_memory():
    assert choose_gpu(read_gpus(unlike_pair()), GpuConfig()).name == "NVIDIA GeForce RTX 3060", "the 4090 is full"
    assert choose_gpu(twins(3000), GpuConfig()).uuid == MASKED_SECOND_TWIN
    assert choose_gpu(read_gpus(dual_2070()), GpuConfig()).uuid == MASKED_TWIN, "the first of equals"


def test_a_name_of_two_cards_is_the_freer_one():
    assert choose_gpu(twins(3000), GpuConfig(use="2070")).uuid == MASKED_SECOND_TWIN


def test_a_full_name_is_not_its_longer_neighbour():
    (card,) = read_gpus(rtx_3090())
    neighbour = replace(card, name="NVIDIA GeForce RTX 3090 Ti", index=1, free_bytes=card.total_bytes)
    assert choose_gpu((card, neighbour), GpuConfig(use="RTX 3090")) is card
    assert choose_gpu((card, neighbour), GpuConfig(use="RTX 3090 Ti")) is neighbour


def test_least_memory_is_the_smallest_that_still_has_enough():
    cards = read_gpus(founding())
    assert choose_gpu(cards, GpuConfig(use="least-memory")).uuid == UUID_5060
    assert choose_gpu(cards, GpuConfig(use="least-memory", min_memory_gb=20)).uuid == UUID_3090
    assert choose_gpu(cards, GpuConfig(use="least-memory", forbid=("5060",))).uuid == UUID_3090


def test_a_card_sold_with_24_gb_has_24_gb():
    assert choose_gpu(read_gpus(founding()), GpuConfig(use="1", min_memory_gb=24)).uuid == UUID_3090


def test_a_forbidden_card_is_not_used_even_when_asked_for():
    with pytest.raises(GpuUnavailableError) as caught:
        choose_gpu(read_gpus(founding()), GpuConfig(use="RTX 5060", forbid=("00:10.0",)))
    for part in ("gpu.use: RTX 5060", "gpu.forbid (00:10.0)", "RTX 5060 Ti", "use NVIDIA GeForce RTX 3090"):
        assert part in str(caught.value)


def test_all_forbidden():
    with pytest.raises(GpuUnavailableError, match=r"every card here is forbidden.*optimization.device: cpu"):
        choose_gpu(read_gpus(founding()), GpuConfig(forbid=("NVIDIA",)))


def test_an_absent_card_is_named_with_what_there_is():
    with pytest.raises(
        GpuUnavailableError, match=r"gpu.use: RTX 4090: no such card; use NVIDIA GeForce RTX 5060 Ti \(17"
    ):
        choose_gpu(read_gpus(founding()), GpuConfig(use="RTX 4090"))
    with pytest.raises(GpuUnavailableError, match=r"gpu.use: RTX 4090: this machine has no NVIDIA card"):
        choose_gpu((), GpuConfig(use="RTX 4090"))


def test_too_small():
    with pytest.raises(GpuUnavailableError, match=r"gpu.min_memory_gb: 20 GB is more than NVIDIA GeForce RTX 3060"):
        choose_gpu(read_gpus(laptop_3060()), GpuConfig(min_memory_gb=20))


def test_busy_names_the_programs():
    with pytest.raises(
        GpuBusyError, match=r"120 GB .*116\.2 GB is free; in use by memhog \(pid 10291, 2\.7 GB\), .*gpu_burn"
    ):
        choose_gpu(read_gpus(h200()), GpuConfig(use="H200", min_memory_gb=120))
    with pytest.raises(GpuBusyError, match=r"dwm.exe \(pid 2056\), explorer.exe"):
        choose_gpu(read_gpus(windows_2080_super()), GpuConfig(min_memory_gb=8))
    with pytest.raises(GpuBusyError, match="does not tell who has it"):
        choose_gpu(read_gpus(unlike_pair()), GpuConfig(use="4090", min_memory_gb=20))


def test_a_busy_card_gives_way_to_a_free_one_of_the_same_kind():
    assert choose_gpu(twins(3000), GpuConfig(use="least-memory", min_memory_gb=8)).uuid == MASKED_SECOND_TWIN


# --- the settings


@pytest.mark.parametrize(
    ("values", "use", "forbid"),
    [
        ({"use": 1}, "1", ()),
        ({"forbid": 0}, None, ("0",)),
        ({"forbid": "RTX 5060"}, None, ("RTX 5060",)),
        ({"forbid": [0, "RTX 5060"]}, None, ("0", "RTX 5060")),
    ],
)
def test_yaml_numbers_are_buses_and_one_card_needs_no_list(values: dict[str, object], use: str | None, forbid: tuple):
    config = parse_config({"gpu": values}).gpu
    assert (config.use, config.forbid) == (use, forbid)


def test_a_bus_that_yaml_turned_into_a_number_is_refused_with_the_cure():
    with pytest.raises(ConfigError, match="in quotes"):
        parse_config({"gpu": {"use": 60.0}})


def test_a_split_size_that_torch_would_refuse_is_refused():
    with pytest.raises(ConfigError, match=r"gpu.max_split_size_mb: 20 .*21 or more"):
        parse_config({"gpu": {"max_split_size_mb": 20}})


# --- the fence

FOUNDING = GpuConfig(use="RTX 3090", forbid=("RTX 5060 Ti",), min_memory_gb=20, max_split_size_mb=1024)
FOUNDING_VARIABLES = {
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    "CUDA_VISIBLE_DEVICES": "1",
    "PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:1024",
    "PYTORCH_ALLOC_CONF": "max_split_size_mb:1024",
}


def test_the_founding_machine_gets_the_founding_variables():
    environ: dict[str, str] = {}
    gpu = fence_configured(FOUNDING, run=founding(), environ=environ, modules=())
    assert gpu is not None
    assert gpu.uuid == UUID_3090
    assert environ == FOUNDING_VARIABLES


def test_a_slice_goes_by_its_uuid():
    assert device_number(choose_gpu(read_gpus(h100_mig()), GpuConfig(min_memory_gb=25))) == MIG_SLICE


def test_torch_imported_already_is_an_error_and_nothing_is_set():
    environ: dict[str, str] = {}
    with pytest.raises(GpuUnavailableError, match=r"torch is imported already.*CUDA_VISIBLE_DEVICES=1"):
        fence_configured(FOUNDING, run=founding(), environ=environ, modules={"torch"})
    assert environ == {}


def test_torch_imported_already_behind_the_same_fence_is_fine():
    environ = dict(FOUNDING_VARIABLES)
    assert fence_configured(FOUNDING, run=founding(), environ=environ, modules={"torch"}) is not None
    assert environ == FOUNDING_VARIABLES


def test_other_allocator_settings_of_the_user_stay():
    environ = {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True,max_split_size_mb:64"}
    fence(read_gpus(rtx_3090())[0], GpuConfig(max_split_size_mb=256), environ, ())
    assert environ["PYTORCH_ALLOC_CONF"] == "expandable_segments:True,max_split_size_mb:256"
    assert environ["PYTORCH_CUDA_ALLOC_CONF"] == environ["PYTORCH_ALLOC_CONF"]


def test_the_users_own_variable_is_kept_where_nothing_is_configured():
    environ = {"CUDA_VISIBLE_DEVICES": UUID_5060}
    gpu = fence_configured(GpuConfig(min_memory_gb=10), run=founding(), environ=environ, modules=())
    assert gpu is not None
    assert gpu.uuid == UUID_5060, "although the other has more free memory"
    assert environ == {"CUDA_VISIBLE_DEVICES": UUID_5060}


def test_the_users_number_counts_in_pci_order_only_where_cuda_does():
    by_bus = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "0"}
    gpu = fence_configured(GpuConfig(min_memory_gb=10), run=founding(), environ=by_bus, modules=())
    assert gpu is not None
    assert gpu.uuid == UUID_5060


def test_the_configuration_outdoes_the_users_variable_and_says_so(caplog: pytest.LogCaptureFixture):
    environ = {"CUDA_VISIBLE_DEVICES": "0"}
    fence_configured(FOUNDING, run=founding(), environ=environ, modules=())
    assert environ["CUDA_VISIBLE_DEVICES"] == "1"
    assert "CUDA_VISIBLE_DEVICES=0 gives way" in caplog.text


def never(arguments: object) -> object:
    raise AssertionError("nvidia-smi must not be asked")


@pytest.mark.parametrize(("config", "device"), [(GpuConfig(), "auto"), (FOUNDING, "cpu"), (FOUNDING, "mps")])
def test_nothing_asked_for_costs_nothing(config: GpuConfig, device: str):
    environ: dict[str, str] = {}
    assert fence_configured(config, device, run=never, environ=environ, modules={"torch"}) is None
    assert environ == {}


def test_the_allocator_alone_needs_no_look_at_the_cards():
    environ: dict[str, str] = {}
    assert fence_configured(GpuConfig(max_split_size_mb=512), run=never, environ=environ, modules=()) is None
    assert set(environ.values()) == {"max_split_size_mb:512"}


def test_a_mere_limit_that_no_card_meets_hides_them_all(caplog: pytest.LogCaptureFixture):
    environ: dict[str, str] = {}
    assert fence_configured(GpuConfig(forbid=("NVIDIA",)), run=founding(), environ=environ, modules=()) is None
    assert environ == {"CUDA_VISIBLE_DEVICES": "-1"}
    assert "Going on without a card" in caplog.text


@pytest.mark.parametrize(("config", "device"), [(GpuConfig(use="RTX 4090"), "auto"), (GpuConfig(), "cuda")])
def test_a_wish_that_cannot_be_met_is_an_error(config: GpuConfig, device: str):
    with pytest.raises(GpuUnavailableError):
        fence_configured(config, device, run=no_driver, environ={}, modules=())


def test_a_variable_of_the_user_that_leaves_no_card_is_named():
    with pytest.raises(GpuUnavailableError, match="CUDA_VISIBLE_DEVICES=-1 leaves no card: unset it"):
        fence_configured(GpuConfig(), "cuda", run=founding(), environ={"CUDA_VISIBLE_DEVICES": "-1"}, modules=())


# --- the proof


@dataclass
class FakeCuda:
    """The part of torch.cuda that the proof asks."""

    cards: list[SimpleNamespace]
    free_bytes: int = 24 * GB
    reserved_bytes: int = 0
    allocated_bytes: int = 0
    failure: Exception | None = None

    def is_available(self) -> bool:
        return bool(self.cards)

    def device_count(self) -> int:
        return len(self.cards)

    def get_device_properties(self, number: int) -> SimpleNamespace:
        return self.cards[number]

    def mem_get_info(self, number: int) -> tuple[int, int]:
        if self.failure is not None:
            raise self.failure
        return self.free_bytes, self.cards[number].total_memory

    def memory_reserved(self, number: int) -> int:
        return self.reserved_bytes

    def memory_allocated(self, number: int) -> int:
        return self.allocated_bytes


@dataclass
class FakeTorch:
    """A torch that sees the cards it is given."""

    cuda: FakeCuda
    version: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(cuda="12.8"))
    __version__: str = "2.13.0"


def seen(gpu: Gpu, uuid: bool = True) -> SimpleNamespace:
    """A card as torch describes it: less memory than nvidia-smi says, the UUID without its prefix."""
    told = SimpleNamespace(name=gpu.name, total_memory=int(gpu.total_bytes * 0.987), major=8, minor=6)
    if uuid:
        told.uuid = gpu.uuid.removeprefix("GPU-")
    return told


def the_3090() -> Gpu:
    return choose_gpu(read_gpus(founding()), GpuConfig(use="RTX 3090"))


def the_5060() -> Gpu:
    return choose_gpu(read_gpus(founding()), GpuConfig(use="RTX 5060"))


@pytest.mark.parametrize(("uuid", "proved_by"), [(True, "uuid"), (False, "name and memory")])
def test_the_right_card_alone_is_proved(uuid: bool, proved_by: str):
    proof = validate_exclusive_gpu(the_3090(), 20 * GB, FakeTorch(FakeCuda([seen(the_3090(), uuid)])))
    assert (proof.name, proof.proved_by, proof.capability) == ("NVIDIA GeForce RTX 3090", proved_by, (8, 6))
    assert proof.free_bytes == 24 * GB


@pytest.mark.parametrize(
    ("torch", "error", "words"),
    [
        (lambda: FakeTorch(FakeCuda([]), SimpleNamespace(cuda=None)), GpuUnavailableError, "built without CUDA"),
        (lambda: FakeTorch(FakeCuda([])), GpuUnavailableError, "torch sees no card"),
        (
            lambda: FakeTorch(FakeCuda([seen(the_5060()), seen(the_3090())])),
            GpuUnavailableError,
            "torch sees 2 cards .*5060 Ti and .*3090",
        ),
        (lambda: FakeTorch(FakeCuda([seen(the_5060())])), GpuUnavailableError, "5060 Ti .*3090 .*was to be the one"),
        (lambda: FakeTorch(FakeCuda([seen(the_5060(), False)])), GpuUnavailableError, "was to be the one"),
        (
            lambda: FakeTorch(FakeCuda([seen(replace(the_3090(), uuid=UUID_SECOND_3090))])),
            GpuUnavailableError,
            "was to be the one",
        ),
        (lambda: FakeTorch(FakeCuda([seen(the_3090())], free_bytes=3 * GB)), GpuBusyError, "3.0 GB free of the 20.0"),
        (
            lambda: FakeTorch(FakeCuda([seen(the_3090())], failure=RuntimeError("CUDA error: out of memory\nmore"))),
            GpuBusyError,
            "no memory left",
        ),
        (
            lambda: FakeTorch(FakeCuda([seen(the_3090())], failure=RuntimeError("CUDA error: no kernel image\nmore"))),
            GpuUnavailableError,
            "cannot be used: CUDA error: no kernel image$",
        ),
    ],
    ids=["cpu build", "none", "two", "wrong uuid", "wrong name", "twin", "busy", "full", "unfit"],
)
def test_what_is_not_proved(torch: Callable[[], FakeTorch], error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        validate_exclusive_gpu(the_3090(), 20 * GB, torch())


def test_more_than_the_card_has_is_not_proved():
    with pytest.raises(GpuUnavailableError, match=r"25\.\d GB for torch and 40\.0 GB are asked for"):
        validate_exclusive_gpu(the_3090(), 40 * GB, FakeTorch(FakeCuda([seen(the_3090())])))


def test_what_this_process_has_taken_and_not_used_counts_as_free():
    cuda = FakeCuda([seen(the_3090())], free_bytes=5 * GB, reserved_bytes=18 * GB)
    assert validate_exclusive_gpu(the_3090(), 20 * GB, FakeTorch(cuda)).free_bytes == 23 * GB
    cuda.allocated_bytes = 10 * GB
    with pytest.raises(GpuBusyError, match=r"13\.0 GB free of the 20\.0 GB asked for"):
        validate_exclusive_gpu(the_3090(), 20 * GB, FakeTorch(cuda))


# --- real processes

FAKE_SMI = """#!/bin/sh
case "$1" in
  --query-gpu=*) printf '%s\\n' \\
    "0, NVIDIA GeForce RTX 5060 Ti, GPU-1f6a52b8, 00000000:00:10.0, 16311, 15012, 12.0, [N/A]" \\
    "1, NVIDIA GeForce RTX 3090, GPU-8f1c3f0e, 00000000:01:00.0, 24576, 24231, 8.6, [N/A]" ;;
esac
"""
WATCHER = """
import json, os, sys
class Watcher:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "core.app.chat"):
            with open(os.environ["WATCH_FILE"], "a") as file:
                seen = {key: value for key, value in os.environ.items() if key.startswith(("CUDA_", "PYTORCH_"))}
                file.write(json.dumps({"module": name, "seen": seen}) + "\\n")
        return None
sys.meta_path.insert(0, Watcher())
"""


@dataclass
class FencedRun:
    """`main.py chat` with a fake nvidia-smi in front of the PATH, and a watcher of its imports."""

    folder: Path

    def __call__(self, *settings: str, smi: str | None = FAKE_SMI) -> subprocess.CompletedProcess[str]:
        import os

        programs, site = self.folder / "bin", self.folder / "site"
        for made in (programs, site):
            made.mkdir(exist_ok=True)
        if smi is not None:
            (programs / "nvidia-smi").write_text(smi)
            (programs / "nvidia-smi").chmod(0o755)
        (site / "sitecustomize.py").write_text(WATCHER)
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("CUDA_", "PYTORCH_"))}
        environ |= {
            "PATH": f"{programs}{os.pathsep}{environ['PATH']}",
            "PYTHONPATH": str(site),
            "WATCH_FILE": str(self.folder / "watched"),
            "MERLINE_HOME": str(self.folder / "home"),
        }
        options = [part for setting in settings for part in ("--set", setting)]
        return subprocess.run(
            [sys.executable, str(ROOT / "main.py"), "chat", "--offline", *options],
            env=environ,
            input="",
            capture_output=True,
            text=True,
            timeout=60,
        )

    def watched(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.folder / "watched").read_text().splitlines()]


@pytest.mark.skipif(sys.platform == "win32", reason="the fake nvidia-smi is a shell script")
def test_main_fences_before_any_module_of_a_command_and_so_before_torch(tmp_path: Path):
    run = FencedRun(tmp_path)
    done = run("gpu.use=RTX 3090", "gpu.forbid=RTX 5060", "gpu.min_memory_gb=20", "gpu.max_split_size_mb=1024")
    assert done.returncode == 0, done.stderr
    first, *later = run.watched()
    assert first == {"module": "core.app.chat", "seen": FOUNDING_VARIABLES}
    assert all(event["seen"] == FOUNDING_VARIABLES for event in later)


@pytest.mark.skipif(sys.platform == "win32", reason="the fake nvidia-smi is a shell script")
def test_main_does_not_run_nvidia_smi_unasked(tmp_path: Path):
    run = FencedRun(tmp_path)
    done = run(smi=f"#!/bin/sh\ntouch '{tmp_path}/asked'\n")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "asked").exists()
    assert run.watched()[0] == {"module": "core.app.chat", "seen": {}}


@pytest.mark.skipif(sys.platform == "win32", reason="the fake nvidia-smi is a shell script")
def test_main_ends_with_3_where_the_card_is_absent(tmp_path: Path):
    done = FencedRun(tmp_path)("gpu.use=RTX 4090")
    assert done.returncode == 3
    assert "gpu.use: RTX 4090: no such card" in done.stderr
    assert "Traceback" not in done.stderr


def test_torch_imported_already_in_a_real_process(tmp_path: Path):
    (tmp_path / "torch.py").write_text("")
    code = (
        "import torch\n"
        "from core.utils.config import GpuConfig\n"
        "from core.utils.gpu import Gpu, fence\n"
        "fence(Gpu(1, 'NVIDIA GeForce RTX 3090', 'GPU-1', '00000000:01:00.0', 24, 24), GpuConfig(use='RTX 3090'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "GpuUnavailableError: torch is imported already" in done.stderr


@pytest.mark.gpu
def test_a_real_card_is_fenced_and_proved():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if torch.version.cuda is None:
        pytest.skip("this torch is built without CUDA")
    code = (
        "from core.utils.config import GpuConfig\n"
        "from core.utils.gpu import fence_configured, validate_exclusive_gpu\n"
        "gpu = fence_configured(GpuConfig(use='least-memory', min_memory_gb=1))\n"
        "proof = validate_exclusive_gpu(gpu, 10**9)\n"
        "assert proof.name == gpu.name and proof.capability == gpu.capability, (proof, gpu)\n"
        "print(proof.proved_by)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() in ("uuid", "name and memory"), done.stderr


def test_the_modules_never_import_torch():
    code = "import core.utils.gpu, sys; sys.exit('torch' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
