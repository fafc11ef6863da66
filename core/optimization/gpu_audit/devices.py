"""Finds device numbers other than 0: inside a program that sees one card, that card is always cuda:0.

A string counts where it is a value (argument, default, assignment, element, returned), not where it is talked about:
docstrings, comparisons, keys, annotations, help texts, and arguments of print, of a logger or of an exception.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from core.optimization.gpu_audit.faults import Edit, Fault, FaultKind
from core.optimization.gpu_audit.names import Names
from core.optimization.gpu_audit.source import Source

INDEX_NAMES = {"gpu_device_index": FaultKind.GPU_DEVICE_INDEX, "device_index": FaultKind.DEVICE_INDEX}
SOUND_PACKAGES = ("pyaudio", "pyaudiowpatch", "sounddevice", "soundcard", "speech_recognition", "pvrecorder", "cv2")
CARD_PACKAGES = (
    *("torch", "faster_whisper", "ctranslate2", "whisper", "transformers", "TTS", "RealtimeSTT", "RealtimeTTS"),
    *("onnxruntime", "tensorflow", "jax", "cupy", "llama_cpp", "pynvml"),
)
SOUND_CALLS = ("microphone", "recorder", "stream")
"""microphones, loudspeakers and cameras have a device_index too"""
SELECTORS = {"torch.cuda.set_device", "torch.cuda.device"}
QUERIES = {
    f"torch.cuda.{name}"
    for name in (
        *("get_device_properties", "get_device_name", "get_device_capability", "mem_get_info", "synchronize"),
        *("memory_allocated", "memory_reserved", "max_memory_allocated", "max_memory_reserved", "memory_stats"),
        *("memory_summary", "reset_peak_memory_stats", "current_stream", "default_stream"),
    )
}
TALKING = {
    *("debug", "info", "warning", "warn", "error", "exception", "critical", "log", "print", "write", "echo"),
    *("startswith", "endswith", "replace", "removeprefix", "removesuffix", "find", "count", "index", "split", "strip"),
}
"""calls whose arguments are words and not devices"""
TALKED_ABOUT = {"help", "choices", "description", "metavar", "msg", "message", "epilog"}
_DEVICE = re.compile(r"\s*cuda(?::(\d+))?\s*$")


class DeviceFaults:
    """The wrong device numbers of one file."""

    def __init__(self, source: Source, names: Names) -> None:
        self._source = source
        self._names = names
        self._parents = {child: parent for parent in source.nodes for child in ast.iter_child_nodes(parent)}
        self._torch = names.imports("torch")
        self._sound = any(map(names.imports, SOUND_PACKAGES)) and not any(map(names.imports, CARD_PACKAGES))
        """no card is computed on here: a device_index is of a sound device or a camera"""
        self._claimed: set[ast.AST] = set()
        self.first_touch: int | None = None
        """the first line that touches CUDA"""

    def find(self) -> list[Fault]:
        """All of them, and `first_touch` after it."""
        faults = [fault for node in self._source.nodes for fault in self._in_node(node)]
        for node in self._source.nodes:
            if isinstance(node, ast.Constant | ast.JoinedStr) and node not in self._claimed and self._is_value(node):
                number = _device_number(node)
                if number is not None:
                    self._touch(node)
                if number:
                    faults.append(self._fault(FaultKind.DEVICE_STRING, node, node))
        return faults

    def _in_node(self, node: ast.AST) -> Iterator[Fault]:
        if isinstance(node, ast.Call):
            yield from self._in_call(node)
        elif isinstance(node, ast.Attribute | ast.Name):
            if self._torch and f"{self._names.dotted(node)}.".startswith("torch.cuda."):
                self._touch(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                yield from self._indexed(_target_name(target), node.value)
        elif isinstance(node, ast.arguments):
            positional = [*node.posonlyargs, *node.args]
            defaults = positional[len(positional) - len(node.defaults) :]
            for argument, default in [
                *zip(defaults, node.defaults, strict=True),
                *zip(node.kwonlyargs, node.kw_defaults, strict=True),
            ]:
                yield from self._indexed(argument.arg, default)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                yield from self._indexed(str(key.value) if isinstance(key, ast.Constant) else "", value)

    def _in_call(self, call: ast.Call) -> Iterator[Fault]:
        function = self._names.dotted(call.func)
        keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        first = call.args[0] if call.args else None
        if function == "torch.device":
            second = call.args[1] if len(call.args) > 1 else None
            yield from self._selected(FaultKind.TORCH_DEVICE, first or keywords.get("type") or keywords.get("device"))
            if _device_number(first or keywords.get("type")) is not None:
                yield from self._selected(FaultKind.TORCH_DEVICE, second or keywords.get("index"))
        elif function in SELECTORS:
            yield from self._selected(FaultKind.SET_DEVICE, first or keywords.get("device"))
        elif function in QUERIES or (self._torch and isinstance(call.func, ast.Attribute) and call.func.attr == "cuda"):
            if self._torch:
                self._touch(call)
            yield from self._selected(FaultKind.DEVICE_INDEX, first or keywords.get("device"))
        sound = any(word in function.lower() for word in SOUND_CALLS)
        for name, value in keywords.items():
            if not (sound and INDEX_NAMES.get(name) is FaultKind.DEVICE_INDEX):
                yield from self._indexed(name, value)

    def _selected(self, kind: FaultKind, value: ast.expr | None) -> Iterator[Fault]:
        """A card asked for by number or by string."""
        if value is None:
            return
        number = _device_number(value)
        if number is not None:
            self._claimed.add(value)
            self._touch(value)
        if number or _is_index(self._names.value(value)):
            self._touch(value)
            yield self._fault(kind, value, value)

    def _indexed(self, name: str, value: ast.expr | None) -> Iterator[Fault]:
        """A card's number under one of the names for it; faster-whisper takes a list of them too."""
        kind = INDEX_NAMES.get(name)
        if kind is None or value is None or (kind is FaultKind.DEVICE_INDEX and self._sound):
            return
        items = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
        wrong = [item for item in items if _is_index(self._names.value(item))]
        if wrong or (kind is FaultKind.GPU_DEVICE_INDEX and isinstance(self._names.value(value), int)):
            self._touch(value)
        for item in wrong:
            yield self._fault(kind, value, item if len(items) == 1 else None)

    def _fault(self, kind: FaultKind, place: ast.expr, wrong: ast.expr | None) -> Fault:
        """`wrong` is what an edit may put right, where it is written out in this very place."""
        edit = self._edit(wrong) if wrong is not None and not self._beside_others(place) else None
        return Fault(
            kind,
            place.lineno,
            self._source.column(place),
            self._source.segment(place),
            "a program that is given one card finds it as number 0 (cuda:0)",
            edit,
        )

    def _edit(self, node: ast.expr) -> Edit | None:
        start, end = self._source.span(node)
        text = self._source.text[start:end]
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return Edit(start, end, "0")
        number = re.search(r"cuda:(\d+)", text)
        if number is None or not isinstance(node, ast.Constant | ast.JoinedStr):
            return None
        return Edit(start + number.start(1), start + number.end(1), "0")

    def _beside_others(self, node: ast.expr) -> bool:
        """Several cards in one list: which of them the program meant is not ours to say."""
        parent = self._parents.get(node)
        if not isinstance(parent, ast.List | ast.Tuple | ast.Set):
            return False
        return sum(_device_number(item) is not None for item in parent.elts) > 1

    def _touch(self, node: ast.expr) -> None:
        self.first_touch = min(node.lineno, self.first_touch or node.lineno)

    def _is_value(self, node: ast.expr) -> bool:
        child: ast.AST = node
        while (parent := self._parents.get(child)) is not None:
            if isinstance(parent, ast.Compare | ast.Expr | ast.Assert | ast.JoinedStr | ast.pattern | ast.Raise):
                return False
            if isinstance(parent, ast.Call):
                return not self._talks(parent)
            if isinstance(parent, ast.arguments):
                return True
            if isinstance(parent, ast.keyword) and parent.arg in TALKED_ABOUT:
                return False
            if (isinstance(parent, ast.Dict) and child in parent.keys) or (
                isinstance(parent, ast.Subscript) and child is parent.slice
            ):
                return False
            if isinstance(parent, ast.arg) or (isinstance(parent, ast.AnnAssign) and child is parent.annotation):
                return False
            if isinstance(parent, ast.stmt):
                return not isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef)
            child = parent
        return False

    def _talks(self, call: ast.Call) -> bool:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else self._names.dotted(call.func)
        return name in TALKING or isinstance(self._parents.get(call), ast.Raise)


def _device_number(node: ast.AST | None) -> int | None:
    """0 for "cuda" and "cuda:0", 1 for "cuda:1"; None for anything else."""
    text = _literal(node)
    found = _DEVICE.match(text) if text is not None else None
    return int(found[1] or 0) if found else None


def _literal(node: ast.AST | None) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts = [_literal(part) for part in node.values]
        return "".join(part for part in parts if part is not None) if None not in parts else None
    return None


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _target_name(target: ast.expr) -> str:
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute):
        return target.attr
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        return str(target.slice.value)
    return ""
