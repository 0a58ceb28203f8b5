"""The order of the packages inside htzoo: imports go down only, and no files import each other in a circle."""

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.cli.command import ROOT

# From the top down. What stands beside them (files.py, names.py, ...) is below all.
ROOMS = ("cli", "bench", "hub", "report", "tasks", "data", "models", "compression", "nn", "formats", "native")
DATA = (("datasets",), ("datamodule", "statistics"), ("prepare",), ("clips",), ("video",))  # the rest is below all
ENTRIES = ("htzoo", "htzoo.__main__")  # they only export, or start, what is below
Imports = dict[str, dict[str, int]]  # module -> imported module -> line


def imports_of(folder: Path) -> Imports:
    """Every import of one of the modules of a package by another, also inside functions and for type checkers."""
    paths = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    found: Imports = defaultdict(dict)
    for module, path in paths.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0 and node.module is not None, f"{path}: relative imports are not used here"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in paths else node.module for name in names]
            else:
                continue
            found[module] |= {name: node.lineno for name in names if name in paths}
    return found


def upward(imports: Imports) -> list[str]:
    """The imports that go up, as ``importer:line imports module``."""
    return [
        f"{module}:{line} imports {imported}"
        for module, lines in imports.items()
        for imported, line in lines.items()
        if module not in ENTRIES and _is_above(imported, module)
    ]


def _is_above(imported: str, module: str) -> bool:
    if _room(imported) == _room(module) == ROOMS.index("data"):
        return _level(imported) < _level(module)
    return _room(imported) < _room(module)


def _room(module: str) -> int:
    """How far down a module's room is."""
    name = module.partition(".")[2].partition(".")[0]
    return ROOMS.index(name) if name in ROOMS else len(ROOMS)


def _level(module: str) -> int:
    """How far down a module of htzoo.data is; its own exports stand on top."""
    if module == "htzoo.data":
        return -1
    name = module.split(".")[2]
    return next((level for level, names in enumerate(DATA) if name in names), len(DATA))


def test_imports_go_down_only() -> None:
    imports = imports_of(ROOT / "htzoo")
    assert len(imports) > 100
    assert not upward(imports)


def test_no_circles() -> None:
    graph = {module: lines.keys() for module, lines in imports_of(ROOT / "htzoo").items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import htzoo.hub.config", "htzoo.models.a:1 imports htzoo.hub.config"),
        ("def f():\n    from htzoo.hub import config", "htzoo.models.a:2 imports htzoo.hub.config"),
        ("if TYPE_CHECKING:\n    from htzoo.hub.config import X", "htzoo.models.a:2 imports htzoo.hub.config"),
        ("from htzoo.nn.weight import Weight\nfrom htzoo.files import replacing", None),
        ("import htzoo.models.b", None),
    ],
)
def test_the_test_itself(text: str, expected: str | None, tmp_path: Path) -> None:
    files = {"models/a.py": text, "models/b.py": "", "hub/config.py": "", "nn/weight.py": "", "files.py": ""}
    for name, content in files.items():
        path = tmp_path / "htzoo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert upward(imports_of(tmp_path / "htzoo")) == ([] if expected is None else [expected])


def test_levels_of_data(tmp_path: Path) -> None:
    folder = tmp_path / "htzoo" / "data"
    (folder / "video").mkdir(parents=True)
    (folder / "clips").mkdir()
    (folder / "errors.py").touch()
    (folder / "video" / "read.py").write_text("from htzoo.data.clips.clip import Clip")
    (folder / "clips" / "clip.py").write_text("from htzoo.data.errors import DataError")
    assert upward(imports_of(tmp_path / "htzoo")) == ["htzoo.data.video.read:1 imports htzoo.data.clips.clip"]
