"""Generative reward models: a language model reads a solution, writes a critique and is asked for verdicts."""
