"""Errors about published models."""


class HubError(RuntimeError):
    """A model cannot be downloaded from the Hub or uploaded; the message says why and what to do."""


class ModelError(ValueError):
    """A model is refused: its files are damaged, hostile, or of another version."""
