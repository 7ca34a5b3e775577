"""Public benchmarks by their exact protocols: one file a benchmark, one row each in the registry.

A protocol is a frozen dataclass whose fields are its choices. `evaluate(items, seed=0)` turns items (a labelled trace
with a scorer's numbers or a judge's votes) into a `BenchmarkResult`: measures with intervals by problem, what the
threshold is and which data chose it, and whether the number may stand beside published ones. What was published under
the same name with another rule has a name of its own here and is never comparable.
"""
