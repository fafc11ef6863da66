"""The self-check's runner and its one-line verdict."""

from __future__ import annotations

import threading

import pytest

from core.selfcheck import Check, Finding, Verdict, one_by_one, run_checks
from core.utils.errors import AudioDeviceError


def verdict(*checks: Check) -> Verdict:
    return Verdict(tuple(run_checks(checks)))


def passing(name: str) -> Check:
    return Check(name, lambda: Finding("pass", "fine"))


def test_all_passed_is_safe_to_launch():
    assert verdict(passing("a"), passing("b")).line == "2/2 passed: safe to launch"


def test_all_but_one_never_reads_as_success():
    result = verdict(passing("a"), Check("b", lambda: Finding("fail", "broken", "mend it")))
    assert not result.safe
    assert result.line == "1 of 2 failed (b): not safe to launch"
    assert "passed" not in result.line


def test_a_warning_is_named_and_does_not_stop_a_launch():
    result = verdict(passing("a"), Check("b", lambda: Finding("warn", "old", "renew it")))
    assert result.safe
    assert "b" in result.line.split("launch")[1]


def test_a_check_that_hangs_fails_at_its_limit():
    never = threading.Event()
    result = verdict(Check("hangs", lambda: never.wait() and None, limit_s=0.05))  # type: ignore[arg-type, return-value]
    never.set()
    assert result.results[0].outcome == "fail"
    assert "no answer within" in result.results[0].text


def test_all_together_end_in_time_and_what_was_not_looked_at_is_named():
    never = threading.Event()
    hanging = Check("hangs", lambda: never.wait() and None, limit_s=60.0)  # type: ignore[arg-type, return-value]
    results = list(run_checks([hanging, passing("next")], within_s=0.05))
    never.set()
    assert [result.outcome for result in results] == ["fail", "fail"]
    assert "no answer within" in results[0].text
    assert "busy" in results[0].cure
    assert "not looked at" in results[1].text
    assert all(result.cure for result in results)


def test_lanes_run_beside_each_other_and_report_in_the_order_given():
    met = threading.Barrier(2, timeout=10)

    def meet() -> Finding:
        met.wait()
        return Finding("pass", "met")

    checks = [Check("device", meet, device=True), Check("question", meet), Check("speaker", meet, device=True)]
    results = list(run_checks([*checks, Check("last", meet)]))
    assert [(result.name, result.outcome) for result in results] == [
        ("device", "pass"), ("question", "pass"), ("speaker", "pass"), ("last", "pass")
    ]  # fmt: skip


def test_one_by_one_what_a_check_says_comes_after_the_result_before_it():
    said: list[str] = []

    def look(name: str) -> Finding:
        said.append(f"asking {name}")
        return Finding("pass", name)

    for result in one_by_one([Check("first", lambda: look("first")), Check("second", lambda: look("second"))]):
        for thread in threading.enumerate():
            if thread.name.startswith("checks-"):
                thread.join(10.0)  # whatever is going to be said without the result being taken is said now
        said.append(f"result {result.name}")
    assert said == ["asking first", "result first", "asking second", "result second"]


@pytest.mark.parametrize(
    ("error", "text", "cure"),
    [
        (AudioDeviceError("no microphone; plug one in"), "no microphone", "plug one in"),
        (OSError("boom"), "OSError: boom", "run again with --log-level debug for the details"),
    ],
)
def test_an_error_becomes_a_finding_with_its_cure(error: Exception, text: str, cure: str):
    def look() -> Finding:
        raise error

    result = verdict(Check("x", look)).results[0]
    assert (result.outcome, result.text, result.cure) == ("fail", text, cure)


def test_json_holds_every_check():
    plain = verdict(passing("a")).as_json()
    assert plain["safe"] is True
    assert plain["checks"][0]["name"] == "a"


def test_one_that_was_broken_off_tells_where_and_never_reads_as_safe():
    results = verdict(passing("a"), Check("b", lambda: Finding("fail", "broken", "mend it"))).results
    good, bad = Verdict(results[:1], "b"), Verdict(results, "c")
    assert good.line == "broken off at 'b'; 1 looked at: not known to be safe to launch"
    assert bad.line == "broken off at 'c'; 2 looked at, 1 failed (b): not known to be safe to launch"
    assert (good.safe, good.as_json()["safe"], bad.safe) == (False, False, False)
