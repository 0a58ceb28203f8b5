"""Which classes a configuration may name: a file from elsewhere must not run code."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jsonargparse import set_parsing_settings

from htzoo.names import printable
from htzoo.plugins import plugin_modules

ALLOWED = ("htzoo", "lightning.pytorch", "torch.optim")

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def allow_only_known_classes(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Let configurations name classes of htzoo, Lightning and torch.optim, and nothing else.

    Every import path in a configuration is checked before its module is imported, and again under the name with which
    the object was defined. A class that the user names in an option of the command line is allowed: whoever types it
    could run it anyway. Those of ``--allow PREFIX``, and of the modules that HTZOO_PLUGINS lists, are allowed in files
    too.

    Args:
        words: the command line.

    Returns:
        The command line without ``--allow``, and what is allowed beyond :data:`ALLOWED`.

    Raises:
        ValueError: a prefix is no name of a module or class, or HTZOO_PLUGINS lists a module that does not exist.
    """
    rest, allowed, waiting = [], list[str](), list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--allow" or word.startswith("--allow="):
            prefix = word.partition("=")[2] if "=" in word else waiting.pop(0) if waiting else ""
            prefix = prefix.rstrip(".")
            if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", prefix):
                raise ValueError(
                    f"--allow is {printable(prefix)!r}: give a module or class, such as --allow my_package"
                )
            allowed.append(prefix)
        else:
            rest.append(word)
    for before, word in zip(["", *rest], rest, strict=False):
        value = word.partition("=")[2] if word.startswith("--") else word if before.startswith("--") else ""
        if _DOTTED.fullmatch(value) and not (before in ("--config", "-c") or word.startswith("--config=")):
            allowed.append(value)
    set_parsing_settings(
        import_path_denylist=["*"],
        import_path_allowlist=[*ALLOWED, *plugin_modules(), *allowed],
        instantiate_subclass_spec_in_any=False,
        config_read_mode_urls_enabled=False,
        config_read_mode_fsspec_enabled=False,
    )
    return rest, allowed


def denied_sentence(message: str) -> str | None:
    """What to say about a class that is not allowed; None where a message is about something else."""
    found = re.search(r"Importing '([^']*)' is not allowed", message)
    if found is None:
        return None
    path = found[1]
    return (
        f"class_path is {path!r}, and a configuration may only name classes of {', '.join(ALLOWED)}: if you trust "
        f"it, add --allow {path.rpartition('.')[0] or path}"
    )
