"""Verifiers: exact text, multiple choice and mathematics, each with four verdicts."""
