"""The file of one cached value: whose it is, when it was kept, what kind of value, all under a checksum.

Nothing is unpickled or run; a file that is cut short, changed or someone else's is refused.
"""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

MAGIC = b"merline cache 1\n"
DIGEST_BYTES = 32
_HEAD = struct.Struct("<cdI")
"""kind, wall time in seconds, length of the key"""
_BYTES, _ARRAY, _JSON = b"B", b"A", b"J"
_PLAIN = (str, int, float, bool, type(None))


class DamagedEntryError(ValueError):
    """Not a whole file of this form, or of another key. Never leaves the disk tier."""


@dataclass(frozen=True, slots=True)
class DiskEntry:
    """A value as it was put."""

    value: object
    kept_at_s: float
    """wall time, seconds since 1970"""


def encode_entry(key: str, value: object, kept_at_s: float) -> bytes | None:
    """The file's content; None for a value that would not come back as it is.

    Kept: bytes, numpy arrays without Python objects, and lists and dictionaries (keys: strings) of strings, finite
    numbers, booleans and None.
    """
    if type(value) is bytes:
        kind, payload = _BYTES, value
    elif type(value) is np.ndarray and not value.dtype.hasobject:
        stream = io.BytesIO()
        np.save(stream, value, allow_pickle=False)
        kind, payload = _ARRAY, stream.getvalue()
    else:
        try:
            if not _is_plain(value):
                return None
            kind, payload = _JSON, json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
        except (ValueError, RecursionError):
            return None
    name = key.encode()
    body = _HEAD.pack(kind, kept_at_s, len(name)) + name + payload
    return MAGIC + _checksum(body) + body


def decode_entry(raw: bytes, key: str) -> DiskEntry:
    """Raises DamagedEntryError saying what is wrong."""
    start = len(MAGIC) + DIGEST_BYTES
    body = raw[start:]
    if not raw.startswith(MAGIC) or len(body) < _HEAD.size:
        raise DamagedEntryError("not a cache entry, or cut short")
    if raw[len(MAGIC) : start] != _checksum(body):
        raise DamagedEntryError("its checksum does not fit")
    kind, kept_at_s, length = _HEAD.unpack_from(body)
    payload = body[_HEAD.size + length :]
    if body[_HEAD.size : _HEAD.size + length] != key.encode():
        raise DamagedEntryError("it belongs to another key")
    try:
        return DiskEntry(_value(kind, payload), kept_at_s)
    except (ValueError, EOFError, RecursionError) as error:
        raise DamagedEntryError(f"its value cannot be read: {error}") from error


def _value(kind: bytes, payload: bytes) -> Any:
    if kind == _BYTES:
        return payload
    if kind == _ARRAY:
        return np.load(io.BytesIO(payload), allow_pickle=False)
    if kind == _JSON:
        return json.loads(payload)
    raise ValueError(f"unknown kind {kind!r}")


def _is_plain(value: object) -> bool:
    """Exact types only: a tuple or an enumeration member would come back as something else."""
    if type(value) is list:
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(type(key) is str and _is_plain(one) for key, one in value.items())
    return type(value) in _PLAIN


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=DIGEST_BYTES).digest()
