"""Every engine with a torch model takes its device, compiles, warms up and infers through TorchOptimizer.

Read from the syntax trees, so an engine is held to it whether or not its packages are installed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ("stt", "llm", "tts", "core/models", "core/utils")
STEPS = ("initialize", "compile_model", "warmup_model")
CONTEXT = "get_inference_context"
ON_TORCH = ("torch", "transformers", "melo")
"""packages whose import means that torch computes; openai-whisper's loader hands what it read to the engine"""
RUNTIME = "process_optimizer"
"""whoever asks for it runs on torch, though a module below imports it"""
LEFT_OUT = {
    ("llm/language_model.py", "compile_model"): "each length of a growing cache would be another graph to compile",
    ("tts/melo_package.py", "compile_model"): "the package calls its network's own `infer`, where torch.compile would",
}
"""steps that an engine may leave out, and why; the engine's own module says so too"""


def imports_torch(tree: ast.Module) -> bool:
    """At its top or within a function, by name, or by its runtime; a block for type checkers does not count."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    names = [
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    names += [
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")
        if node.args and isinstance(node.args[0], ast.Constant)
    ]
    asks = any(isinstance(node, ast.Name) and node.id == RUNTIME for node in ast.walk(tree))
    return asks or any(name.split(".")[0] in ON_TORCH for name in names)


def called(node: ast.AST) -> set[str]:
    """Names of the methods called within: `optimizer.initialize()` gives initialize."""
    return {
        part.func.attr for part in ast.walk(node) if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)
    }


def reached(load: ast.FunctionDef, methods: dict[str, ast.FunctionDef]) -> set[str]:
    """What load() calls, directly, through other methods of its class, or through those the constructor hands on."""
    found: set[str] = set()
    ahead, seen = {load.name}, set()
    if "__init__" in methods:
        ahead |= own_methods(methods["__init__"], methods)
    while ahead:
        name = ahead.pop()
        seen.add(name)
        found |= called(methods[name])
        ahead |= own_methods(methods[name], methods) - seen
    return found


def own_methods(node: ast.AST, methods: dict[str, ast.FunctionDef]) -> set[str]:
    """Those that are called or named within, as in `Resident(tenant, self._make)`."""
    return {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self"
    } & methods.keys()


def with_contexts(methods: dict[str, ast.FunctionDef]) -> set[str]:
    return {
        name
        for method in methods.values()
        for node in ast.walk(method)
        if isinstance(node, ast.With)
        for item in node.items
        for name in called(item.context_expr)
    }


def faults(source: str, where: str = "sample") -> Iterator[str]:
    """What the classes of a module that load torch models leave out."""
    tree = ast.parse(source)
    if not imports_torch(tree):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
        if "load" not in methods:
            continue
        steps = reached(methods["load"], methods)
        missing = [step for step in STEPS if step not in steps and (where, step) not in LEFT_OUT]
        yield from (f"{where}: {node.name}.load() never calls {step}" for step in missing)
        if CONTEXT not in with_contexts(methods):
            yield f"{where}: {node.name} never infers inside `with optimizer.{CONTEXT}()`"


def engine_files() -> list[Path]:
    return sorted(path for folder in ENGINES for path in (ROOT / folder).rglob("*.py"))


def test_every_engine_takes_the_three_steps():
    found = [
        fault
        for path in engine_files()
        for fault in faults(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    ]
    assert found == []


def test_the_walk_reaches_the_stages():
    assert {path.relative_to(ROOT).parts[0] for path in engine_files()} >= {"stt", "llm", "tts", "core"}


@pytest.mark.parametrize(
    "engine",
    [
        *("core/utils/whisper/openai.py", "llm/language_model.py", "tts/melo/synthesis.py", "tts/melo/features.py"),
        "tts/melo_package.py",
    ],
)
def test_every_engine_that_there_is_is_judged_and_not_passed_over(engine: str):
    """Without its context it would be found: so it is seen to import torch and to have a `load`."""
    source = (ROOT / engine).read_text(encoding="utf-8")
    assert any("never infers" in fault for fault in faults(source.replace(CONTEXT, "some_context")))


GOOD = """
class Whisper:
    def load(self, optimizer):
        import torch
        self._optimizer = optimizer
        self._device = optimizer.initialize()
        self._prepare(torch.nn.Linear(2, 2))

    def _prepare(self, model):
        self._model = self._optimizer.compile_model(model, "encoder", self._example())
        self._optimizer.warmup_model(self._model, self._example())

    def process(self, utterance):
        with self._optimizer.get_inference_context():
            return self._model(utterance)
"""


def test_an_engine_that_takes_the_steps_passes_also_through_its_own_methods():
    assert list(faults(GOOD)) == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("self._device = optimizer.initialize()", "never calls initialize"),
        ('self._model = self._optimizer.compile_model(model, "encoder", self._example())', "never calls compile_model"),
        ("self._optimizer.warmup_model(self._model, self._example())", "never calls warmup_model"),
        ("self._prepare(torch.nn.Linear(2, 2))", "never calls compile_model"),
        ("with self._optimizer.get_inference_context():", "never infers inside"),
    ],
)
def test_leaving_a_step_out_is_found(line: str, fault: str):
    assert line in GOOD
    changed = GOOD.replace(line, "if True:" if line.startswith("with") else "pass")
    assert any(fault in found for found in faults(changed))


def test_what_the_constructor_hands_on_to_be_called_counts():
    handed_on = GOOD.replace("        self._prepare(torch.nn.Linear(2, 2))\n", "").replace(
        "    def load(self",
        "    def __init__(self):\n        self._resident = Resident(self._prepare)\n\n    def load(self",
    )
    assert "self._resident" in handed_on
    assert list(faults(handed_on)) == []


@pytest.mark.parametrize(("engine", "step"), sorted(LEFT_OUT))
def test_a_step_is_left_out_only_where_it_is_and_the_engine_says_so(engine: str, step: str):
    source = (ROOT / engine).read_text(encoding="utf-8")
    assert any(f"never calls {step}" in fault for fault in faults(source))
    assert LEFT_OUT[engine, step].partition(" would ")[0] in " ".join(source.split())


def test_opening_the_context_without_a_with_does_not_count():
    changed = GOOD.replace(
        "with self._optimizer.get_inference_context():", "if self._optimizer.get_inference_context():"
    )
    assert [found for found in faults(changed) if "never infers" in found]


def test_a_torch_imported_at_the_top_counts_too():
    source = "import torch\nclass Melo:\n    def load(self):\n        self._model = torch.nn.Linear(2, 2)\n"
    assert len(list(faults(source))) == 4
    assert list(faults(source.replace("import torch\n", "from torch import nn\n"))) != []
    by_name = 'from importlib import import_module\nimport_module("melo.api")\n'
    assert len(list(faults(source.replace("import torch\n", by_name)))) == 4


def test_what_has_no_torch_or_no_load_is_left_alone():
    assert list(faults("class Pocketsphinx:\n    def load(self):\n        import pocketsphinx\n")) == []
    assert list(faults("import torch\nclass Attention(torch.nn.Module):\n    def forward(self): ...\n")) == []
    guarded = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\nclass A:\n    def load(self): ...\n"
    )
    assert list(faults(guarded)) == []
