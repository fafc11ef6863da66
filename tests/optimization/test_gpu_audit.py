"""The audit of a code tree: each fault in one place, near misses, corrections that keep the rest, and the way back."""

from __future__ import annotations

import ast
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.optimization.gpu_audit.audit import audit, audit_source, files_in, tree_at
from core.optimization.gpu_audit.backup import roll_back
from core.optimization.gpu_audit.faults import Audit, Expectation, FaultKind
from core.optimization.gpu_audit.fix import Fix, corrected, fix
from core.optimization.gpu_audit.source import SourceError, parse, read_source
from core.utils.errors import ConfigError, DataError

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = Expectation()
ENVIRONMENT = 'import os\nos.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"\nos.environ["CUDA_VISIBLE_DEVICES"] = "1"\n'
SET = f"{ENVIRONMENT}import torch\n"
"""four lines that do it right"""


def kinds(text: str, visible: str = "1") -> list[tuple[str, int]]:
    """(kind, line) of every fault."""
    found = audit_source("file.py", parse(text, "utf-8"), Expectation(visible))
    return [(fault.kind.value, fault.line) for fault in found.faults]


def in_tree(folder: Path, **files: str) -> Audit:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_name(path.name + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return audit(tree_at(folder), EXPECTED)


def mend(folder: Path, **files: str) -> Fix:
    found = in_tree(folder, **files)
    return fix(tree_at(folder), found)


# --- device numbers

ONE_FAULT = {
    'device = "cuda:1"': "device-string",
    "device = 'cuda:3'": "device-string",
    'device = "cuda:1" if torch.cuda.is_available() else "cpu"': "device-string",
    'model.to("cuda:1")': "device-string",
    'load(device="cuda:1")': "device-string",
    'def f(device="cuda:1"): ...': "device-string",
    'def f(*, device: str = "cuda:1"): ...': "device-string",
    'f = lambda device="cuda:1": device': "device-string",
    'class C:\n    device: str = "cuda:1"': "device-string",
    'def f():\n    return "cuda:1"': "device-string",
    'options = {"device": "cuda:1"}': "device-string",
    'device = f"cuda:1"': "device-string",
    'torch.set_default_device("cuda:2")': "device-string",
    'torch.device("cuda:1")': "torch-device",
    'torch.device("cuda", 1)': "torch-device",
    'torch.device(type="cuda", index=1)': "torch-device",
    "torch.device(1)": "torch-device",
    'from torch import device as dev\ndev("cuda:1")': "torch-device",
    "torch.cuda.set_device(1)": "set-device",
    'torch.cuda.set_device("cuda:1")': "set-device",
    "torch.cuda.set_device(device=2)": "set-device",
    "from torch import cuda\ncuda.set_device(1)": "set-device",
    "import torch as t\nt.cuda.set_device(1)": "set-device",
    "GPU = 1\ntorch.cuda.set_device(GPU)": "set-device",
    "with torch.cuda.device(1):\n    pass": "set-device",
    "load(gpu_device_index=1)": "gpu-device-index",
    "self.gpu_device_index = 1": "gpu-device-index",
    'options = {"gpu_device_index": 1}': "gpu-device-index",
    'options["gpu_device_index"] = 1': "gpu-device-index",
    "load(device_index=1)": "device-index",
    "load(device_index=[1])": "device-index",
    "def f(device_index: int = 1): ...": "device-index",
    "def f(*, device_index=1): ...": "device-index",
    "class C:\n    device_index: int = 1": "device-index",
    "model.cuda(1)": "device-index",
    "torch.cuda.get_device_properties(1)": "device-index",
}


@pytest.mark.parametrize(("code", "kind"), ONE_FAULT.items())
def test_one_fault_is_found_once_with_its_line(code: str, kind: str):
    last = next(number for number, line in reversed([*enumerate(code.splitlines())]) if any(c in line for c in "123G"))
    assert kinds(f"{SET}{code}\n") == [(kind, 5 + last)]


@pytest.mark.parametrize("code", [code for code in ONE_FAULT if not code.startswith("GPU")])
def test_one_fault_is_corrected_in_its_place(code: str):
    source = parse(f"{SET}{code}\n", "utf-8")
    fixed = corrected(source, audit_source("f.py", source, EXPECTED).faults, EXPECTED)
    assert kinds(fixed.text) == []
    assert len(fixed.text) == len(source.text)
    assert sum(a != b for a, b in zip(source.text, fixed.text, strict=True)) == 1, "one digit and nothing else"


NEAR_MISSES = {
    "comment": "x = 1  # device = 'cuda:1'",
    "docstring": '"""Use cuda:1."""\ndef f():\n    """cuda:1"""',
    "bare string": 'def f():\n    "cuda:1"',
    "words": 'print("cuda:1")',
    "log": 'import logging\nlogging.getLogger().info("using %s", "cuda:1")',
    "exception": 'raise ValueError("cuda:1")',
    "comparison": 'if device == "cuda:1":\n    pass',
    "membership": 'found = device in ("cuda:0", "cuda:1")',
    "prefix": 'found = device.startswith("cuda:1")',
    "key": 'found = {"cuda:1": "second"}["cuda:1"]',
    "help": 'parser.add_argument("--device", help="cuda:1", choices=["cuda:0", "cuda:1"])',
    "annotation": 'from typing import Literal\ndef f(device: Literal["cuda:1"]) -> "cuda:1": ...',
    "pattern": 'match device:\n    case "cuda:1":\n        pass',
    "sentence": 'x = "the card cuda:1 is not ours"',
    "unknown number": 'device = f"cuda:{number}"',
    "card 0": 'device = torch.device("cuda:0", 0)\ntorch.cuda.set_device(0)\nload(device_index=0, gpu_device_index=0)',
    "cpu": 'torch.device("cpu", 1)',
    "no card": "load(device_index=-1)",
    "truth": "load(device_index=True)",
    "a sound device": "Microphone(device_index=1)\nopen(input_device_index=1)",
    "a sound recorder": "PvRecorder(device_index=1, frame_length=512)\nself.stream = open_stream(device_index=2)",
    "another set_device": "mixer.set_device(1)",
    "unknown variable": "torch.cuda.set_device(args.gpu)",
    "rebound name": "GPU = 1\nGPU = 0\ntorch.cuda.set_device(GPU)",
}


@pytest.mark.parametrize("code", NEAR_MISSES.values(), ids=NEAR_MISSES.keys())
def test_near_misses_are_not_found(code: str):
    assert kinds(f"{SET}{code}\n") == []


@pytest.mark.parametrize(
    "code",
    ["import json\nprint(json.dumps({}))", "import torch\nx = torch.zeros(3)", 'text = "CUDA_VISIBLE_DEVICES"', ""],
)
def test_a_file_that_never_touches_cuda_needs_no_variables(code: str):
    assert kinds(code) == []


SOUND = "class Ear:\n    device_index: int = 1\n\ndef listen(device_index=2):\n    play(device_index=1)\n"


@pytest.mark.parametrize("package", ["pyaudio", "sounddevice", "speech_recognition", "cv2"])
def test_where_no_card_is_computed_on_the_index_is_a_sound_devices(package: str):
    assert kinds(f"import {package}\n{SOUND}") == []
    beside = kinds(f"{SET}import {package}\n{SOUND}")
    assert [kind for kind, _ in beside] == ["device-index"] * 3, "torch is imported too: it may be a card's"
    assert kinds(f"import os\nimport {package}\n{SOUND}load(gpu_device_index=1)\n")[-1][0] == "gpu-device-index"


def test_several_cards_in_one_list_are_found_and_left_to_a_person():
    source = parse(f'{SET}devices = ["cuda:0", "cuda:1"]\nload(device_index=[0, 1])\n', "utf-8")
    found = audit_source("f.py", source, EXPECTED).faults
    assert [(fault.kind, fault.fixable) for fault in found] == [
        (FaultKind.DEVICE_STRING, False),
        (FaultKind.DEVICE_INDEX, False),
    ]


# --- the variables

ORDER = 'os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"\n'
VISIBLE = 'os.environ["CUDA_VISIBLE_DEVICES"] = "1"\n'
USE = "torch.cuda.is_available()\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"import torch\n{USE}", [("device-order-missing", 1), ("visible-devices-missing", 1)]),
        (f"import os\n{ORDER}import torch\n{USE}", [("visible-devices-missing", 3)]),
        (f"import os\n{VISIBLE}", [("device-order-missing", 1)]),
        ('Model("base", device="cuda")\n', [("device-order-missing", 1), ("visible-devices-missing", 1)]),
        (SET.replace('"1"', '"0"'), [("visible-devices-wrong", 3)]),
        (SET.replace('"1"', "1"), [("visible-devices-wrong", 3)]),
        (SET.replace("PCI_BUS_ID", "FASTEST_FIRST"), [("device-order-wrong", 2)]),
        (f'import os\n{ORDER}CARD = "0"\nos.environ["CUDA_VISIBLE_DEVICES"] = CARD\n', [("visible-devices-wrong", 4)]),
        (f"import os\nimport torch\n{ORDER}{VISIBLE}", [("set-after-torch", 3), ("set-after-torch", 4)]),
        (f"import os\n{ORDER}from torch import nn\n{VISIBLE}", [("set-after-torch", 4)]),
        (f"import os\nimport torchaudio.transforms\n{ORDER}{VISIBLE}", [("set-after-torch", n) for n in (3, 4)]),
        (
            f'import os, importlib\nimportlib.import_module("torch")\n{ORDER}{VISIBLE}',
            [("set-after-torch", 3), ("set-after-torch", 4)],
        ),
        (
            f"import os\ntry:\n    import torch\nexcept ImportError:\n    torch = None\n{ORDER}{VISIBLE}",
            [("set-after-torch", 6), ("set-after-torch", 7)],
        ),
        (
            f"import os, torch\ndef prepare():\n    {ORDER}    {VISIBLE}",
            [("set-after-torch", 3), ("set-after-torch", 4)],
        ),
        (
            f"import os\ndef run():\n    import torch\n    {ORDER}    {VISIBLE}",
            [("set-after-torch", 4), ("set-after-torch", 5)],
        ),
        (
            f"import os\ndef prepare():\n    {ORDER}    {VISIBLE}import torch\nprepare()\n",
            [("set-after-torch", 3), ("set-after-torch", 4)],
        ),
        (
            f"import os\ndef main():\n    import torch\n    later()\ndef later():\n    {ORDER}    {VISIBLE}main()\n",
            [("set-after-torch", 6), ("set-after-torch", 7)],
        ),
    ],
)
def test_variables_missing_wrong_or_late(text: str, expected: list[tuple[str, int]]):
    assert kinds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        f"{SET}{USE}",
        f"import os as system\nfrom torch import cuda\n{USE}".replace(
            "from",
            'system.environ["CUDA_DEVICE_ORDER"], system.environ["CUDA_VISIBLE_DEVICES"] = "PCI_BUS_ID", "1"\nfrom',
        ),
        'from os import environ\nenviron.update({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, CUDA_VISIBLE_DEVICES="1")\n'
        f"import torch\n{USE}",
        'import os\nos.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")\nos.putenv("CUDA_VISIBLE_DEVICES", "1")\n'
        f"import torch\n{USE}",
        'import os\nos.environ |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"}\n'
        f"import torch\n{USE}",
        f'import os, sys\n{ORDER}os.environ["CUDA_VISIBLE_DEVICES"] = sys.argv[1]\nimport torch\n{USE}',
        f"import os\ndef prepare():\n    {ORDER}    {VISIBLE}prepare()\nimport torch\n{USE}",
        f"import os\ndef run():\n    {ORDER}    {VISIBLE}    import torch\n    {USE}",
        f"import os\nif True:\n    {ORDER}{VISIBLE}import torch\n{USE}",
        "import os\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n" + ORDER + VISIBLE,
        f"{SET}{VISIBLE}",
        f'{SET}wanted = os.environ["CUDA_VISIBLE_DEVICES"] == "0"\nnow = os.environ.get("CUDA_VISIBLE_DEVICES", "0")\n',
        f'{SET}import subprocess\nsubprocess.run([], env={{"CUDA_VISIBLE_DEVICES": "0"}})\n',
    ],
)
def test_variables_that_are_right(text: str):
    assert kinds(text) == []


def test_another_card_may_be_the_one():
    assert kinds(f"{SET}{USE}", visible="GPU-8f1c") == [("visible-devices-wrong", 3)]
    assert kinds(f"{SET}{USE}".replace('"1"', '"GPU-8f1c"'), visible="GPU-8f1c") == []


def test_a_module_of_the_tree_may_set_them_for_the_others(tmp_path: Path):
    found = in_tree(
        tmp_path,
        src__fence=ENVIRONMENT,
        src__good=f"import fence\nimport torch\n{USE}",
        src__also_good=f"from src.fence import os\nimport torch\n{USE}",
        src__late=f"import torch\nimport fence\n{USE}",
        src__none=f"import torch\n{USE}",
    )
    faults = {file.path: [fault.kind for fault in file.faults] for file in found.files}
    assert faults == {
        "src/fence.py": [],
        "src/good.py": [],
        "src/also_good.py": [],
        "src/late.py": [FaultKind.SET_AFTER_TORCH] * 2,
        "src/none.py": [FaultKind.ORDER_MISSING, FaultKind.VISIBLE_MISSING],
    }


# --- trees and lists


def test_folders_of_others_are_left_out(tmp_path: Path):
    bad = f"import torch\n{USE}"
    found = in_tree(
        tmp_path,
        **{f"{folder}__bad": bad for folder in (".venv", ".git", "node_modules", ".gpu-audit-backup", "a")},
    )
    (tmp_path / "a" / "link.py").symlink_to(tmp_path / ".venv" / "bad.py")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "bad.py").write_text(bad)
    environment = tmp_path / "environment"
    environment.mkdir()
    (environment / "pyvenv.cfg").touch()
    (environment / "bad.py").write_text(bad)
    assert [file.path for file in found.files] == ["a/bad.py"]
    assert audit(tree_at(tmp_path), EXPECTED) == found


def test_what_cannot_be_read_is_named_and_does_not_stop(tmp_path: Path):
    (tmp_path / "a.py").write_text("def broken(:\n")
    (tmp_path / "b.py").write_bytes(b"# coding: nonsense\n")
    (tmp_path / "c.py").write_bytes(b"x = '\xff'\n")
    (tmp_path / "d.py").write_bytes(b"x = 1\0\n")
    (tmp_path / "e.py").write_text(f"import torch\n{USE}")
    found = audit(tree_at(tmp_path), EXPECTED)
    assert [unread.path for unread in found.unreadable] == ["a.py", "b.py", "c.py", "d.py"]
    assert "line 1" in found.unreadable[0].why
    assert found.count == 2
    assert not found.clean


def test_a_list_of_files(tmp_path: Path):
    (tmp_path / "good.py").write_text(SET)
    (tmp_path / "bad.py").write_text(f"import torch\n{USE}")
    (tmp_path / "list.txt").write_text("# forty files\n\ngood.py\nbad.py  # twice\nbad.py\ngone.py\n")
    found = audit(files_in(tmp_path / "list.txt"), EXPECTED)
    assert [file.path for file in found.files] == ["good.py", "bad.py"]
    assert found.missing == ("gone.py",)
    assert "missing: 1" in found.summary()


def test_no_place_and_no_list(tmp_path: Path):
    with pytest.raises(ConfigError, match="no such file or folder"):
        tree_at(tmp_path / "gone")
    with pytest.raises(ConfigError, match="cannot be read"):
        files_in(tmp_path / "gone")


def test_counts_by_kind(tmp_path: Path):
    found = in_tree(tmp_path, a=f'import torch\n{USE}x = "cuda:1"\ny = "cuda:2"\n', b=SET)
    assert found.by_kind == {"device-order-missing": 1, "visible-devices-missing": 1, "device-string": 2}
    assert json.loads(json.dumps(found.as_json()))["files"][0]["faults"][2]["line"] == 3


# --- corrections


def fixed(text: str) -> str:
    source = parse(text, "utf-8")
    return corrected(source, audit_source("f.py", source, EXPECTED).faults, EXPECTED).text


ADDED = ORDER + VISIBLE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"import torch\n{USE}", f"import os\n\n{ADDED}\nimport torch\n{USE}"),
        (f"import os\nimport torch\n{USE}", f"import os\n\n{ADDED}\nimport torch\n{USE}"),
        (f"import os\n\nimport torch\n{USE}", f"import os\n\n{ADDED}\nimport torch\n{USE}"),
        (
            '#!/usr/bin/env python3\n"""Doc."""\n\nfrom __future__ import annotations\n\n'
            f"import sys\nimport torch\n{USE}",
            '#!/usr/bin/env python3\n"""Doc."""\n\nfrom __future__ import annotations\n\n'
            f"import os\n\n{ADDED}\nimport sys\nimport torch\n{USE}",
        ),
        (f"import sys\nimport os\nimport mine\n{USE}import torch\n", None),
        (f"@decorated\nclass C:\n    import torch\n    {USE}", None),
        (f"import torch; import os\n{USE}", f"import os\n\n{ADDED}\nimport torch; import os\n{USE}"),
        (
            "import os\r\nimport torch\r\nx = 'cuda:1'\r\n",
            f"import os\n\n{ADDED}\nimport torch\nx = 'cuda:0'\n".replace("\n", "\r\n"),
        ),
        (f"import os, torch\n{ORDER}", f"import os\n\n{ADDED}\nimport os, torch\n{ORDER}"),
        (
            "import os, torch\nos.environ['CUDA_VISIBLE_DEVICES'] = '0'  # kept\n",
            f"import os\n\n{ADDED}\nimport os, torch\nos.environ['CUDA_VISIBLE_DEVICES'] = '1'  # kept\n",
        ),
        (
            f'é = "ü"; {USE.strip()}; d = torch.device( "cuda" , 1 )  # ä\nimport torch\n',
            f'import os\n\n{ADDED}\né = "ü"; {USE.strip()}; d = torch.device( "cuda" , 0 )  # ä\nimport torch\n',
        ),
    ],
)
def test_a_correction_keeps_everything_else(before: str, after: str | None):
    text = fixed(before)
    assert kinds(text) == []
    assert fixed(text) == text
    if after is not None:
        assert text == after


def test_where_no_line_can_be_added_nothing_is_made_worse():
    """cuda:0 without the variables would be the very card that is forbidden."""
    text = '"""Doc."""; import torch; torch.cuda.set_device(1)\n'
    assert fixed(text) == text
    assert [kind for kind, _ in kinds(text)] == ["device-order-missing", "visible-devices-missing", "set-device"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_encodings_and_line_ends_survive(encoding: str, line_end: bytes, tmp_path: Path):
    cookie = "" if encoding.startswith("utf") else f"# coding: {encoding}\n"
    text = f'{cookie}import torch\nname = "é à"; x = "cuda:1"  # ü\n'
    file = tmp_path / "a.py"
    file.write_bytes(text.encode(encoding).replace(b"\n", line_end))
    done = fix(tree_at(tmp_path), audit(tree_at(tmp_path), EXPECTED))
    wanted = text.replace("import torch", f"import os\n\n{ADDED}\nimport torch").replace("cuda:1", "cuda:0")
    assert file.read_bytes() == wanted.encode(encoding).replace(b"\n", line_end)
    assert done.audit.clean


def test_fix_says_what_it_did_and_rollback_undoes_it(tmp_path: Path):
    text = f'import torch\n{USE}x = ["cuda:0", "cuda:1"]\n'
    found = in_tree(tmp_path, a=text, b=SET)
    (tmp_path / "a.py").chmod(0o750)
    done = fix(tree_at(tmp_path), found)
    (changed,) = done.changed
    assert (changed.path, changed.faults_before, changed.faults_after) == ("a.py", 3, 1)
    assert "--- a/a.py\n+++ b/a.py\n" in changed.diff
    assert '+os.environ["CUDA_VISIBLE_DEVICES"] = "1"' in changed.diff
    assert not done.audit.clean, "the list of two cards is left to a person"
    restored = roll_back(tree_at(tmp_path).backups)
    assert restored.files == (tmp_path / "a.py",)
    assert restored.changed_since == ()
    assert (tmp_path / "a.py").read_text() == text
    assert stat.S_IMODE((tmp_path / "a.py").stat().st_mode) == 0o750
    with pytest.raises(DataError, match="no backup to put back"):
        roll_back(tree_at(tmp_path).backups)


def test_nothing_to_fix_makes_no_backup(tmp_path: Path):
    done = mend(tmp_path, a=SET)
    assert (done.changed, done.backup) == ((), None)
    assert not tree_at(tmp_path).backups.exists()


def test_the_newest_backup_is_put_back_first(tmp_path: Path):
    texts = [f'{SET}x = "cuda:{number}"\n' for number in (1, 2)]
    for text in texts:
        mend(tmp_path, a=text)
    for text in reversed(texts):
        roll_back(tree_at(tmp_path).backups)
        assert (tmp_path / "a.py").read_text() == text


def test_what_was_written_after_the_fix_is_not_lost(tmp_path: Path):
    mend(tmp_path, a=f'{SET}x = "cuda:1"\n')
    (tmp_path / "a.py").write_text("mine = 1\n")
    (copy,) = roll_back(tree_at(tmp_path).backups).changed_since
    assert copy.read_text() == "mine = 1\n"


def test_a_damaged_backup_changes_nothing(tmp_path: Path):
    done = mend(tmp_path, a=f'{SET}x = "cuda:1"\n')
    assert done.backup is not None
    next(done.backup.glob("*.bak")).unlink()
    before = (tmp_path / "a.py").read_bytes()
    with pytest.raises(DataError, match="damaged"):
        roll_back(tree_at(tmp_path).backups)
    assert (tmp_path / "a.py").read_bytes() == before


def test_a_file_that_cannot_be_changed_is_named(tmp_path: Path):
    found = in_tree(tmp_path, a=f'{SET}x = "cuda:1"\n')
    place = tree_at(tmp_path)
    (tmp_path / "a.py").unlink()
    done = fix(place, found)
    assert [unread.path for unread in done.failed] == ["a.py"]
    assert done.backup is None


PIECES = st.sampled_from(
    [
        *(code for code in ONE_FAULT if not code.startswith(("from", "import"))),
        *(code for name, code in NEAR_MISSES.items() if name not in ("exception", "docstring", "rebound name")),
        "import os",
        "import torch",
        "import sys; import torch",
        ORDER.strip(),
        VISIBLE.strip(),
        "os.environ['CUDA_VISIBLE_DEVICES'] = '0'",
        'os.environ.update({"CUDA_VISIBLE_DEVICES": "2"})',
        "def prepare():\n    import torch\n    os.environ['CUDA_DEVICE_ORDER'] = 'FASTEST_FIRST'",
        "prepare()",
        '"""é cuda:1"""',
        "",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    pieces=st.lists(PIECES, max_size=12),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    head=st.sampled_from(["", '"""Doc."""\n', "from __future__ import annotations\n", "#!/bin/python\n# é\n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    last=st.booleans(),
)
def test_fix_is_idempotent_and_rollback_gives_the_same_bytes(
    pieces: list[str], line_end: str, head: str, mark: bytes, last: bool
):
    text = head + "\n".join(pieces) + ("\n" if last else "")
    with tempfile.TemporaryDirectory() as name:
        place = tree_at(Path(name))
        file = Path(name, "a.py")
        original = mark + text.replace("\n", line_end).encode()
        file.write_bytes(original)
        place = tree_at(Path(name))
        found = audit(place, EXPECTED)
        first = fix(place, found)
        once = file.read_bytes()
        ast.parse(read_source(once).text)
        assert first.failed == ()
        assert first.audit.count == found.count - sum(fault.fixable for file in found.files for fault in file.faults)
        assert fix(place, first.audit).changed == ()
        assert file.read_bytes() == once
        if first.backup is not None:
            roll_back(place.backups)
        assert file.read_bytes() == original


def test_bytes_that_would_not_come_back_are_not_touched():
    with pytest.raises(SourceError):
        read_source(b"# coding: utf-7\nx = '+AGE-'\n")


# --- the command


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """`main.py optimize gpu-audit` as a process with a data folder of its own."""
    home = tmp_path_factory.mktemp("home")

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "main.py"), "optimize", "gpu-audit", *arguments],
            cwd=ROOT,
            env={**os.environ, "MERLINE_HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return call


def test_the_command_from_faults_to_clean_and_back(run: Command, tmp_path: Path):
    tree = tmp_path / "tree"
    tree.mkdir()
    text = f"import torch\n{USE}torch.cuda.set_device(1)\n"
    (tree / "a.py").write_text(text)
    told = run(str(tree))
    assert told.returncode == 1
    assert "  3:23  set-device  1: " in told.stdout
    assert "faults: 3, in files: 1" in told.stdout
    as_json = run(str(tree), "--json")
    assert as_json.returncode == 1
    assert json.loads(as_json.stdout)["by_kind"]["set-device"] == 1
    mended = run(str(tree), "--fix")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "+torch.cuda.set_device(0)" in mended.stdout
    assert run(str(tree)).returncode == 0
    back = run(str(tree), "--rollback")
    assert back.returncode == 0
    assert "put back as they were" in back.stdout
    assert (tree / "a.py").read_text() == text
    again = run(str(tree), "--rollback")
    assert (again.returncode, again.stdout) == (1, "")
    assert "no backup to put back" in again.stderr


def test_the_command_with_a_list(run: Command, tmp_path: Path):
    (tmp_path / "good.py").write_text(SET)
    (tmp_path / "list.txt").write_text("good.py\n")
    assert run("--files", str(tmp_path / "list.txt")).returncode == 0
    assert run("--files", str(tmp_path / "list.txt"), "--visible", "0").returncode == 1
    (tmp_path / "list.txt").write_text("good.py\ngone.py\n")
    told = run("--files", str(tmp_path / "list.txt"))
    assert told.returncode == 1, "what was not looked at is not clean"
    assert "missing: gone.py" in told.stdout


@pytest.mark.parametrize(
    "arguments",
    [[], ["/no/such/folder"], [".", "--files", "list"], [".", "--fix", "--rollback"], [".", "--visible", 'a"b']],
)
def test_bad_usage_ends_with_2(run: Command, arguments: list[str]):
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_folder_without_python_is_not_called_clean(run: Command, tmp_path: Path):
    done = run(str(tmp_path))
    assert done.returncode == 2
    assert "names no Python file; check the path" in done.stderr
