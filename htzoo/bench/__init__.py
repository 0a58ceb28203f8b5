"""Speed, memory and parameters of recurrent layers, measured beside dense ones.

`settings` says what is measured, `baselines` has the layers to compare with, `measure` runs all layers in turns,
`table` and `chart` show the results, and `calibrate` measures the constants of the cost model. Nothing is imported
here, so that `import htzoo.bench` loads neither torch nor matplotlib.
"""
