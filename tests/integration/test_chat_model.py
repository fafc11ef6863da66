"""`chat` and `ask` with a language model of random weights: what it says is noise, but it flows and ends."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.hub_server import HubServer
from tests.integration.program import ROOT, Program, run

pytest.importorskip("torch", reason="torch is not installed (extra `full`)")
pytest.importorskip("transformers", reason="transformers is not installed (extra `full`)")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(ROOT / "tests" / "core_models"))
    from tiny import tiny_model

    return tiny_model(tmp_path_factory.mktemp("models") / "tiny", "qwen2")


def test_skills_answer_theirs_exactly_and_the_model_the_rest_bounded(tmp_path: Path, model: Path):
    asked = "what is twelve times seven\nwhy is the sky blue\nset a timer for five minutes\ntell me about the sea\n"
    settings = ("llm.engine=mlx", f"llm.model={model}", "llm.max_tokens=24")
    flags = [part for setting in settings for part in ("--set", setting)]
    done = run(tmp_path, "chat", "--language", "en", *flags, text=asked, timeout=180)
    assert done.returncode == 0, done.stderr
    product, sky, timer, sea = done.stdout.splitlines()
    assert product == "That's 84."
    assert timer == "Timer set for 5 minutes."
    for reply in (sky, sea):
        assert 0 < len(reply) < 400
        assert "I can't do that yet" not in reply
        assert not re.search(r"<think>|<tool_call>|<\|im_end\|>", reply)


def test_a_model_of_the_hub_is_fetched_by_its_name_answers_offline_and_leaves_nothing_behind(
    tmp_path: Path, model: Path
):
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (extra `full`)")
    name = "owner/tiny-words"
    files = {file.name: file.read_bytes() for file in model.iterdir() if file.is_file()}
    with HubServer({name: {**files, "modeling.py": b"raise SystemExit", "pytorch_model.bin": b"pickle"}}) as hub:
        where = {"HF_ENDPOINT": hub.endpoint, "NO_PROXY": "127.0.0.1"}
        fetched = run(tmp_path, "models", "download", name, **where)
    assert fetched.returncode == 0, fetched.stderr
    assert f"from {name}, licence as its page at the hub says" in fetched.stdout
    folder = tmp_path / "models" / "owner--tiny-words"
    assert {file.name for file in folder.iterdir()} & {"modeling.py", "pytorch_model.bin"} == set()
    settings = ("llm.engine=mlx", f"llm.model={name}", "llm.max_tokens=8", "optimization.compute_type=int8")
    flags = [part for setting in settings for part in ("--set", setting)]
    done = run(tmp_path, "chat", "--offline", *flags, text="why is the sky blue\n", timeout=180)
    assert done.returncode == 0, done.stderr
    assert "can't" not in done.stdout
    assert len(list((tmp_path / "packed").glob("*.safetensors"))) == 1
    removed = run(tmp_path, "models", "remove", name, "--yes")
    assert removed.returncode == 0, removed.stderr
    assert not folder.exists()
    assert list((tmp_path / "packed").glob("*.safetensors")) == []


def test_a_model_that_is_not_there_is_named_when_asked_for_and_done_without_when_not(tmp_path: Path):
    missing = tmp_path / "none" / "such"
    done = run(
        tmp_path, "chat", "--set", "llm.engine=mlx", "--set", f"llm.model={missing}", text="hello\n", timeout=180
    )
    assert done.returncode == 1
    assert f"{missing}: there is no such folder" in done.stderr
    done = run(tmp_path, "chat", "--language", "en", "--set", f"llm.model={missing}", text="2 plus 2\n", timeout=180)
    assert done.returncode == 0
    assert "the skills answer alone" in done.stderr
    assert "4" in done.stdout


def test_a_server_answers_typed_questions_and_one_that_is_gone_is_told(tmp_path: Path):
    sys.path.insert(0, str(ROOT / "tests" / "llm"))
    from chat_server import saying, serving

    with serving(saying("It scatters ", "blue light.")) as server:
        settings = ("llm.engine=openai", f"llm.base_url={server.base_url}", "llm.model=qwen")
        flags = [part for setting in settings for part in ("--set", setting)]
        done = run(tmp_path, "chat", "--language", "en", *flags, text="why is the sky blue\n2 plus 2\n", timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0] == "It scatters blue light."
        assert "4" in done.stdout.splitlines()[1]
        assert len(server.requests) == 1
    done = run(tmp_path, "chat", "--language", "en", *flags, text="why is the sky blue\n2 plus 2\n", timeout=60)
    assert done.returncode == 0
    assert "I can't answer that right now" in done.stdout.splitlines()[0]
    assert "is the server running?" in done.stderr
    assert "4" in done.stdout.splitlines()[1]
    done = run(tmp_path, "chat", "--language", "fr", *flags, text="pourquoi le ciel est bleu\n", timeout=60)
    assert "le serveur tourne-t-il ?" in done.stderr
    assert "does not answer" not in done.stderr


def test_a_server_without_an_address_is_a_mistake_in_the_configuration(tmp_path: Path):
    done = run(tmp_path, "chat", "--set", "llm.engine=openai", text="hello\n")
    assert done.returncode == 2
    assert "llm.base_url: is not set" in done.stderr


def test_a_spoken_turn_is_answered_aloud_and_names_who_answered(tmp_path: Path, model: Path):
    question = tmp_path / "question.wav"
    assert run(tmp_path, "say", "why is the sky blue", "--out", str(question)).returncode == 0
    settings = ("llm.engine=mlx", f"llm.model={model}", "stt.engine=pocketsphinx", "llm.max_tokens=16")
    flags = [part for setting in settings for part in ("--set", setting)]
    done = run(tmp_path, "ask", str(question), "--json", *flags, timeout=180)
    assert done.returncode == 0, done.stderr
    answered = json.loads(done.stdout)
    assert answered["engines"]["llm"] == "mlx"
    assert answered["reply"]
    assert "I can't do that yet" not in answered["reply"]
    assert answered["audio"]["seconds"] > 0
    assert answered["timings_ms"]["first_token"] > 0


def test_ctrl_c_while_the_model_writes_ends_at_once_and_without_a_crash(tmp_path: Path, model: Path):
    settings = ("llm.engine=mlx", f"llm.model={model}", "llm.max_tokens=1024", "llm.context_tokens=4096")
    flags = [part for setting in settings for part in ("--set", setting)]
    with Program(tmp_path, ["chat", "--language", "en", *flags], {}, keyboard=True) as program:
        program.wait_for("Type, and end", timeout=120)
        program.press("note call the dentist\n")
        program.wait_for("dentist", timeout=60)
        program.press("tell me a very long story about the sea\n")
        assert program.interrupt(timeout=30) == 130
    output = "\n".join(program.lines)
    assert "terminate called" not in output
    assert "Traceback" not in output
    assert "dentist" in run(tmp_path, "chat", "--language", "en", text="read my notes\n").stdout
