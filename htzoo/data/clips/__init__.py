"""Clips: which frames of which files, in which order, how they become a batch, and where they are cached."""
