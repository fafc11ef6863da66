"""A model is found by its folder or fetched by its repository's name, once; what the hub refuses is told."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", reason="needs huggingface_hub (the extra full)")

from core.models.repository import find_model
from core.utils.errors import ModelError, ModelLoadError
from core.utils.hub import Hub, HubOptions
from tests.hub_server import Fault, HubServer

FILES = {
    "config.json": b"{}",
    "model-00001-of-00002.safetensors": b"one" * 3000,
    "model-00002-of-00002.safetensors": b"two" * 3000,
    "model.safetensors.index.json": b"{}",
    "tokenizer.json": b"{}",
    "pytorch_model.bin": b"pickled",
    "modeling.py": b"code",
    "consolidated.safetensors": b"the same in another layout",
}


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))


def test_a_folder_is_itself(tmp_path: Path):
    assert find_model(tmp_path) == tmp_path
    for wrong in (tmp_path / "nowhere", "./nowhere", "no-owner", "a b/c"):
        with pytest.raises(ModelLoadError, match="no such folder, and it is no owner/name"):
            find_model(wrong)


def test_a_repository_is_fetched_once_and_without_code(tmp_path: Path):
    with HubServer({"owner/model": FILES}) as server:
        hub = Hub(HubOptions(endpoint=server.endpoint))
        found = find_model("owner/model", hub=hub, folder=tmp_path / "models")
        asked = len(server.asked)
        assert find_model("owner/model", hub=hub, folder=tmp_path / "models") == found
        assert len(server.asked) == asked
    names = {path.name for path in found.iterdir()}
    assert {
        name for name in FILES if not name.endswith((".bin", ".py")) and name != "consolidated.safetensors"
    } <= names
    assert not {"pytorch_model.bin", "modeling.py", "consolidated.safetensors"} & names


def test_a_revision_lies_beside(tmp_path: Path):
    with HubServer({"owner/model": FILES}) as server:
        hub = Hub(HubOptions(endpoint=server.endpoint))
        main = find_model("owner/model", hub=hub, folder=tmp_path / "models")
        other = find_model("owner/model", "v2", hub=hub, folder=tmp_path / "models")
    assert main != other


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=404, code="RepoNotFound"), "the hub does not have it"),
        (Fault(status=403, code="GatedRepo"), "asks you to accept terms"),
        (Fault(status=500), "error 500"),
    ],
    ids=["unknown", "gated", "broken"],
)
def test_what_the_hub_refuses_is_told(fault: Fault, reason: str, tmp_path: Path):
    with HubServer({"owner/model": FILES}) as server:
        server.faults["owner/model"] = [fault]
        with pytest.raises(ModelError, match=reason):
            find_model("owner/model", hub=Hub(HubOptions(endpoint=server.endpoint)), folder=tmp_path / "models")


def test_offline_and_without_network(tmp_path: Path):
    with pytest.raises(ModelError, match="--offline forbids fetching"):
        find_model("owner/model", hub=Hub(HubOptions(offline=True)), folder=tmp_path / "models")
    with pytest.raises(ModelError, match="does not answer"):
        find_model("owner/model", hub=Hub(HubOptions(endpoint="http://127.0.0.1:9")), folder=tmp_path / "models")


def test_a_repository_without_safetensors(tmp_path: Path):
    files = {name: data for name, data in FILES.items() if not name.endswith(".safetensors")}
    with (
        HubServer({"owner/model": files}) as server,
        pytest.raises(ModelError, match=r"has no file 'model\*\.safetensors'"),
    ):
        find_model("owner/model", hub=Hub(HubOptions(endpoint=server.endpoint)), folder=tmp_path / "models")


def test_what_huggingface_keeps_is_used(tmp_path: Path):
    base = tmp_path / "hf" / "models--owner--model"
    (base / "snapshots" / "abc").mkdir(parents=True)
    (base / "refs").mkdir()
    (base / "refs" / "main").write_text("abc")
    (base / "snapshots" / "abc" / "config.json").write_text("{}")
    hub = Hub(HubOptions(offline=True))
    with pytest.raises(ModelError, match="offline"):
        find_model("owner/model", hub=hub, folder=tmp_path / "models")
    (base / "snapshots" / "abc" / "model.safetensors").write_bytes(b"")
    assert find_model("owner/model", hub=hub, folder=tmp_path / "models") == base / "snapshots" / "abc"
