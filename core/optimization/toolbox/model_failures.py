"""What a model's own code raises where it does not take what it is given, and how that is told. Loads no torch."""

from __future__ import annotations

from core.utils.errors import MerlineError

MODEL_FAILS: tuple[type[Exception], ...] = (
    *(RuntimeError, TypeError, ValueError, LookupError, AttributeError, NameError),
    *(ArithmeticError, AssertionError, ImportError, OSError),
)
MODEL_REFUSES: tuple[type[Exception], ...] = (*MODEL_FAILS, MerlineError)
"""and what our own layers and inputs refuse"""
_PLAIN = (RuntimeError, TypeError, ValueError)
"""their text says it all, as that of our own errors does"""


def first_line(error: BaseException) -> str:
    """Of what it says; behind the name of its kind where the text alone would say little, as a KeyError's does."""
    text = str(error).partition("\n")[0].strip()
    if text and (type(error) in _PLAIN or isinstance(error, MerlineError)):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
