"""The echo's layer is told in both languages, once until it is another."""

from __future__ import annotations

from typing import get_args

import pytest

from audio.echo import Layer
from core.app.echo_words import EchoNews
from core.messages import Language


@pytest.mark.parametrize("language", get_args(Language))
def test_each_layer_is_told_once_until_it_is_another(language: Language) -> None:
    news = EchoNews(language)
    told = [line for layer in get_args(Layer) for line in (*news.of(layer), *news.of(layer))]
    assert len(set(told)) == len(told) == len(get_args(Layer))
    assert news.of(get_args(Layer)[0]), "it is back"
