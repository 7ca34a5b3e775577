"""Stepward judges every step of an LLM's reasoning."""
