"""Labelling as a job: what its units are, what is kept of them, and the tables that tell of it."""
