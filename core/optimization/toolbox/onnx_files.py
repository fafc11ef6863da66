"""ONNX files: written whole or not at all, with weights in a file of their own where one cannot hold them; and read."""

from __future__ import annotations

import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from core.optimization.toolbox.packages import toolbox_package
from core.utils.errors import ExportError, ModelLoadError

SLACK_BYTES = 2**20
STREAMED_BYTES = 2**16
PREFIX = ".onnx-"
ABANDONED_S = 86400.0
"""without a change, after which a folder is no working program's: a calibration may take hours without one"""
_GRAPH, _INITIALISER, _RAW_DATA = (bytes((number << 3 | 2,)) for number in (7, 5, 9))
"""what stands before ModelProto.graph, GraphProto.initializer and TensorProto.raw_data, which have a length"""


def weight_bytes(model: Any) -> int:
    """Of all initialisers of an onnx_ir.Model."""
    return sum(
        value.const_value.nbytes
        for graph in model.graphs()
        for value in graph.initializers.values()
        if value.const_value is not None
    )


@contextmanager
def workshop(path: Path) -> Iterator[Path]:
    """A folder beside `path` to write into, gone at the end; what killed programs left goes a day later.

    Raises ExportError where none can be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, PREFIX)
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=path.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise ExportError(f"{path} cannot be written ({error.strerror or error}): choose another place") from error


def sweep(folder: Path, prefix: str) -> None:
    """Take away the folders that killed programs left there, which may be gigabytes."""
    for left in folder.glob(f"{prefix}*"):
        with suppress(FileNotFoundError):  # of a program that has just ended
            newest = max(one.stat().st_mtime for one in (left, *left.glob("*")))
            if time.time() - newest > ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)


def write_model(model: Any, path: Path, external: bool, meant_for: Path | None = None) -> Path | None:
    """Write an onnx_ir.Model; the path of its external data. Raises ExportError: the disk is full or read-only.

    `meant_for`: where it goes afterwards, which is what errors name.
    """
    ir = toolbox_package("onnx_ir", "writing an ONNX model")
    needed, named = weight_bytes(model) + SLACK_BYTES, meant_for or path
    data = path.with_name(_data_name(named))
    try:
        free = shutil.disk_usage(path.parent).free
        if free < needed:
            raise ExportError(f"{named}: {needed / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free: make room")
        if external:
            ir.save(model, path, external_data=data.name)
        else:
            _write_streaming(ir, model, path)
    except OSError as error:
        raise ExportError(
            f"{named} cannot be written ({error.strerror or error}): make room, or choose another place"
        ) from error
    return data if external and data.exists() else None


def _data_name(path: Path) -> str:
    """`NAME.onnx.data`; where there is such a file, which may be a graph's, a name that no file has."""
    usual = f"{path.name}.data"
    return f"{path.name}.{secrets.token_hex(4)}.data" if path.with_name(usual).exists() else usual


def _write_streaming(ir: Any, model: Any, path: Path) -> None:
    """One protobuf file, large weights written one after the other instead of copied into one message twice.

    By protobuf's wire format a message's fields may come in any order, each behind its number and its length.
    """
    initialisers = model.graph.initializers
    large = {
        name: value
        for name, value in initialisers.items()
        if value.const_value is not None and value.const_value.nbytes > STREAMED_BYTES and not value.is_graph_input()
    }
    for name in large:
        del initialisers[name]
    try:
        message = ir.to_proto(model)
    finally:
        for value in large.values():
            initialisers.add(value)
    graph = message.graph.SerializeToString()
    message.ClearField("graph")
    heads = [_tensor_head(value) for value in large.values()]
    sizes = [len(head) + value.const_value.nbytes for head, value in zip(heads, large.values(), strict=True)]
    framed = [_INITIALISER + _varint(size) for size in sizes]
    with path.open("wb") as file:
        file.write(message.SerializeToString())
        file.write(_GRAPH + _varint(len(graph) + sum(sizes) + sum(map(len, framed))))
        file.write(graph)
        for frame, head, value in zip(framed, heads, large.values(), strict=True):
            file.write(frame + head)
            file.write(_raw(value.const_value))


def _tensor_head(value: Any) -> bytes:
    """A TensorProto up to its bytes."""
    onnx = toolbox_package("onnx", "writing an ONNX model")
    tensor = value.const_value
    head: bytes = onnx.TensorProto(
        name=value.name, dims=tensor.shape.numpy(), data_type=int(tensor.dtype)
    ).SerializeToString()
    return head + _RAW_DATA + _varint(tensor.nbytes)


def _raw(tensor: Any) -> Any:
    """Its bytes as ONNX has them; where that is how they lie in memory, not copied."""
    numbers = tensor.numpy()
    if numbers.nbytes != tensor.nbytes or sys.byteorder != "little" or not numbers.flags.c_contiguous:
        return tensor.tobytes()
    return numbers.reshape(-1).view("u1").data


def _varint(number: int) -> bytes:
    """As protobuf writes lengths: seven bits a byte, the lowest first."""
    told = bytearray()
    while number > 0x7F:
        told.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*told, number))


def move_into_place(made: Path, path: Path, data: Path | None = None) -> Path | None:
    """Put a written model, and its external `data`, where they belong; the path of the data.

    The data go first, under a name that no file has, and the old graph's go last: wherever this is broken off, the
    graph that is in place has the weights that were written for it. Raises ExportError where another program took the
    name meanwhile.
    """
    left = _data_left(path)
    target = None if data is None else path.with_name(data.name)
    if data is not None and target is not None:
        try:
            target.open("x").close()
        except FileExistsError:
            raise ExportError(f"{target} was written by another export meanwhile; export once more") from None
        data.replace(target)
    made.replace(path)
    for one in left:
        one.unlink(missing_ok=True)
    return target


def _data_left(path: Path) -> list[Path]:
    """Data files named after `path` that nothing needs once it is replaced: its own, and a killed export's of days ago.

    One of today that is not its own may belong to an export that is just putting its graph into place.
    """
    named = re.compile(rf"{re.escape(path.name)}(\.[0-9a-f]{{8}})?\.data")
    there = [one for one in path.parent.iterdir() if named.fullmatch(one.name)]
    if not there:
        return []
    try:
        graphs = read_model(path).graphs()
    except ModelLoadError:
        graphs = ()
    tensors = (value.const_value for graph in graphs for value in graph.initializers.values())
    own = {Path(one.path).name for one in tensors if type(one).__name__ == "ExternalTensor"}
    return [one for one in there if one.name in own or time.time() - one.stat().st_ctime > ABANDONED_S]


def read_model(path: Path) -> Any:
    """The onnx_ir.Model in `path`, weights mapped from the disk. Raises ModelLoadError: absent, damaged, not ONNX."""
    ir = toolbox_package("onnx_ir", "reading an ONNX model")
    message = toolbox_package("google.protobuf.message", "reading an ONNX model")
    if not path.is_file():
        raise ModelLoadError(f"{path}: there is no such file; export the model first")
    try:
        model = ir.load(path)
    except (message.DecodeError, RuntimeError, ValueError, TypeError, KeyError, OSError) as error:
        raise ModelLoadError(f"{path} is no ONNX model, or a damaged one ({error}); export it again") from error
    if not model.graph.outputs:
        raise ModelLoadError(f"{path} holds no graph: it is no ONNX model, or a damaged one; export it again")
    for graph in model.graphs():
        for value in graph.initializers.values():
            _check_external(value.const_value, path)
    return model


def _check_external(tensor: Any, path: Path) -> None:
    if type(tensor).__name__ != "ExternalTensor":
        return
    file = Path(tensor.path)
    if not file.is_file():
        raise ModelLoadError(f"{path}: its weights {file.name} are missing; keep both files together")
    if file.stat().st_size < (tensor.offset or 0) + (tensor.length or 0):
        raise ModelLoadError(f"{path}: its weights {file.name} are cut off; export the model again")
