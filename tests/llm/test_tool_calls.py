"""The skills as tools: what is declared, which calls are read, repaired or refused, and that none does harm."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skill_rig import make_skills

from core.messages import Language
from llm.tool_calls import ToolBox, ToolCallRefusedError, Words
from llm.tools import declare


@cache
def box(language: Language = "en") -> ToolBox:
    skills = make_skills(language=language)
    return ToolBox(declare(skills, language), skills.recogniser)


def read(call: str, text: str = "do it", language: Language = "en") -> tuple[str, dict[str, Any]]:
    intent = box(language).read(call, Words(text, language))
    assert intent.language == language
    return intent.name, dict(intent.slots)


def test_each_action_that_models_may_call_is_declared_with_its_slots_in_both_languages() -> None:
    for language in ("en", "fr"):
        tools = {tool.name: tool for tool in box(language).tools}
        assert {"SetTimer", "SetAlarm", "SetReminder", "Calculate", "AddNote", "AddItem", "TellTime"} <= set(tools)
        assert not {"Greet", "Repeat", "Louder", "CannotDo", "NeverMind", "ClearNotes", "ForgetFacts"} & set(tools)
        timer = tools["SetTimer"].parameters["properties"]
        assert timer["minutes"] == {"type": "number"}
        assert timer["name"] == {"type": "string"}
        assert set(timer) == {"hours", "minutes", "seconds", "days", "weeks", "name"}
        assert tools["AddItem"].parameters["required"] == ["item"]
        assert list(tools["Calculate"].parameters["properties"]) == ["sentence"]
        assert list(tools["Convert"].parameters["properties"]) == ["sentence"]
    assert "monday" in {t.name: t for t in box().tools}["SetAlarm"].parameters["properties"]["day"]["enum"]
    assert "lundi" in {t.name: t for t in box("fr").tools}["SetAlarm"].parameters["properties"]["day"]["enum"]


def test_all_tools_together_leave_room_in_a_small_context() -> None:
    for language in ("en", "fr"):
        assert len(json.dumps([tool.as_json() for tool in box(language).tools])) < 5000


@pytest.mark.parametrize(
    ("call", "name", "slots"),
    [
        ('{"name": "SetTimer", "arguments": {"minutes": 5}}', "SetTimer", {"minutes": 5.0}),
        ('\n{"name": "SetTimer", "arguments": {"minutes": "5", "hours": 0, "name": ""}}\n',
         "SetTimer", {"minutes": 5.0}),
        ('{"name": "set_timer", "arguments": {"Minutes": 2.5, "name": "tea"}}',
         "SetTimer", {"minutes": 2.5, "name": "tea"}),
        ('{"name": "SetTimer", "parameters": {"minutes": 5,}}', "SetTimer", {"minutes": 5.0}),
        ("{'name': 'SetTimer', 'arguments': {'minutes': 5, 'name': None}}", "SetTimer", {"minutes": 5.0}),
        ("{'name': 'AddNote', 'arguments': {'text': 'the dog\\'s \"bowl\", None'}}",
         "AddNote", {"text": 'the dog\'s "bowl", None'}),
        ("{'name': \"CancelTimer\", 'arguments': {'all': True, 'name': None}}", "CancelTimer", {"all": "yes"}),
        ('```json\n{"name": "SetTimer", "arguments": {"minutes": 5}}\n```', "SetTimer", {"minutes": 5.0}),
        ('{"name": "SetTimer", "arguments": {"minutes": 5}', "SetTimer", {"minutes": 5.0}),
        ('call: {"name": "SetTimer", "arguments": "{\\"minutes\\": 5}"}.', "SetTimer", {"minutes": 5.0}),
        ('{"function": {"name": "ReadItems", "arguments": ""}}', "ReadItems", {}),
        ('{"name": "ReadItems"}', "ReadItems", {}),
        ('{"name": "CancelTimer", "arguments": {"all": true}}', "CancelTimer", {"all": "yes"}),
        ('{"name": "CancelTimer", "arguments": {"all": false}}', "CancelTimer", {}),
        ('{"name": "SetAlarm", "arguments": {"hour": 7, "minute": 30, "day": "Monday", "recurrence": "daily"}}',
         "SetAlarm", {"hour": 7.0, "minute": 30.0, "day": "0", "recurrence": "daily"}),
        ('{"name": "AddItem", "arguments": {"item": ["milk", "eggs"]}}', "AddItem", {"item": "milk and eggs"}),
        ('{"name": "AddNote", "arguments": {"text": 42}}', "AddNote", {"text": "42"}),
        ('{"name": "Calculate", "arguments": {"sentence": "12 * 7"}}', "Calculate", None),
        ('{"name": "Convert", "arguments": {"sentence": "5 miles in km"}}',
         "Convert", {"amount": 5.0, "source": "mi", "target": "km"}),
    ],
)  # fmt: skip
def test_a_call_is_read_and_what_is_plainly_meant_repaired(call: str, name: str, slots: dict[str, Any] | None) -> None:
    found, values = read(call)
    assert found == name
    assert slots is None or values == slots


@pytest.mark.parametrize(
    "call",
    [
        "",
        "SetTimer",
        "[]",
        '{"name": "SetTimer", "arguments": {"minutes": 5',
        '{"name": "SetTimer", "arguments": {"minutes": ',
        '{"name": "RemoveEverything", "arguments": {}}',
        '{"name": "SetTimer", "arguments": {"minutes": "soon"}}',
        '{"name": "SetTimer", "arguments": {"minutes": true}}',
        '{"name": "SetTimer", "arguments": {"minutes": 1e400}}',
        '{"name": "SetTimer", "arguments": {"minutes": NaN}}',
        '{"name": "SetTimer", "arguments": {"length": 5}}',
        '{"name": "SetTimer", "arguments": [5]}',
        '{"name": "AddItem", "arguments": {}}',
        '{"name": "AddItem", "arguments": {"item": " "}}',
        '{"name": "AddItem", "arguments": {"item": {"a": 1}}}',
        '{"name": "SetAlarm", "arguments": {"hour": 7, "day": "someday"}}',
        '{"name": "Calculate", "arguments": {"sentence": "the meaning of life"}}',
        '{"name": 5}',
        '{"name": "AddNote", "arguments": {"text": "' + "x" * 400 + '"}}',
        '{"name": "AddNote", "arguments": {"text": "half \\ud83d"}}',
        "{" * 3000,
        '{"a":' * 700,
        "-" * 3900 + "1",
        "{'a': " + "[" * 3000,
    ],
)
def test_what_is_not_plain_is_refused(call: str) -> None:
    with pytest.raises(ToolCallRefusedError):
        read(call)


def test_a_french_call_is_read_in_french() -> None:
    call = '{"name": "SetAlarm", "arguments": {"hour": 7, "day": "Lundi"}}'
    assert read(call, "réveille-moi lundi", "fr") == ("SetAlarm", {"hour": 7.0, "day": "0"})


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["monday", "am", "daily"]),
)


@settings(deadline=None)
@given(st.data())
def test_no_call_of_a_tool_breaks_its_skill(data: st.DataObject) -> None:
    skills = make_skills()
    tool = data.draw(st.sampled_from(box().tools))
    slots = list(tool.parameters["properties"]) or ["x"]
    arguments = data.draw(st.dictionaries(st.sampled_from(slots), VALUES, max_size=4))
    try:
        intent = box().read(json.dumps({"name": tool.name, "arguments": arguments}), Words("do it", "en"))
    except ToolCallRefusedError:
        return
    assert skills.act(intent).text is not None
