"""A first run's way to Whisper, a step at a time: what is said when, what is kept, and what each failure costs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from core.app.model_fetch import FetchState
from core.app.switch_over import WORDS, SwitchMeans, SwitchOver, SwitchPlan
from core.messages import Language
from core.stage import Stage
from core.utils.download_progress import DownloadProgress
from core.utils.errors import MerlineError, ModelLoadError
from core.utils.model_catalogue import known_model
from stt.switching import SwitchingTranscriber
from tests.fakes import FakeStage, VirtualClock

MODEL = known_model("whisper-base")


class Engine(FakeStage):
    def __init__(self, name: str) -> None:
        super().__init__(lambda message: iter(()))
        self.engine_name = name


class Fetching:
    """A download whose state the test sets."""

    def __init__(self) -> None:
        self.now = FetchState()
        self.closed = 0

    def state(self) -> FetchState:
        return self.now

    def close(self) -> None:
        self.closed += 1


@dataclass
class Asked:
    """A question that the test answers."""

    now: bool | None = None

    def answer(self) -> bool | None:
        return self.now


@dataclass
class Rig:
    """All around one SwitchOver."""

    decision: str = "yes"
    language: Language = "en"
    fails: MerlineError | None = None
    ready: bool = True
    clock: VirtualClock = field(default_factory=VirtualClock)
    fetching: Fetching = field(default_factory=Fetching)
    asked: Asked = field(default_factory=Asked)
    gate: threading.Event = field(default_factory=threading.Event)
    fetched: list[str] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    aloud: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()
        self.loading = threading.Event()
        self.old, self.new = Engine("pocketsphinx"), Engine("whisper")
        self.switch = SwitchingTranscriber(self.old)
        means = SwitchMeans(
            load=self._load,
            keep=self.kept.append,
            say=self.aloud.append,
            ready=lambda: self.ready,
            fetch=self._fetch,
            ask=lambda language: self.asked,
            now_s=self.clock.monotonic,
        )
        plan = SwitchPlan(MODEL, self.decision, self.language)  # type: ignore[arg-type]
        self.over = SwitchOver(plan, self.switch, means)
        self.told = self.over.start()

    def look(self, after_s: float = 0.1) -> list[str]:
        """What is told when it is looked at so much later."""
        self.clock.advance(after_s)
        said = self.over.news()
        self.told += said
        return said

    def until_over(self) -> None:
        """Look until nothing more will happen; a thread loads meanwhile."""
        for _ in range(10_000):
            self.look()
            if self.over.over:
                return
            threading.Event().wait(0.001)
        raise AssertionError(f"it does not end; told so far: {self.told}")

    def _fetch(self, name: str) -> Fetching:
        self.fetched.append(name)
        return self.fetching

    def _load(self) -> Stage:
        self.loading.set()
        assert self.gate.wait(10)
        if self.fails is not None:
            raise self.fails
        return self.new


def progress(done_mb: int) -> FetchState:
    return FetchState(DownloadProgress(MODEL.name, "model.bin", done_mb * 10**6, 148 * 10**6, 2e6))


@pytest.mark.parametrize("language", ["en", "fr"])
def test_fetched_loaded_exchanged_and_said_once(language: Language):
    rig = Rig(language=language)
    assert f"whisper-base (148 {'Mo' if language == 'fr' else 'MB'})" in rig.look()[0]
    rig.fetching.now = FetchState(done=True)
    rig.until_over()
    assert rig.switch.engine_name == "whisper"
    assert (rig.old.closed, rig.fetching.closed, rig.fetched) == (1, 1, ["whisper-base"])
    assert rig.told[1:] == [WORDS[language]["switched"].format(name="whisper-base")]
    assert rig.aloud == [WORDS[language]["aloud"]]
    assert (rig.look(), rig.kept) == ([], [])


def test_progress_is_told_seldom():
    rig = Rig()
    rig.look()
    told = []
    for tenth in range(1, 5 * 60 * 10):
        rig.fetching.now = progress(tenth // 100)
        told += rig.look()
    assert told[0] == "whisper-base: 1.0 MB of 148 MB, 2.0 MB/s, 74 s left"
    assert len(told) == 3 + 4, "each 15 s of the first minute, then each minute"


def test_the_question_comes_first_and_the_answer_is_kept():
    rig = Rig(decision="ask")
    assert "[Y/n]" in rig.told[0]
    assert "licence MIT" in rig.told[0]
    assert rig.look(60.0) == []
    assert rig.fetched == []
    rig.asked.now = True
    rig.look()
    rig.look()
    assert (rig.kept, rig.fetched) == ([True], ["whisper-base"])


def test_a_no_is_kept_and_ends_it():
    rig = Rig(decision="ask", language="fr")
    assert "[O/n]" in rig.told[0]
    rig.asked.now = False
    assert "models download whisper-base" in rig.look()[0]
    assert (rig.kept, rig.fetched, rig.over.over) == ([False], [], True)


def test_what_was_declined_is_not_asked_again():
    rig = Rig(decision="no")
    assert (rig.told, rig.look(), rig.fetched, rig.over.over) == ([], [], [], True)


def test_it_waits_for_the_packages():
    rig = Rig(ready=False)
    assert rig.look(600.0) == []
    rig.ready = True
    assert rig.look(0.1) == [], "it does not look at the disk ten times a second"
    assert len(rig.look(2.0)) == 1
    assert rig.fetched == ["whisper-base"]


def test_a_download_that_fails_is_told_once_with_its_cure():
    rig = Rig()
    rig.look()
    rig.fetching.now = FetchState(failure="owner/name: the hub does not answer; check the network.")
    said = rig.look()
    assert "check the network. pocketsphinx goes on" in said[0]
    assert "the next start tries again" in said[0]
    assert (rig.over.over, rig.look(1000.0), rig.fetching.closed) == (True, [], 1)
    assert (rig.switch.engine_name, rig.old.closed, rig.aloud) == ("pocketsphinx", 0, [])


def test_a_model_that_cannot_be_loaded_leaves_the_old_engine():
    rig = Rig(fails=ModelLoadError("model.bin: is damaged; download it again"))
    rig.look()
    rig.fetching.now = FetchState(done=True)
    rig.until_over()
    assert "model.bin: is damaged; download it again. pocketsphinx goes on" in rig.told[-1]
    assert (rig.switch.engine_name, rig.old.closed, rig.aloud) == ("pocketsphinx", 0, [])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_while_loading_is_a_failure_too():
    rig = Rig(fails=ZeroDivisionError("ours"))  # type: ignore[arg-type]
    rig.look()
    rig.fetching.now = FetchState(done=True)
    rig.until_over()
    assert "the log says more" in rig.told[-1]


def test_a_turn_under_way_is_not_disturbed_and_nothing_is_said_before_the_exchange():
    from core.messages import SpeechStarted

    rig = Rig()
    list(rig.switch.process(SpeechStarted(1, 0, 0.0)))
    rig.look()
    rig.fetching.now = FetchState(done=True)
    rig.look()
    rig.loading.wait(10)
    for _ in range(50):
        rig.look()
        threading.Event().wait(0.001)
    assert (rig.switch.engine_name, rig.aloud, rig.over.over) == ("pocketsphinx", [], False)
    list(rig.switch.process(SpeechStarted(2, 0, 0.0)))
    assert "listens from now on" in rig.look()[0]
    assert (rig.switch.engine_name, len(rig.aloud), rig.old.closed) == ("whisper", 1, 1)


def test_the_end_of_the_program_ends_the_download():
    rig = Rig()
    rig.look()
    rig.over.stop()
    assert (rig.fetching.closed, rig.over.over, rig.look(100.0)) == (1, True, [])


def test_a_model_loaded_at_the_end_of_the_program_is_closed():
    rig = Rig()
    rig.gate.clear()
    rig.look()
    rig.fetching.now = FetchState(done=True)
    rig.look()
    assert rig.loading.wait(10)
    threading.Timer(0.05, rig.gate.set).start()
    rig.over.stop()
    assert (rig.new.closed, rig.switch.engine_name) == (1, "pocketsphinx")


def test_a_model_loaded_after_everything_was_closed_is_closed():
    rig = Rig()
    rig.look()
    rig.fetching.now = FetchState(done=True)
    rig.switch.close()
    rig.until_over()
    assert (rig.new.closed, rig.aloud) == (1, [])


def test_both_languages_have_all_the_words():
    assert set(WORDS["en"]) == set(WORDS["fr"])
