"""One small record per family of process reward models."""
