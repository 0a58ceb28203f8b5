"""From published archives, or from what the user has, to small verified clips and an index."""
