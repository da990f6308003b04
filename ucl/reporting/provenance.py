"""Which code a result depends on: the modules that a script's imports reach, and one digest of what they do.

The digest leaves out comments, docstrings, annotations and descriptions of parameters: who rewords them does not make a
result stale. Annotations of class attributes stay, since dataclasses and pydantic read them. Modules are found in the
source, so nothing is imported; a rule of the workflow takes the digest as a parameter.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["code_digest", "reached_modules"]

PACKAGE = Path(__file__).parents[1]
FACE = PACKAGE / "__init__.py"  # names to import, found on first use: no job computes with it


def reached_modules(script: str | Path, *modules: str) -> list[Path]:
    """Files of the package that `script` reaches through its imports, and through those of `modules` (`ucl.x.y`)."""
    seen: set[Path] = set()
    queue = [*_read(Path(script)).imports, *(path for module in modules for path in _files_of(module))]
    while queue:
        path = queue.pop()
        if path not in seen:
            seen.add(path)
            queue += _read(path).imports
    return sorted(seen - {FACE})


def code_digest(script: str | Path, *modules: str) -> str:
    """SHA-256 of what `script`, the modules that it reaches, and the templates that they name, do."""
    sources = [_read(file) for file in (Path(script), *reached_modules(script, *modules))]
    templates = sorted({file for source in sources for pattern in source.templates for file in PACKAGE.glob(pattern)})
    parts = [source.meaning for source in sources] + [file.read_text(encoding="utf-8") for file in templates]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class _Source(NamedTuple):
    meaning: str  # digest of what a file does
    imports: frozenset[Path]  # files of the package, the packages around them included
    templates: frozenset[str]  # paths and patterns within the package


@cache
def _read(path: Path) -> _Source:
    tree = _Meaning().visit(ast.parse(path.read_text(encoding="utf-8")))
    names: set[str] = set()
    templates: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".j2"):
            templates.add(node.value)
    files = frozenset(file for name in names if name.split(".")[0] == PACKAGE.name for file in _files_of(name))
    text = ast.dump(tree).replace(", type_params=[]", "")  # which Python 3.11 does not know
    return _Source(hashlib.sha256(text.encode()).hexdigest(), files, frozenset(templates))


@cache
def _files_of(name: str) -> tuple[Path, ...]:
    """The file of a module and those of the packages around it; what is no module but a name in one adds nothing."""
    parts = name.split(".")[1:]
    packages = [PACKAGE.joinpath(*parts[:i]) / "__init__.py" for i in range(len(parts) + 1)]
    modules = [PACKAGE.joinpath(*parts).with_suffix(".py")] if parts else []
    return tuple(path for path in (*packages, *modules) if path.is_file())


class _Meaning(ast.NodeTransformer):
    """Takes out of a syntax tree what does not matter when it runs."""

    def __init__(self) -> None:
        self.in_class = False

    def _enter(self, node: ast.AST, in_class: bool) -> ast.AST:
        """Visit a body, which may begin with a docstring."""
        body: list[ast.stmt] = node.body  # type: ignore[attr-defined]
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            del body[0]
        outside, self.in_class = self.in_class, in_class
        self.generic_visit(node)
        self.in_class = outside
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._enter(node, in_class=False)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._enter(node, in_class=True)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._enter(node, in_class=False)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        if self.in_class:
            return node
        return None if node.value is None else ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        public = isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__"
        return None if public else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "Field":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        for_checkers = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if for_checkers else self.generic_visit(node)
