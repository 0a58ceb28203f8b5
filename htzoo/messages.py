"""Error messages of other packages, shortened."""


def first_line(error: Exception) -> str:
    """The first line of an error's message, at most 300 characters; the name of its class if it has none."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
