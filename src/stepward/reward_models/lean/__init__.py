"""Layers of a transformer computed in fewer passes over memory, exactly as before up to rounding."""
