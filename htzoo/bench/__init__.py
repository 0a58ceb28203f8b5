"""Speed, memory and parameters of recurrent layers, compared with dense baselines.

Nothing is imported here, so that `import htzoo.bench` loads neither torch nor matplotlib. `settings` has the sizes and
formats, `baselines` the dense layers; `measure` runs all layers in turns; `table` and `chart` present the results.
"""
