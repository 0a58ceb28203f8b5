"""The ``htzoo`` command."""
