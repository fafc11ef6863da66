"""Where the data folder lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.utils.errors import DataError
from core.utils.paths import data_folder


def test_the_one_that_is_named_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path))
    assert data_folder() == tmp_path


@pytest.mark.parametrize("named", ["", "~nobody-of-that-name/merline"])
def test_without_a_home_it_has_to_be_named(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("MERLINE_HOME", named)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(DataError, match="set MERLINE_HOME"):
        data_folder()
