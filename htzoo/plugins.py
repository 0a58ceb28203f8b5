"""Modules of the user's own, whose datasets and formats are found beside those of the package.

The environment variable HTZOO_PLUGINS lists them, separated by commas: ``HTZOO_PLUGINS=birds,lab.formats``. Only the
environment can name code to run; a configuration or a downloaded model cannot.
"""

import os
from importlib.util import find_spec
from pathlib import Path

VARIABLE = "HTZOO_PLUGINS"


def plugin_modules() -> dict[str, Path]:
    """The modules that HTZOO_PLUGINS lists, by name, and the file of each; nothing is imported but parent packages.

    Raises:
        ValueError: A module cannot be found.
    """
    found = {}
    for name in filter(None, (word.strip() for word in os.environ.get(VARIABLE, "").split(","))):
        try:
            spec = find_spec(name)
        except (ImportError, ValueError):
            spec = None
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            raise ValueError(
                f"{VARIABLE} lists {name!r}, which is not a Python module on the path; put its folder on PYTHONPATH."
            )
        found[name] = Path(spec.origin)
    return found
