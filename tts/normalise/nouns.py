"""Nouns that follow a number: units and currencies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noun:
    """A word for one and for several, and its gender where the language has one."""

    one: str
    many: str
    feminine: bool = False


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency and its hundredth; None means that none is in use."""

    unit: Noun
    cent: Noun | None


def regular(one: str, feminine: bool = False) -> Noun:
    """A noun whose plural adds an s."""
    return Noun(one, one + "s", feminine)
