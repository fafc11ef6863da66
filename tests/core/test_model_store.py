"""Models on the disk and their way there, through the real hub client against a server on this machine."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.utils.download_progress import DownloadProgress
from core.utils.errors import DataError, ModelError, ModelLoadError
from core.utils.hub import Hub, HubOptions
from core.utils.model_catalogue import CATALOGUE
from core.utils.model_download import DownloadOptions, ModelDownload
from core.utils.model_store import MANIFEST, PARTS, ModelStore, read_manifest
from tests.hub_server import Fault, HubServer, SilentServer

huggingface_hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (extra `full`)")

NAME = "whisper-tiny"
REPOSITORY = "Systran/faster-whisper-tiny"
MODEL_BYTES = 700_000
FILES = {
    "README.md": b"not wanted",
    "config.json": b"{}",
    "model.bin": random.Random(1).randbytes(MODEL_BYTES),
    "tokenizer.json": b'{"version": "1.0"}' * 400,
    "vocabulary.txt": b"a\nb\n",
}
WANTED = {name: content for name, content in FILES.items() if name != "README.md"}
TOTAL_BYTES = sum(len(content) for content in WANTED.values())


@pytest.fixture(autouse=True)
def _own_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield
    huggingface_hub.close_session()


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer({REPOSITORY: FILES}) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def download_from(endpoint: str, store: ModelStore, stall_s: float = 20.0, **options: int) -> ModelDownload:
    return ModelDownload(
        store,
        Hub(HubOptions(endpoint, stall_s=stall_s)),
        DownloadOptions(pause_s=0.0, **options),
        report=lambda _: None,
    )


def fetch(server: HubServer, store: ModelStore, stall_s: float = 20.0) -> Path:
    download = download_from(server.endpoint, store, stall_s)
    return download.fetch(download.plan(NAME))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST}


def test_the_server_is_what_the_real_client_takes_for_a_hub(server: HubServer, tmp_path: Path):
    for name, content in WANTED.items():
        path = huggingface_hub.hf_hub_download(REPOSITORY, name, endpoint=server.endpoint, local_dir=tmp_path)
        assert Path(path).read_bytes() == content


def test_a_whole_download_is_verified_plain_files_and_a_manifest(server: HubServer, store: ModelStore):
    reports: list[DownloadProgress] = []
    download = ModelDownload(store, Hub(HubOptions(server.endpoint)), report=reports.append)
    plan = download.plan(NAME)
    assert (plan.total_bytes, plan.present_bytes) == (TOTAL_BYTES, 0)
    assert store.find(NAME) is None
    folder = download.fetch(plan)
    assert store.find(NAME) == store.resolve(NAME) == folder == store.folder / NAME
    assert contents(folder) == WANTED
    manifest = read_manifest(folder)
    assert manifest is not None
    assert {file.path for file in manifest.files} == set(WANTED)
    done = [report.done_bytes for report in reports]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, TOTAL_BYTES)
    assert [asked.path for asked in server.asked if "README" in asked.path] == []


def test_a_cut_connection_goes_on_with_a_range(server: HubServer, store: ModelStore):
    server.faults["model.bin"] = [Fault(cut_at=300_000), Fault(cut_at=200_000)]
    assert contents(fetch(server, store)) == WANTED
    assert server.ranges("model.bin") == [None, "bytes=300000-", "bytes=500000-"]


def test_a_connection_that_never_brings_anything_is_given_up_and_the_part_stays(server: HubServer, store: ModelStore):
    server.faults["model.bin"] = [Fault(cut_at=300_000), *[Fault(cut_at=0)] * 4]
    with pytest.raises(ModelError, match=r"model\.bin: the connection was lost at 300000 of 700000 .* goes on"):
        fetch(server, store)
    assert server.faults["model.bin"] == []
    assert [model.state for model in store.stored()] == ["partial"]
    plan = download_from(server.endpoint, store).plan(NAME)
    assert plan.present_bytes == 300_000 + len(WANTED["config.json"])
    assert contents(fetch(server, store)) == WANTED
    assert server.ranges("model.bin")[-1] == "bytes=300000-"


def test_a_server_that_ignores_ranges_sends_the_file_anew(server: HubServer, store: ModelStore):
    server.faults["model.bin"] = [Fault(cut_at=300_000), Fault(whole=True)]
    assert contents(fetch(server, store)) == WANTED


def test_a_server_that_ignores_ranges_and_breaks_off_again_is_given_up(server: HubServer, store: ModelStore):
    server.faults["model.bin"] = [Fault(cut_at=300_000), *[Fault(whole=True, cut_at=300_000)] * 4]
    with pytest.raises(ModelError, match="connection was lost"):
        fetch(server, store)


def test_a_passing_refusal_is_tried_again(server: HubServer, store: ModelStore):
    server.faults["model.bin"] = [Fault(status=503), Fault(status=429)]
    assert contents(fetch(server, store)) == WANTED


@pytest.mark.parametrize("name", ["model.bin", "config.json"])
def test_a_damaged_file_is_fetched_again_once(name: str, server: HubServer, store: ModelStore):
    server.faults[name] = [Fault(corrupt=True)]
    assert contents(fetch(server, store)) == WANTED
    assert server.ranges(name) == [None, None]


def test_a_file_that_is_damaged_twice_is_named(server: HubServer, store: ModelStore):
    server.faults["model.bin"] = [Fault(corrupt=True)] * 2
    with pytest.raises(ModelError, match=r"model\.bin: came damaged twice .* check proxy"):
        fetch(server, store)
    assert store.find(NAME) is None
    assert contents(fetch(server, store)) == WANTED


def test_a_part_that_was_damaged_on_the_disk_is_fetched_anew(server: HubServer, store: ModelStore):
    server.faults["model.bin"] = [Fault(cut_at=300_000), *[Fault(cut_at=0)] * 4]
    with pytest.raises(ModelError):
        fetch(server, store)
    part = max((store.folder / NAME / PARTS).iterdir(), key=lambda path: path.stat().st_size)
    part.write_bytes(b"x" * 300_000)
    assert contents(fetch(server, store)) == WANTED
    part_too_long = store.folder / NAME / "model.bin"
    part_too_long.write_bytes(b"x" * (MODEL_BYTES + 1))
    assert store.find(NAME) is None
    assert contents(fetch(server, store)) == WANTED


def test_a_file_cut_off_on_the_disk_makes_the_model_incomplete(server: HubServer, store: ModelStore):
    folder = fetch(server, store)
    os.truncate(folder / "model.bin", 1000)
    assert store.find(NAME) is None
    with pytest.raises(ModelLoadError, match=r"only a part of it is here; `models download whisper-tiny`"):
        store.resolve(NAME)
    with pytest.raises(ModelLoadError, match="files are missing"):
        store.resolve(folder)
    before = len(server.ranges("config.json"))
    assert contents(fetch(server, store)) == WANTED
    assert len(server.ranges("config.json")) == before, "what was whole must not be fetched again"


def test_a_server_that_stops_sending_is_left_and_asked_again(server: HubServer, store: ModelStore):
    server.faults["model.bin"] = [Fault(hold_at=300_000)]
    assert contents(fetch(server, store, stall_s=0.3)) == WANTED
    assert server.ranges("model.bin") == [None, "bytes=300000-"]


def test_a_server_that_always_stops_is_given_up(server: HubServer, store: ModelStore):
    server.faults["model.bin"] = [Fault(hold_at=1000)] * 4
    with pytest.raises(ModelError, match=r"model\.bin: the connection was lost at \d+ of"):
        fetch(server, store, stall_s=0.1)


def test_nobody_listens(store: ModelStore):
    with SilentServer() as endpoint:
        pass
    with pytest.raises(ModelError, match=r"does not answer .*refused.*; check the network"):
        download_from(endpoint, store).plan(NAME)


def test_a_server_that_never_answers(store: ModelStore):
    with SilentServer() as endpoint:
        hub = Hub(HubOptions(endpoint, answer_s=0.3))
        with pytest.raises(ModelError, match=r"does not answer .*check the network"):
            hub.repository(REPOSITORY, "main")


def test_offline_asks_nobody(server: HubServer, store: ModelStore):
    download = ModelDownload(store, Hub(HubOptions(server.endpoint, offline=True)))
    with pytest.raises(ModelError, match="--offline forbids fetching; start once without it"):
        download.plan(NAME)
    assert server.asked == []


def test_the_hubs_own_offline_switch_counts(server: HubServer, store: ModelStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE forbids fetching"):
        download_from(server.endpoint, store).plan(NAME)
    assert server.asked == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(status=404, code="RepoNotFound"), "does not have it .*check for a newer Merline"),
        (Fault(status=403, code="GatedRepo"), "accept terms.*hf auth login"),
        (Fault(status=401), "does not let you in; renew your access"),
        (Fault(status=500), "error 500; try again later"),
        (Fault(status=404, code="RevisionNotFound"), "does not have it"),
    ],
)
def test_refusals_are_explained(fault: Fault, message: str, server: HubServer, store: ModelStore):
    server.faults[REPOSITORY] = [fault]
    with pytest.raises(ModelError, match=message):
        download_from(server.endpoint, store).plan(NAME)


def test_a_repository_without_a_needed_file(server: HubServer, store: ModelStore):
    del server.repositories[REPOSITORY]["vocabulary.txt"]
    with pytest.raises(ModelError, match=r"no file 'vocabulary\.\*'"):
        download_from(server.endpoint, store).plan(NAME)


@pytest.mark.parametrize("path", ["vocabulary.x/../../../evil", "vocabulary.\\..\\evil"])
def test_a_file_outside_the_folder_is_refused(path: str, server: HubServer, store: ModelStore):
    server.repositories[REPOSITORY][path] = b"evil"
    with pytest.raises(ModelError, match="outside its folder"):
        download_from(server.endpoint, store).plan(NAME)


def test_a_full_disk_is_seen_before_anything_is_fetched(server: HubServer, tmp_path: Path):
    store = ModelStore(tmp_path / "models", free_bytes=lambda folder: 100_000_000)
    download = download_from(server.endpoint, store)
    plan = download.plan(NAME)
    with pytest.raises(DataError, match=r"200 MB must stay free, but .* room for 100 MB; free 101 MB"):
        download.fetch(plan)
    assert server.ranges("model.bin") == []
    assert download_from(server.endpoint, store, margin_bytes=0).fetch(plan).is_dir()


def test_two_at_once_are_refused(server: HubServer, store: ModelStore):
    with store.locked(NAME):
        with pytest.raises(ModelError, match=rf"process {os.getpid()} is downloading or removing it"):
            fetch(server, store)
        (store.folder / NAME).mkdir()
        with pytest.raises(ModelError, match="downloading or removing"):
            store.remove(NAME)
    assert contents(fetch(server, store)) == WANTED


def test_remove_deletes_that_folder_alone(server: HubServer, store: ModelStore):
    fetch(server, store)
    (store.folder / "mine").mkdir()
    (store.folder / "mine" / "weights").write_bytes(b"12345")
    assert {model.name: model.state for model in store.stored()} == {NAME: "complete", "mine": "copied"}
    assert store.remove(NAME) > TOTAL_BYTES
    assert [model.name for model in store.stored()] == ["mine"]
    assert store.remove("mine") == 5


@pytest.mark.parametrize("name", ["..", ".", "", "../models", "/tmp", "a/b", "a\\b", ".whisper-tiny.lock"])
def test_remove_takes_no_paths(name: str, store: ModelStore):
    (store.folder / "a" / "b").mkdir(parents=True)
    with pytest.raises(ModelError, match="not a model's name but a path"):
        store.remove(name)
    assert (store.folder / "a" / "b").is_dir()


def test_remove_follows_no_link(store: ModelStore, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    store.make()
    (store.folder / "linked").symlink_to(outside)
    with pytest.raises(ModelError, match="is a link"):
        store.remove("linked")
    assert outside.is_dir()


def test_unknown_names_get_near_ones(store: ModelStore):
    with pytest.raises(ModelError, match="did you mean 'whisper-tiny'"):
        store.find("wisper-tiny")
    with pytest.raises(ModelError, match="did you mean 'whisper-base'"):
        store.resolve("base.eng")
    with pytest.raises(ModelError, match="there are: whisper-tiny, whisper-base, whisper-small"):
        store.resolve("zzz")
    (store.folder / "whisper-base").mkdir(parents=True)
    with pytest.raises(ModelError, match="no such model on this machine; did you mean 'whisper-base'"):
        store.remove("whisper-bas")


def test_a_folder_given_by_path_works_as_it_is(store: ModelStore, tmp_path: Path):
    folder = tmp_path / "my model"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"1")
    assert store.resolve(folder) == store.resolve(str(folder)) == folder
    with pytest.raises(ModelLoadError, match=f"is a file; a model is a folder, perhaps {folder}"):
        store.resolve(folder / "model.bin")
    (folder / "small.pt").write_bytes(b"1")
    assert store.resolve(folder / "small.pt") == folder / "small.pt"
    with pytest.raises(ModelLoadError, match="there is no such folder"):
        store.resolve(tmp_path / "other")


def test_a_known_model_that_is_not_here_says_how_to_get_it(store: ModelStore):
    with pytest.raises(ModelLoadError, match="not on this machine; `models download whisper-tiny` fetches it"):
        store.resolve(NAME)
    (store.folder / NAME).mkdir(parents=True)
    (store.folder / NAME / "model.bin").write_bytes(b"1")
    with pytest.raises(ModelLoadError, match="was not put there by Merline"):
        store.resolve(NAME)


def test_a_copied_model_is_taken_over_without_fetching_it_again(server: HubServer, store: ModelStore):
    folder = store.folder / NAME
    folder.mkdir(parents=True)
    for name, content in WANTED.items():
        (folder / name).write_bytes(content)
    assert fetch(server, store) == store.find(NAME)
    assert server.ranges("model.bin") == []


@pytest.mark.parametrize("text", ["", "[]", '{"files": 3}', '{"files": [{}]}', "\x00"])
def test_a_damaged_manifest_means_incomplete(text: str, server: HubServer, store: ModelStore):
    folder = fetch(server, store)
    (folder / MANIFEST).write_text(text)
    assert store.find(NAME) is None
    assert store.stored()[0].state == "partial"


def test_the_catalogue_is_consistent():
    assert len({model.name for model in CATALOGUE}) == len(CATALOGUE)
    for family in ("whisper", "qwen3", "qwen2.5"):
        sizes = [model.size_bytes for model in CATALOGUE if model.name.startswith(family)]
        assert sizes == sorted(sizes)


def test_going_back_and_forth_is_no_progress(server: HubServer, store: ModelStore):
    back, forth = Fault(whole=True, cut_at=200_000), Fault(cut_at=100_000)
    server.faults["model.bin"] = [Fault(cut_at=300_000), back, forth, back, forth]
    with pytest.raises(ModelError, match="connection was lost"):
        fetch(server, store)
