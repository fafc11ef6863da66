"""A remote model against a server on this machine: streamed, cancelled, timed out, refused, broken off, garbled."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from chat_server import ChatServer, Wire, refusing, saying, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from skill_rig import make_skills

from core.utils.errors import ConfigError, InferenceError, ModelLoadError
from llm.engine import ChatMessage, Prompt, Tool
from llm.language_answers import LanguageAnswers
from llm.remote import RemoteModel, RemoteSettings
from llm.responder import Responder
from llm.server_events import ReplyEvents, WrongProtocolError

PROMPT = Prompt((ChatMessage("system", "be brief"), ChatMessage("user", "hello")))
TOOL = Tool("SetTimer", "set a timer", {"type": "object", "properties": {"minutes": {"type": "number"}}})


def make(server: ChatServer, key: str = "", **settings: Any) -> RemoteModel:
    options = {"retry_s": 0.01, "timeout_s": 5.0, **settings}
    model = RemoteModel(RemoteSettings(server.base_url, "qwen", **options), {"MERLINE_LLM_API_KEY": key})
    model.load()
    return model


def test_a_reply_is_streamed_and_the_request_is_what_the_protocol_says() -> None:
    with serving(saying("Hel", "lo ", "thère.")) as server:
        pieces = [piece for piece in make(server, key="sk-1").answer(PROMPT) if piece]
        assert pieces == ["Hel", "lo ", "thère."]
        assert server.paths == ["/v1/chat/completions"]
        assert server.requests == [
            {
                "model": "qwen",
                "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
                "stream": True,
                "max_tokens": 256,
                "temperature": 0.7,
            }
        ]
        assert server.headers[0]["Authorization"] == "Bearer sk-1"


def test_without_a_key_none_is_sent() -> None:
    with serving(saying("Hi.")) as server:
        assert "".join(make(server).answer(PROMPT)) == "Hi."
        assert "Authorization" not in server.headers[0]


def test_tools_go_with_the_request_and_calls_come_back_in_parts() -> None:
    def calling(wire: Wire) -> None:
        wire.begin()
        wire.event(tool_calls=[{"index": 0, "id": "a", "function": {"name": "SetTimer", "arguments": ""}}])
        wire.event(tool_calls=[{"index": 0, "function": {"arguments": '{"minu'}}])
        wire.event(tool_calls=[{"index": 0, "function": {"arguments": 'tes": 5}'}}])
        wire.send("data: [DONE]\n\n")

    with serving(calling) as server:
        written = "".join(make(server).answer(Prompt(PROMPT.messages, (TOOL,))))
        assert server.requests[0]["tools"] == [TOOL.as_json()]
        body = written.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>")
        assert json.loads(body) == {"name": "SetTimer", "arguments": '{"minutes": 5}'}


def test_a_remote_model_answers_and_sets_a_timer_through_the_responder() -> None:
    def calling(wire: Wire) -> None:
        wire.begin()
        wire.event(tool_calls=[{"index": 0, "function": {"name": "SetTimer", "arguments": '{"minutes": 9}'}}])
        wire.send("data: [DONE]\n\n")

    with serving(saying("It scatters ", "blue light. ", "Nice."), calling) as server:
        responder = Responder(make_skills())
        responder.use(LanguageAnswers(make(server), responder.skills))
        responder.load()
        assert responder.engine_name == "openai"
        assert responder.reply("why is the sky blue").text == "It scatters blue light. Nice."
        assert responder.reply("the pasta needs nine minutes so look after that").text == "Timer set for 9 minutes."
        assert responder.reply("what time is it").text == "It's 2:30 PM."
        assert len(server.requests) == 2
        roles = [message["role"] for message in server.requests[1]["messages"]]
        assert roles == ["system", "user", "assistant", "user"]


def test_a_reply_that_is_closed_closes_the_connection_also_while_it_waits() -> None:
    def endless(wire: Wire) -> None:
        wire.begin()
        wire.event(content="word ")
        while True:
            wire.send(": still here\n\n")
            wire.server.go_on.wait(0.01)

    with serving(endless) as server:
        pieces = make(server).answer(PROMPT)
        assert next(piece for piece in pieces if piece) == "word "
        assert next(pieces) == ""
        pieces.close()
        assert server.broken.wait(5)


def test_a_server_that_says_nothing_is_given_up() -> None:
    with serving(lambda wire: wire.server.go_on.wait(10)) as server:
        pieces = make(server, timeout_s=0.3).answer(PROMPT)
        assert next(pieces) == ""
        with pytest.raises(InferenceError, match=r"has not answered for|timed out"):
            list(pieces)
        assert len(server.requests) == 1


@pytest.mark.parametrize("first", [refusing(503), refusing(429), lambda wire: None, saying(done=False)])
def test_what_fails_before_the_first_word_is_tried_once_more(first: Callable[[Wire], None]) -> None:
    with serving(first, saying("Yes.")) as server:
        assert "".join(make(server).answer(PROMPT)) == "Yes."
        assert len(server.requests) == 2
    with serving(first) as server:
        with pytest.raises(InferenceError):
            list(make(server).answer(PROMPT))
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, r"refuses the key \(error 401\); set MERLINE_LLM_API_KEY"),
        (404, r"knows no such model .*llm\.model"),
        (400, "refuses the request"),
        (302, "not followed"),
    ],
)
def test_a_refusal_is_explained_and_not_tried_again_and_shows_no_key(
    status: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(refusing(status)) as server:
        with pytest.raises(InferenceError, match=words) as caught:
            list(make(server, key="sk-secret").answer(PROMPT))
        assert len(server.requests) == 1
        assert "sk-secret" not in str(caught.value) + caplog.text


def test_what_breaks_off_in_the_middle_is_not_tried_again() -> None:
    with serving(saying("Once upon", done=False)) as server:
        pieces = make(server).answer(PROMPT)
        assert next(piece for piece in pieces if piece) == "Once upon"
        with pytest.raises(InferenceError, match="broke the reply off in the middle"):
            list(pieces)
        assert len(server.requests) == 1


def test_a_server_that_never_ends_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    with serving(saying(*["word " * 10] * 200, done=False)) as server:
        said = "".join(make(server, max_tokens=20).answer(PROMPT))
    assert 20 * 12 < len(said) <= 20 * 12 + 50
    assert "does not heed max_tokens" in caplog.text


@pytest.mark.parametrize(
    "body",
    ["<html>hello</html>\n", "data: {not json\n\n", "data: [1]\n\n", 'data: {"choices": [3]}\n\n', "data: {}\n\n",
     'data: {"error": {"message": "out of credit"}}\n\n', "\x00\x01\n"],
)  # fmt: skip
def test_garbage_loses_the_turn_with_a_reason(body: str) -> None:
    def garbled(wire: Wire) -> None:
        wire.begin()
        wire.send(body)

    with serving(garbled) as server, pytest.raises(InferenceError, match=r"base_url|out of credit"):
        list(make(server).answer(PROMPT))


def test_an_answer_that_is_not_streamed_is_taken_whole() -> None:
    def whole(wire: Wire) -> None:
        wire.begin(kind="application/json")
        wire.send(json.dumps({"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]}, indent=1))

    with serving(whole) as server:
        assert "".join(make(server).answer(PROMPT)) == "Hi."


def test_a_character_in_two_halves_is_one_and_half_of_one_ends_nothing() -> None:
    """The data file takes no half: it ended the conversation."""

    def halves(wire: Wire) -> None:
        wire.begin()
        for text in (r"Fine \ud83d", r"\ude00, and ", r"\ude00 half \ud83d of it", r"\ud83d"):
            wire.send(f'data: {{"choices": [{{"delta": {{"content": "{text}"}}}}]}}\n\n')
        wire.send("data: [DONE]\n\n")

    with serving(halves) as server:
        assert "".join(make(server).answer(PROMPT)) == "Fine \N{GRINNING FACE}, and \ufffd half \ufffd of it"


def test_nobody_there() -> None:
    with serving(saying("x")) as server:
        model = make(server)
    with pytest.raises(InferenceError, match=r"does not answer \(.*\); is the server running\?"):
        list(model.answer(PROMPT))


@pytest.mark.parametrize("base_url", ["", "localhost:11434", "ftp://x/v1", "http://", "http://x:99999/v1"])
def test_an_address_that_is_none_is_named(base_url: str) -> None:
    with pytest.raises(ConfigError, match=r"llm\.base_url"):
        RemoteModel(RemoteSettings(base_url, "m"), {}).load()


def test_offline_forbids_the_network_and_not_this_machine() -> None:
    RemoteModel(RemoteSettings("http://localhost:11434/v1", "m", offline=True), {}).load()
    with pytest.raises(ModelLoadError, match="--offline"):
        RemoteModel(RemoteSettings("https://api.example.com/v1", "m", offline=True), {}).load()


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), st.just(b"data: [DONE]"), st.just(b'{"choices":[]}')), max_size=6))
def test_no_line_breaks_the_reader(lines: list[bytes]) -> None:
    events = ReplyEvents()
    try:
        for line in [*lines, None]:
            events.take(line)
    except WrongProtocolError:
        return
