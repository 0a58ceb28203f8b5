"""Say in one line what went wrong."""

from __future__ import annotations

import os


def sentence(error: Exception) -> str:
    """The message alone where it was written for people, else the kind of error too."""
    text = str(error).strip()
    if "Original Traceback" in text:  # raised in a worker of a DataLoader: the last line is the worker's own message
        text = text.splitlines()[-1].partition(": ")[2]
    if type(error).__name__ == "DataError":  # may list what to do, one thing a line
        return "\n".join(line.rstrip() for line in text.splitlines())
    if isinstance(error, OSError) and error.filename is not None:  # the system's own, which says nothing of a remedy
        path = os.fsdecode(error.filename)
        return f"{path} cannot be read or written ({error.strerror}): check the path, and whether it is yours to use"
    if isinstance(error, ValueError | OSError) or type(error).__module__.startswith("htzoo."):
        return shorten(text)
    return f"{type(error).__name__}: {shorten(text)} (run again with --debug for the traceback)"


def shorten(text: str) -> str:
    """One line, without the list of every type that jsonargparse tried in vain: the first is the one that was meant."""
    if "Does not validate against any of the Union subtypes" in text and "Errors:" in text:
        before, _, after = text.partition("Errors:")
        key = f"{before.split(':')[0]}: " if before.startswith("Parser key") else ""
        text = key + after.strip().removeprefix("- ").split("\n")[0]
    return " ".join(text.split())
