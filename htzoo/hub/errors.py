"""What goes wrong with published models."""


class HubError(RuntimeError):
    """A model that cannot be fetched from the Hub or sent there; the message says why and what to do."""


class ModelError(ValueError):
    """A published model that is refused: its files are damaged, hostile, or of another version."""
