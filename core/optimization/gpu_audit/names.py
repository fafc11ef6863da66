"""What the names of a module stand for: imports, and names bound to one constant. Guesses nothing beyond that."""

from __future__ import annotations

import ast
from collections import Counter

from core.optimization.gpu_audit.source import Source

UNKNOWN = object()
"""the value of an expression that only running it would tell"""


class Names:
    """The imports and constants of one module, of all its scopes together."""

    def __init__(self, source: Source) -> None:
        self._meanings: dict[str, str] = {}
        stores: Counter[str] = Counter()
        for node in source.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.split(".")[0]
                    self._meanings[name] = alias.name if alias.asname else name
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    self._meanings[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                stores[node.id] += 1
            elif isinstance(node, ast.arg):
                stores[node.arg] += 1
        self._constants: dict[str, object] = {}
        for statement in source.tree.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Constant):
                target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
                if isinstance(target, ast.Name) and stores[target.id] == 1:
                    self._constants[target.id] = statement.value.value

    def dotted(self, node: ast.expr) -> str:
        """`t.cuda.set_device` after `import torch as t` is torch.cuda.set_device; "" for what is no plain name."""
        if isinstance(node, ast.Name):
            return self._meanings.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return f"{base}.{node.attr}" if base else ""
        return ""

    def value(self, node: ast.expr | None) -> object:
        """The constant that an expression is, itself or by a name bound once; UNKNOWN otherwise."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._constants.get(node.id, UNKNOWN)
        return UNKNOWN

    def imports(self, package: str) -> bool:
        """Whether the module imports this package anywhere."""
        return any(meaning.split(".")[0] == package for meaning in self._meanings.values())
