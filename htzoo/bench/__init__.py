"""Speed, memory and parameters of recurrent layers, measured beside dense ones.

Nothing is imported here, so that `import htzoo.bench` loads neither torch nor matplotlib. `settings` says what
is measured, `rivals` has the plain layers, `measure` runs them in turns, `table` and `picture` show what came out.
"""
