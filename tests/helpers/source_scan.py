"""Reads our source files with `ast`, without importing them."""

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "keras_struct": ROOT / "keras_struct",
    "keras_struct_export": ROOT / "export" / "keras_struct_export",
    "keras_struct_edge": ROOT / "edge" / "keras_struct_edge",
    "keras_struct_tools": ROOT / "tools" / "keras_struct_tools",
}


@dataclass(frozen=True)
class Source:
    """A file, its dotted module name, and its text."""

    path: str
    module: str
    text: str

    @property
    def tree(self):
        return ast.parse(self.text)

    @property
    def package(self):
        """The dotted package that relative imports start from."""
        return self.module if self.path.endswith("__init__.py") else self.module.rpartition(".")[0]


@dataclass(frozen=True)
class Import:
    """An import of `target` in a line; `top` where it runs with the module."""

    line: int
    target: str
    top: bool


def package_sources(name):
    """Every file of one of our packages."""
    folder = PACKAGES[name]
    sources = []
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder.parent).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        text = file.read_text(encoding="utf-8")
        sources.append(Source(str(file.relative_to(ROOT)), module, text))
    return sources


def all_sources():
    """Every file of our packages."""
    return [source for name in PACKAGES for source in package_sources(name)]


def script_sources():
    """Every script of examples/ and benchmarks/."""
    files = sorted((ROOT / "examples").glob("*.py")) + sorted((ROOT / "benchmarks").glob("*.py"))
    return [Source(str(f.relative_to(ROOT)), f.stem, f.read_text(encoding="utf-8")) for f in files]


def imports(source):
    """Every import of a file; `from a import b` gives `a.b`."""
    inner = set()
    tree = source.tree
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner.update(id(child) for child in ast.walk(node))
    found = []
    for node in ast.walk(tree):
        for target in _targets(node, source.package):
            found.append(Import(node.lineno, target, id(node) not in inner))
    return found


def _targets(node, package):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            start = package.split(".")
            start = start[: len(start) - node.level + 1]
            base = ".".join([*start, base] if base else start)
        return [f"{base}.{alias.name}" for alias in node.names]
    return []
