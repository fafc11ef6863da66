"""cache_key and estimate_size: equal inputs agree in every process, different ones do not; sizes leave nothing out."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.optimization.cache_key import cache_key
from core.optimization.sizes import estimate_size

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Voice:
    name: str
    rate: float


@dataclass(frozen=True, slots=True)
class OtherVoice:
    name: str
    rate: float


class Language(Enum):
    EN = 1
    FR = 2


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.tuples(inner, inner), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


def kind(value: object) -> object:
    """The value with its types, so that 1, True and 1.0 (and 0.0 and -0.0) differ."""
    if isinstance(value, (list, tuple)):
        return (type(value), tuple(map(kind, value)))
    if isinstance(value, dict):
        return (dict, frozenset((key, kind(one)) for key, one in value.items()))
    return (type(value), repr(value))


class TestCacheKey:
    @given(VALUES, VALUES)
    def test_keys_are_equal_exactly_when_the_values_are(self, one: object, other: object):
        assert (cache_key(one) == cache_key(other)) == (kind(one) == kind(other))

    def test_different_things_have_different_keys(self):
        numbers = np.arange(6, dtype=np.int32)
        different = [
            (),
            ((),),
            ([],),
            (1,),
            (1.0,),
            (True,),
            ("1",),
            (b"1",),
            ("ab", "c"),
            ("a", "bc"),
            (("a", "bc"),),
            (["a", "bc"],),
            ({"a", "bc"},),
            (numbers,),
            (numbers.reshape(2, 3),),
            (numbers.reshape(3, 2),),
            (numbers.astype(np.uint32),),
            (numbers.tobytes(),),
            (np.int32(1),),
            (np.float32(1),),
            (Voice("a", 1.0),),
            (OtherVoice("a", 1.0),),
            (Voice("a", 2.0),),
            (Language.EN,),
            (Language.FR,),
            (Path("a"),),
        ]
        assert len({cache_key(*parts) for parts in different}) == len(different)

    def test_a_border_between_names_matters(self):
        one, other = Enum("Voice", ["ALTO"], module="m"), Enum("VoiceA", ["LTO"], module="m")
        assert cache_key(one["ALTO"]) != cache_key(other["LTO"])

    def test_layout_in_memory_and_order_of_a_dictionary_do_not_matter(self):
        numbers = np.arange(12.0).reshape(3, 4)
        assert cache_key(numbers) == cache_key(np.asfortranarray(numbers)) == cache_key(numbers[::-1][::-1])
        assert cache_key({"a": 1, "b": 2}) == cache_key({"b": 2, "a": 1})

    def test_every_process_agrees(self):
        code = (
            "import numpy as np; from core.optimization.cache_key import cache_key; "
            "print(cache_key('bonjour', {'a', 'b', 'c'}, {'rate': 1.5, 'voice': None}, np.arange(4, dtype='f4')))"
        )
        keys = {
            subprocess.run(
                [sys.executable, "-c", code],
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            ).stdout.strip()
            for seed in ("1", "2")
        }
        here = cache_key("bonjour", {"a", "b", "c"}, {"rate": 1.5, "voice": None}, np.arange(4, dtype="f4"))
        assert keys == {here}

    @pytest.mark.parametrize(
        "part", [object(), print, Voice, np.array([object()]), np.ma.masked_array([1.0], mask=[True])]
    )
    def test_what_has_no_lasting_name_is_refused(self, part: object):
        with pytest.raises(TypeError, match=r"cache_key: an? "):
            cache_key("fine", part)


class TestEstimateSize:
    def test_bytes_text_and_arrays(self):
        assert 1000 <= estimate_size(b"x" * 1000) < 1100
        assert 2000 <= estimate_size("é" * 2000) < 2200
        assert 4000 <= estimate_size(np.zeros(1000, np.float32)) < 4200

    def test_a_view_counts_its_base(self):
        assert estimate_size(np.zeros(100_000, np.uint8)[5:7]) >= 100_000

    def test_memory_that_is_not_an_arrays_own(self):
        assert estimate_size(np.frombuffer(bytes(50_000), np.uint8)) >= 50_000

    def test_containers_and_dataclasses_count_what_they_hold_once(self):
        samples = np.zeros(100_000, np.uint8)
        held = {"a": [samples, (samples,)], "b": Voice(name="v" * 5_000, rate=1.0)}
        assert 105_000 <= estimate_size(held) < 107_000

    def test_a_circle_ends(self):
        circle: list[object] = [bytes(1000)]
        circle.append(circle)
        assert 1000 <= estimate_size(circle) < 1300

    def test_tensors(self):
        torch = pytest.importorskip("torch", reason="torch is not installed")
        assert 4_000 <= estimate_size(torch.zeros(1000)) < 4_500
        assert estimate_size([torch.zeros(100_000)[:3]]) >= 400_000
