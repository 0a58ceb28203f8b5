"""Finds the datasets: every class with a `dataset_name` in a file of this folder or in a module of the user's own.

Files are parsed and not imported, because importing a dataset imports Lightning, which takes seconds. A class is
imported when it is asked for.
"""

import ast
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import htzoo.data.datasets
from htzoo.names import UnknownNameError, did_you_mean
from htzoo.plugins import plugin_modules

if TYPE_CHECKING:
    from htzoo.data.datamodule import VideoDataModule


_BASE = {"htzoo.data.datamodule": Path(__file__).parents[1] / "datamodule.py"}  # has the default values


@dataclass(frozen=True)
class Listing:
    """A dataset that need not be imported yet.

    Attributes:
        module: Module of its class.
        class_name: Name of its class in that module.
        literals: The class attributes that are written as plain values, inherited ones included.
    """

    module: str
    class_name: str
    literals: dict[str, Any]

    def load(self) -> "type[VideoDataModule]":
        """Import the class."""
        loaded: type[VideoDataModule] = getattr(import_module(self.module), self.class_name)
        return loaded

    def attribute(self, name: str) -> Any:
        """A class attribute; the class is imported only if the attribute is not written as a plain value."""
        return self.literals[name] if name in self.literals else getattr(self.load(), name)


def dataset_names() -> tuple[str, ...]:
    """Short names of all datasets, sorted."""
    return tuple(_listings())


def find_listing(name: str) -> Listing:
    """The dataset of a short name, such as "ucf11".

    Raises:
        UnknownNameError: No dataset has this name; the message suggests similar names.
    """
    listings = _listings()
    if name not in listings:
        hint = did_you_mean(name, listings, f"known are {', '.join(listings)}")
        raise UnknownNameError(f"no dataset {name!r}: {hint}")
    return listings[name]


def find_dataset(name: str) -> "type[VideoDataModule]":
    """The class of a dataset, from its short name, such as "ucf11".

    Raises:
        UnknownNameError: No dataset has this name; the message suggests similar names.
    """
    return find_listing(name).load()


def class_names() -> dict[str, str]:
    """The short name of each dataset by the name of its class: {"UCF11": "ucf11", ...}."""
    return {listing.class_name: name for name, listing in _listings().items()}


@cache
def _listings() -> dict[str, Listing]:
    classes: dict[str, tuple[str, ast.ClassDef]] = {}
    for module, file in {**_BASE, **_own_modules(), **plugin_modules()}.items():
        for node in ast.parse(file.read_bytes(), str(file)).body:
            if isinstance(node, ast.ClassDef):
                other, same = classes.get(node.name, (module, node))
                if other != module and "dataset_name" in {*_assigned(node), *_assigned(same)}:
                    raise ValueError(f"both {other} and {module} have a dataset class {node.name}; rename one.")
                classes[node.name] = module, node
    found: dict[str, Listing] = {}
    for class_name, (module, node) in classes.items():
        literals = _literals(class_name, classes)
        if "dataset_name" not in _assigned(node) or "dataset_name" not in literals:
            continue
        name = literals["dataset_name"]
        if name in found:
            raise ValueError(f"{found[name].class_name} and {class_name} both have dataset_name {name!r}; change one.")
        found[name] = Listing(module, class_name, literals)
    return dict(sorted(found.items()))


def _own_modules() -> dict[str, Path]:
    """The modules of this package and their files."""
    package = htzoo.data.datasets
    return {
        ".".join((package.__name__, *file.relative_to(folder).with_suffix("").parts)): file
        for folder in package.__path__
        for file in sorted(Path(folder).rglob("*.py"))
    }


def _literals(class_name: str, classes: dict[str, tuple[str, ast.ClassDef]]) -> dict[str, Any]:
    """Attributes of a class, and of its base classes among `classes`, that are written as plain values."""
    _, node = classes[class_name]
    found: dict[str, Any] = {}
    for base in reversed(node.bases):
        name = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
        if name in classes and name != class_name:
            found |= _literals(name, classes)
    for name, value in _assigned(node).items():
        try:
            found[name] = ast.literal_eval(value)
        except ValueError:
            found.pop(name, None)
    return found


def _assigned(node: ast.ClassDef) -> dict[str, ast.expr]:
    """Names that the body of a class assigns, and the expressions."""
    found = {}
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found[name] = value
    return found
