"""htzoo: recurrent video models whose weights are tensor networks."""

__version__ = "0.1.0"
