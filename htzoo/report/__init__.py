"""Plots and tables of a run: curves, confusion matrix, contact sheets, summary.

Nothing is imported here, so that `import htzoo.report` does not load matplotlib. Import the file you need:
`curves`, `confusion` and `video` draw; `metrics` and `summary` need only the standard library.
"""
