"""The datasets, one file each, found by `htzoo.data.datasets.registry`."""
