"""More than one model, head or signal behind one score."""
