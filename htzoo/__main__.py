"""``python -m htzoo`` is ``htzoo``."""

from htzoo.cli.main import console

console()
