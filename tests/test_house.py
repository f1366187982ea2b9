"""The package keeps the shape that makes it readable: names, imports, docstrings, file names."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import multiverse

PACKAGE = Path(multiverse.__file__).parent
#: First words of a docstring that ask instead of saying what a caller gets.
INTERROGATIVES = frozenset(
    {"what", "whether", "how", "where", "which", "who", "whose", "when", "why"}
)
MAX_INTERROGATIVE_SHARE = 0.02
MAX_IMPORT_CHAIN = 12


@cache
def modules() -> dict[str, ast.Module]:
    """Dotted name → syntax tree, of every module of the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if "template" not in parts:
            found[".".join(parts).removesuffix(".__init__")] = ast.parse(path.read_text())
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    """Names of the package's modules that are loaded together with a module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue  # a late import loads nothing until it is reached
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules() else node.module
        else:
            yield from imported(node)


@cache
def graph() -> dict[str, set[str]]:
    return {
        name: {other for other in imported(tree) if other in modules()} - {name}
        for name, tree in modules().items()
    }


def longest_chain(name: str, above: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The longest chain of imports that begins with a module; fails on a circle."""
    assert name not in above, f"circle: {' > '.join([*above, name])}"
    return _chain(name, above)


_chains: dict[str, tuple[str, ...]] = {}


def _chain(name: str, above: tuple[str, ...]) -> tuple[str, ...]:
    if name not in _chains:
        below = [longest_chain(other, (*above, name)) for other in sorted(graph()[name])]
        _chains[name] = (name, *max(below, key=len, default=()))
    return _chains[name]


def test_imports_make_no_circle_and_no_long_chain() -> None:
    longest = max((longest_chain(name) for name in modules()), key=len)
    assert len(longest) <= MAX_IMPORT_CHAIN, " > ".join(longest)


def test_a_public_class_name_stands_once() -> None:
    places = defaultdict(list)
    for name, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    repeated = {name: found for name, found in places.items() if len(found) > 1}
    assert not repeated


def docstrings() -> Iterator[tuple[str, str]]:
    """Where a docstring stands, and its first line."""
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield f"{module}.{getattr(node, 'name', '')}", text.splitlines()[0]


def test_docstrings_say_what_a_caller_gets() -> None:
    found = list(docstrings())
    asking = [
        f"{place}: {line}"
        for place, line in found
        if line.split()[0].strip(",.:`").lower() in INTERROGATIVES
    ]
    assert len(asking) < MAX_INTERROGATIVE_SHARE * len(found), "\n".join(asking)


def test_every_folder_of_tests_is_a_package() -> None:
    """Without an ``__init__.py`` two files of one name in two folders are one module to pytest."""
    folders = {path.parent for path in Path(__file__).parent.rglob("test_*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]
