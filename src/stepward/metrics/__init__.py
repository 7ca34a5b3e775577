"""Numbers that say how good scores, labels and choices are: pure functions on arrays."""
