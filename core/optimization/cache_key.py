"""A name for any input, the same in every process and on every machine: what results are kept under.

Equal inputs of one type have one key; types are told apart (1, 1.0, True and "1" are four keys).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import blake2b
from pathlib import PurePath

import numpy as np

DIGEST_BYTES = 20


def cache_key(*parts: object) -> str:
    """40 hexadecimal digits (BLAKE2b, RFC 7693) of the parts.

    A part is None, a bool, number, string, bytes, path, enumeration member, numpy array or scalar without Python
    objects, a dataclass, or a list, tuple, set or dictionary of such. Raises TypeError naming any other type.
    """
    return _digest(b"parts", [_encode(part) for part in parts]).hex()


def _digest(tag: bytes, pieces: Iterable[bytes]) -> bytes:
    """Each piece goes in with its length, so that moving a border between two of them makes another digest."""
    state = blake2b(digest_size=DIGEST_BYTES)
    for piece in (tag, *pieces):
        state.update(struct.pack("<Q", len(piece)))
        state.update(piece)
    return state.digest()


def _encode(part: object) -> bytes:
    match part:
        case Enum():
            return _digest(b"enum", [_name(part), part.name.encode()])
        case None | bool():
            return _digest(b"constant", [repr(part).encode()])
        case np.ndarray() | np.generic() if not isinstance(part, np.ma.MaskedArray):
            return _array(np.asarray(part))
        case int():
            return _digest(b"int", [b"%d" % part])
        case float():
            return _digest(b"float", [struct.pack("<d", part)])
        case complex():
            return _digest(b"complex", [struct.pack("<dd", part.real, part.imag)])
        case str():
            return _digest(b"str", [part.encode("utf-8", "surrogatepass")])
        case bytes() | bytearray() | memoryview():
            return _digest(b"bytes", [bytes(part)])
        case PurePath():
            return _digest(b"path", [str(part).encode("utf-8", "surrogateescape")])
        case tuple() | list():
            return _digest(b"tuple" if isinstance(part, tuple) else b"list", map(_encode, part))
        case set() | frozenset():
            return _digest(b"set", sorted(map(_encode, part)))
        case dict():
            return _digest(b"dict", sorted(_encode(key) + _encode(value) for key, value in part.items()))
    if is_dataclass(part) and not isinstance(part, type):
        values = (_encode((field.name, getattr(part, field.name))) for field in fields(part))
        return _digest(b"dataclass", [_name(part), *values])
    raise TypeError(
        f"cache_key: a {type(part).__module__}.{type(part).__qualname__} has no lasting name; "
        "give its parts (numbers, strings, bytes, numpy arrays, dataclasses)"
    )


def _name(part: object) -> bytes:
    return f"{type(part).__module__}.{type(part).__qualname__}".encode()


def _array(array: np.ndarray) -> bytes:
    if array.dtype.hasobject:
        raise TypeError(f"cache_key: an array of {array.dtype} holds Python objects; give one of numbers or strings")
    return _digest(b"array", [repr(array.dtype.descr).encode(), repr(array.shape).encode(), array.tobytes()])
