"""Finds CUDA's two variables missing, wrong, or set after torch is imported, in the order in which a module runs.

A function of the module counts where the module calls it; one that only others call runs after the module's own
statements. Values that only running would tell are taken as right.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from core.optimization.gpu_audit.faults import DEVICE_ORDER, VISIBLE_DEVICES, Edit, Expectation, Fault, FaultKind
from core.optimization.gpu_audit.names import UNKNOWN, Names
from core.optimization.gpu_audit.source import Source

VARIABLES = (DEVICE_ORDER, VISIBLE_DEVICES)
WRONG = {DEVICE_ORDER: FaultKind.ORDER_WRONG, VISIBLE_DEVICES: FaultKind.VISIBLE_WRONG}
MISSING = {DEVICE_ORDER: FaultKind.ORDER_MISSING, VISIBLE_DEVICES: FaultKind.VISIBLE_MISSING}
TORCH = {"torch", "torchaudio", "torchvision", "torchtext"}
"""packages whose import imports torch"""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Write:
    """A variable is set."""

    variable: str
    place: ast.expr
    value: ast.expr | None
    """None where another module sets it"""
    alone: bool
    """the value serves nothing else"""


@dataclass(frozen=True, slots=True)
class TorchImport:
    """torch is imported from here on."""

    line: int


@dataclass(frozen=True, slots=True)
class LocalCall:
    """A function of this module is called."""

    name: str


Event = Write | TorchImport | LocalCall


@dataclass(slots=True)
class Progress:
    """What has happened so far on one way through the module."""

    torch_line: int | None = None
    early: set[str] = field(default_factory=set)


class VariableFaults:
    """The faults of one file. `setters`: modules of the same tree that set both variables when they are imported."""

    def __init__(
        self, source: Source, names: Names, expectation: Expectation, setters: frozenset[str] = frozenset()
    ) -> None:
        self._source = source
        self._names = names
        self._expectation = expectation
        self._setters = setters
        self._functions = {node.name: node for node in source.tree.body if isinstance(node, Function)}
        self._can_add = insertion(source) is not None
        self._written: set[str] = set()
        self._late: dict[ast.expr, Fault] = {}
        self._judged: set[ast.expr] = set()
        self._wrong: list[Fault] = []
        self._inlined: set[str] = set()
        self.sets_both = False
        """whether importing the module sets both, rightly"""

    def find(self, first_touch: int | None) -> list[Fault]:
        """All of them. `first_touch` is the first line that touches CUDA; None: the variables need not be set."""
        module = Progress()
        self._follow(self._events(self._source.tree.body), module, ())
        for node in self._source.nodes:
            if isinstance(node, Function) and node.name not in self._inlined:
                self._follow(self._events(node.body), Progress(module.torch_line, set(module.early)), None)
        self.sets_both = module.early >= set(VARIABLES) and not self._wrong
        needed = first_touch is not None or bool(self._written)
        missing = [variable for variable in VARIABLES if needed and variable not in self._written]
        line = module.torch_line or first_touch or 1
        return [*self._wrong, *self._late.values(), *(self._missing(variable, line) for variable in missing)]

    def _follow(self, events: Iterator[Event], progress: Progress, calls: tuple[str, ...] | None) -> None:
        """Go through the events; `calls` are those under way, None where calls are not followed."""
        for event in events:
            if isinstance(event, TorchImport):
                progress.torch_line = progress.torch_line or event.line
            elif isinstance(event, Write):
                self._judge(event, progress)
            elif calls is not None and event.name not in calls and event.name in self._functions:
                self._inlined.add(event.name)
                body = self._functions[event.name].body
                self._follow(self._events(body), progress, (*calls, event.name))

    def _judge(self, write: Write, progress: Progress) -> None:
        self._written.add(write.variable)
        expected = self._expectation.of(write.variable)
        value = self._names.value(write.value)
        wrong = value is not UNKNOWN and value != expected
        if wrong and write.place not in self._judged:
            self._wrong.append(self._wrong_fault(write, expected))
        if progress.torch_line is None:
            progress.early.add(write.variable)
        elif write.variable not in progress.early and write.place not in self._judged:
            message = f"{write.variable} is set after torch is imported (line {progress.torch_line}), too late for it"
            add = write.variable if self._can_add else None
            self._late[write.place] = self._fault(FaultKind.SET_AFTER_TORCH, write.place, message, None, add)
        self._judged.add(write.place)

    def _wrong_fault(self, write: Write, expected: str) -> Fault:
        edit = None
        if isinstance(write.value, ast.Constant) and write.alone:
            start, end = self._source.span(write.value)
            quote = "'" if self._source.text[start] == "'" else '"'
            edit = Edit(start, end, f"{quote}{expected}{quote}")
        message = f"{write.variable} must be {expected!r}"
        return self._fault(WRONG[write.variable], write.value or write.place, message, edit, None)

    def _missing(self, variable: str, line: int) -> Fault:
        message = f"{variable} is not set to {self._expectation.of(variable)!r} before torch is imported"
        return Fault(MISSING[variable], line, 1, "", message, None, variable if self._can_add else None)

    def _fault(self, kind: FaultKind, place: ast.expr, message: str, edit: Edit | None, add: str | None) -> Fault:
        return Fault(kind, place.lineno, self._source.column(place), self._source.segment(place), message, edit, add)

    def _events(self, body: Sequence[ast.stmt]) -> Iterator[Event]:
        for statement in body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                yield from self._imported(statement)
            elif isinstance(statement, Function):
                continue
            elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test):
                yield from self._events(statement.orelse)
            else:
                yield from self._within(statement)

    def _within(self, node: ast.AST) -> Iterator[Event]:
        """The node's own events and those of its parts, in the order of the source; functions within run later."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                yield from self._events([child])
            elif not isinstance(child, ast.Lambda):
                yield from self._within(child)
        if isinstance(node, ast.Assign):
            yield from self._assigned(node.targets, node.value)
        elif isinstance(node, ast.AugAssign) and self._names.dotted(node.target) == "os.environ":
            yield from self._mapping(node.value)
        elif isinstance(node, ast.Call):
            yield from self._called(node)

    def _imported(self, statement: ast.Import | ast.ImportFrom) -> Iterator[Event]:
        names = [alias.name for alias in statement.names]
        if isinstance(statement, ast.ImportFrom):
            base = statement.module or ""
            names = [base, *(f"{base}.{name}".lstrip(".") for name in names)]
        absolute = isinstance(statement, ast.Import) or not statement.level
        if absolute and any(name.split(".")[0] in TORCH for name in names):
            yield TorchImport(statement.lineno)
        if self._setters.intersection(names):
            for variable in VARIABLES:
                yield Write(variable, ast.copy_location(ast.Name("", ast.Load()), statement), None, False)

    def _assigned(self, targets: Sequence[ast.expr], value: ast.expr) -> Iterator[Event]:
        for target in targets:
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
                for one, its_value in zip(target.elts, value.elts, strict=True):
                    yield from self._assigned([one], its_value)
            elif isinstance(target, ast.Subscript) and self._names.dotted(target.value) == "os.environ":
                yield from self._write(target, self._names.value(target.slice), value, len(targets) == 1)

    def _called(self, call: ast.Call) -> Iterator[Event]:
        function = self._names.dotted(call.func)
        if function in ("os.environ.setdefault", "os.putenv") and len(call.args) == 2:
            yield from self._write(call, self._names.value(call.args[0]), call.args[1], True)
        elif function == "os.environ.update":
            for argument in call.args:
                yield from self._mapping(argument)
            for keyword in call.keywords:
                yield from self._write(keyword.value, keyword.arg, keyword.value, True)
        elif function in ("importlib.import_module", "__import__") and call.args:
            if str(self._names.value(call.args[0])).split(".")[0] in TORCH:
                yield TorchImport(call.lineno)
        elif isinstance(call.func, ast.Name):
            yield LocalCall(call.func.id)

    def _mapping(self, node: ast.expr) -> Iterator[Event]:
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                yield from self._write(value, self._names.value(key), value, True)

    def _write(self, place: ast.expr, variable: object, value: ast.expr, alone: bool) -> Iterator[Event]:
        if isinstance(variable, str) and variable in VARIABLES:
            yield Write(variable, place, value, alone)


@dataclass(frozen=True, slots=True)
class Insertion:
    """Where lines can be added so that they run before anything that could import torch."""

    offset: int
    os_is_imported: bool
    """by the line before"""


def insertion(source: Source) -> Insertion | None:
    """After docstring and __future__ imports, and after an `import os` that follows; None where no place is safe."""
    body = [statement for statement in source.tree.body if not _must_be_first(statement, source.tree.body[0])]
    for statement in body:
        if not _is_standard_import(statement):
            break
        if isinstance(statement, ast.Import) and any(a.name == "os" and a.asname is None for a in statement.names):
            assert statement.end_lineno is not None
            line = statement.end_lineno
            rest = source.lines[line - 1].strip().split("#")[0]
            if ";" not in rest and source.lines[line - 1].endswith(("\n", "\r")):
                return Insertion(source.starts[line - 1] + len(source.lines[line - 1]), True)
    if not body:
        return None
    first = body[0]
    line = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", []))])
    start = source.starts[line - 1]
    own_line = line == first.lineno and not source.text[start : source.span(first)[0]].strip()
    return Insertion(start, False) if own_line or line < first.lineno else None


def _must_be_first(statement: ast.stmt, first: ast.stmt) -> bool:
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "__future__"
    docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return docstring and statement is first


def _is_standard_import(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import):
        return all(alias.name.split(".")[0] in sys.stdlib_module_names for alias in statement.names)
    if isinstance(statement, ast.ImportFrom):
        return not statement.level and (statement.module or "").split(".")[0] in sys.stdlib_module_names
    return False
