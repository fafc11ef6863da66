"""One question for all that a first run would fetch, one answer, kept for each."""

from __future__ import annotations

from core.app.consent import LANGUAGE_SETTING, SETTING, VOICE_SETTING
from core.app.first_question import FirstQuestion
from core.app.switch_over import SwitchMeans, SwitchOver, SwitchPlan
from core.messages import Language
from core.utils.model_catalogue import known_model

WHISPER, QWEN, VOICE = (known_model(name) for name in ("whisper-base", "qwen3-0.6b", "melo-english"))


class Kept:
    def __init__(self) -> None:
        self.settings: dict[str, str] = {}

    def setting(self, name: str) -> str | None:
        return self.settings.get(name)

    def set_setting(self, name: str, value: str) -> None:
        self.settings[name] = value


class Typed:
    """A terminal at which somebody answers in his own time."""

    def __init__(self) -> None:
        self.said: bool | None = None
        self.asked = 0

    def __call__(self, language: Language) -> Typed:
        self.asked += 1
        return self

    def answer(self) -> bool | None:
        return self.said

    def press(self, key: str) -> None:
        self.said = key == "y"


class Never:
    """An engine that is not exchanged here."""

    engine_name = "pocketsphinx"

    def offer(self, engine: object) -> bool:
        raise AssertionError("nothing is loaded in these tests")

    def close_retired(self) -> bool:
        return False


def switch(plan: SwitchPlan, question: FirstQuestion) -> SwitchOver:
    return SwitchOver(plan, Never(), SwitchMeans(load=Never, ready=lambda: False, together=question))


def asked(language: Language = "en") -> tuple[FirstQuestion, Typed, Kept, list[SwitchOver]]:
    kept, typed = Kept(), Typed()
    question = FirstQuestion(language, kept, typed)
    plans = {
        SETTING: SwitchPlan(WHISPER, "ask", language),
        LANGUAGE_SETTING: SwitchPlan(QWEN, "ask", language),
        VOICE_SETTING: SwitchPlan(VOICE, "ask", language),
    }
    for setting, plan in plans.items():
        question.add(plan, setting, lambda: True)
    return question, typed, kept, [switch(plan, question) for plan in plans.values()]


def test_all_are_listed_with_size_source_and_licence_and_asked_for_once():
    _, typed, _, (first, second, third) = asked()
    lines = first.start()
    assert lines == [
        "I could do more with these models:",
        "  whisper-base (148 MB, from Systran/faster-whisper-base, licence MIT), to understand free speech",
        "  qwen3-0.6b (1.5 GB, from Qwen/Qwen3-0.6B, licence Apache-2.0), to answer any question",
        "  melo-english (208 MB, from myshell-ai/MeloTTS-English-v2, licence MIT), to speak with a more natural voice",
        "Fetch them (1.9 GB in all) in the background? [Y/n]",
    ]
    assert second.start() == []
    assert third.start() == []
    assert typed.asked == 1


def test_a_yes_is_kept_for_all_also_for_those_that_have_not_begun():
    _, typed, kept, (first, second, third) = asked()
    first.start()
    assert first.news() == []
    assert kept.settings == {}
    typed.said = True
    assert first.news() == []
    assert kept.settings == {SETTING: "yes", LANGUAGE_SETTING: "yes", VOICE_SETTING: "yes"}
    second.start()
    second.news()
    assert not second.over
    third.start()
    assert third.news() == []


def test_a_no_is_told_once_with_the_way_back_and_ends_all():
    _, typed, kept, switches = asked()
    typed.said = False
    told = [line for one in switches for line in (*one.start()[5:], *one.news())]
    assert told == ["Not fetched; `python3 main.py models download` does it at any time."]
    assert set(kept.settings.values()) == {"no"}
    assert all(one.over for one in switches)


def test_one_model_alone_is_asked_for_in_its_own_words():
    kept, typed = Kept(), Typed()
    question, plan = FirstQuestion("fr", kept, typed), SwitchPlan(QWEN, "ask", "fr")
    question.add(SwitchPlan(WHISPER, "yes", "fr"), SETTING, lambda: True)
    question.add(plan, LANGUAGE_SETTING, lambda: True)
    one = switch(plan, question)
    assert one.start() == [plan.words("question")]
    typed.said = False
    assert one.news() == [plan.words("declined")]
    assert kept.settings == {LANGUAGE_SETTING: "no"}


def test_in_french_too():
    *_, switches = asked("fr")
    assert switches[0].start()[-1] == "Les télécharger (1,9 Go en tout) en arrière-plan ? [O/n]"


def test_a_model_whose_packages_never_come_is_not_offered_and_nothing_is_kept_of_it():
    for installing in (False, True):
        kept, typed = Kept(), Typed()
        question = FirstQuestion("en", kept, typed, installing=lambda comes=installing: comes)
        whisper, qwen = SwitchPlan(WHISPER, "ask", "en"), SwitchPlan(QWEN, "ask", "en")
        question.add(whisper, SETTING, lambda: True)
        question.add(qwen, LANGUAGE_SETTING, lambda: False)
        one = switch(whisper, question)
        lines = one.start()
        assert any("qwen3" in line for line in lines) is installing
        assert (lines == [whisper.words("question")]) is not installing
        typed.said = True
        one.news()
        assert set(kept.settings) == ({SETTING, LANGUAGE_SETTING} if installing else {SETTING})


def test_keys_reach_it_once_it_is_asked():
    question, _, kept, (first, *_) = asked()
    question.press("y")
    assert question.answer() is None
    first.start()
    question.press("y")
    assert first.news() == []
    assert kept.settings[SETTING] == "yes"
