"""The repository's own habits, held by ratchets: what is over a bound is listed with its reason.

An entry that is no longer needed fails too, so the lists only grow shorter.
"""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import pytest

ROOT: Final = Path(__file__).parent.parent
PACKAGES: Final = ("engine", "protocol", "storage", "actors", "terminals", "ops", "bench")

ROOT_FILES_MAX: Final = 12
FILE_LINES_MAX: Final = 500
FILE_LINES_MEDIAN_MAX: Final = 200
FUNCTION_LINES_MAX: Final = 59
NESTING_MAX: Final = 3
COLUMNS_MAX: Final = 100

LONG_FILES: Final[dict[str, str]] = {}
"""Path, and why the file may be longer than FILE_LINES_MAX."""
LONG_FUNCTIONS: Final[dict[str, str]] = {}
"""path::Class.function, and why it may be longer than FUNCTION_LINES_MAX."""
DEEP_FUNCTIONS: Final[dict[str, str]] = {
    "storage/lmdb_store.py::LmdbStore._read": "one more try when the map was moved, and its end",
    "ops/replay/ledger.py::issue_cards.issue": "batches of cards within a limit of connections",
    "tests/protocol/test_document.py::examples": "a small parser of the document",
}
"""path::Class.function, and why it may be nested deeper than NESTING_MAX."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Documented: TypeAlias = Function | ast.ClassDef

BLOCKS: Final = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith),
    *(ast.Try, ast.TryStar, ast.Match),
)
BY_PRODUCT: Final = re.compile(
    r"\.git|\.venv|\.hypothesis|\..*_cache|__pycache__|\.coverage.*|htmlcov|build|dist|node_modules"
)
SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)

# Built here from pieces, so that this file does not hold what it looks for.
REGISTRY: Final = re.compile(
    "|".join(
        (
            r"pypi\." + r"org",
            r"python" + r"hosted",
            r"npm" + r"js",
            r"--(extra-)?index-" + r"url",
            r"--find-" + r"links",
            r"file:" + r"//",
            r"registry\.npm" + r"js",
        )
    )
)
HOME: Final = re.compile(r"(?<![\w.:/~-])/(root|home|Users|work|opt)(?![\w-])")


@cache
def kept_files() -> tuple[Path, ...]:
    """Return the repository's files: not git's own, nor .venv, caches and what is built."""

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if not BY_PRODUCT.fullmatch(path.name):
                yield from walk(path) if path.is_dir() else [path]

    return tuple(walk(ROOT))


def sources(*folders: str) -> list[Path]:
    return [
        path
        for path in kept_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders
    ]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[tuple[str, Function]]:
    """Yield each function at any depth, with its qualified name."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield f"{prefix}{child.name}", child
            inner = f"{prefix}{child.name}." if isinstance(child, Documented) else prefix
            yield from walk(child, inner)

    return walk(tree_of(path), f"{name_of(path)}::")


def nesting(node: ast.AST) -> int:
    """Return how many blocks stand inside each other below `node`, `elif` being no deeper."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, SCOPES):
            block = isinstance(child, BLOCKS) and not is_elif(node, child)
            deepest = max(deepest, block + nesting(child))
    return deepest


def is_elif(node: ast.AST, child: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def texts() -> Iterator[tuple[str, str]]:
    """Yield name and text of each kept file that is text."""
    for path in kept_files():
        data = path.read_bytes()
        if b"\0" not in data:
            yield name_of(path), data.decode("utf-8")


def check(over: dict[str, int], listed: dict[str, str], bound: int) -> None:
    """Compare what is over a bound with the list of those that may be."""
    assert not {name: size for name, size in over.items() if name not in listed}, f"above {bound}"
    assert not set(listed) - set(over), "listed, and no longer needed"
    assert all(listed.values()), "a reason stands beside each name"


def test_few_files_lie_at_the_top() -> None:
    at_the_top = [path.name for path in kept_files() if path.parent == ROOT]
    assert len(at_the_top) <= ROOT_FILES_MAX, at_the_top


def test_nothing_new_is_raised_inside_except_star() -> None:
    """Before Python 3.11.4, which Debian 12 has not, it would come out in a group."""
    raised = [
        f"{name_of(path)}:{raising.lineno}"
        for path in sources(*PACKAGES)
        for star in ast.walk(tree_of(path))
        if isinstance(star, ast.TryStar)
        for handler in star.handlers
        for raising in ast.walk(handler)
        if isinstance(raising, ast.Raise) and raising.exc is not None
    ]
    assert not raised


def test_no_file_is_long() -> None:
    sizes = {name_of(path): len(lines_of(path)) for path in sources(*PACKAGES, "tests")}
    over = {name: size for name, size in sizes.items() if size > FILE_LINES_MAX}
    check(over, LONG_FILES, FILE_LINES_MAX)


def test_most_files_are_short() -> None:
    median = statistics.median(len(lines_of(path)) for path in sources(*PACKAGES))
    assert median < FILE_LINES_MEDIAN_MAX


def test_no_function_is_long() -> None:
    over = {}
    for path in sources(*PACKAGES, "tests"):
        for name, node in functions(path):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > FUNCTION_LINES_MAX:
                over[name] = size
    check(over, LONG_FUNCTIONS, FUNCTION_LINES_MAX)


def test_no_function_is_nested_deeply() -> None:
    over = {}
    for path in sources(*PACKAGES, "tests"):
        for name, node in functions(path):
            if (depth := nesting(node)) > NESTING_MAX:
                over[name] = depth
    check(over, DEEP_FUNCTIONS, NESTING_MAX)


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        ("pass", 0),
        ("if a: pass\n elif b: pass\n else: pass", 1),
        ("if a:\n  pass\n else:\n  if b: pass\n  c()", 2),
        ("async with a:\n  for b in c:\n   try: d()\n   except E:\n    while f: g()", 4),
        ("def inner():\n  if a:\n   if b: pass", 0),
        ("match a:\n  case 1:\n   if b: pass", 2),
    ],
)
def test_nesting_is_counted_as_a_reader_sees_it(body: str, depth: int) -> None:
    (function,) = ast.parse(f"async def f():\n {body}").body
    assert nesting(function) == depth


def test_lines_fit_the_page() -> None:
    narrow = {".py", ".sh", ""}
    wide = [
        f"{name_of(path)}:{number}"
        for path in kept_files()
        if path.suffix in narrow
        for number, line in enumerate(lines_of(path), start=1)
        if len(line) > COLUMNS_MAX
    ]
    assert not wide


def test_every_module_says_what_it_is_about() -> None:
    silent = [
        name_of(path)
        for path in sources(*PACKAGES, "tests")
        if not ast.get_docstring(tree_of(path))
    ]
    assert not silent


def test_every_public_name_says_what_it_is_for() -> None:
    silent = [
        name
        for path in sources(*PACKAGES)
        for name, node in public_names(tree_of(path).body, f"{name_of(path)}::")
        if not ast.get_docstring(node)
    ]
    assert not silent


def public_names(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, Documented]]:
    """Yield the public functions and classes, and those of the public classes."""
    for node in body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            if not is_inherited(node):
                yield f"{prefix}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public_names(node.body, f"{prefix}{node.name}.")


def is_inherited(node: Documented) -> bool:
    """Tell what another definition documents: overloads, overrides, setters."""
    said_elsewhere = {"overload", "override", "setter"}
    return any(ast.unparse(d).rpartition(".")[2] in said_elsewhere for d in node.decorator_list)


@pytest.mark.parametrize("pattern", [REGISTRY, HOME], ids=["registry", "home"])
def test_no_file_names_a_registry_or_somebodys_folder(pattern: re.Pattern[str]) -> None:
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (REGISTRY, "--extra-index-" + "url somewhere"),
        (REGISTRY, "files.python" + "hosted somewhere"),
        (REGISTRY, "registry.npm" + "js somewhere"),
        (HOME, 'open("/ro' + 'ot/x")'),
        (HOME, "cd /wo" + "rk"),
    ],
)
def test_a_planted_address_is_found(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
