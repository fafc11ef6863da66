"""A recogniser that cannot be loaded stands back for another, and says why once."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from core.utils.errors import ConfigError, GpuUnavailableError, ModelLoadError
from stt.first_that_loads import FirstThatLoads
from tests.fakes import FakeStage


class Recogniser(FakeStage):
    def __init__(self, name: str, error: Exception | None = None) -> None:
        super().__init__(self._echo)
        self.engine_name = name
        self.words = 0
        self._error = error

    def load(self) -> None:
        super().load()
        if self._error is not None:
            raise self._error

    def load_words(self, wait: bool = False) -> None:
        self.words += 1

    def _echo(self, message: object) -> Iterator[object]:
        yield (self.engine_name, message)


@pytest.mark.parametrize("error", [ModelLoadError("the folder is incomplete"), GpuUnavailableError("no card")])
def test_the_spare_one_takes_over(error: Exception, caplog: pytest.LogCaptureFixture):
    whisper, spare = Recogniser("whisper", error), Recogniser("pocketsphinx")
    stage = FirstThatLoads(whisper, lambda: spare)
    assert stage.engine_name == "whisper"
    with caplog.at_level(logging.WARNING):
        stage.load()
    stage.load_words()
    assert list(stage.process(1)) == [("pocketsphinx", 1)]
    assert (stage.engine_name, spare.loaded, spare.words) == ("pocketsphinx", 1, 1)
    assert stage.fallback_reason == f"whisper cannot be used, pocketsphinx listens instead: {error}"
    assert len(caplog.records) == 1
    stage.close()
    assert (whisper.closed, spare.closed) == (0, 1)


def test_the_preferred_one_stays_and_the_spare_one_is_never_made():
    whisper = Recogniser("whisper")
    stage = FirstThatLoads(whisper, lambda: pytest.fail("made for nothing"))
    stage.load()
    assert list(stage.process(1)) == [("whisper", 1)]
    assert (stage.fallback_reason, whisper.loaded) == ("", 1)


def test_a_setting_that_is_wrong_is_no_reason_to_stand_back():
    with pytest.raises(ConfigError):
        FirstThatLoads(Recogniser("whisper", ConfigError("compute_type")), lambda: Recogniser("spare")).load()


def test_a_stage_without_words_needs_none():
    plain = FakeStage(lambda message: iter(()))
    stage = FirstThatLoads(plain, lambda: Recogniser("spare"))
    stage.load_words()
    stage.load()
    assert (stage.engine_name, plain.loaded) == ("fakestage", 1)
