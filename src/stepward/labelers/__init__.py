"""Who says which step is wrong: one technique a file."""
