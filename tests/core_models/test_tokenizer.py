"""The tokenizer wrapper against mlx-lm's on the same folders, and what it adds."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from core.models.detokenizer import BPEStreamingDetokenizer, NaiveStreamingDetokenizer, SPMStreamingDetokenizer
from core.models.tokenizer import TokenizerWrapper, load_tokenizer
from core.utils.errors import ModelError, ModelLoadError
from tests.core_models.vocabularies import (
    CHATML,
    TEXTS,
    as_transformers,
    byte_level_bpe,
    sentencepiece_bpe,
    word_pieces,
    write_folder,
)

oracle = pytest.importorskip("mlx_lm.tokenizer_utils")

THINKING = ("<|im_end|>", "<|im_start|>", "<think>", "</think>", "<tool_call>", "</tool_call>")
MESSAGES = [{"role": "user", "content": "Is the milk back?"}]
HERMES = CHATML + "{% for tool_call in [] %}<tool_call>{{ tool_call.name }}</tool_call>{% endfor %}"
SAME = (
    "eos_token_ids",
    "has_chat_template",
    "has_thinking",
    "think_start",
    "think_end",
    "think_start_tokens",
    "think_end_tokens",
    "think_start_id",
    "think_end_id",
    "has_tool_calling",
    "tool_call_start",
    "tool_call_end",
    "tool_call_start_tokens",
    "tool_call_end_tokens",
    "vocab_size",
    "bos_token",
    "eos_token",
)


@pytest.fixture(scope="module")
def chat_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    return write_folder(folder, byte_level_bpe(THINKING), eos_token="<|im_end|>", chat_template=HERMES)


@pytest.mark.parametrize(
    "template",
    [
        None,
        CHATML,
        HERMES,
        "<tool_call>\n<function={{ a }}>",
        "{{ '[TOOL_CALLS]' }}",
        "<|tool_list_start|>",
        "<|tool_call>{{ a }}<tool_call|>",
        "<start_function_call>",
        "<tool_call>{{ a }}<arg_key>",
    ],
)
@pytest.mark.parametrize(
    "specials", [("<|im_end|>",), THINKING, ("<|im_end|>", "<|tool_call_start|>", "<|tool_call_end|>")]
)
def test_equal_to_mlx_lms_wrapper(tmp_path: Path, template: str | None, specials: tuple[str, ...]) -> None:
    config: dict[str, Any] = {"chat_template": template} if template else {}
    folder = write_folder(tmp_path, byte_level_bpe(specials), eos_token="<|im_end|>", **config)
    ours = load_tokenizer(folder, eos_token_ids=[1, 3])
    theirs = oracle.load(folder, eos_token_ids=[1, 3])
    assert {name: getattr(ours, name) for name in SAME} == {name: getattr(theirs, name) for name in SAME}
    assert len(ours) == len(theirs)
    assert type(ours.detokenizer).__name__ == type(theirs.detokenizer).__name__
    assert [ours.encode(text) for text in TEXTS] == [theirs.encode(text) for text in TEXTS]


@pytest.mark.parametrize("options", [{}, {"enable_thinking": False}, {"add_generation_prompt": True}])
@pytest.mark.parametrize("tokenize", [True, False])
def test_chat_template_as_mlx_lm(chat_folder: Path, options: dict[str, Any], tokenize: bool) -> None:
    options = {"add_generation_prompt": True, **options, "tokenize": tokenize}
    ours = load_tokenizer(chat_folder).apply_chat_template(MESSAGES, **options)
    assert ours == oracle.load(chat_folder).apply_chat_template(MESSAGES, **options)
    assert isinstance(ours, list if tokenize else str)


def test_thinking_is_on_unless_told_otherwise(chat_folder: Path) -> None:
    tokenizer = load_tokenizer(chat_folder)
    texts = [
        tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True, **options)
        for options in ({}, {"enable_thinking": False})
    ]
    assert ["</think>" in text for text in texts] == [False, True]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (byte_level_bpe, BPEStreamingDetokenizer),
        (sentencepiece_bpe, SPMStreamingDetokenizer),
        (lambda: sentencepiece_bpe(strip=False), SPMStreamingDetokenizer),
        (word_pieces, NaiveStreamingDetokenizer),
    ],
)
def test_the_detokenizer_is_chosen_by_how_tokens_are_decoded(tmp_path: Path, make: Any, expected: type) -> None:
    folder = write_folder(tmp_path, make())
    ours, theirs = load_tokenizer(folder), oracle.load(folder)
    assert isinstance(ours.detokenizer, expected)
    assert type(theirs.detokenizer).__name__ == expected.__name__
    for text in TEXTS:
        parts = []
        for detokenizer in (ours.detokenizer, theirs.detokenizer):
            for token in ours.encode(text):
                detokenizer.add_token(token)
            detokenizer.finalize()
            parts.append((detokenizer.last_segment, detokenizer.text))
        assert parts[0] == parts[1]


def test_two_detokenizers_do_not_meet(chat_folder: Path) -> None:
    tokenizer = load_tokenizer(chat_folder)
    first = tokenizer.detokenizer
    first.add_token(tokenizer.encode("milk")[0])
    assert tokenizer.detokenizer.tokens == []
    assert len(first.tokens) == 1


def test_eos_tokens_may_be_added_and_replaced(chat_folder: Path) -> None:
    tokenizer = load_tokenizer(chat_folder, eos_token_ids=7)
    own = tokenizer.eos_token_id
    tokenizer.add_eos_token("<think>")
    tokenizer.add_eos_token("9")
    assert tokenizer.eos_token_ids == {7, own, 9, tokenizer.convert_tokens_to_ids("<think>")}
    with pytest.raises(ValueError, match="nowhere"):
        tokenizer.add_eos_token("nowhere")
    tokenizer.eos_token_ids = [2]
    assert tokenizer.eos_token_ids == {2}
    tokenizer.eos_token_ids = None
    assert tokenizer.eos_token_ids == set()


def test_everything_else_is_the_tokenizers_own(chat_folder: Path) -> None:
    tokenizer = load_tokenizer(chat_folder)
    assert tokenizer("milk")["input_ids"] == tokenizer.encode("milk")
    assert tokenizer.decode(tokenizer.encode("milk")) == "milk"
    tokenizer.pad_token = "<think>"
    assert tokenizer._tokenizer.pad_token == "<think>"
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = tokenizer.no_such_thing


def test_marks_are_found_among_tokens(chat_folder: Path) -> None:
    ours, theirs = load_tokenizer(chat_folder), oracle.load(chat_folder)
    tokens = ours.encode("<think>a</think>b<think>c</think>")
    for name in ("find_think_start", "rfind_think_start", "find_think_end", "rfind_think_end"):
        for start, end in ((None, None), (1, None), (0, 3), (2, 4), (5, 2)):
            find, expected = getattr(ours, name), getattr(theirs, name)
            assert find(tokens, start, end) == expected(tokens, start, end)
    plain = TokenizerWrapper(as_transformers(byte_level_bpe()))
    assert plain.find_think_start([1, 2]) == -1
    assert plain.think_start_id is None


def test_a_json_call_is_parsed_and_other_families_are_left_to_the_caller(chat_folder: Path, tmp_path: Path) -> None:
    parse = load_tokenizer(chat_folder).tool_parser
    assert parse is not None
    assert parse('\n{"name": "timer", "arguments": {}}\n') == {"name": "timer", "arguments": {}}
    folder = write_folder(tmp_path, byte_level_bpe(), chat_template="[TOOL_CALLS]")
    assert load_tokenizer(folder).tool_parser is None


def test_no_chat_template_is_told_with_the_cure(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write_folder(tmp_path, byte_level_bpe()))
    assert not tokenizer.has_chat_template
    with pytest.raises(ModelError, match=r"chat template.*Instruct"):
        tokenizer.apply_chat_template(MESSAGES)
    assert "milk" in tokenizer.apply_chat_template(MESSAGES, chat_template=CHATML, tokenize=False)


def test_options_reach_transformers(chat_folder: Path) -> None:
    tokenizer = load_tokenizer(chat_folder, {"eos_token": "<think>"})
    assert tokenizer.eos_token == "<think>"


def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path, byte_level_bpe(), tokenizer_class="Evil", auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    )
    ran = tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass Evil: ...\n", encoding="utf-8")
    with contextlib.suppress(ModelLoadError):
        load_tokenizer(folder, {"trust_remote_code": True})
    assert not ran.exists()


@pytest.mark.parametrize("content", [None, "{broken", json.dumps({"model": {"type": "none"}})])
def test_absent_or_damaged_files_are_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        write_folder(tmp_path, byte_level_bpe())
        (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelLoadError, match=str(tmp_path)):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer_config.json", "[]"),
        ("config.json", '{"model_type": "llama", "tie_word_embeddings": "false"}'),
        ("config.json", '{"model_type": "llama", "torch_dtype": "float3"}'),
    ],
)
def test_settings_of_the_wrong_kind_are_a_plain_error(tmp_path: Path, name: str, content: str) -> None:
    write_folder(tmp_path, byte_level_bpe())
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ModelLoadError, match=str(tmp_path)):
        load_tokenizer(tmp_path)


def test_a_folder_with_settings_and_no_vocabulary_is_refused(tmp_path: Path) -> None:
    """transformers would make a tokenizer that knows its special tokens alone."""
    from tiny import tiny_model

    folder = tiny_model(tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelLoadError, match=r"has no vocabulary \(tokenizer\.json.*fetch the model again"):
        load_tokenizer(folder)
