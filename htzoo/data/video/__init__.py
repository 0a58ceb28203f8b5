"""Exact reading and writing of video files."""
